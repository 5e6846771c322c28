"""Sending again, by a clock that the test turns: when, how often, in which order, and when not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agi_bridge.call.handler import House
from agi_bridge.call.resubmit import (
    FIRST_WAIT,
    LEAST_PAUSE,
    LONGEST_WAIT,
    LOOK_EVERY,
    WINDOW,
    Resubmission,
    due,
)
from agi_bridge.consent import (
    ConsentRecord,
    IllegalTransition,
    LedgerUnavailable,
    State,
    Unsent,
    Withheld,
)
from agi_bridge.hook import Breaker, Outcome, Submission
from tests.call.builders import DID, KEY, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.consent.record import Batch

NOON = datetime(2026, 7, 15, 19, 0, tzinfo=UTC)
"""Twelve o'clock in California."""
NUMBER, SALT = "+14155550123", "0" * 64


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def unsent(name: str, *, attempts: int = 1, line: str = "shop") -> Unsent:
    """Agreed to at noon, and the attempts failed at once."""
    noon = NOON.isoformat()
    return Unsent(
        consent_id=name, line_id=line, confirmed_at=noon, last_at=noon, attempts=attempts,
        region="US",
    )  # fmt: skip


class Bench:
    """A ledger and a hook of the test's own, and a clock."""

    def __init__(self, *waiting: Unsent, **line: Any) -> None:
        self.clock = 0.0
        self.waiting = {each.consent_id: each for each in waiting}
        self.number = NUMBER
        self.outcomes: list[Outcome] = []
        self.refuses: Exception | None = None
        self.submitted: list[tuple[str, float]] = []
        self.events: list[tuple[str, State, float]] = []
        self.bodies: list[dict[str, Any]] = []
        self._taken = ""
        house = House(settings(**line), cast("Any", None), cast("Any", self), cast("Any", self), "")
        self.house = house
        self.resubmission = Resubmission(house, now=lambda: at(self.clock))

    async def play(self, until: float = WINDOW.total_seconds() + 60) -> None:
        """Round after round, until nothing waits or that time is over."""
        while self.waiting and self.clock < until:
            wait = await self.resubmission.round()
            self.clock += max(wait.total_seconds(), LEAST_PAUSE)

    # The ledger

    async def unsent(self) -> list[Unsent]:
        if self.refuses is not None:
            raise self.refuses
        return list(self.waiting.values())

    async def take_up(self, consent_id: str) -> ConsentRecord:
        self._taken = consent_id
        personal = {"salt": SALT, "number": self.number}
        return ConsentRecord.stored(consent_id, State.NOT_SENT, personal)

    async def append(self, batch: Batch) -> None:
        (event,) = batch.events
        assert isinstance(event.type, State)
        self.events.append((batch.consent_id, event.type, self.clock))
        self.bodies.append(dict(event.body))
        known = self.waiting.pop(batch.consent_id)
        if event.type is State.SUBMITTING:
            self.waiting[batch.consent_id] = replace(known, attempts=known.attempts + 1)
        elif event.type is State.NOT_SENT:
            failed = replace(known, last_at=at(self.clock).isoformat())
            self.waiting[batch.consent_id] = failed

    # The hook

    async def submit(
        self, *, from_: str, to: str, key: str, context: str | None = None
    ) -> Submission:
        assert (from_, to, key, context) == (self.number, DID, KEY, None)
        assert self.events[-1][:2] == (self._taken, State.SUBMITTING), "stored before it is sent"
        self.submitted.append((self._taken, self.clock))
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome.ACCEPTED
        return Submission(outcome, None, None, "word", 1, 0.0, None)


def down(times: int) -> list[Outcome]:
    return [Outcome.NOT_SENT] * times


# When


@given(st.integers(0, 10_000))
def test_waits_double_up_to_two_minutes(attempts: int) -> None:
    wait = due(unsent("a", attempts=attempts)) - NOON
    assert FIRST_WAIT <= wait <= LONGEST_WAIT
    next_wait = due(unsent("a", attempts=attempts + 1)) - NOON
    assert next_wait in {wait, min(2 * wait, LONGEST_WAIT)}


async def test_a_hook_that_is_back_gets_the_consent_at_the_next_attempt() -> None:
    bench = Bench(unsent("a"))
    bench.outcomes = down(2)
    with capture_logs() as logs:
        await bench.play()
    assert bench.submitted == [("a", 15.0), ("a", 45.0), ("a", 105.0)]
    assert bench.waiting == {}
    assert [body.get("attempt") for body in bench.bodies[::2]] == [2, 3, 4]
    assert [(log["log_level"], log["event"]) for log in logs] == [
        ("warning", "hook not reached for unsent consents"),  # once, not for each attempt
        ("info", "consent sent again"),
    ]
    assert NUMBER[2:] not in str(logs)


async def test_after_ten_minutes_it_expires_and_is_never_sent() -> None:
    bench = Bench(unsent("a"))
    bench.outcomes = down(99)
    await bench.play()
    assert [when for _, when in bench.submitted] == [15, 45, 105, 225, 345, 465, 585]
    assert bench.events[-1][1] is State.EXPIRED
    assert bench.bodies[-1]["reason"] == "too_old"


async def test_one_found_too_late_expires_unsent() -> None:
    bench = Bench(unsent("a"))
    bench.clock = WINDOW.total_seconds() + 0.001
    await bench.resubmission.round()
    assert bench.submitted == []
    assert [event[1] for event in bench.events] == [State.EXPIRED]


async def test_one_found_at_the_last_moment_is_sent() -> None:
    bench = Bench(unsent("a"))
    bench.clock = WINDOW.total_seconds()
    await bench.resubmission.round()
    assert len(bench.submitted) == 1


async def test_a_clock_that_is_behind_makes_it_wait_and_nothing_else() -> None:
    bench = Bench(unsent("a"))
    bench.clock = -3600.0
    assert (await bench.resubmission.round()).total_seconds() == 3615
    assert bench.events == []


# Hours

OPENS_IN_TWO_MINUTES = {"hours": {"opens": "12:02", "closes": "20:00"}}


async def test_outside_the_hours_it_waits_for_the_opening() -> None:
    bench = Bench(unsent("a"), **OPENS_IN_TWO_MINUTES)
    await bench.play()
    assert bench.submitted == [("a", 120.0)]


async def test_hours_that_do_not_open_in_time_expire_it_at_once() -> None:
    bench = Bench(unsent("a"), hours={"opens": "12:11", "closes": "20:00"})
    bench.clock = 15.0
    await bench.resubmission.round()
    assert bench.submitted == []
    assert [(event[1], event[2]) for event in bench.events] == [(State.EXPIRED, 15.0)]
    assert bench.bodies[0]["reason"] == "hours"


async def test_the_hours_are_those_of_the_number() -> None:
    bench = Bench(unsent("a"), **OPENS_IN_TWO_MINUTES)
    bench.number = "+12125550123"  # three hours on
    await bench.play()
    assert bench.submitted == [("a", 15.0)]


# One at a time, and not in bulk


async def test_one_that_fails_holds_the_others_back_and_costs_them_nothing() -> None:
    bench = Bench(unsent("a"), unsent("b"), unsent("c"))
    bench.outcomes = down(1)
    bench.clock = 15.0
    assert await bench.resubmission.round() == FIRST_WAIT
    assert [name for name, _ in bench.submitted] == ["a"]
    assert [bench.waiting[name].attempts for name in "abc"] == [2, 1, 1]
    bench.clock += 15
    await bench.resubmission.round()
    assert [name for name, _ in bench.submitted] == ["a", "b", "c"]


async def test_one_that_fails_does_not_keep_another_from_expiring() -> None:
    bench = Bench(unsent("a"), replace(unsent("old"), confirmed_at=at(-600).isoformat()))
    bench.outcomes = down(1)
    bench.clock = 15.0
    await bench.resubmission.round()
    assert ("old", State.EXPIRED, 15.0) in bench.events


async def test_a_line_of_another_bridge_is_left_alone() -> None:
    bench = Bench(unsent("a", line="elsewhere"))
    bench.clock = 15.0
    assert await bench.resubmission.round() == LOOK_EVERY
    bench.clock = 3600.0
    assert await bench.resubmission.round() == LOOK_EVERY
    assert bench.events == []


async def test_an_open_circuit_costs_no_attempt() -> None:
    bench = Bench(unsent("a"))
    breaker = Breaker(bench, failures=1, seconds=3600)
    bench.outcomes = down(1)
    bench.clock = 15.0
    bench.resubmission = Resubmission(
        replace(bench.house, hook=breaker), now=lambda: at(bench.clock)
    )
    await bench.resubmission.round()
    assert bench.waiting["a"].attempts == 2
    assert breaker.open
    for _ in range(4):
        bench.clock += 30
        assert await bench.resubmission.round() <= FIRST_WAIT
    assert bench.waiting["a"].attempts == 2
    assert len(bench.submitted) == 1


async def test_an_unknown_outcome_is_never_sent_again() -> None:
    bench = Bench(unsent("a"))
    bench.outcomes = [Outcome.UNKNOWN]
    await bench.play()
    assert [event[1] for event in bench.events] == [State.SUBMITTING, State.UNKNOWN]


# What gets in the way


@pytest.mark.parametrize("refusal", [IllegalTransition("taken"), Withheld("suppressed")])
async def test_one_that_the_ledger_does_not_give_is_left_to_others(
    refusal: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(unsent("a"))
    bench.clock = 15.0

    async def refuse(_batch: Batch) -> None:
        raise refusal

    monkeypatch.setattr(bench, "append", refuse)
    with capture_logs() as logs:
        assert await bench.resubmission.round() == LOOK_EVERY
    assert bench.submitted == []
    assert logs == []


async def test_a_ledger_that_is_down_is_logged_once_and_tried_later() -> None:
    bench = Bench(unsent("a"))
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
    assert alarms == ["unsent consents not looked after"] * 2


async def test_a_ledger_that_fails_in_the_middle_ends_the_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(unsent("a"), unsent("b"))
    bench.clock = 15.0
    asked: list[str] = []

    async def gone(consent_id: str) -> ConsentRecord:
        asked.append(consent_id)
        raise LedgerUnavailable("no database")

    monkeypatch.setattr(bench, "take_up", gone)
    assert await bench.resubmission.round() == LOOK_EVERY
    assert asked == ["a"]


async def test_one_that_cannot_be_opened_is_given_up_and_the_others_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench(unsent("a"), unsent("b"))
    bench.clock = 15.0
    take_up = bench.take_up

    async def erased(consent_id: str) -> ConsentRecord:
        if consent_id == "a":
            raise LookupError("erased")
        return await take_up(consent_id)

    monkeypatch.setattr(bench, "take_up", erased)
    with capture_logs() as logs:
        await bench.resubmission.round()
        await bench.resubmission.round()
    assert [name for name, _ in bench.submitted] == ["b"]
    alarms = [log for log in logs if log["log_level"] == "error"]
    assert [(alarm["event"], alarm["consent"]) for alarm in alarms] == [
        ("consent not sent again", "a")
    ]


# The task


class Pauses:
    """Lets the task's pauses end when the test says so."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[tuple[bool, float]] = asyncio.Queue()
        self.go = asyncio.Semaphore(0)

    async def __call__(self, news: asyncio.Event, seconds: float) -> None:
        self.asked.put_nowait((news.is_set(), seconds))
        await self.go.acquire()


async def running(bench: Bench, pause: Callable[..., Any]) -> asyncio.Task[None]:
    bench.resubmission = Resubmission(bench.house, now=lambda: at(bench.clock), pause=pause)
    return asyncio.create_task(bench.resubmission.run())


async def ends(task: asyncio.Task[None]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_task_sleeps_until_the_next_attempt_is_due() -> None:
    bench, pauses = Bench(unsent("a")), Pauses()
    task = await running(bench, pauses)
    assert await pauses.asked.get() == (False, 15.0)
    bench.clock = 15.0
    pauses.go.release()
    assert await pauses.asked.get() == (False, 60.0)
    assert len(bench.submitted) == 1
    await ends(task)


async def test_news_that_comes_during_a_round_is_not_slept_over() -> None:
    bench, pauses = Bench(unsent("a")), Pauses()
    bench.clock = 15.0
    submit = bench.submit

    async def and_news(**fields: Any) -> Submission:
        bench.house.unsent.set()
        return await submit(**fields)

    bench.submit = and_news  # type: ignore[method-assign]
    task = await running(bench, pauses)
    assert await pauses.asked.get() == (True, 60.0)
    await ends(task)


async def test_the_real_pause_ends_with_the_news() -> None:
    bench = Bench()
    looked: asyncio.Queue[None] = asyncio.Queue()
    empty = bench.unsent

    async def unsent_() -> list[Unsent]:
        looked.put_nowait(None)
        return await empty()

    bench.unsent = unsent_  # type: ignore[method-assign]
    task = asyncio.create_task(Resubmission(bench.house).run())
    await looked.get()
    bench.house.unsent.set()
    await asyncio.wait_for(looked.get(), 10)  # far less than it would have slept
    await ends(task)


@pytest.mark.parametrize("where", ["unsent", "take_up", "append", "submit"])
async def test_cancelled_anywhere_it_ends_and_has_sent_at_most_once(where: str) -> None:
    bench = Bench(unsent("a"))
    bench.clock = 15.0
    reached = asyncio.Event()

    async def stuck(*_: Any, **__: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    setattr(bench, where, stuck)
    task = asyncio.create_task(bench.resubmission.run())
    await reached.wait()
    await ends(task)
    stored = [event[1] for event in bench.events]
    assert stored == ([State.SUBMITTING] if where == "submit" else [])
    assert bench.submitted == []
