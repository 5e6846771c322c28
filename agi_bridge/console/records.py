"""Consents, and one record: its story, words, recording and proof; what a person may do with it.

What is done is an act of the ledger with the person's name. Revoking takes two steps: the first
shows what it reaches.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import RedirectResponse, Response

from agi_bridge import phone
from agi_bridge.consent import Act, Filter, IllegalTransition, Revocation, State
from agi_bridge.consent.ledger import resolutions
from agi_bridge.console.calls import log_look_up, number_of, read_day, read_number
from agi_bridge.console.forms import read_form
from agi_bridge.console.kept import Kept
from agi_bridge.console.leaf import Leaf, leaf
from agi_bridge.console.pages import page, quoted
from agi_bridge.console.refusal import Refusal
from agi_bridge.evidence.export import personal_label, read_case, summarise

if TYPE_CHECKING:
    from datetime import date

    from starlette.requests import Request

    from agi_bridge.consent import Summary
    from agi_bridge.console.service import Service
    from agi_bridge.console.sessions import Visitor
    from agi_bridge.settings import Line, RevocationReach, Settings

PAGE: Final = 50
"""Records on a page."""
_PASSED_ON: Final = "passed-on"
"""How a revocation is settled that the platform knows of."""
SHOWN_SECONDS: Final = 5 * 60.0
"""How long a page goes on to show numbers that somebody asked for."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The first step of a revocation.

    Attributes:
        number: whose, in E.164.
        brand: the record's.
        record: the record that names the number; "": a person typed it.
        reference: makes the same second step the same request, also after Back.
    """

    number: str = field(repr=False)
    brand: str | None
    record: str
    reference: str


class RecordPages:
    """The pages of the ledger.

    Args:
        service: whose ledger.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._numbers = Kept[str]()
        self._shown = Kept[str](SHOWN_SECONDS)
        self._asked = Kept[_Asked]()
        self._repeats = Kept[tuple[str, str]]()

    async def find(self, request: Request) -> Response:
        """Show records, the newest first: of a day, a line, in a state; or lead to one."""
        settings, query = self._service.settings, request.query_params
        if record := query.get("record", "").strip():
            return RedirectResponse(f"/consents/{quoted(record)}", 303)
        past, newer = query.get("past", ""), query.get("newer", "")
        if search := query.get("search", ""):
            number = number_of(request, self._numbers, search)
            found = await self._read(Filter(number=number), past=past, newer=newer)
            return self._page(request, found, {"search": search, "number": phone.mask(number)})
        day = read_day(query.get("day", ""))
        chosen = {
            "day": "" if day is None else day.isoformat(),
            "line": query.get("line", ""),
            "state": query.get("state", ""),
        }
        if chosen["line"] and chosen["line"] not in settings.lines:
            raise Refusal(400, "Not on the list", "Choose one of the lines that the page offers.")
        wanted = Filter(
            line=chosen["line"] or None,
            state=_state(chosen["state"]),
            until=_end_of(day),
            since=None if day is None else f"{day.isoformat()}T00:00:00.000Z",
        )
        found = await self._read(wanted, past=past, newer=newer)
        return self._page(request, found, chosen)

    async def find_number(self, request: Request) -> Response:
        """Lead to the records of a number, which is in the form alone."""
        form = await read_form(request)
        number = read_number(self._service.settings, form.get("number", ""))
        await log_look_up(self._service, request, "consents", number)
        key = self._numbers.keep(request.state.visitor, number)
        return RedirectResponse(f"/consents?search={key}", 303)

    async def show(self, request: Request) -> Response:
        """Show one record, with its numbers in full to who asked for them of late."""
        record, query = request.path_params["record"], request.query_params
        visitor: Visitor = request.state.visitor
        reveal = visitor.may_act and self._shown.get(visitor, query.get("shown", "")) == record
        of, repeated = self._repeats.get(visitor, query.get("repeated", "")) or ("", "")
        case = await read_case(await self._service.ledger(), record)
        summary = summarise(case, reveal=reveal)
        return page(
            request,
            "record.html",
            summary=summary,
            personal={personal_label(name): each for name, each in summary.personal.items()},
            revealed=reveal,
            repeated=repeated if of == record else "",
            open_as=resolutions([row.type for row in case.rows]),
        )

    async def reveal(self, request: Request) -> Response:
        """Lead to a record with its numbers in full; the ledger records who sees them."""
        visitor = acting(request)
        record, ledger = request.path_params["record"], await self._service.ledger()
        await read_case(ledger, record)  # there is such a record, before anything is recorded
        await ledger.record_act(
            Act.REVEALED, record, actor=visitor.actor, command="console: show the numbers"
        )
        _log(visitor, "reveal", record)
        key = self._shown.keep(visitor, record)
        return RedirectResponse(f"/consents/{quoted(record)}?shown={key}", 303)

    async def recording(self, request: Request) -> Response:
        """The recording that a caller heard, as the ledger keeps it."""
        ledger = await self._service.ledger()
        summary = summarise(await read_case(ledger, request.path_params["record"]), reveal=False)
        wanted = request.path_params["sha256"]
        if summary.played is None or summary.played.audio_sha256 != wanted:
            raise Refusal(404, "No such recording", "The record names no such recording.")
        sound = await ledger.audio(wanted)
        if sound is None:
            raise Refusal(404, "No such recording", "The ledger does not have it any more.")
        return Response(sound, media_type="audio/wav")

    async def ask_to_revoke(self, request: Request) -> Response:
        """The first step: lead to what a revocation reaches. Nothing is stored."""
        visitor = acting(request)
        form = await read_form(request)
        number, brand = await self._whose(form)
        asked = _Asked(number, brand, form.get("record", ""), secrets.token_urlsafe(16))
        return RedirectResponse(f"/revoke/{self._asked.keep(visitor, asked)}", 303)

    async def show_revocation(self, request: Request) -> Response:
        """The page of the first step."""
        asked = self._asked.get(acting(request), request.path_params["key"])
        if asked is None:
            text = "The first step is kept for 15 minutes. Nothing was stored by it. Ask again."
            raise Refusal(410, "Not kept any more", text, ("/consents", "Consents"))
        return page(
            request,
            "revoke.html",
            masked=phone.mask(asked.number),
            # In E.164: as typed, it could be another after a reload. A record's stays hidden.
            number="" if asked.record else asked.number,
            record=asked.record,
            reference=asked.reference,
            scopes=scopes(self._service.settings, asked.brand),
        )

    async def revoke(self, request: Request) -> Response:
        """The second step: revoke. The same form is one request, however often it is sent."""
        visitor = acting(request)
        form = await read_form(request)
        number, _ = await self._whose(form)
        words = form.get("words", "").strip()
        ledger = await self._service.ledger()
        result = await ledger.revoke(
            Revocation(
                number=number,
                **reach_of(self._service.settings, form.get("scope", "")),
                channel="console",
                actor=visitor.actor,
                reference=form.get("reference") or None,
                words=words or None,
                passed_on=form.get("passed_on") == "yes",
            )
        )
        path = f"/consents/{result.revocation_id}"
        if not result.already:
            _log(visitor, "revoke", result.revocation_id)
            return RedirectResponse(path, 303)
        text = "This revocation was stored before. Words that you changed since were not stored"
        if form.get("passed_on") == "yes" and await self._pass_on(visitor, result.revocation_id):
            text += "; that the platform knows of it is recorded now"
        key = self._repeats.keep(visitor, (result.revocation_id, f"{text}."))
        return RedirectResponse(f"{path}?repeated={key}", 303)

    async def _pass_on(self, visitor: Visitor, revocation: str) -> bool:
        """Record that the platform knows of a revocation, if that was not known."""
        ledger = await self._service.ledger()
        rows = await ledger.rows_of(revocation)
        if _PASSED_ON not in resolutions([row.type for row in rows]):
            return False
        with suppress(IllegalTransition):  # somebody was faster
            await ledger.record_act(
                Act.RESOLVED, revocation, actor=visitor.actor, **{"as": _PASSED_ON}
            )
            _log(visitor, "resolve", revocation)
            return True
        return False

    async def resolve(self, request: Request) -> Response:
        """Record how a person settled what the software could not."""
        visitor = acting(request)
        form = await read_form(request)
        record, chosen = request.path_params["record"], form.get("as", "")
        ledger = await self._service.ledger()
        await ledger.settle_overdue()  # as `unknown`: that is what a person can resolve
        rows = await ledger.rows_of(record)
        if chosen not in resolutions([row.type for row in rows]):
            raise Refusal(
                409, "Not open", "The record does not wait for this, or somebody settled it."
            )
        await ledger.record_act(Act.RESOLVED, record, actor=visitor.actor, **{"as": chosen})
        _log(visitor, "resolve", record)
        return RedirectResponse(f"/consents/{record}", 303)

    async def _whose(self, form: dict[str, str]) -> tuple[str, str | None]:
        """The number and the brand of a record that is named, or a number that was typed."""
        record = form.get("record", "")
        if not record:
            return read_number(self._service.settings, form.get("number", "")), None
        ledger = await self._service.ledger()
        summary = summarise(await read_case(ledger, record), reveal=False)
        number = await ledger.number(record)
        if number is None:
            raise Refusal(409, "No number", "The record has no number, or it was erased.")
        return number, summary.call.get("brand")

    async def _read(self, wanted: Filter, *, past: str, newer: str) -> Leaf[Summary]:
        ledger = await self._service.ledger()

        async def read(place: str, oldest_first: bool) -> list[Summary]:  # noqa: FBT001 - for `leaf`
            return await ledger.summaries(
                replace(wanted, past=place or None, oldest_first=oldest_first, limit=PAGE + 1)
            )

        return await leaf(read, lambda each: each.consent_id, PAGE, past=past, newer=newer)

    def _page(self, request: Request, found: Leaf[Summary], chosen: dict[str, str]) -> Response:
        return page(
            request,
            "records.html",
            records=found.rows,
            newer=found.newer,
            older=found.older,
            chosen=dict.fromkeys(("day", "line", "state", "search", "number"), "") | chosen,
            lines=list(self._service.settings.lines),
            states=[state.value for state in State],
        )


def acting(request: Request) -> Visitor:
    """The person of a request that changes something.

    Raises:
        Refusal: the person may only look.
    """
    visitor: Visitor = request.state.visitor
    if not visitor.may_act:
        raise Refusal(403, "Not for your role", "The role `act` is needed. Nothing was changed.")
    return visitor


def _log(visitor: Visitor, act: str, record: str) -> None:
    structlog.get_logger().info("console.acted", name=visitor.name, act=act, consent=record)


def _state(text: str) -> State | None:
    if not text:
        return None
    try:
        return State(text)
    except ValueError:
        raise Refusal(
            400, "Not on the list", "Choose one of the states that are offered."
        ) from None


def _end_of(day: date | None) -> str | None:
    return None if day is None else f"{(day + timedelta(days=1)).isoformat()}T00:00:00.000Z"


def scopes(settings: Settings, brand: str | None) -> list[tuple[str, str]]:
    """How far a revocation may reach: value and words, the usual one first.

    That is what the brand's line says, and without a brand every brand.
    """
    lines = settings.lines.values()
    sellers = dict.fromkeys(line.legal_name for line in lines if line.legal_name)
    brands = dict.fromkeys(line.brand for line in lines)
    everything = [
        ("all", "every brand"),
        *((f"seller:{each}", f"every brand of {each}") for each in sellers),
        *((f"brand:{each}", f"the brand {each} only") for each in brands),
    ]
    usual = next((_value(line) for line in lines if line.brand == brand), "all")
    return sorted(everything, key=lambda each: each[0] != usual)


def _value(line: Line) -> str:
    reach = line.revocation_reach()
    names = {
        "all": "all",
        "seller": f"seller:{reach['seller']}",
        "brand": f"brand:{reach['brand']}",
    }
    return names[reach["scope"]]


def reach_of(settings: Settings, value: str) -> RevocationReach:
    """What a choice of `scopes` means for the ledger.

    Raises:
        Refusal: it is not one of them.
    """
    if value not in {each for each, _ in scopes(settings, None)}:
        raise Refusal(400, "Not on the list", "Choose how far the revocation reaches.")
    scope, _, name = value.partition(":")
    if scope == "seller":
        brand = next(line.brand for line in settings.lines.values() if line.legal_name == name)
        return {"scope": "seller", "brand": brand, "seller": name}
    if scope == "brand":
        return {"scope": "brand", "brand": name, "seller": None}
    return {"scope": "all", "brand": None, "seller": None}
