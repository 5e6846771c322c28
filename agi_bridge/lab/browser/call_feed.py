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
    from pathlib import Path

_NEWEST: Final = CallFilter(limit=1)
_MOST_CALLS: Final = 64
"""Calls of which is remembered what was shown."""


class CallFeed:
    """The calls of a bridge, as they go on.

    Args:
        ledger: the bridge's ledger; the history is beside it.
    """

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._state_dir = ledger.parent
        self._shown: dict[str, dict[str, Any]] = {}

    async def look(self, uniqueid: str = "") -> dict[str, Any] | None:
        """Return a call as plain values; None: there is none yet. Numbers are masked.

        It is the call with Asterisk's unique id, or without one the newest. It has `id`, `line`,
        `ended`, `timeline` (each with `milliseconds`, `event` and `text`), `sentence` (why it ended
        so, or None) and `consent` (None, or its `id` and `states`).
        """
        found = await asyncio.to_thread(self._found, uniqueid)
        before = self._shown.get(uniqueid)
        if found is None or (before is not None and found["id"] < before["id"]):
            return before  # it has ended, and the file does not have it yet
        id_ = found.pop("consent")
        if before is None or _is_news(found, before):
            consent = None if id_ is None else await self._consent(id_)
            while uniqueid not in self._shown and len(self._shown) >= _MOST_CALLS:
                del self._shown[next(iter(self._shown))]
            self._shown[uniqueid] = {**found, "consent": consent}
        return self._shown[uniqueid]

    def _found(self, uniqueid: str) -> dict[str, Any] | None:
        return self._in_progress(uniqueid) or self._ended(uniqueid)

    def _in_progress(self, uniqueid: str) -> dict[str, Any] | None:
        try:
            wanted = uniqueid
            if not wanted:
                calls = ask(self._state_dir, "calls")["calls"]
                if not calls:
                    return None
                wanted = calls[-1]["id"]
            found = ask(self._state_dir, "calls", id=wanted)["call"]
        except ControlError:
            return None
        return None if found is None else _shown(found, ended=False, sentence=None)

    def _ended(self, uniqueid: str) -> dict[str, Any] | None:
        try:
            with open_history(self._state_dir, running=True) as reader:
                calls = [reader.get(uniqueid)] if uniqueid else reader.find(_NEWEST)
        except HistoryError:  # it has not been written yet
            return None
        if not calls or calls[0].in_progress:
            return None
        return _shown(calls[0].document(), ended=True, sentence=calls[0].sentence)

    async def _consent(self, id_: str) -> dict[str, Any] | None:
        try:
            found = await read_consent(self._ledger, id_)
        except ConsentError:
            return None
        return None if found is None else {"id": found.id, "states": list(found.states)}


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
