"""`POST /v1/consents/query`: may this number be texted, for this brand and purpose?

    {"number": "+14155550123", "brand": "Example Store", "purpose": "info"}
    {"queries": [{"number": …}, …]}

The answer has the same fields whatever is known of a number. It is not logged, and a system may ask
about so many numbers in a minute only: it cannot find out by asking who has agreed.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, TypeAlias

import structlog
from starlette.responses import JSONResponse

from agi_bridge.consent import ConsentError, PermissionQuestion
from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.web.errors import ProblemResponse
from agi_bridge.web.request import demand_json, read_body, read_object
from agi_bridge.web.revocations import read_brand, read_line, read_number, shown
from agi_bridge.web.tokens import identify

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from agi_bridge.consent import Permission
    from agi_bridge.observe import Metrics
    from agi_bridge.settings import Line, Settings

QUERIES: Final = "/v1/consents/query"
FIELDS: Final = ("number", "brand", "line", "purpose")
"""What a question may hold: `number`, a brand or a line, and with a brand the purpose."""
MAX_QUERIES: Final = 100
"""Questions in one request: they are answered in one transaction, for which calls wait."""
PURPOSES: Final = ("info", "marketing")
_MINUTE: Final = 60

Hours: TypeAlias = "Callable[[Line, str, datetime], bool]"
"""Whether a line's hours let a number be texted at a moment."""


def always_open(_line: Line, _number: str, _moment: datetime) -> bool:
    """Hours that never close."""
    return True


class PermissionSource(Protocol):
    """What knows whether numbers may be texted: the ledger."""

    async def permissions(self, asked: Sequence[PermissionQuestion]) -> list[Permission]:
        """Answer each question."""
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the ledger, and the lines whose hours count."""

    question: PermissionQuestion
    lines: tuple[Line, ...]


class _Asked(NamedTuple):
    """The numbers that were asked about in one second, and until when they count."""

    until: int
    numbers: int


class QueryRates:
    """How many numbers each system has asked about in the last minute. Outlives a reload.

    The limit holds for every minute, wherever it begins: an allowance that fills up while nobody
    asks would let through twice as many.

    Args:
        now: a clock in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._asked: dict[str, deque[_Asked]] = {}

    def wait(self, system: str, numbers: int, per_minute: int) -> int:
        """Count that many; return 0, or count none and return the seconds until it may ask."""
        now = self._now()
        asked = self._asked.setdefault(system, deque())
        while asked and asked[0].until <= now:
            asked.popleft()
        missing = sum(each.numbers for each in asked) + numbers - per_minute
        if missing <= 0:
            until = math.floor(now) + 1 + _MINUTE  # those of one second leave together
            if asked and asked[-1].until == until:
                numbers += asked.pop().numbers
            asked.append(_Asked(until, numbers))
            return 0
        for each in asked:
            missing -= each.numbers
            if missing <= 0:
                return math.ceil(each.until - now)
        return _MINUTE  # more than it may ever ask about


class QueryEndpoint:
    """`POST /v1/consents/query`.

    Args:
        settings: the lines, and the systems that may ask.
        ledger: answers.
        others: tokens of other paths.
        metrics: counts the answers.
        hours: of the lines.
        rates: what each system has asked about.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: PermissionSource,
        others: Collection[str],
        metrics: Metrics,
        hours: Hours,
        *,
        rates: QueryRates,
    ) -> None:
        self._lines = settings.lines
        self._ledger = ledger
        self._tokens = settings.web.query_secrets()
        self._per_minute = {each.name: each.per_minute for each in settings.web.query}
        self._rates = rates
        self._others = others
        self._metrics = metrics
        self._hours = hours
        self._refused = RateLimitedEvent("web.too_many_queries")

    async def __call__(self, request: Request) -> Response:
        """Answer one question, or many."""
        client = identify(request, self._tokens, self._others)
        demand_json(request)
        values = read_object(await read_body(request))
        many = "queries" in values
        most = self._per_minute[client]
        given = read_list(values, min(most, MAX_QUERIES)) if many else [values]
        # Before the questions are read: that takes the loop's time, which calls need.
        seconds = self._rates.wait(client, len(given), most)
        if seconds:
            self._refused.log(client=client)
            raise _too_many(seconds)
        queries = read_queries(given, self._lines) if many else [read_query(values, self._lines)]
        try:
            found = await self._ledger.permissions([each.question for each in queries])
        except ConsentError as error:
            structlog.get_logger().error("web.query_failed", client=client, exc_info=error)
            fix = "ask again in a few seconds, and text nobody until then"
            raise ProblemResponse(
                503,
                "ledger_unavailable",
                "",
                "could not be answered",
                fix,
                headers={"Retry-After": "5"},
            ) from None
        now = datetime.now(UTC)
        answers = [
            self._answer(query, permission, now)
            for query, permission in zip(queries, found, strict=True)
        ]
        body = {"answers": answers} if many else answers[0]
        return JSONResponse(body, headers={"Cache-Control": "no-store"})

    def _answer(self, query: Query, permission: Permission, now: datetime) -> dict[str, Any]:
        self._metrics.queries.add(permission.reason.value)
        number = query.question.number
        return {
            "may_text": permission.may_text,
            "reason": permission.reason.value,
            "since": permission.since,
            "consent_id": permission.consent_id,
            "record": permission.record,
            "expires": permission.expires,
            "quiet_hours": not all(self._hours(line, number, now) for line in query.lines),
        }


def read_list(values: Mapping[str, Any], most: int = MAX_QUERIES) -> list[Any]:
    """Return what is in `queries`, unread; it may be so long.

    Raises:
        ProblemResponse: 422.
    """
    given = values["queries"]
    fix = f"send 1 to {most} objects in a list, and nothing beside it"
    if not isinstance(given, list) or not given or len(values) > 1:
        problem = "is not a list of questions alone"
        raise ProblemResponse(422, "invalid_queries", "queries", problem, fix)
    if len(given) > most:
        raise ProblemResponse(422, "invalid_queries", "queries", "is too long", fix)
    return given


def read_queries(given: Sequence[Any], lines: Mapping[str, Line]) -> list[Query]:
    """Return the questions of a list.

    Raises:
        ProblemResponse: 422; the field is named with its place, like `queries.3.number`.
    """
    found = []
    for place, each in enumerate(given, 1):
        try:
            found.append(read_query(each if isinstance(each, dict) else {}, lines))
        except ProblemResponse as refused:
            field = f"queries.{place}.{refused.field}".rstrip(".")
            raise ProblemResponse(
                refused.status, refused.code, field, refused.problem, refused.fix
            ) from None
    return found


def read_query(values: Mapping[str, Any], lines: Mapping[str, Line]) -> Query:
    """Return the question that a JSON object makes.

    Where several lines have the brand, the shortest life of a consent counts, and the hours of all.

    Raises:
        ProblemResponse: 422, naming the field.
    """
    for field in values:
        if field not in FIELDS:
            fix = f"use {', '.join(FIELDS)}"
            raise ProblemResponse(422, "unknown_field", shown(field), "is not a field", fix)
    line, brand = read_line(values.get("line"), lines), read_brand(values.get("brand"), lines)
    if (line is None) == (brand is None):
        fix = "send one of them"
        code, problem = (
            ("missing_brand", "is missing, and so is line")
            if line is None
            else ("brand_and_line", "conflicts with line")
        )
        raise ProblemResponse(422, code, "brand", problem, fix)
    of_brand = tuple(each for each in lines.values() if each.brand == brand)
    meant = of_brand if line is None else (line,)
    purpose = _purpose(values.get("purpose"), line)
    asking = tuple(each for each in meant if each.purpose == purpose) or meant
    ages = [each.consent.consent_days for each in asking if each.consent.consent_days]
    question = PermissionQuestion(
        number=read_number(values.get("number"), meant[0]),
        brand=meant[0].brand,
        sellers=sorted({each.legal_name for each in meant}),
        purpose=purpose,
        max_age_days=min(ages, default=0),
    )
    return Query(question, asking)


def _purpose(value: object, line: Line | None) -> str:
    if value is None and line is not None:
        return line.purpose
    if not isinstance(value, str) or value not in PURPOSES:
        code = "missing_purpose" if value is None else "invalid_purpose"
        problem = "is missing" if value is None else "is not a purpose"
        fix = f"use {' or '.join(PURPOSES)}: what you want to text"
        raise ProblemResponse(422, code, "purpose", problem, fix)
    return value


def _too_many(seconds: int) -> ProblemResponse:
    fix = f"wait {seconds} seconds, or raise per_minute in [[web.query]]"
    return ProblemResponse(
        429,
        "too_many_queries",
        "",
        "asks about too many numbers in a minute",
        fix,
        headers={"Retry-After": str(seconds)},
    )
