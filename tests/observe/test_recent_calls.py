from __future__ import annotations

from agi_bridge.observe.recent_calls import RecentCalls


class Time:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_calls_are_counted_for_an_hour() -> None:
    time = Time()
    recent = RecentCalls(time)
    recent.ended("done")
    time.now += 30 * 60
    recent.ended("done")
    recent.ended("fallback")
    assert recent.by_result() == {"done": 2, "fallback": 1}
    time.now += 31 * 60
    assert recent.by_result() == {"done": 1, "fallback": 1}
    time.now += 3600
    assert recent.by_result() == {}
    assert recent.last_at == 1_800_000_000.0 + 1800


def test_a_clock_that_is_set_back_leaves_no_call_in_the_future() -> None:
    time = Time()
    recent = RecentCalls(time)
    recent.ended("done")
    time.now -= 86_400
    recent.ended("dial")
    assert recent.by_result() == {"dial": 1}
    time.now += 3 * 3600
    recent.ended("dial")
    assert recent.by_result() == {"dial": 1}
