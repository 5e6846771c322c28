"""What takes time to look at: no look breaks another, and what cannot be seen is not known."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from agi_bridge.consent import Backlog, LedgerLost, LedgerUnavailable
from agi_bridge.status import Watch, watch
from tests.support.statuses import Pretended

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Ledger:
    """Says how much waits, or fails."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    async def backlog(self) -> Backlog:
        if self.error is not None:
            raise self.error
        return Backlog(2, {"message": 1})


async def nothing_lost() -> tuple[str, ...]:
    return ()


async def test_a_look_says_what_waits_and_how_much_is_free(tmp_path: Path) -> None:
    service = Pretended()
    await Watch(service.status, Ledger(), tmp_path, nothing_lost).look()
    assert (service.state.unsent, service.state.waiting) == (2, {"message": 1})
    assert service.state.free_bytes is not None
    assert service.state.free_bytes > 0


async def test_a_ledger_that_does_not_answer_is_seen_and_so_is_its_return(tmp_path: Path) -> None:
    service, ledger = Pretended(), Ledger()
    looker = Watch(service.status, ledger, tmp_path, nothing_lost)
    await looker.look()
    ledger.error = LedgerUnavailable("consents.db: no answer in 5 s")
    await looker.look()
    assert "no answer in 5 s" in (service.state.ledger_error or "")
    assert service.state.unsent is None
    judged = service.status.readiness()
    assert not judged.is_ready
    ledger.error = None
    await looker.look()
    assert service.state.ledger_error is None
    assert service.status.readiness().is_ready


async def test_a_bridge_whose_chain_was_taken_is_not_ready_although_the_database_is_shared(
    tmp_path: Path,
) -> None:
    """The other bridge with this key stores: callers are better off there."""
    service, ledger = Pretended(shared=True), Ledger()
    ledger.error = LedgerLost("chain 0123abcd is written by another bridge", code="chain_taken")
    looker = Watch(service.status, ledger, tmp_path, nothing_lost)
    await looker.look()
    judged = service.status.readiness()
    assert (judged.is_ready, judged.checks["ledger"]) == (False, "chain_taken")
    ledger.error = None
    await looker.look()
    assert service.status.readiness().is_ready


async def test_a_folder_that_is_gone_leaves_the_rest_known(tmp_path: Path) -> None:
    async def lost() -> tuple[str, ...]:
        return ("shop",)

    service = Pretended()
    await Watch(service.status, Ledger(), tmp_path / "gone", lost).look()
    assert service.state.free_bytes is None
    assert service.state.unsent == 2
    assert service.state.lost_prompts == ("shop",)


async def test_a_loop_that_is_held_up_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "TICK_SECONDS", 0.001)
    service = Pretended()
    task = asyncio.create_task(
        Watch(service.status, Ledger(), tmp_path, nothing_lost).measure_lag()
    )
    await asyncio.sleep(0)
    time.sleep(0.05)  # noqa: ASYNC251 - what holds the loop up
    async with asyncio.timeout(10):
        while service.state.loop_lag < 0.04:  # noqa: ASYNC110 - a plain value, as others read it
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.wait({task})
