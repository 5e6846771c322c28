"""What the console asks of the service: through its own ledger, as the configuration in force."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from agi_bridge.app.console import ConsoleService
from agi_bridge.app.ledger import open_ledger
from agi_bridge.settings import PushSettings
from tests.support.file_locks import locks

if TYPE_CHECKING:
    from tests.support.sample_ledger import SampleLedger

CLOSES_LAST: Final = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1])
other.execute("SELECT count(*) FROM event").fetchone()
other.close()
"""
"""What a command does with the file."""
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


async def closes_last(file: Path) -> None:
    """Use the file as a command does: in a process of its own, which closes it at its end."""
    command = await asyncio.create_subprocess_exec(sys.executable, "-c", CLOSES_LAST, str(file))
    assert await command.wait() == 0


async def test_a_page_leaves_the_service_its_locks_on_the_file(sample: SampleLedger) -> None:
    """Without them the next command takes itself for the last one, and removes the log in use."""
    file = Path(sample.settings.ledger_place)
    log = file.with_name(f"{file.name}-wal")
    async with await open_ledger(sample.settings) as serving:
        await serving.chains()
        before, inode = locks(file), log.stat().st_ino
        service = ConsoleService(running(sample.settings), asyncio.get_running_loop())
        try:
            for _ in range(2):
                await (await service.ledger()).chains()
                await closes_last(file)
                assert locks(file) >= before > 0
        finally:
            await service.close()
        assert locks(file) == before
        await closes_last(file)
        assert log.stat().st_ino == inode


async def test_a_recording_is_what_calls_play_and_nothing_else(sample: SampleLedger) -> None:
    service = ConsoleService(running(sample.settings), asyncio.get_running_loop())
    assert await service.recording("none", "en", "disclosure") is None


async def test_without_a_run_there_is_no_report(sample: SampleLedger) -> None:
    service = ConsoleService(running(sample.settings), asyncio.get_running_loop())
    assert service.doctor_report() is None
