"""The dialplan asks for health: no call is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.status import HealthScript
from tests.support.statuses import Pretended

if TYPE_CHECKING:
    from agi_bridge.agi import Channel


async def taken(channel: Channel) -> None:
    await channel.set_variable("TAKEN", "yes")


@pytest.mark.parametrize("path", ["health", "health/", "health?token=word"])
async def test_the_level_is_set_and_nothing_else_happens(path: str) -> None:
    service = Pretended(hook_open=True)
    call = await FakeAsterisk().run(HealthScript(taken, service.status.readiness), path)
    assert call.variables == {"AGI_BRIDGE_HEALTH": "degraded"}
    assert service.metrics.calls.total() == 0


@pytest.mark.parametrize("path", ["consent", "healthy", "consent/health", "?health", ""])
async def test_every_other_script_is_a_call(path: str) -> None:
    service = Pretended()
    call = await FakeAsterisk().run(HealthScript(taken, service.status.readiness), path)
    assert call.variables == {"TAKEN": "yes"}
