"""Sending again, by a clock that the test turns: when, how often, in which order, and when not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agi_bridge.call.resubmit import FIRST_WAIT, LONGEST_ASKING, LONGEST_WAIT, POLL_EVERY, due
from agi_bridge.call.submission import WINDOW
from agi_bridge.consent import ConsentRecord, IllegalTransition, LedgerUnavailable, State, Withheld
from agi_bridge.hook import Breaker, Outcome
from tests.support.resubmit_env import NOON, NUMBER, ResubmitEnv, at, down, unsent

if TYPE_CHECKING:
    from agi_bridge.consent import Batch


# When


@given(st.integers(0, 10_000))
def test_waits_double_up_to_two_minutes(attempts: int) -> None:
    wait = due(unsent("a", attempts=attempts)) - NOON
    assert FIRST_WAIT <= wait <= LONGEST_WAIT
    next_wait = due(unsent("a", attempts=attempts + 1)) - NOON
    assert next_wait in {wait, min(2 * wait, LONGEST_WAIT)}


def test_after_the_ten_minutes_a_receiver_is_asked_for_an_hour_with_growing_pauses() -> None:
    asked = replace(unsent("a"), state=State.UNKNOWN)
    attempts, waits = [0.0], []
    while attempts[-1] < 3600:
        moment = due(asked)
        waits.append(moment - at(attempts[-1]))
        attempts.append((moment - NOON).total_seconds())
        asked = replace(asked, last_at=moment.isoformat(), attempts=asked.attempts + 1)
    assert waits[0] == FIRST_WAIT
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_ASKING
    assert len(waits) < 14


async def test_a_hook_that_is_back_gets_the_consent_at_the_next_attempt() -> None:
    env = ResubmitEnv(unsent("a"))
    env.outcomes = down(2)
    with capture_logs() as logs:
        await env.play()
    assert env.submitted == [("a", 15.0), ("a", 45.0), ("a", 105.0)]
    assert env.waiting == {}
    assert [body.get("attempt") for body in env.bodies[::2]] == [2, 3, 4]
    assert [(log["log_level"], log["event"]) for log in logs] == [
        ("warning", "resubmission.hook_unreachable"),  # once, not for each attempt
        ("info", "resubmission.consent_sent"),
    ]
    assert NUMBER[2:] not in str(logs)


async def test_after_ten_minutes_it_expires_and_is_never_sent() -> None:
    env = ResubmitEnv(unsent("a"))
    env.outcomes = down(99)
    await env.play()
    assert [when for _, when in env.submitted] == [15, 45, 105, 225, 345, 465, 585]
    assert env.events[-1][1] is State.EXPIRED
    assert env.bodies[-1]["reason"] == "too_old"


async def test_one_found_too_late_expires_unsent() -> None:
    env = ResubmitEnv(unsent("a"))
    env.clock = WINDOW.total_seconds() + 0.001
    await env.resubmission.round()
    assert env.submitted == []
    assert [event[1] for event in env.events] == [State.EXPIRED]


async def test_one_found_at_the_last_moment_is_sent() -> None:
    env = ResubmitEnv(unsent("a"))
    env.clock = WINDOW.total_seconds()
    await env.resubmission.round()
    assert len(env.submitted) == 1


async def test_a_clock_that_is_behind_makes_it_wait_and_nothing_else() -> None:
    env = ResubmitEnv(unsent("a"))
    env.clock = -3600.0
    assert await env.resubmission.round() == POLL_EVERY
    assert env.events == []


# A clock that is wrong

DAY = 86_400.0


@pytest.mark.parametrize("set_by", [-DAY, -300.0, -1.0])
async def test_a_clock_that_is_set_back_lets_nothing_be_sent_late(set_by: float) -> None:
    env = ResubmitEnv(unsent("a"))
    env.outcomes = down(99)
    await env.resubmission.round()
    env.clock = 200.0
    env.set_by = set_by
    await env.play(until=2 * DAY)
    assert all(when <= WINDOW.total_seconds() for _, when in env.submitted)
    assert env.events[-1][1] is State.EXPIRED
    assert env.events[-1][2] <= WINDOW.total_seconds() + POLL_EVERY.total_seconds()


async def test_what_was_dated_by_a_clock_that_was_ahead_is_never_sent_late() -> None:
    tomorrow = at(DAY).isoformat()
    env = ResubmitEnv(replace(unsent("a"), confirmed_at=tomorrow, last_at=tomorrow))
    await env.play(until=2 * DAY)
    assert env.submitted == []
    assert env.events[-1][1] is State.EXPIRED
    assert env.events[-1][2] <= WINDOW.total_seconds() + POLL_EVERY.total_seconds()
    assert env.bodies[-1]["reason"] == "too_old"


async def test_what_an_earlier_service_left_is_sent_only_by_a_clock_that_is_kept_right() -> None:
    env = ResubmitEnv(unsent("a"))
    env.synchronised = False
    env.clock = 30.0
    await env.resubmission.round()
    env.waiting["b"] = replace(unsent("b"), confirmed_at=at(30).isoformat())
    env.clock = 60.0
    await env.resubmission.round()
    assert [name for name, _ in env.submitted] == ["b"]
    env.synchronised = True
    env.clock = 90.0
    await env.resubmission.round()
    assert [name for name, _ in env.submitted] == ["b", "a"]


async def test_without_a_synchronised_clock_it_expires_in_running_time() -> None:
    env = ResubmitEnv(unsent("a"))
    env.synchronised = False
    await env.play(until=DAY)
    assert env.submitted == []
    assert [event[1] for event in env.events] == [State.EXPIRED]
    assert env.bodies[0]["reason"] == "too_old"


# Hours

OPENS_IN_TWO_MINUTES = {"hours": {"opens": "12:02", "closes": "20:00"}}


async def test_outside_the_hours_it_waits_for_the_opening() -> None:
    env = ResubmitEnv(unsent("a"), **OPENS_IN_TWO_MINUTES)
    await env.play()
    assert env.submitted == [("a", 120.0)]


async def test_hours_that_do_not_open_in_time_expire_it_at_once() -> None:
    env = ResubmitEnv(unsent("a"), hours={"opens": "12:11", "closes": "20:00"})
    env.clock = 15.0
    await env.resubmission.round()
    assert env.submitted == []
    assert [(event[1], event[2]) for event in env.events] == [(State.EXPIRED, 15.0)]
    assert env.bodies[0]["reason"] == "hours"


async def test_the_hours_are_those_of_the_number() -> None:
    env = ResubmitEnv(unsent("a"), **OPENS_IN_TWO_MINUTES)
    env.number = "+12125550123"  # three hours on
    await env.play()
    assert env.submitted == [("a", 15.0)]


# One at a time, and not in bulk


async def test_one_that_fails_holds_the_others_back_and_costs_them_nothing() -> None:
    env = ResubmitEnv(unsent("a"), unsent("b"), unsent("c"))
    env.outcomes = down(1)
    env.clock = 15.0
    assert await env.resubmission.round() == FIRST_WAIT
    assert [name for name, _ in env.submitted] == ["a"]
    assert [env.waiting[name].attempts for name in "abc"] == [2, 1, 1]
    env.clock += 15
    await env.resubmission.round()
    assert [name for name, _ in env.submitted] == ["a", "b", "c"]


async def test_one_that_fails_does_not_keep_another_from_expiring() -> None:
    env = ResubmitEnv(unsent("a"), replace(unsent("old"), confirmed_at=at(-600).isoformat()))
    env.outcomes = down(1)
    env.clock = 15.0
    await env.resubmission.round()
    assert ("old", State.EXPIRED, 15.0) in env.events


async def test_a_line_of_another_bridge_is_left_alone_until_it_is_too_late() -> None:
    env = ResubmitEnv(unsent("a", line="elsewhere"))
    env.clock = 15.0
    assert await env.resubmission.round() == POLL_EVERY
    assert env.events == []
    env.clock = 3600.0
    assert await env.resubmission.round() == POLL_EVERY
    assert [state for _, state, _ in env.events] == [State.EXPIRED]


async def test_an_open_circuit_costs_no_attempt() -> None:
    env = ResubmitEnv(unsent("a"))
    breaker = Breaker(env, failures=1, seconds=3600)
    env.outcomes = down(1)
    env.clock = 15.0
    env.resubmission = env.new_resubmission(services=replace(env.services, hook=breaker))
    await env.resubmission.round()
    assert env.waiting["a"].attempts == 2
    assert breaker.open
    for _ in range(4):
        env.clock += 30
        assert await env.resubmission.round() <= FIRST_WAIT
    assert env.waiting["a"].attempts == 2
    assert len(env.submitted) == 1


async def test_an_unknown_outcome_is_never_sent_again() -> None:
    env = ResubmitEnv(unsent("a"))
    env.outcomes = [Outcome.UNKNOWN]
    await env.play()
    assert [event[1] for event in env.events] == [State.SUBMITTING, State.UNKNOWN]


# What gets in the way


@pytest.mark.parametrize("refusal", [IllegalTransition("taken"), Withheld("suppressed")])
async def test_one_that_the_ledger_does_not_give_is_left_to_others(
    refusal: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = ResubmitEnv(unsent("a"))
    env.clock = 15.0

    async def refuse(_batch: Batch) -> None:
        raise refusal

    monkeypatch.setattr(env, "append", refuse)
    with capture_logs() as logs:
        assert await env.resubmission.round() == POLL_EVERY
    assert env.submitted == []
    assert logs == []


async def test_a_ledger_that_is_down_is_logged_once_and_tried_later() -> None:
    env = ResubmitEnv(unsent("a"))
    env.clock = 15.0
    env.refuses = LedgerUnavailable("no database")
    with capture_logs() as logs:
        assert await env.resubmission.round() == POLL_EVERY
        assert await env.resubmission.round() == POLL_EVERY
        env.refuses = None
        await env.resubmission.round()
        assert len(env.submitted) == 1
        env.refuses = LedgerUnavailable("no database")
        await env.resubmission.round()
    alarms = [log["event"] for log in logs if log["log_level"] == "error"]
    assert alarms == ["resubmission.round_failed"] * 2


async def test_a_ledger_that_fails_in_the_middle_ends_the_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = ResubmitEnv(unsent("a"), unsent("b"))
    env.clock = 15.0
    asked: list[str] = []

    async def gone(consent_id: str) -> ConsentRecord:
        asked.append(consent_id)
        raise LedgerUnavailable("no database")

    monkeypatch.setattr(env, "load_for_retry", gone)
    assert await env.resubmission.round() == POLL_EVERY
    assert asked == ["a"]


async def test_one_that_cannot_be_opened_is_given_up_and_the_others_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = ResubmitEnv(unsent("a"), unsent("b"))
    env.clock = 15.0
    load_for_retry = env.load_for_retry

    async def erased(consent_id: str) -> ConsentRecord:
        if consent_id == "a":
            raise LookupError("erased")
        return await load_for_retry(consent_id)

    monkeypatch.setattr(env, "load_for_retry", erased)
    with capture_logs() as logs:
        await env.resubmission.round()
        await env.resubmission.round()
    assert [name for name, _ in env.submitted] == ["b"]
    alarms = [log for log in logs if log["log_level"] == "error"]
    assert [(alarm["event"], alarm["consent"]) for alarm in alarms] == [
        ("resubmission.consent_failed", "a")
    ]
