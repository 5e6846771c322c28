"""`[alerts] command`: sends problems to a program, for sites without Prometheus.

Each alert is one line of JSON on the program's standard input. Each kind is sent at most once in
`QUIET_SECONDS`: when it begins, and when it is over, if that comes later. What the program failed
to take is sent again a minute later, as long as it is true: a pager that cannot be reached for a
moment must not lose the only alert of the night. What was sent as firing is kept in state_dir, so
that the next process sends its end.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge import __version__
from agi_bridge.status import open_alerts
from agi_bridge.status.problems import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.consent.signing import Sink
    from agi_bridge.status.problems import Kind
    from agi_bridge.status.status import Status

MINUTE_SECONDS: Final = 60.0
"""Between two looks."""
QUIET_SECONDS: Final = 900.0
"""Least time between two alerts of a kind."""
FIRST_SECONDS: Final = 60.0
"""Problems that exist at the start are sent after this time, if they persist."""


@dataclass(frozen=True, slots=True)
class _AlertState:
    """What the program last received for a kind, and when, in running time."""

    firing: bool = False
    at: float | None = None
    resumed: bool = False
    """Sent by the process before: a pager may have closed it since, so it is sent once more."""


class Alerts:
    """Watches for problems; run it as one task of the service.

    Args:
        status: where problems are seen.
        sink: the program; None: nobody is told.
        host: the name of this machine.
        running: seconds of running time.
        state_dir: where firing alerts are kept for the next process; None: nowhere.
    """

    def __init__(
        self,
        status: Status,
        sink: Sink | None,
        host: str,
        running: Callable[[], float],
        state_dir: Path | None = None,
    ) -> None:
        self._status = status
        self._sink = sink
        self._host = host
        self._running = running
        self._states = {name: _AlertState() for name in KINDS}
        self._since: dict[str, float] = {}
        self._state_dir = None if sink is None else state_dir

    async def run(self) -> None:
        """Look once a minute, until cancelled."""
        await self.resume()
        await asyncio.sleep(FIRST_SECONDS)
        while True:
            self._status.window.read()
            await self.look()
            await asyncio.sleep(MINUTE_SECONDS)

    async def resume(self) -> None:
        """Take over what the process before has sent as firing.

        None is over before it was quiet for `QUIET_SECONDS`: what grew before the start is not
        seen any more.
        """
        if self._state_dir is None:
            return
        try:
            kept = await asyncio.to_thread(open_alerts.read, self._state_dir)
        except (OSError, ValueError) as error:
            _log_not_kept(error)
            return
        for name in kept.keys() & KINDS.keys():
            self._states[name] = _AlertState(firing=True, at=self._running(), resumed=True)
            self._since[name] = kept[name]

    async def _keep(self) -> None:
        if self._state_dir is None:
            return
        firing = {name: self._since[name] for name, state in self._states.items() if state.firing}
        try:
            await asyncio.to_thread(open_alerts.write, self._state_dir, firing)
        except OSError as error:
            _log_not_kept(error)

    async def look(self) -> None:
        """Look now, and send what has changed."""
        at = self._status.snapshot().at
        found = {kind.name for kind in self._status.problems()}
        for name in found:
            self._since.setdefault(name, at)
        for kind, state in self._due(found):
            if await self._sent(self._line(kind, state, at)):
                self._states[kind.name] = state
                if not state.firing:
                    del self._since[kind.name]
                await self._keep()

    def _due(self, found: set[str]) -> list[tuple[Kind, _AlertState]]:
        """The kinds that have changed and may be sent, each with its new state."""
        now = self._running()
        due = []
        for kind in KINDS.values():
            last, firing = self._states[kind.name], kind.name in found
            quiet = last.at is not None and now - last.at < QUIET_SECONDS
            if (firing != last.firing or (firing and last.resumed)) and not quiet:
                due.append((kind, _AlertState(firing, now)))
            elif not firing and not last.firing:
                self._since.pop(kind.name, None)  # it was over before anybody could be told
        return due

    async def _sent(self, line: str) -> bool:
        """Have the program take a line; return whether that is done."""
        if self._sink is None:
            return True
        try:
            await asyncio.to_thread(self._sink.send, line)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            structlog.get_logger().error(
                "alerts.command_failed",
                reason=f"{self._sink.name}: {_reason(error)}",
                retry_after=MINUTE_SECONDS,
            )
            return False
        return True

    def _line(self, kind: Kind, state: _AlertState, at: float) -> str:
        return json.dumps(
            {
                "alert": kind.name,
                "state": "firing" if state.firing else "resolved",
                "severity": kind.severity,
                "notice": kind.notice,
                "cure": kind.cure,
                "since": _time(self._since[kind.name]),
                "at": _time(at),
                "host": self._host,
                "version": __version__,
            }
        )


def _log_not_kept(error: OSError | ValueError) -> None:
    structlog.get_logger().warning("alerts.not_kept", reason=_reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return "not done in time"
    if isinstance(error, subprocess.CalledProcessError):
        return f"exit status {error.returncode}"
    return getattr(error, "strerror", None) or type(error).__name__


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
