"""`calls --follow`: shows calls as they begin and end, or one call as it goes on.

Calls are followed in the history's file. `PRAGMA data_version`, asked four times a second, says
whether the service has written since; it costs microseconds and reads no call. One call in progress
is followed through the control socket, as the file has it every twenty seconds only.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

import typer

from agi_bridge.app.history import reading_calls
from agi_bridge.app.ledger import service_is_running
from agi_bridge.cli.calls.find import OneCall, one_call, row
from agi_bridge.cli.output import printable, seconds
from agi_bridge.control_client import ControlError, ask
from agi_bridge.history import HistoryError, moments

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from agi_bridge.history import Call, CallFilter, HistoryReader
    from agi_bridge.settings import Settings

LOOK_SECONDS: Final = 0.25
"""Between two looks."""
WRITTEN_SECONDS: Final = 10.0
"""How long a call that has ended may take into the file, which has it within a second."""
_WIDTHS: Final = (14, 11, 12, 6, 8, 0)
_GONE: Final = frozenset({"no_history"})


@dataclass(frozen=True, slots=True)
class Followed:
    """The end of following; everything has been printed."""

    ok: bool = True

    def json(self) -> object:
        """Nothing."""
        return None

    def show(self, console: Console) -> None:
        """Print nothing."""


async def follow_calls(settings: Settings, wanted: CallFilter, *, as_json: bool) -> Followed:
    """Print calls as they begin and end, from now on, until the command is interrupted.

    Raises:
        HistoryError: the history cannot be read.
    """
    watch = CallWatch(settings, wanted)
    try:
        with watch:
            for call in watch.skip():
                _print(call, as_json=as_json)
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                for call in watch.look():
                    _print(call, as_json=as_json)
    except asyncio.CancelledError:  # Ctrl-C: nothing has failed
        return Followed()


class CallWatch:
    """Sees what is new in the history. Where there is none yet, it waits for one."""

    def __init__(self, settings: Settings, wanted: CallFilter) -> None:
        self._settings = settings
        self._wanted = wanted
        self._stack = ExitStack()
        self._reader: HistoryReader | None = None
        self._version: int | None = None
        self._last = 0
        self._unfinished: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def skip(self) -> list[Call]:
        """Pass over the calls that have ended; return those in progress."""
        reader = self._opened()
        if reader is None:
            return []
        self._version = reader.data_version
        found = reader.find(replace(self._wanted, limit=None))[::-1]
        return [call for call in self._noted(found) if call.in_progress]

    def look(self) -> list[Call]:
        """Return the calls that have begun or ended since the last look, the oldest first."""
        reader = self._opened()
        if reader is None or (version := reader.data_version) == self._version:
            return []
        self._version = version
        reader.running = service_is_running(self._settings)
        news = reader.find(replace(self._wanted, limit=None, after=self._last))[::-1]
        ended = []
        for each in sorted(self._unfinished):
            with suppress(HistoryError):  # deleted meanwhile
                call = reader.get(each)
                if not call.in_progress:
                    ended.append(call)
        self._unfinished -= {call.id for call in ended}
        return ended + self._noted(news)

    def _noted(self, calls: list[Call]) -> list[Call]:
        for call in calls:
            self._last = max(self._last, int(call.id, 16))
            if call.in_progress:
                self._unfinished.add(call.id)
        return calls

    def _opened(self) -> HistoryReader | None:
        if self._reader is not None and self._reader.is_current:
            return self._reader
        self._stack.close()
        self._reader, self._version = None, None
        try:
            self._reader = self._stack.enter_context(reading_calls(self._settings))
        except HistoryError as error:
            if error.code not in _GONE:
                raise
        return self._reader


async def follow_call(settings: Settings, wanted: str, *, as_json: bool) -> OneCall | Followed:
    """Print the timeline of a call as it goes on; return the call when it has ended.

    Raises:
        HistoryError: it is neither in progress nor in the history.
    """
    seen: set[tuple[object, ...]] = set()
    try:
        while (live := await asyncio.to_thread(_live, settings, wanted)) is not None:
            for event in _new(live["timeline"], seen):
                _print_event(event, as_json=as_json)
            await asyncio.sleep(LOOK_SECONDS)
        return await _ended(settings, wanted, seen, as_json=as_json)
    except asyncio.CancelledError:  # Ctrl-C: nothing has failed
        return Followed()


async def _ended(
    settings: Settings, wanted: str, seen: set[tuple[object, ...]], *, as_json: bool
) -> OneCall | Followed:
    """Print what is left of a call that has ended; its last row is written within a second."""
    if not seen:
        found = one_call(settings, wanted)
        if as_json:
            typer.echo(json.dumps(found.json(), ensure_ascii=False))
            return Followed()
        return found
    found = await _written(settings, wanted)
    timeline = [
        {"milliseconds": each.ms, "event": each.kind, "text": each.text}
        for each in moments(found.call.events)
    ]
    for event in _new(timeline, seen, over=True):
        _print_event(event, as_json=as_json)
    typer.echo(
        json.dumps(found.json(), ensure_ascii=False) if as_json else f"\n{found.call.sentence}"
    )
    return Followed()


async def _written(settings: Settings, wanted: str) -> OneCall:
    """Return a call that has ended, as soon as the file has it whole.

    Raises:
        HistoryError: it does not get there: it was dropped, or there is no history.
    """
    clock = asyncio.get_running_loop().time
    over = clock() + WRITTEN_SECONDS
    while True:
        try:
            found = one_call(settings, wanted)
        except HistoryError as error:
            if error.code != "no_call" or clock() >= over:
                raise
        else:
            if not found.call.in_progress:
                return found
        await asyncio.sleep(LOOK_SECONDS)


def _live(settings: Settings, wanted: str) -> dict[str, Any] | None:
    """Ask the service for a call in progress; None: it is not, or no service runs."""
    try:
        found: dict[str, Any] | None = ask(settings.state_dir, "calls", id=wanted)["call"]
    except ControlError:
        return None
    return found


def _new(
    timeline: list[dict[str, Any]], seen: set[tuple[object, ...]], *, over: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield what was not printed yet; keys at the end may become more, so they wait."""
    for number, event in enumerate(timeline, start=1):
        if event["event"] == "key" and number == len(timeline) and not over:
            continue
        mark = (event["milliseconds"], event["event"], event["text"])
        if mark not in seen:
            seen.add(mark)
            yield event


def _print_event(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(event, ensure_ascii=False))
        return
    typer.echo(f"{seconds(event['milliseconds'] / 1000):>6}  {printable(event['text'])}")


def _print(call: Call, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(call.document(), ensure_ascii=False))
        return
    cells = (f"{printable(cell):<{width}}" for cell, width in zip(row(call), _WIDTHS, strict=True))
    typer.echo("  ".join(cells).rstrip())
