"""The breaker: when it opens, who tries the hook again, and what says nothing about it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import structlog.testing

from agi_bridge.hook import (
    Breaker,
    Gate,
    HookClosedError,
    HookConfigError,
    Outcome,
    Preparation,
    Submission,
    SubmissionRequest,
)

FAILURES = 3
SECONDS = 30.0
READY = Preparation(None)
REQUEST = SubmissionRequest("+14155550123", "+14155550111", "key", "OPT_IN")


class Clock:
    """The time that the breaker sees."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ScriptedHook:
    """A hook whose submissions end when the test says so, and how."""

    def __init__(self) -> None:
        self.pending: list[asyncio.Future[Outcome]] = []
        self.gates: list[Gate | None] = []
        self.prepared: list[Preparation | None] = []
        self.refused_by_gate = False

    def prepare(self) -> Preparation:
        return READY

    async def submit(self, request: SubmissionRequest) -> Submission:
        self.prepared.append(request.prepared)
        assert request == replace(REQUEST, gate=request.gate, prepared=request.prepared)
        self.gates.append(request.gate)
        end: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.pending.append(end)
        return Submission(
            await end, None, None, "scripted", 1, 0.5, None, held_back=self.refused_by_gate
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hook() -> ScriptedHook:
    return ScriptedHook()


@pytest.fixture
def breaker(clock: Clock, hook: ScriptedHook) -> Breaker:
    return Breaker(hook, failures=FAILURES, seconds=SECONDS, clock=clock)


def submitted(breaker: Breaker) -> asyncio.Task[Submission]:
    return asyncio.create_task(breaker.submit(REQUEST))


async def begun(breaker: Breaker, hook: ScriptedHook) -> asyncio.Task[Submission]:
    """A submission that has reached the hook."""
    before = len(hook.pending)
    task = submitted(breaker)
    await asyncio.sleep(0)
    assert len(hook.pending) == before + 1
    return task


async def ended(breaker: Breaker, hook: ScriptedHook, *outcomes: Outcome) -> None:
    """Submissions that reach the hook and end, one after the other."""
    for outcome in outcomes:
        task = await begun(breaker, hook)
        hook.pending[-1].set_result(outcome)
        assert (await task).outcome is outcome


async def held_back(breaker: Breaker, hook: ScriptedHook) -> bool:
    """Whether a submission ends without reaching the hook."""
    before = len(hook.pending)
    task = submitted(breaker)
    await asyncio.sleep(0)
    if len(hook.pending) > before:
        task.cancel()
        await asyncio.wait({task})
        return False
    assert (await task).reason == "circuit_open"
    return True


async def open_circuit(breaker: Breaker, hook: ScriptedHook) -> None:
    await ended(breaker, hook, *[Outcome.UNKNOWN] * FAILURES)
    assert breaker.open


async def test_an_open_circuit_answers_at_once_that_nothing_was_sent(
    breaker: Breaker, hook: ScriptedHook
) -> None:
    await open_circuit(breaker, hook)
    assert await submitted(breaker) == Submission(
        Outcome.NOT_SENT, None, None, "circuit_open", 0, 0.0, None
    )
    assert len(hook.pending) == FAILURES


async def test_both_ways_of_failing_count_and_both_answers_start_the_count_again(
    breaker: Breaker, hook: ScriptedHook
) -> None:
    for answer in (Outcome.ACCEPTED, Outcome.REFUSED):
        await ended(breaker, hook, Outcome.NOT_SENT, Outcome.UNKNOWN, answer)
    assert not breaker.open
    await ended(breaker, hook, Outcome.NOT_SENT, Outcome.UNKNOWN, Outcome.NOT_SENT)
    assert breaker.open


async def test_one_submission_tries_the_hook_while_the_others_are_held_back(
    breaker: Breaker, hook: ScriptedHook, clock: Clock
) -> None:
    await open_circuit(breaker, hook)
    clock.now += SECONDS - 0.001
    assert await held_back(breaker, hook)
    clock.now += 0.001
    trial = await begun(breaker, hook)
    assert all([await held_back(breaker, hook) for _ in range(20)])
    hook.pending[-1].set_result(Outcome.REFUSED)
    assert (await trial).outcome is Outcome.REFUSED
    together = [await begun(breaker, hook) for _ in range(5)]
    for end in hook.pending[-5:]:
        end.set_result(Outcome.ACCEPTED)
    assert {result.reason for result in await asyncio.gather(*together)} == {"scripted"}


async def test_of_many_that_come_when_it_is_time_one_tries(
    breaker: Breaker, hook: ScriptedHook, clock: Clock
) -> None:
    await open_circuit(breaker, hook)
    clock.now += SECONDS
    tasks = [submitted(breaker) for _ in range(50)]
    await asyncio.sleep(0)
    assert len(hook.pending) == FAILURES + 1
    hook.pending[-1].set_result(Outcome.ACCEPTED)
    results = await asyncio.gather(*tasks)
    assert [result.reason for result in results].count("circuit_open") == 49


async def test_a_trial_that_fails_holds_everybody_back_for_the_same_time_again(
    breaker: Breaker, hook: ScriptedHook, clock: Clock
) -> None:
    await open_circuit(breaker, hook)
    clock.now += SECONDS
    await ended(breaker, hook, Outcome.NOT_SENT)
    clock.now += SECONDS - 0.001
    assert await held_back(breaker, hook)
    clock.now += 0.001
    assert not await held_back(breaker, hook)


async def test_a_hook_is_failing_until_a_trial_has_succeeded(
    breaker: Breaker, hook: ScriptedHook, clock: Clock
) -> None:
    assert not breaker.failing
    await open_circuit(breaker, hook)
    for outcome in (Outcome.UNKNOWN, Outcome.ACCEPTED):
        clock.now += SECONDS
        assert (breaker.open, breaker.failing) == (False, True)  # a trial is due
        await ended(breaker, hook, outcome)
        assert breaker.failing is (outcome is Outcome.UNKNOWN)


async def test_a_trial_that_is_cancelled_leaves_the_next_one_to_try(
    breaker: Breaker, hook: ScriptedHook, clock: Clock
) -> None:
    await open_circuit(breaker, hook)
    clock.now += SECONDS
    trial = await begun(breaker, hook)
    trial.cancel()
    await asyncio.wait({trial})
    second = await begun(breaker, hook)
    assert await held_back(breaker, hook)  # the cancelled one did not close the circuit
    hook.pending[-1].set_result(Outcome.UNKNOWN)
    await second
    assert await held_back(breaker, hook)


async def test_cancelled_submissions_are_no_failures_and_no_successes(
    breaker: Breaker, hook: ScriptedHook
) -> None:
    await ended(breaker, hook, *[Outcome.UNKNOWN] * (FAILURES - 1))
    for _ in range(FAILURES):
        assert not await held_back(breaker, hook)  # cancels what has reached the hook
    await ended(breaker, hook, Outcome.UNKNOWN)
    assert breaker.open


@pytest.mark.parametrize("outcome", Outcome)
async def test_what_began_before_the_circuit_opened_changes_nothing_any_more(
    breaker: Breaker, hook: ScriptedHook, clock: Clock, outcome: Outcome
) -> None:
    late = await begun(breaker, hook)
    await open_circuit(breaker, hook)
    clock.now += SECONDS - 0.001
    hook.pending[0].set_result(outcome)
    await late
    assert await held_back(breaker, hook)
    clock.now += 0.001
    assert not breaker.open


async def test_a_late_failure_does_not_open_a_circuit_that_has_closed_since(
    breaker: Breaker, hook: ScriptedHook, clock: Clock
) -> None:
    late = [await begun(breaker, hook) for _ in range(FAILURES)]
    await open_circuit(breaker, hook)
    clock.now += SECONDS
    await ended(breaker, hook, Outcome.ACCEPTED)
    for end in hook.pending[:FAILURES]:
        end.set_result(Outcome.UNKNOWN)
    await asyncio.gather(*late)
    assert not breaker.open


async def test_misuse_of_the_hook_is_raised_and_not_counted(clock: Clock) -> None:
    class Closed:
        def prepare(self) -> Preparation:
            raise HookClosedError("not_open", "closed")

        async def submit(self, _: SubmissionRequest) -> Submission:
            raise HookClosedError("not_open", "closed")

    breaker = Breaker(Closed(), failures=1, seconds=SECONDS, clock=clock)
    for _ in range(3):
        clock.now += SECONDS
        with pytest.raises(HookClosedError):
            await breaker.submit(REQUEST)
    assert not breaker.open


async def test_a_prepared_connection_reaches_the_hook_unless_the_circuit_is_open(
    breaker: Breaker, hook: ScriptedHook
) -> None:
    assert breaker.prepare() is READY
    submitting = asyncio.ensure_future(breaker.submit(replace(REQUEST, prepared=READY)))
    await asyncio.sleep(0)
    hook.pending[0].set_result(Outcome.ACCEPTED)
    await submitting
    assert hook.prepared == [READY]
    for _ in range(FAILURES):
        await ended(breaker, hook, Outcome.UNKNOWN)
    assert breaker.open
    assert breaker.prepare() is not READY


async def test_the_gate_reaches_the_hook(breaker: Breaker, hook: ScriptedHook) -> None:
    async def gate() -> str | None:
        return None

    task = asyncio.create_task(breaker.submit(replace(REQUEST, gate=gate)))
    await asyncio.sleep(0)
    hook.pending[0].set_result(Outcome.ACCEPTED)
    await task
    assert hook.gates == [gate]


async def test_what_the_gate_held_back_says_nothing_about_the_hook(
    breaker: Breaker, hook: ScriptedHook, clock: Clock
) -> None:
    hook.refused_by_gate = True
    await ended(breaker, hook, *[Outcome.NOT_SENT] * FAILURES)
    assert not breaker.open
    hook.refused_by_gate = False
    await open_circuit(breaker, hook)
    clock.now += SECONDS
    hook.refused_by_gate = True
    await ended(breaker, hook, Outcome.NOT_SENT)  # the trial: the circuit is still half open
    assert not breaker.open
    hook.refused_by_gate = False
    await ended(breaker, hook, Outcome.UNKNOWN)
    assert breaker.open


async def test_the_log_says_once_when_it_opens_and_once_when_it_closes(
    breaker: Breaker, hook: ScriptedHook, clock: Clock
) -> None:
    with structlog.testing.capture_logs() as entries:
        await open_circuit(breaker, hook)
        for _ in range(3):
            await held_back(breaker, hook)
            clock.now += SECONDS
            await ended(breaker, hook, Outcome.UNKNOWN)
        assert entries == [
            {
                "event": "hook.circuit_opened",
                "log_level": "error",
                "reason": "scripted",
                "retry_after": SECONDS,
            }
        ]
        clock.now += SECONDS
        await ended(breaker, hook, Outcome.ACCEPTED, Outcome.ACCEPTED)
    assert entries[1:] == [{"event": "hook.circuit_closed", "log_level": "warning"}]
    assert "4155550123" not in str(entries)


@pytest.mark.parametrize(("failures", "seconds"), [(0, 1.0), (1, 0.0), (-1, 1.0)])
def test_a_breaker_that_could_not_work_is_refused(
    hook: ScriptedHook, failures: int, seconds: float
) -> None:
    with pytest.raises(HookConfigError, match="more than 0"):
        Breaker(hook, failures=failures, seconds=seconds)


async def test_another_client_of_the_same_hook_knows_what_is_known(
    breaker: Breaker, hook: ScriptedHook, clock: Clock
) -> None:
    old = await begun(breaker, hook)
    for _ in range(FAILURES):
        task = await begun(breaker, hook)
        hook.pending[-1].set_result(Outcome.NOT_SENT)
        await task
    other = ScriptedHook()
    after = breaker.before(other)
    assert (breaker.open, after.open) == (True, True)
    assert (await after.submit(REQUEST)).reason == "circuit_open"
    assert other.pending == []
    clock.now += SECONDS
    trial = await begun(after, other)
    assert (breaker.open, after.open) == (True, True)  # one submission tries, of either
    other.pending[-1].set_result(Outcome.ACCEPTED)
    await trial
    assert (breaker.open, after.open) == (False, False)
    hook.pending[0].set_result(Outcome.NOT_SENT)  # it began before the circuit opened
    await old
    assert (breaker.open, after.open) == (False, False)
