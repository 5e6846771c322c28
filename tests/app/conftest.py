"""What tests of the whole service share: its log, and the hook that it asks."""

from __future__ import annotations

import gc
import logging
import sys
from typing import TYPE_CHECKING

import pytest
import structlog

from agi_bridge.hook.testing import FakeHook
from agi_bridge.observe import configure_logging
from tests.support.captured_log import Log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

FORWARD = "+14155550199"


@pytest.fixture
def written() -> Iterator[Log]:
    """Everything that is logged, at the most talkative level."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out = Log()
    configure_logging("debug", out)
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
async def fake_hook() -> AsyncIterator[FakeHook]:
    async with FakeHook(forward=FORWARD) as running:
        yield running


@pytest.fixture
def spared_collector() -> Iterator[None]:
    """Put the garbage collector and the threads' turns back as they were before `serve`."""
    threshold, turn = gc.get_threshold(), sys.getswitchinterval()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)
    sys.setswitchinterval(turn)
