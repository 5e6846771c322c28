"""Time that the process itself lost: what failed in it says nothing about the hook."""

from __future__ import annotations

import asyncio
import time

import pytest
from structlog.testing import capture_logs

from agi_bridge.hook import Breaker, Outcome, Preparation, Submission, SubmissionRequest, lost_time
from agi_bridge.hook.lost_time import LostTime

REQUEST = SubmissionRequest("+14155550123", "+14155550111", "key", "OPT_IN")
FAILURES = 3


class OverdueHook:
    """A hook whose submissions end, with this outcome, when their time is over."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def prepare(self) -> Preparation:
        return Preparation(None)

    async def submit(self, _: SubmissionRequest) -> Submission:
        await asyncio.sleep(0)
        return Submission(self.outcome, None, None, "timeout", 1, 0.5, None)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_time, "BEAT_SECONDS", 0.01)
    monkeypatch.setattr(lost_time, "LOST_SECONDS", 0.1)


def stand_still() -> None:
    """What a freeze is to the event loop: nothing runs, and the clock goes on."""
    time.sleep(0.3)  # blocks the loop on purpose: this is what the test is about


async def test_a_thaw_does_not_open_the_circuit() -> None:
    breaker = Breaker(OverdueHook(Outcome.UNKNOWN), failures=FAILURES)
    submissions = [asyncio.create_task(breaker.submit(REQUEST)) for _ in range(10)]
    asyncio.get_running_loop().call_soon(stand_still)
    with capture_logs() as logs:
        await asyncio.gather(*submissions)
    assert not breaker.open
    assert [line["event"] for line in logs] == ["hook.failure_not_counted"] * 10


async def test_failures_without_a_freeze_open_it() -> None:
    breaker = Breaker(OverdueHook(Outcome.UNKNOWN), failures=FAILURES)
    for _ in range(FAILURES):
        await breaker.submit(REQUEST)
    assert breaker.open


async def test_a_freeze_before_a_submission_is_none_of_its_time() -> None:
    lost = LostTime()
    with lost.watching() as before:
        stand_still()
        await asyncio.sleep(0.03)
        with lost.watching() as after:
            assert lost.since(before)
            assert not lost.since(after)


async def test_a_freeze_is_seen_before_any_timer_has_run() -> None:
    lost = LostTime()
    with lost.watching() as began:
        assert not lost.since(began)
        stand_still()
        assert lost.since(began)


async def test_nothing_beats_when_nothing_is_under_way() -> None:
    lost = LostTime()
    with lost.watching(), lost.watching():
        assert lost._timer is not None
    assert lost._timer is None
