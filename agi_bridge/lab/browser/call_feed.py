"""What the page shows of a call: its timeline, and the consent, read as other programs read them.

A call in progress is read through the control socket, as `agi-bridge calls --follow` does, and one
that has ended from the history's file.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent import ConsentError, State
from agi_bridge.control_client import ControlError, ask
from agi_bridge.history import CallFilter, HistoryError, open_history
from agi_bridge.lab.record import read_consent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_NEWEST: Final = CallFilter(limit=50)
_MOST_PAGES: Final = 64
"""Pages of which is remembered what they show."""


class CallFeed:
    """The calls of a bridge, as they go on.

    Args:
        ledger: the bridge's ledger; the history is beside it.
    """

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._state_dir = ledger.parent
        self._shown: dict[str, dict[str, Any]] = {}

    async def newest(self) -> str | None:
        """Return the id of the newest call; None: there was none."""
        found = await self.look()
        return None if found is None else str(found["id"])

    async def look(self, after: str = "") -> dict[str, Any] | None:
        """Return a call as plain values; None: there is none yet. Numbers are masked.

        It is the first call after the one with the id `after`, or without one the newest.

        It has `id`, `line`, `ended`, `timeline` (each with `milliseconds`, `event` and `text`),
        `sentence` (why it ended so, or None) and `consent` (None, or its `id` and `states`).
        """
        found = await asyncio.to_thread(self._found, after)
        before = self._shown.get(after)
        if found is None or (before is not None and _is_another(found, before, after)):
            return before  # it has ended, and the file does not have it yet
        id_ = found.pop("consent")
        if before is None or _is_news(found, before):
            consent = None if id_ is None else await self._consent(id_)
            while after not in self._shown and len(self._shown) >= _MOST_PAGES:
                del self._shown[min(self._shown)]
            self._shown[after] = {**found, "consent": consent}
        return self._shown[after]

    def _found(self, after: str) -> dict[str, Any] | None:
        if not after:
            return self._in_progress(after) or self._ended(after)
        there = [each for each in (self._in_progress(after), self._ended(after)) if each]
        return min(there, key=lambda each: str(each["id"]), default=None)

    def _in_progress(self, after: str) -> dict[str, Any] | None:
        try:
            ids = sorted(call["id"] for call in ask(self._state_dir, "calls")["calls"])
            if (wanted := _first(ids, after)) is None:
                return None
            found = ask(self._state_dir, "calls", id=wanted)["call"]
        except ControlError:
            return None
        return None if found is None else _shown(found, ended=False, sentence=None)

    def _ended(self, after: str) -> dict[str, Any] | None:
        try:
            with open_history(self._state_dir, running=True) as reader:
                calls = {call.id: call for call in reader.find(_NEWEST)}
        except HistoryError:  # no call has been written yet
            return None
        wanted = _first(sorted(calls), after)
        if wanted is None or calls[wanted].in_progress:
            return None
        return _shown(calls[wanted].document(), ended=True, sentence=calls[wanted].sentence)

    async def _consent(self, id_: str) -> dict[str, Any] | None:
        try:
            found = await read_consent(self._ledger, id_)
        except ConsentError:
            return None
        return None if found is None else {"id": found.id, "states": list(found.states)}


def _first(ids: Sequence[str], after: str) -> str | None:
    """The first of sorted ids behind one, or without one the last; ids are in order of time."""
    if not after:
        return ids[-1] if ids else None
    return next((each for each in ids if each > after), None)


def _is_another(found: Mapping[str, Any], before: Mapping[str, Any], after: str) -> bool:
    """Whether a call is not the one to go on with: an older one, or another than a page's own."""
    return bool(found["id"] != before["id"] if after else found["id"] < before["id"])


def _is_news(found: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether a call has gone on, or an outcome of its consent may have been stored."""
    consent = before["consent"]
    if consent is not None and consent["states"][-1] == State.SUBMITTING:
        return True
    return any(before[name] != value for name, value in found.items())


def _shown(call: dict[str, Any], *, ended: bool, sentence: str | None) -> dict[str, Any]:
    timeline = [
        {name: event[name] for name in ("milliseconds", "event", "text")}
        for event in call["timeline"]
    ]
    return {
        **{name: call[name] for name in ("id", "line", "consent")},
        "ended": ended,
        "sentence": sentence,
        "timeline": timeline,
    }
