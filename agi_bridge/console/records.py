"""Consents, and one record: its story, words, recording and proof; what a person may do with it.

What is done is an act of the ledger with the person's name. Revoking takes two steps: the first
shows what it reaches.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import RedirectResponse, Response

from agi_bridge import phone
from agi_bridge.consent import Act, Filter, Revocation, State
from agi_bridge.consent.ledger import resolutions
from agi_bridge.console.calls import log_look_up, read_day, read_number
from agi_bridge.console.forms import read_form
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
OF_NUMBER: Final = 500
"""The same of one number, which is in no address that could lead to a further page."""


class RecordPages:
    """The pages of the ledger.

    Args:
        service: whose ledger.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def find(self, request: Request) -> Response:
        """Show records, the newest first: of a day, a line, in a state; or lead to one."""
        settings, query = self._service.settings, request.query_params
        if record := query.get("record", "").strip():
            return RedirectResponse(f"/consents/{quoted(record)}", 303)
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
        found = await self._read(
            wanted, PAGE, past=query.get("past", ""), newer=query.get("newer", "")
        )
        return self._page(request, found, chosen)

    async def find_number(self, request: Request) -> Response:
        """Show the records of a number, which is in the form alone."""
        form = await read_form(request)
        number = read_number(self._service.settings, form.get("number", ""))
        await log_look_up(self._service, request, "consents", number)
        found = await self._read(Filter(number=number), OF_NUMBER)
        return self._page(request, found, {"number": phone.mask(number)})

    async def show(self, request: Request) -> Response:
        """Show one record, with masked numbers."""
        return await self._show(request, request.path_params["record"])

    async def reveal(self, request: Request) -> Response:
        """Show one record with its numbers in full; the ledger records who saw them."""
        visitor = acting(request)
        record, ledger = request.path_params["record"], await self._service.ledger()
        await read_case(ledger, record)  # there is such a record, before anything is recorded
        await ledger.record_act(
            Act.REVEALED, record, actor=visitor.actor, command="console: show the numbers"
        )
        _log(visitor, "reveal", record)
        return await self._show(request, record, reveal=True)

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
        """The first step: show what a revocation reaches. Nothing is stored."""
        acting(request)
        form = await read_form(request)
        number, brand = await self._whose(form)
        return page(
            request,
            "revoke.html",
            masked=phone.mask(number),
            # In E.164: as typed, it could be another after a reload. A record's stays hidden.
            number="" if form.get("record") else number,
            record=form.get("record", ""),
            reference=secrets.token_urlsafe(16),
            scopes=scopes(self._service.settings, brand),
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
        if not result.already:
            _log(visitor, "revoke", result.revocation_id)
        return RedirectResponse(f"/consents/{result.revocation_id}", 303)

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

    async def _show(self, request: Request, record: str, *, reveal: bool = False) -> Response:
        ledger = await self._service.ledger()
        case = await read_case(ledger, record)
        summary = summarise(case, reveal=reveal)
        return page(
            request,
            "record.html",
            summary=summary,
            personal={personal_label(name): each for name, each in summary.personal.items()},
            revealed=reveal,
            open_as=resolutions([row.type for row in case.rows]),
        )

    async def _read(
        self, wanted: Filter, size: int, *, past: str = "", newer: str = ""
    ) -> Leaf[Summary]:
        ledger = await self._service.ledger()

        async def read(place: str, oldest_first: bool) -> list[Summary]:  # noqa: FBT001 - for `leaf`
            return await ledger.summaries(
                replace(wanted, past=place or None, oldest_first=oldest_first, limit=size + 1)
            )

        return await leaf(read, lambda each: each.consent_id, size, past=past, newer=newer)

    def _page(self, request: Request, found: Leaf[Summary], chosen: dict[str, str]) -> Response:
        return page(
            request,
            "records.html",
            records=found.rows,
            newer=found.newer,
            older=found.older,
            chosen={"day": "", "line": "", "state": "", "number": "", **chosen},
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
