"""Calls on a bridge whose database is about to fail, and what has to hold of them then."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call import CallHandler, Services
from agi_bridge.consent.ledger import Ledger
from agi_bridge.hook import HookClient
from agi_bridge.hook.testing import FakeHook
from agi_bridge.speech import Library
from tests.support.call_env import prompts_heard, settings, shipped_milliseconds
from tests.support.verified import stands

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.agi.testing import CallRecord
    from agi_bridge.consent.signing import Keys

DEFAULT: Final = "PJSIP/100"
FORWARD: Final = "PJSIP/+14155550199@trunk"
AGREES: Final = "4155550123,1"
AGREES_LATER: Final = "4155550124,1"
DECLINES: Final = "*"


class FaultBridge:
    """A bridge of one line, and the hook that it submits to; all of it is made beforehand."""

    def __init__(self, handler: CallHandler, ledger: Ledger, hook: FakeHook) -> None:
        self.handler = handler
        self.ledger = ledger
        self.hook = hook

    @classmethod
    @asynccontextmanager
    async def running(
        cls, where: Path | str, keys: Keys, state_dir: Path, **line: Any
    ) -> AsyncIterator[FaultBridge]:
        """Open its ledger and its hook."""
        async with FakeHook("dial") as fake_hook, await Ledger.open(where, keys) as ledger:
            configured = settings(state_dir, fake_hook.url, **line)
            async with HookClient(fake_hook.url) as hook:
                library = Library(cache=configured.speech_cache)
                services = Services(configured, library, ledger, hook, configured.sha256)
                yield cls(CallHandler(services), ledger, fake_hook)

    async def call(self, keys: str, **pbx: Any) -> CallRecord:
        """Place a call in which these keys are pressed."""
        fake = FakeAsterisk(keys=keys, sounds=shipped_milliseconds, **pbx)
        return await fake.run(self.handler, "consent?to=%2B14155550111&attestation=A")

    def refused(self, call: CallRecord) -> bool:
        """Whether nothing was sent, the caller was told so, and reached the default destination."""
        heard = prompts_heard(call)
        return (
            not self.hook.requests
            and "not-confirmed" in heard
            and "accepted" not in heard
            and went_to(call) == [DEFAULT]
            and call.variables["AGI_BRIDGE_RESULT"] == "done"
        )

    async def goes_on(self, keys: str = AGREES_LATER) -> bool:
        """Whether the next caller's consent is stored and sent, and all that is stored is whole."""
        before = len(self.hook.requests)
        call = await self.call(keys)
        (request,) = self.hook.requests[before:]
        last = (await self.ledger.events())[-1]
        return (
            "accepted" in prompts_heard(call)
            and went_to(call) == [FORWARD]
            and last.type == "accepted"
            and await self.ledger.number(last.consent_id) == request.from_
            and await self.is_whole()
        )

    async def is_whole(self) -> bool:
        """Whether our chain stands verification, checkpoint included."""
        await self.ledger.checkpoint()
        return await stands(self.ledger)

    async def states(self) -> list[list[str]]:
        """The events of each consent, the oldest first."""
        found: dict[str, list[str]] = {}
        for event in await self.ledger.events():
            found.setdefault(event.consent_id, []).append(event.type.value)
        return list(found.values())


def went_to(call: CallRecord) -> list[str]:
    """Where a caller was connected to."""
    return [dialled.destination for dialled in call.dialled]
