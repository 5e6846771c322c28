"""The hook has answered, and the ledger does not take it: what became of the text is not lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.call import submission
from agi_bridge.call.resubmit import LEAST_PAUSE, Resubmitter
from agi_bridge.consent import Batch, CircuitOpen, LedgerUnavailable, State, StoredEvent
from agi_bridge.consent.errors import LedgerLost

if TYPE_CHECKING:
    from tests.support.call_env import CallEnv

AGREES = "4155550123,1"
OPEN = ["disclosed", "entered", "confirmed", "submitting"]


class Down:
    """A ledger that takes agreements and, while it is down, nothing else."""

    def __init__(self, call_env: CallEnv, monkeypatch: pytest.MonkeyPatch) -> None:
        self.down = True
        self._append = call_env.ledger.append
        monkeypatch.setattr(call_env.ledger, "append", self.append)

    async def append(self, batch: Batch) -> None:
        if self.down and batch.events and batch.events[-1].type is not State.SUBMITTING:
            raise LedgerUnavailable("the database is gone")
        await self._append(batch)


@pytest.mark.parametrize(
    ("scenario", "state"), [("dial", "accepted"), ("403", "refused"), ("garbage", "unknown")]
)
async def test_it_is_stored_as_soon_as_the_ledger_takes_it(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch, scenario: str, state: str
) -> None:
    call_env.fake_hook.scenario = scenario
    ledger = Down(call_env, monkeypatch)
    await call_env(AGREES)
    resubmission = Resubmitter(call_env.services)
    assert await resubmission.round() == timedelta(seconds=LEAST_PAUSE)
    assert await call_env.states() == OPEN
    ledger.down = False
    for _ in range(2):
        await resubmission.round()
    assert await call_env.states() == [*OPEN, state]
    assert len(call_env.fake_hook.requests) == 1


async def test_an_outcome_already_stored_is_not_stored_twice(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = call_env.ledger.append

    async def takes_it_and_fails(batch: Batch) -> None:
        await append(batch)
        if batch.events and batch.events[-1].type is State.ACCEPTED:
            raise LedgerUnavailable("the connection was lost while it answered")

    monkeypatch.setattr(call_env.ledger, "append", takes_it_and_fails)
    await call_env(AGREES)
    await Resubmitter(call_env.services).round()
    assert await call_env.states() == [*OPEN, "accepted"]


async def test_a_not_sent_outcome_is_not_queued_because_another_bridge_may_be_sending(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_env.fake_hook.scenario = "refuse"
    await call_env.fake_hook.settled()
    ledger = Down(call_env, monkeypatch)
    await call_env(AGREES)
    ledger.down = False
    await Resubmitter(call_env.services).round()
    assert await call_env.states() == OPEN
    assert call_env.fake_hook.requests == []


@pytest.mark.parametrize(
    ("error", "logged"),
    [(LedgerLost("gone"), 0), (CircuitOpen("down"), 0), (LedgerUnavailable("full"), 1)],
)
async def test_an_outage_that_the_log_has_is_not_logged_for_each_caller(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch, error: LedgerUnavailable, logged: int
) -> None:
    async def fails(_batch: Batch) -> None:
        raise error

    await call_env.handler()
    services = call_env.services
    monkeypatch.setattr(call_env.ledger, "append", fails)
    batch = Batch("a consent", (StoredEvent("1", "a consent", State.DISCLOSED, "now", {}),))
    with capture_logs() as logs:
        assert not await submission._append(services, services.settings.lines["shop"], batch)
    assert [log["log_level"] for log in logs] == ["error"] * logged
    assert services.metrics.ledger_errors.total() == 1
    assert services.metrics.consents.total() == 0
