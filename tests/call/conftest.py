"""A house with a real ledger, a real HTTP client and the shipped prompts; the PBX is played.

async def test_something(place: Place) -> None:
    call = await place("4155550123,1")
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call.handler import CallHandler, Services
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys, generate_keys
from agi_bridge.hook import HookClient
from agi_bridge.hook.testing import FakeHook
from agi_bridge.speech import SHIPPED, Library
from tests.support.call_env import DID, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.agi.testing import CallRecord, KeysBySound
    from agi_bridge.consent import StoredEvent
    from agi_bridge.settings import Settings


@cache
def shipped_milliseconds(path: str) -> int | None:
    """The length of a shipped prompt, or a second for the PBX's own sounds."""
    if not path.startswith(f"{SHIPPED}/"):
        return 1000
    language, _, name = path.removeprefix(f"{SHIPPED}/").partition("/")
    library = Library(cache=SHIPPED)
    return -(-library.prompt(name, language).samples // 8)


class Place:
    """Places one call to a handler with everything real behind it."""

    def __init__(self, state_dir: Path, fake_hook: FakeHook, parts: AsyncExitStack) -> None:
        self.fake_hook = fake_hook
        self.ledger: Ledger
        self.keys: Keys = generate_keys()
        self.parts = parts
        self.state_dir = state_dir
        self.where: Path | str = state_dir / "consents.db"
        self.house: Services

    async def open(self) -> None:
        self.ledger = await self.parts.enter_async_context(await Ledger.open(self.where, self.keys))

    async def handler(
        self, tables: dict[str, dict[str, Any]] | None = None, **line: Any
    ) -> CallHandler:
        return await self.handler_of(settings(self.state_dir, self.fake_hook.url, tables, **line))

    async def handler_of(self, configured: Settings) -> CallHandler:
        hook = HookClient(configured.hook.url)
        await self.parts.enter_async_context(hook)
        library = Library(cache=configured.speech_cache)
        self.house = Services(configured, library, self.ledger, hook, configured.sha256)
        return CallHandler(self.house)

    async def __call__(
        self,
        keys: str | KeysBySound,
        line: dict[str, Any] | None = None,
        *,
        path: str = "consent?to=%2B14155550111",
        **pbx: Any,
    ) -> CallRecord:
        pbx.setdefault("sounds", shipped_milliseconds)
        fake = FakeAsterisk(keys=keys, **pbx)
        call = await fake.run(await self.handler(**(line or {})), path)
        assert call.protocol_violations == []
        return call

    async def events(self) -> list[StoredEvent]:
        return await self.ledger.events()

    async def states(self) -> list[str]:
        return [event.type.value for event in await self.ledger.events()]


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with AsyncExitStack() as parts:
        fake_hook = await parts.enter_async_context(FakeHook())
        made = Place(tmp_path, fake_hook, parts)
        await made.open()
        yield made


def names(call: CallRecord) -> list[str]:
    """What the caller heard, without folders; not the pauses, nor the search for digits."""
    heard = [each.name for each in call.heard if not each.name.endswith("/digits/0")]
    heard = [name for name in heard if not name.startswith("silence/")]
    return [name.rpartition("/")[2] for name in heard]


__all__ = ["DID", "Place", "names", "shipped_milliseconds"]
