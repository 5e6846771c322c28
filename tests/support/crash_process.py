"""One run of a bridge process that will be ended: it recovers as `serve` does, then takes calls.

SIGTERM ends it in order: calls in progress end, and what is known is stored.

It reports progress on a pipe. Each line is one write, so a killed process has reported all it did:

    ready SEQ         open submissions of earlier runs are settled; SEQ is the chain's last event
    call NUMBER       a caller is about to key this number
    step              the PBX has received a command of some call
    thanks NUMBER     the PBX has received the command to play "accepted" to this caller
    done NUMBER       this call has ended
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call import CallHandler, Services
from agi_bridge.call.resubmit import FIRST_WAIT, Resubmitter
from agi_bridge.consent.ledger import Ledger
from tests.support.call_env import settings, shipped_milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agi_bridge.agi.testing import CallEvent
    from agi_bridge.consent.signing import Keys
    from agi_bridge.hook import HookClient, Preparation, Submission, SubmissionRequest
    from agi_bridge.settings import Settings
    from agi_bridge.speech import Library

CALLERS: Final = 3
"""Calls at a time."""
NUMBERS: Final = 1000
"""How many numbers a run may use. Runs share no numbers."""
SLOW: Final = "06"
"""The fake hook answers numbers with this ending after 30 s, so no caller has one."""
_FIRST: Final = 2_120_000  # no exchange from here on is 211, 311 and so on, which take no texts
UNREACHED: Final = "9"
"""The first attempt of each run for a number with this ending finds no listener."""


def number_of(run: int, call: int) -> str:
    """Return the number keyed in a call, in E.164, unique to the call; the area code is 415."""
    return f"+1415{_FIRST + run * NUMBERS + call}"


def configuration(state_dir: Path, hook: str) -> Settings:
    """Return the settings of a line without call limits that resubmits at any hour."""
    return settings(
        state_dir,
        hook,
        limits={"number_per_day": 0, "caller_id_per_day": 0, "line_per_hour": 0},
        hours={"opens": "00:00", "closes": "00:00"},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResources:
    """What every run shares: all that is costly to build, built before the fork.

    `closed` is the client of a port that refuses connections.
    """

    settings: Settings
    where: Path | str
    keys: Keys
    library: Library
    hook: HookClient
    closed: HookClient


class PatchyHook:
    """A hook that is unreachable at the first attempt for some numbers."""

    def __init__(self, hook: HookClient, closed: HookClient) -> None:
        self._hook = hook
        self._closed = closed
        self._tried: set[str] = set()

    def prepare(self) -> Preparation:
        """Open a connection in advance."""
        return self._hook.prepare()

    async def submit(self, request: SubmissionRequest) -> Submission:
        """Submit to the hook, or to the closed port."""
        unreached = request.from_.endswith(UNREACHED) and request.from_ not in self._tried
        self._tried.add(request.from_)
        if unreached:
            return await self._closed.submit(replace(request, prepared=None))
        return await self._hook.submit(request)


async def run_bridge(
    resources: RunResources, run: int, reports: int, *, calls: int = NUMBERS
) -> None:
    """Recover and take calls until killed, or until `calls` calls have ended."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        ledger = await enter(await Ledger.open(resources.where, resources.keys))
        await ledger.recover()
        heads = {chain.ledger_id: chain.seq for chain in await ledger.chains()}
        os.write(reports, f"ready {heads[ledger.ledger_id]}\n".encode())
        hook = PatchyHook(await enter(resources.hook), await enter(resources.closed))
        configured = resources.settings
        services = Services(configured, resources.library, ledger, hook, configured.sha256)
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        resubmitting = asyncio.create_task(_resubmission(services, stopping).run())
        handler = CallHandler(services)
        numbers = iter([number_of(run, call) for call in range(calls)])
        await asyncio.gather(*(_calls(handler, numbers, reports, stopping) for _ in range(CALLERS)))
        stopping.set()
        await resubmitting
        await services.deferred_outcomes.store(ledger)


async def _calls(
    handler: CallHandler, numbers: Iterator[str], reports: int, stopping: asyncio.Event
) -> None:
    for number in numbers:
        if stopping.is_set():
            return
        if number.endswith(SLOW):
            continue

        def on_event(event: CallEvent, number: str = number) -> None:
            if event.kind == "command":
                os.write(reports, b"step\n")
                if event.text.startswith("STREAM FILE") and "/accepted" in event.text:
                    os.write(reports, f"thanks {number}\n".encode())

        os.write(reports, f"call {number}\n".encode())
        fake = FakeAsterisk(keys=f"{number[2:]},1", sounds=shipped_milliseconds, on_event=on_event)
        await fake.run(handler, "consent?to=%2B14155550111")
        os.write(reports, f"done {number}\n".encode())


def _resubmission(services: Services, stopping: asyncio.Event) -> Resubmitter:
    """Resubmit at once: the clock is set after the back-off."""

    async def pause(news: asyncio.Event, _seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), 0.05)

    return Resubmitter(
        services,
        now=lambda: datetime.now(UTC) + FIRST_WAIT * 4,
        synchronised=lambda: True,
        pause=pause,
        stopping=stopping,
    )
