"""What the console asks of the service: through its own ledger, as the configuration in force."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from agi_bridge.app.console import ConsoleService
from agi_bridge.settings import PushSettings

if TYPE_CHECKING:
    from tests.support.sample_ledger import SampleLedger

CRM = PushSettings.model_validate(
    {"name": "crm", "url": "https://crm.example.com/x", "signing_secret": {"env": "CRM"}}
)


def running(settings: object) -> Any:
    """A service with a configuration."""
    return SimpleNamespace(current=SimpleNamespace(services=SimpleNamespace(settings=settings)))


async def test_a_reload_that_changes_who_is_told_holds_for_what_the_console_stores(
    sample: SampleLedger,
) -> None:
    before = running(sample.settings)
    service = ConsoleService(before, asyncio.get_running_loop())
    try:
        ledger = await service.ledger()
        assert cast("Any", ledger)._writer.push_routes == {}
        changed = sample.settings.model_copy(update={"push": (CRM,)})
        before.current.services.settings = changed
        assert await service.ledger() is ledger
        assert set(cast("Any", ledger)._writer.push_routes.values()) == {("crm",)}
    finally:
        await service.close()


async def test_a_recording_is_what_calls_play_and_nothing_else(sample: SampleLedger) -> None:
    service = ConsoleService(running(sample.settings), asyncio.get_running_loop())
    assert await service.recording("none", "en", "disclosure") is None


async def test_without_a_run_there_is_no_report(sample: SampleLedger) -> None:
    service = ConsoleService(running(sample.settings), asyncio.get_running_loop())
    assert service.doctor_report() is None
