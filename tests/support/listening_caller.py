"""A caller who stays in the dialogue until a test is done with what happens meanwhile."""

from __future__ import annotations

import asyncio

from agi_bridge.agi.testing import FakeAsterisk
from tests.support.call_env import shipped_milliseconds


class Listening(FakeAsterisk):
    """A caller in the middle of the disclosure, who presses * when told to."""

    def __init__(self) -> None:
        super().__init__(keys=None, sounds=shipped_milliseconds)
        self.there, self.press = asyncio.Event(), asyncio.Event()

    async def next_key(self, timeout: float) -> str | None:  # noqa: ASYNC109 - as it is called
        del timeout
        self.there.set()
        await self.press.wait()
        return "*"
