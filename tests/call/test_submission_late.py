"""The hook has answered, and the ledger does not take it: what became of the text is not lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.call import submission
from agi_bridge.call.resubmit import Resubmission
from agi_bridge.consent import Batch, CircuitOpen, LedgerUnavailable, State
from agi_bridge.consent.errors import LedgerLost

if TYPE_CHECKING:
    from tests.call.conftest import Place

AGREES = "4155550123,1"
OPEN = ["disclosed", "entered", "confirmed", "submitting"]


class Down:
    """A ledger that takes agreements and, while it is down, nothing else."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.down = True
        self._append = place.ledger.append
        monkeypatch.setattr(place.ledger, "append", self.append)

    async def append(self, batch: Batch) -> None:
        if self.down and batch.events and batch.events[-1].type is not State.SUBMITTING:
            raise LedgerUnavailable("the database is gone")
        await self._append(batch)


@pytest.mark.parametrize(
    ("scenario", "state"), [("dial", "accepted"), ("403", "refused"), ("garbage", "unknown")]
)
async def test_it_is_stored_as_soon_as_the_ledger_takes_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, scenario: str, state: str
) -> None:
    place.fake_hook.scenario = scenario
    ledger = Down(place, monkeypatch)
    await place(AGREES)
    resubmission = Resubmission(place.house)
    await resubmission.round()
    assert await place.states() == OPEN
    ledger.down = False
    for _ in range(2):
        await resubmission.round()
    assert await place.states() == [*OPEN, state]
    assert len(place.fake_hook.requests) == 1


async def test_one_that_was_stored_after_all_is_not_stored_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = place.ledger.append

    async def takes_it_and_fails(batch: Batch) -> None:
        await append(batch)
        if batch.events and batch.events[-1].type is State.ACCEPTED:
            raise LedgerUnavailable("the connection was lost while it answered")

    monkeypatch.setattr(place.ledger, "append", takes_it_and_fails)
    await place(AGREES)
    await Resubmission(place.house).round()
    assert await place.states() == [*OPEN, "accepted"]


async def test_that_nothing_was_sent_is_not_kept_as_another_bridge_may_be_sending(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.fake_hook.scenario = "refuse"
    await place.fake_hook.settled()
    ledger = Down(place, monkeypatch)
    await place(AGREES)
    ledger.down = False
    await Resubmission(place.house).round()
    assert await place.states() == OPEN
    assert place.fake_hook.requests == []


@pytest.mark.parametrize(
    ("error", "logged"),
    [(LedgerLost("gone"), 0), (CircuitOpen("down"), 0), (LedgerUnavailable("full"), 1)],
)
async def test_an_outage_that_the_log_has_is_not_logged_for_each_caller(
    place: Place, monkeypatch: pytest.MonkeyPatch, error: LedgerUnavailable, logged: int
) -> None:
    async def fails(_batch: Batch) -> None:
        raise error

    monkeypatch.setattr(place.ledger, "append", fails)
    with capture_logs() as logs:
        assert not await submission._append(place.ledger, Batch("a consent", ()))
    assert [log["log_level"] for log in logs] == ["error"] * logged
