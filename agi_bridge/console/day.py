"""A day in figures: calls and outcomes by hour, and how long callers waited for what."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Final

from agi_bridge.console.calls import HOUR_MS, find_calls, milliseconds, read_day
from agi_bridge.console.pages import page
from agi_bridge.console.refusal import Refusal
from agi_bridge.history import CallFilter, HistoryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from agi_bridge.console.service import Service
    from agi_bridge.history import Call

MOST: Final = 5000
"""Calls of a day that are counted, the newest."""
OUTCOMES: Final = ("texted", "not texted", "unclear or failed")
"""What became of calls, from the bottom of a bar to its top."""
WAITS: Final = ("first sound", "stored", "hook")
"""What callers wait for: the first prompt, the ledger after the agreement, the hook's answer."""
WIDTH: Final = 720
HEIGHT: Final = 150
"""Size of a plot, in units of its drawing."""
_UNCLEAR: Final = frozenset({"refused", "unknown", "not_sent", "not_stored", "fault"})
_FAILED: Final = frozenset({"fault", "cut_off", "fallback"})
_HOURS: Final = 24
_STEP: Final = WIDTH / _HOURS
_HOOK_MS: Final = 3
"""The place of the milliseconds in a timeline's event `hook`."""


@dataclass(slots=True)
class Hour:
    """The calls of one hour, by UTC.

    Attributes:
        hour: from 0.
        outcomes: how many calls had each of OUTCOMES.
        waits: milliseconds of each wait, by WAITS.
    """

    hour: int
    outcomes: list[int] = field(default_factory=lambda: [0] * len(OUTCOMES))
    waits: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in WAITS})

    @property
    def calls(self) -> int:
        """How many there were."""
        return sum(self.outcomes)

    def usual(self, name: str) -> int | None:
        """The median of a wait in milliseconds; None: nobody waited."""
        return round(median(self.waits[name])) if self.waits[name] else None

    def longest(self, name: str) -> int | None:
        """The longest wait in milliseconds; None: nobody waited."""
        return max(self.waits[name], default=None)


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a bar, in units of the drawing; `kind` counts from the bottom."""

    x: float
    y: float
    width: float
    height: float
    kind: int


class DayPage:
    """The page of one day.

    Args:
        service: whose history.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def show(self, request: Request) -> Response:
        """Show a day of a line, or of all; today, if none is named."""
        lines = self._service.settings.lines
        day = read_day(request.query_params.get("day", "")) or datetime.now(UTC).date()
        line = request.query_params.get("line", "")
        if line and line not in lines:
            raise Refusal(400, "Not on the list", "Choose one of the lines that the page offers.")
        since = milliseconds(day)
        wanted = CallFilter(
            line=line or None,
            since=since,
            until=milliseconds(day + timedelta(days=1)),
            limit=MOST,
        )
        found = await asyncio.to_thread(find_calls, self._service, wanted)
        hours = hours_of(found, since)
        usual = {name: [[hour.usual(name) or 0] for hour in hours] for name in WAITS}
        return page(
            request,
            "day.html",
            day=day.isoformat(),
            line=line,
            lines=list(lines),
            hours=hours,
            outcomes=OUTCOMES,
            waits=WAITS,
            most=MOST if len(found) == MOST else 0,
            calls_plot=bars([hour.outcomes for hour in hours]),
            calls_top=max(hour.calls for hour in hours),
            waited=[
                (name, bars(columns), max(each[0] for each in columns))
                for name, columns in usual.items()
            ],
            width=WIDTH,
            height=HEIGHT,
        )


def hours_of(calls: Iterable[Call], midnight: int) -> list[Hour]:
    """Count the calls that have ended, by the hour in which they began."""
    hours = [Hour(number) for number in range(_HOURS)]
    for call in calls:
        place = (call.begun - midnight) // HOUR_MS
        if call.why is None or not 0 <= place < _HOURS:
            continue
        hours[place].outcomes[_outcome(call.why)] += 1
        for name, ms in _waits(call).items():
            hours[place].waits[name].append(ms)
    return hours


def last_day(service: Service) -> list[tuple[str, int]]:
    """How many calls of the last 24 hours had each of OUTCOMES. Blocks.

    Raises:
        HistoryError: the history cannot be read.
    """
    counts = [0] * len(OUTCOMES)
    since = datetime.now(UTC) - timedelta(days=1)
    try:
        with service.history() as reader:
            for why, count in reader.ended_since(round(since.timestamp() * 1000)).items():
                counts[_outcome(why)] += count
    except HistoryError as error:
        if error.code != "no_history":
            raise
    return list(zip(OUTCOMES, counts, strict=True))


def bars(columns: Sequence[Sequence[int]]) -> list[Bar]:
    """The bars of a plot, one column each; the highest fills the drawing."""
    top = max(map(sum, columns), default=0)
    found: list[Bar] = []
    for place, parts in enumerate(columns):
        below = 0
        for kind, count in enumerate(parts):
            if count:
                height = HEIGHT * count / top
                y = HEIGHT - HEIGHT * below / top - height
                found.append(Bar(place * _STEP + 3, y, _STEP - 6, height, kind))
                below += count
    return found


def _outcome(why: str) -> int:
    cause, _, ending = why.partition(".")
    if cause in _UNCLEAR or ending in _FAILED:
        return 2
    return 0 if cause == "accepted" else 1


def _waits(call: Call) -> Mapping[str, int]:
    found: dict[str, int] = {}
    agreed = None
    for ms, kind, *details in call.events:
        if kind == "prompt":
            found.setdefault("first sound", ms)
        elif kind == "agreed":
            agreed = ms
        elif kind == "stored" and agreed is not None:
            found["stored"] = ms - agreed
        elif kind == "hook" and len(details) > _HOOK_MS and isinstance(details[_HOOK_MS], int):
            found["hook"] = details[_HOOK_MS]
    return found
