"""Calls, and one call: what the call history knows, found by day, line, result or number."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog
from starlette.responses import FileResponse, RedirectResponse, Response

from agi_bridge import phone
from agi_bridge.console.forms import read_form
from agi_bridge.console.kept import Kept
from agi_bridge.console.leaf import Leaf, leaf
from agi_bridge.console.pages import page
from agi_bridge.console.refusal import Refusal
from agi_bridge.history import RESULTS, Call, CallFilter, HistoryError, moments, short, words

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from starlette.requests import Request

    from agi_bridge.console.live import LivePages
    from agi_bridge.console.service import Service
    from agi_bridge.settings import Settings

PAGE: Final = 50
"""Calls on a page."""
WRITTEN_SECONDS: Final = 2.0
"""How long a call that has just ended may take into the file, which has it within a second."""
HOUR_MS: Final = 3_600_000
_LOOK_SECONDS: Final = 0.1
_HOUR: Final = re.compile(r"[01]\d|2[0-3]", re.ASCII)
_ID: Final = re.compile(r"[0-9a-f]{1,14}")


class CallPages:
    """The pages of the call history.

    Args:
        service: whose history.
        live: keeps the page of a call in progress up to date.
    """

    def __init__(self, service: Service, live: LivePages) -> None:
        self._service = service
        self._live = live
        self._numbers = Kept[str]()

    async def find(self, request: Request) -> Response:
        """Show calls, the newest first: of a day, a line, with a result; or lead to one."""
        settings, query = self._service.settings, request.query_params
        if wanted_call := query.get("call", "").strip():  # not in a path: an id may have a slash
            found_call = await self._get_live_or_ended(wanted_call)
            id_ = found_call.id if isinstance(found_call, Call) else str(found_call["id"])
            return RedirectResponse(f"/calls/{id_}", 303)
        past, newer = query.get("past", ""), query.get("newer", "")
        if search := query.get("search", ""):
            number = number_of(request, self._numbers, search)
            found = await self._read(CallFilter(number=number), past=past, newer=newer)
            return self._page(request, found, {"search": search, "number": phone.mask(number)})
        day = read_day(query.get("day", ""))
        chosen = {
            "day": "" if day is None else day.isoformat(),
            "line": query.get("line", ""),
            "result": query.get("result", ""),
            "hour": _hour(query.get("hour", ""), day),
        }
        first = None if day is None else milliseconds(day)
        last = None if day is None else milliseconds(day + timedelta(days=1))
        if chosen["hour"] and first is not None:
            first += int(chosen["hour"]) * HOUR_MS
            last = first + HOUR_MS
        wanted = CallFilter(
            line=_one_of(chosen["line"], settings.lines),
            outcome=_one_of(chosen["result"], RESULTS | words()),
            since=first,
            until=last,
        )
        found = await self._read(wanted, past=past, newer=newer)
        return self._page(request, found, chosen)

    async def find_number(self, request: Request) -> Response:
        """Lead to the calls of a number. It is in the form alone: browsers keep addresses."""
        form = await read_form(request)
        number = read_number(self._service.settings, form.get("number", ""))
        await log_look_up(self._service, request, "calls", number)
        key = self._numbers.keep(request.state.visitor, number)
        return RedirectResponse(f"/calls?search={key}", 303)

    async def show(self, request: Request) -> Response:
        """Show one call: in progress, or as the history has it."""
        found = await self._get_live_or_ended(request.path_params["call"])
        if not isinstance(found, Call):
            return page(request, "call-live.html", call=found)
        return page(request, "call.html", call=found, moments=moments(found.events), short=short)

    async def _get_live_or_ended(self, wanted: str) -> Call | Mapping[str, Any]:
        """A call in progress, or as the history has it, which is waited for.

        Raises:
            HistoryError: there is no such call, or it cannot be read.
        """
        over = asyncio.get_running_loop().time() + WRITTEN_SECONDS
        live = (await self._service.live([wanted])).timelines.get(wanted)
        if live is not None:
            return live
        while True:  # in the file alone: the calls' loop is asked once
            try:
                call = await asyncio.to_thread(self._get, wanted)
            except HistoryError as error:
                if error.code != "no_call" or asyncio.get_running_loop().time() > over:
                    raise
            else:
                if not call.in_progress or asyncio.get_running_loop().time() > over:
                    return call
            await asyncio.sleep(_LOOK_SECONDS)

    async def stream(self, request: Request) -> Response:
        """The timeline of a call in progress, as it goes on."""
        return self._live.stream(request.path_params["call"], request.state.still)

    async def recording(self, request: Request) -> Response:
        """A prompt as the line plays it now."""
        given = request.path_params
        file = await self._service.recording(given["line"], given["language"], given["name"])
        if file is None:
            raise Refusal(404, "No such recording", "The line plays no prompt of this name.")
        return FileResponse(file, media_type="audio/wav")

    async def _read(self, wanted: CallFilter, *, past: str, newer: str) -> Leaf[Call]:
        async def read(place: str, oldest_first: bool) -> list[Call]:  # noqa: FBT001 - for `leaf`
            end = _id(place)
            which = replace(
                wanted,
                oldest_first=oldest_first,
                after=end if oldest_first else None,
                before=None if oldest_first else end,
                limit=PAGE + 1,
            )
            return await asyncio.to_thread(find_calls, self._service, which)

        return await leaf(read, lambda call: call.id, PAGE, past=past, newer=newer)

    def _page(self, request: Request, found: Leaf[Call], chosen: dict[str, str]) -> Response:
        return page(
            request,
            "calls.html",
            calls=found.rows,
            newer=found.newer,
            older=found.older,
            chosen=dict.fromkeys(("day", "line", "result", "hour", "search", "number"), "")
            | chosen,
            lines=list(self._service.settings.lines),
            results=sorted(RESULTS | words()),
            days=self._service.settings.history.days,
            short=short,
        )

    def _get(self, wanted: str) -> Call:
        with self._service.history() as reader:
            return reader.get(wanted)


def find_calls(service: Service, wanted: CallFilter) -> list[Call]:
    """The calls that a filter lets through; none if there is no history yet. Blocks."""
    try:
        with service.history() as reader:
            return reader.find(wanted)
    except HistoryError as error:
        if error.code == "no_history":
            return []
        raise


def read_day(text: str) -> date | None:
    """A day that was chosen; None: none was.

    Raises:
        Refusal: it is not a day.
    """
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
        _ = day + timedelta(days=1)  # the end of the last day there is has no date
    except (ValueError, OverflowError):
        raise Refusal(400, "Not a day", "Write it like 2026-11-27.") from None
    return day


def read_number(settings: Settings, text: str) -> str:
    """A number that was typed, in E.164.

    Raises:
        Refusal: it is not one; the text does not repeat it.
    """
    region = next((line.regions[0] for line in settings.lines.values()), "US")
    found = phone.parse(text, region=region)
    if found is None:
        raise Refusal(400, "Not a phone number", "Write it like +14155550123.")
    return found


def number_of(request: Request, numbers: Kept[str], search: str) -> str:
    """The number that a person looked for.

    Raises:
        Refusal: it is not kept any more, or another person looked for it.
    """
    number = numbers.get(request.state.visitor, search)
    if number is None:
        path = request.url.path
        text = "A number that was looked for is kept for 15 minutes. Look for it again."
        raise Refusal(410, "Not kept any more", text, (path, "Look for a number"))
    return number


async def log_look_up(service: Service, request: Request, what: str, number: str) -> None:
    """Write who looks for what of a number, before it is shown: the number masked and hashed."""
    structlog.get_logger().info(
        "console.looked_up",
        name=request.state.visitor.name,
        what=what,
        number=phone.mask(number),
        number_key=await asyncio.to_thread(service.number_key, number),
    )


def milliseconds(day: date) -> int:
    """The first moment of a day in UTC, in milliseconds since the epoch."""
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def _hour(text: str, day: date | None) -> str:
    """An hour of a day, of two digits; "": the whole day.

    Raises:
        Refusal: it is not one, or there is no day.
    """
    if text and (day is None or not _HOUR.fullmatch(text)):
        raise Refusal(400, "Not an hour of a day", "Choose a day.")
    return text


def _id(text: str) -> int | None:
    """The number of a call's id; None: there is none.

    Raises:
        Refusal: it is not one.
    """
    if not text:
        return None
    if not _ID.fullmatch(text):
        raise Refusal(400, "No such page", "Go on with one of the pages above.")
    return int(text, 16)


def _one_of(text: str, known: Container[str]) -> str | None:
    """A choice of a list; None: any.

    Raises:
        Refusal: it is not on the list.
    """
    if not text:
        return None
    if text not in known:
        raise Refusal(400, "Not on the list", "Choose one of the values that the page offers.")
    return text
