"""One life of a bridge that is about to be killed: it recovers as `serve` does, then takes calls.

It tells on a pipe what has begun, each line in one write, so that a killed one has told all it did:

    up SEQ            what an earlier life left open is settled, and this is the chain's last event
    call NUMBER       a caller is about to key this number
    step              the PBX has a command of some call's
    thanks NUMBER     the PBX has the command to play "accepted" to this caller
    done NUMBER       this call is over
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
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
    from agi_bridge.hook import Gate, HookClient, Preparation, Submission
    from agi_bridge.settings import Settings
    from agi_bridge.speech import Library

CALLERS: Final = 3
"""Calls at a time."""
NUMBERS: Final = 1000
"""How many numbers a life may use: no two lives have one in common."""
SLOW: Final = "06"
"""Numbers that end so are answered after 30 s by the stand-in, so nobody has one."""
_FIRST: Final = 2_120_000  # no exchange from here on is 211, 311 and so on, which take no texts
UNREACHED: Final = "9"
"""The first attempt of each life for a number that ends so finds nobody listening."""


def number_of(life: int, call: int) -> str:
    """The number that is keyed in a call, in E.164; area code 415, and no two calls share it."""
    return f"+1415{_FIRST + life * NUMBERS + call}"


def configuration(state_dir: Path, hook: str) -> Settings:
    """A line that takes any number of calls and sends again at any hour."""
    return settings(
        state_dir,
        hook,
        limits={"number_per_day": 0, "caller_id_per_day": 0, "line_per_hour": 0},
        hours={"opens": "00:00", "closes": "00:00"},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inheritance:
    """What every life is born with: all that is costly to make, made before the fork.

    `closed` is the URL of a port that refuses connections.
    """

    settings: Settings
    where: Path | str
    keys: Keys
    library: Library
    hook: HookClient
    closed: HookClient


class PatchyHook:
    """A hook that cannot be reached at the first attempt for some numbers."""

    def __init__(self, hook: HookClient, closed: HookClient) -> None:
        self._hook = hook
        self._closed = closed
        self._tried: set[str] = set()

    def prepare(self) -> Preparation:
        """Make a connection ahead."""
        return self._hook.prepare()

    async def submit(
        self,
        *,
        from_: str,
        to: str,
        key: str,
        context: str | None = None,
        gate: Gate | None = None,
        prepared: Preparation | None = None,
    ) -> Submission:
        """Submit, or fail to."""
        unreached = from_.endswith(UNREACHED) and from_ not in self._tried
        self._tried.add(from_)
        client = self._closed if unreached else self._hook
        return await client.submit(
            from_=from_,
            to=to,
            key=key,
            context=context,
            gate=gate,
            prepared=None if unreached else prepared,
        )


async def live(born_with: Inheritance, life: int, tell: int, *, calls: int = NUMBERS) -> None:
    """Live until killed, or until so many calls are over."""
    async with AsyncExitStack() as parts:
        enter = parts.enter_async_context
        ledger = await enter(await Ledger.open(born_with.where, born_with.keys))
        await ledger.recover()
        heads = {chain.ledger_id: chain.seq for chain in await ledger.chains()}
        os.write(tell, f"up {heads[ledger.ledger_id]}\n".encode())
        hook = PatchyHook(await enter(born_with.hook), await enter(born_with.closed))
        configured = born_with.settings
        services = Services(configured, born_with.library, ledger, hook, configured.sha256)
        again = asyncio.create_task(_resubmission(services).run())
        handler = CallHandler(services)
        numbers = iter([number_of(life, call) for call in range(calls)])
        await asyncio.gather(*(_calls(handler, numbers, tell) for _ in range(CALLERS)))
        again.cancel()
        await asyncio.wait({again})


async def _calls(handler: CallHandler, numbers: Iterator[str], tell: int) -> None:
    for number in numbers:
        if number.endswith(SLOW):
            continue

        def on_event(event: CallEvent, number: str = number) -> None:
            if event.kind == "command":
                os.write(tell, b"step\n")
                if event.text.startswith("STREAM FILE") and "/accepted" in event.text:
                    os.write(tell, f"thanks {number}\n".encode())

        os.write(tell, f"call {number}\n".encode())
        fake = FakeAsterisk(keys=f"{number[2:]},1", sounds=shipped_milliseconds, on_event=on_event)
        await fake.run(handler, "consent?to=%2B14155550111")
        os.write(tell, f"done {number}\n".encode())


def _resubmission(services: Services) -> Resubmitter:
    """Send again at once: the back-off is over before it begins."""

    async def pause(news: asyncio.Event, _seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), 0.05)

    return Resubmitter(
        services,
        now=lambda: datetime.now(UTC) + FIRST_WAIT * 4,
        synchronised=lambda: True,
        pause=pause,
    )
