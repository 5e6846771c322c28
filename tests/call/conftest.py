"""The fixture `call_env`: a handler with a real ledger, HTTP client and prompts behind it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from agi_bridge.hook.testing import FakeHook
from tests.support.call_env import CallEnv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
async def call_env(tmp_path: Path) -> AsyncIterator[CallEnv]:
    async with AsyncExitStack() as parts:
        fake_hook = await parts.enter_async_context(FakeHook())
        made = CallEnv(tmp_path, fake_hook, parts)
        await made.open()
        yield made
