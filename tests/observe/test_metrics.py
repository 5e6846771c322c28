"""A call is folded in once; what it says becomes counts of closed series."""

from __future__ import annotations

import random

import pytest

from agi_bridge.consent import Act, State
from agi_bridge.observe import CallLogEntry, Metrics
from agi_bridge.observe.metrics import HOOK_OUTCOMES, MAX_LINES, RESULTS, STATES


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def entry(*steps: tuple[str, float], end: float = 30.0, **fields: object) -> CallLogEntry:
    clock = Clock()
    made = CallLogEntry("1795413525.18", clock)
    made.note(**fields)
    for name, at in steps:
        clock.now = at
        made.step(name)
    clock.now = end
    return made


def series(metrics: Metrics) -> int:
    return sum(len(family.values) for family in metrics.families)


def test_a_call_is_counted_by_line_and_result_with_its_steps_and_legs() -> None:
    metrics = Metrics(["shop"])
    call = entry(("disclosure", 0.02), ("number", 20.0), ("dial", 26.0), line="shop", result="done")
    call.dialled("forward", "BUSY")
    call.dialled("default", "ANSWER")
    metrics.call_ended(call)
    assert metrics.calls.values["shop", "done"] == 1
    assert metrics.dials.values["shop", "forward", "BUSY"] == 1
    assert metrics.dials.values["shop", "default", "ANSWER"] == 1
    assert metrics.first_sound_seconds.values[()].sum == 0.02
    assert metrics.step_seconds.values["disclosure",].sum == 19.98
    assert metrics.step_seconds.values["dial",].sum == 4
    assert metrics.call_seconds.values[()].sum == 30
    assert metrics.recent.by_result() == {"done": 1}


def test_a_call_without_line_or_result_is_counted_too() -> None:
    metrics = Metrics(["shop"])
    metrics.call_ended(entry())
    assert metrics.calls.values["other", "none"] == 1


def test_ten_thousand_hostile_calls_add_no_series() -> None:
    metrics = Metrics(["shop"])
    before = series(metrics)
    chance = random.Random(1)  # noqa: S311 - a test's own dice

    def word() -> str:
        return chance.choice(("+1415555", "shop\n", "}", "")) + chance.randbytes(4).hex()

    for _ in range(10_000):
        call = entry((word(), 1.0), line=word(), result=chance.choice(RESULTS))
        call.dialled(chance.choice(("forward", "default")), word())
        metrics.call_ended(call)
        metrics.forward_refusals.add(word(), word())
        metrics.hook_answered(word(), "unknown", chance.randrange(100, 1000), word(), 1.0)
        metrics.web_requests.add(word(), str(chance.randrange(600)))
    assert series(metrics) == before
    assert metrics.calls.total(line="other") == 10_000


def test_lines_beyond_the_limit_are_counted_together() -> None:
    names = [f"line_{number}" for number in range(MAX_LINES + 5)]
    metrics = Metrics(names)
    metrics.call_ended(entry(line=names[-1], result="done"))
    metrics.call_ended(entry(line=names[0], result="done"))
    assert metrics.calls.values["other", "done"] == 1
    assert metrics.calls.values[names[0], "done"] == 1


def test_a_reload_adds_lines_and_forgets_none() -> None:
    metrics = Metrics(["shop"])
    metrics.call_ended(entry(line="shop", result="done"))
    metrics.add_lines(["paris"])
    metrics.call_ended(entry(line="paris", result="dial"))
    assert metrics.calls.values["shop", "done"] == 1
    assert metrics.calls.values["paris", "dial"] == 1
    metrics.add_lines(f"line_{number}" for number in range(100))
    lines = {labels[0] for labels in metrics.calls.values}
    assert len(lines) == MAX_LINES + 1


@pytest.mark.parametrize("outcome", HOOK_OUTCOMES)
def test_a_submission_is_counted_by_outcome_and_status(outcome: str) -> None:
    metrics = Metrics(["shop"])
    metrics.hook_answered("shop", outcome, 403, "forbidden", 0.2)
    assert metrics.hook_requests.values[outcome, "403"] == 1
    assert (metrics.last_hook_success is None) is (outcome != "accepted")
    assert (metrics.last_hook_failure is None) is (outcome == "accepted")


def test_an_answer_that_the_business_is_not_linked_is_counted_by_line() -> None:
    metrics = Metrics(["shop"])
    metrics.hook_answered("shop", "accepted", 200, "not_linked", 0.2)
    metrics.hook_answered("shop", "accepted", 200, "dial", 0.2)
    assert metrics.hook_not_linked.values["shop",] == 1


def test_a_checkpoint_counts_only_if_it_reached_every_destination() -> None:
    metrics = Metrics(now=lambda: 1_800_000_000.0)
    metrics.checkpoint_published(["syslog"])
    assert metrics.last_checkpoint is None
    assert metrics.checkpoint_failures.values["syslog",] == 1
    metrics.checkpoint_published([])
    assert metrics.last_checkpoint == 1_800_000_000.0


def test_the_states_that_are_counted_are_states_of_a_consent() -> None:
    assert set(STATES) <= {*State, Act.REPLIED}


def test_a_forced_stop_counts_its_calls() -> None:
    metrics = Metrics()
    metrics.drain_forced(3)
    assert metrics.forced_calls.total() == 3


def test_metric_names_are_unique_and_all_families_are_listed() -> None:
    names = [family.name for family in Metrics().families]
    assert len(names) == len(set(names))
