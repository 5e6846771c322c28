"""Checks slow things in the background: ledger, disk, prompts and the event loop's delay."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Final, Protocol

from agi_bridge.consent import ConsentError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from agi_bridge.consent import Backlog
    from agi_bridge.status.status import Status

LOOK_SECONDS: Final = 30.0
"""Between two looks at ledger, disk and prompts."""
TICK_SECONDS: Final = 0.5
"""Between two looks at the event loop's clock."""
LAG_TICKS: Final = 60
"""Ticks that the longest hold-up is taken over, at least; twice as many at most."""


class BacklogSource(Protocol):
    """What says how much waits: the ledger."""

    async def backlog(self) -> Backlog:
        """Count what waits to be sent again and what waits for a person."""
        ...


class Watch:
    """Keeps a status up to date; run each of its coroutines as a task of the service.

    Args:
        status: what is kept up to date.
        ledger: says what waits.
        folder: where the ledger is kept.
        lost_prompts: finds the lines whose disclosure is no longer what was read at the start.
    """

    def __init__(
        self,
        status: Status,
        ledger: BacklogSource,
        folder: Path,
        lost_prompts: Callable[[], Awaitable[tuple[str, ...]]],
    ) -> None:
        self._status = status
        self._ledger = ledger
        self._folder = folder
        self._lost_prompts = lost_prompts

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Look once; what cannot be seen is not known, and no look breaks another."""
        state = self._status.state
        try:
            backlog = await self._ledger.backlog()
        except ConsentError as error:
            state.ledger_error = str(error)
            state.chain_taken = error.code == "chain_taken"
            state.unsent = state.waiting = state.push = None
        else:
            state.ledger_error, state.chain_taken = None, False
            state.unsent, state.waiting = backlog.unsent, backlog.waiting
            state.push = backlog.push
        try:
            usage = await asyncio.to_thread(shutil.disk_usage, self._folder)
        except OSError:
            state.free_bytes = None
        else:
            state.free_bytes = usage.free
        state.lost_prompts = await self._lost_prompts()

    async def measure_lag(self) -> None:
        """Measure how long the event loop is held up, until cancelled."""
        clock = asyncio.get_running_loop().time
        previous = longest = 0.0
        while True:
            for _ in range(LAG_TICKS):
                expected = clock() + TICK_SECONDS
                await asyncio.sleep(TICK_SECONDS)
                longest = max(longest, clock() - expected)
                self._status.state.loop_lag = max(previous, longest)
            previous, longest = longest, 0.0
