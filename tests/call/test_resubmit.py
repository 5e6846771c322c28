"""Sending again, by a clock that the test turns: when, how often, in which order, and when not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agi_bridge.call.resubmit import FIRST_WAIT, LONGEST_WAIT, LOOK_EVERY, WINDOW, due
from agi_bridge.consent import ConsentRecord, IllegalTransition, LedgerUnavailable, State, Withheld
from agi_bridge.hook import Breaker, Outcome
from tests.support.resubmit_bench import NOON, NUMBER, ResubmitBench, at, down, unsent

if TYPE_CHECKING:
    from agi_bridge.consent import Batch


# When


@given(st.integers(0, 10_000))
def test_waits_double_up_to_two_minutes(attempts: int) -> None:
    wait = due(unsent("a", attempts=attempts)) - NOON
    assert FIRST_WAIT <= wait <= LONGEST_WAIT
    next_wait = due(unsent("a", attempts=attempts + 1)) - NOON
    assert next_wait in {wait, min(2 * wait, LONGEST_WAIT)}


async def test_a_hook_that_is_back_gets_the_consent_at_the_next_attempt() -> None:
    bench = ResubmitBench(unsent("a"))
    bench.outcomes = down(2)
    with capture_logs() as logs:
        await bench.play()
    assert bench.submitted == [("a", 15.0), ("a", 45.0), ("a", 105.0)]
    assert bench.waiting == {}
    assert [body.get("attempt") for body in bench.bodies[::2]] == [2, 3, 4]
    assert [(log["log_level"], log["event"]) for log in logs] == [
        ("warning", "resubmission.hook_unreachable"),  # once, not for each attempt
        ("info", "resubmission.consent_sent"),
    ]
    assert NUMBER[2:] not in str(logs)


async def test_after_ten_minutes_it_expires_and_is_never_sent() -> None:
    bench = ResubmitBench(unsent("a"))
    bench.outcomes = down(99)
    await bench.play()
    assert [when for _, when in bench.submitted] == [15, 45, 105, 225, 345, 465, 585]
    assert bench.events[-1][1] is State.EXPIRED
    assert bench.bodies[-1]["reason"] == "too_old"


async def test_one_found_too_late_expires_unsent() -> None:
    bench = ResubmitBench(unsent("a"))
    bench.clock = WINDOW.total_seconds() + 0.001
    await bench.resubmission.round()
    assert bench.submitted == []
    assert [event[1] for event in bench.events] == [State.EXPIRED]


async def test_one_found_at_the_last_moment_is_sent() -> None:
    bench = ResubmitBench(unsent("a"))
    bench.clock = WINDOW.total_seconds()
    await bench.resubmission.round()
    assert len(bench.submitted) == 1


async def test_a_clock_that_is_behind_makes_it_wait_and_nothing_else() -> None:
    bench = ResubmitBench(unsent("a"))
    bench.clock = -3600.0
    assert await bench.resubmission.round() == LOOK_EVERY
    assert bench.events == []


# A clock that is wrong

DAY = 86_400.0


@pytest.mark.parametrize("set_by", [-DAY, -300.0, -1.0])
async def test_a_clock_that_is_set_back_lets_nothing_be_sent_late(set_by: float) -> None:
    bench = ResubmitBench(unsent("a"))
    bench.outcomes = down(99)
    await bench.resubmission.round()
    bench.clock = 200.0
    bench.set_by = set_by
    await bench.play(until=2 * DAY)
    assert all(when <= WINDOW.total_seconds() for _, when in bench.submitted)
    assert bench.events[-1][1] is State.EXPIRED
    assert bench.events[-1][2] <= WINDOW.total_seconds() + LOOK_EVERY.total_seconds()


async def test_what_was_dated_by_a_clock_that_was_ahead_is_never_sent_late() -> None:
    tomorrow = at(DAY).isoformat()
    bench = ResubmitBench(replace(unsent("a"), confirmed_at=tomorrow, last_at=tomorrow))
    await bench.play(until=2 * DAY)
    assert bench.submitted == []
    assert bench.events[-1][1] is State.EXPIRED
    assert bench.events[-1][2] <= WINDOW.total_seconds() + LOOK_EVERY.total_seconds()
    assert bench.bodies[-1]["reason"] == "too_old"


async def test_what_an_earlier_service_left_is_sent_only_by_a_clock_that_is_kept_right() -> None:
    bench = ResubmitBench(unsent("a"))
    bench.synchronised = False
    bench.clock = 30.0
    await bench.resubmission.round()
    bench.waiting["b"] = replace(unsent("b"), confirmed_at=at(30).isoformat())
    bench.clock = 60.0
    await bench.resubmission.round()
    assert [name for name, _ in bench.submitted] == ["b"]
    bench.synchronised = True
    bench.clock = 90.0
    await bench.resubmission.round()
    assert [name for name, _ in bench.submitted] == ["b", "a"]


async def test_on_a_clock_that_nobody_keeps_it_expires_in_running_time() -> None:
    bench = ResubmitBench(unsent("a"))
    bench.synchronised = False
    await bench.play(until=DAY)
    assert bench.submitted == []
    assert [event[1] for event in bench.events] == [State.EXPIRED]
    assert bench.bodies[0]["reason"] == "too_old"


# Hours

OPENS_IN_TWO_MINUTES = {"hours": {"opens": "12:02", "closes": "20:00"}}


async def test_outside_the_hours_it_waits_for_the_opening() -> None:
    bench = ResubmitBench(unsent("a"), **OPENS_IN_TWO_MINUTES)
    await bench.play()
    assert bench.submitted == [("a", 120.0)]


async def test_hours_that_do_not_open_in_time_expire_it_at_once() -> None:
    bench = ResubmitBench(unsent("a"), hours={"opens": "12:11", "closes": "20:00"})
    bench.clock = 15.0
    await bench.resubmission.round()
    assert bench.submitted == []
    assert [(event[1], event[2]) for event in bench.events] == [(State.EXPIRED, 15.0)]
    assert bench.bodies[0]["reason"] == "hours"


async def test_the_hours_are_those_of_the_number() -> None:
    bench = ResubmitBench(unsent("a"), **OPENS_IN_TWO_MINUTES)
    bench.number = "+12125550123"  # three hours on
    await bench.play()
    assert bench.submitted == [("a", 15.0)]


# One at a time, and not in bulk


async def test_one_that_fails_holds_the_others_back_and_costs_them_nothing() -> None:
    bench = ResubmitBench(unsent("a"), unsent("b"), unsent("c"))
    bench.outcomes = down(1)
    bench.clock = 15.0
    assert await bench.resubmission.round() == FIRST_WAIT
    assert [name for name, _ in bench.submitted] == ["a"]
    assert [bench.waiting[name].attempts for name in "abc"] == [2, 1, 1]
    bench.clock += 15
    await bench.resubmission.round()
    assert [name for name, _ in bench.submitted] == ["a", "b", "c"]


async def test_one_that_fails_does_not_keep_another_from_expiring() -> None:
    bench = ResubmitBench(unsent("a"), replace(unsent("old"), confirmed_at=at(-600).isoformat()))
    bench.outcomes = down(1)
    bench.clock = 15.0
    await bench.resubmission.round()
    assert ("old", State.EXPIRED, 15.0) in bench.events


async def test_a_line_of_another_bridge_is_left_alone_until_it_is_too_late() -> None:
    bench = ResubmitBench(unsent("a", line="elsewhere"))
    bench.clock = 15.0
    assert await bench.resubmission.round() == LOOK_EVERY
    assert bench.events == []
    bench.clock = 3600.0
    assert await bench.resubmission.round() == LOOK_EVERY
    assert [state for _, state, _ in bench.events] == [State.EXPIRED]


async def test_an_open_circuit_costs_no_attempt() -> None:
    bench = ResubmitBench(unsent("a"))
    breaker = Breaker(bench, failures=1, seconds=3600)
    bench.outcomes = down(1)
    bench.clock = 15.0
    bench.resubmission = bench.new_resubmission(services=replace(bench.services, hook=breaker))
    await bench.resubmission.round()
    assert bench.waiting["a"].attempts == 2
    assert breaker.open
    for _ in range(4):
        bench.clock += 30
        assert await bench.resubmission.round() <= FIRST_WAIT
    assert bench.waiting["a"].attempts == 2
    assert len(bench.submitted) == 1


async def test_an_unknown_outcome_is_never_sent_again() -> None:
    bench = ResubmitBench(unsent("a"))
    bench.outcomes = [Outcome.UNKNOWN]
    await bench.play()
    assert [event[1] for event in bench.events] == [State.SUBMITTING, State.UNKNOWN]


# What gets in the way


@pytest.mark.parametrize("refusal", [IllegalTransition("taken"), Withheld("suppressed")])
async def test_one_that_the_ledger_does_not_give_is_left_to_others(
    refusal: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = ResubmitBench(unsent("a"))
    bench.clock = 15.0

    async def refuse(_batch: Batch) -> None:
        raise refusal

    monkeypatch.setattr(bench, "append", refuse)
    with capture_logs() as logs:
        assert await bench.resubmission.round() == LOOK_EVERY
    assert bench.submitted == []
    assert logs == []


async def test_a_ledger_that_is_down_is_logged_once_and_tried_later() -> None:
    bench = ResubmitBench(unsent("a"))
    bench.clock = 15.0
    bench.refuses = LedgerUnavailable("no database")
    with capture_logs() as logs:
        assert await bench.resubmission.round() == LOOK_EVERY
        assert await bench.resubmission.round() == LOOK_EVERY
        bench.refuses = None
        await bench.resubmission.round()
        assert len(bench.submitted) == 1
        bench.refuses = LedgerUnavailable("no database")
        await bench.resubmission.round()
    alarms = [log["event"] for log in logs if log["log_level"] == "error"]
    assert alarms == ["resubmission.round_failed"] * 2


async def test_a_ledger_that_fails_in_the_middle_ends_the_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = ResubmitBench(unsent("a"), unsent("b"))
    bench.clock = 15.0
    asked: list[str] = []

    async def gone(consent_id: str) -> ConsentRecord:
        asked.append(consent_id)
        raise LedgerUnavailable("no database")

    monkeypatch.setattr(bench, "load_for_retry", gone)
    assert await bench.resubmission.round() == LOOK_EVERY
    assert asked == ["a"]


async def test_one_that_cannot_be_opened_is_given_up_and_the_others_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = ResubmitBench(unsent("a"), unsent("b"))
    bench.clock = 15.0
    load_for_retry = bench.load_for_retry

    async def erased(consent_id: str) -> ConsentRecord:
        if consent_id == "a":
            raise LookupError("erased")
        return await load_for_retry(consent_id)

    monkeypatch.setattr(bench, "load_for_retry", erased)
    with capture_logs() as logs:
        await bench.resubmission.round()
        await bench.resubmission.round()
    assert [name for name, _ in bench.submitted] == ["b"]
    alarms = [log for log in logs if log["log_level"] == "error"]
    assert [(alarm["event"], alarm["consent"]) for alarm in alarms] == [
        ("resubmission.consent_failed", "a")
    ]
