"""Closed series: what a stranger sends makes no new one."""

from __future__ import annotations

import random

from agi_bridge.observe import Counter, Histogram


def test_every_series_of_the_closed_lists_is_there_from_the_start() -> None:
    dials = Counter("dials_total", "Dials.", line=("shop", "other"), status=("ANSWER", "BUSY"))
    assert len(dials.values) == 4
    assert set(dials.values.values()) == {0}


def test_a_value_that_is_in_no_list_counts_as_other() -> None:
    dials = Counter("dials_total", "Dials.", line=("shop", "other"), status=("ANSWER", "other"))
    dials.add("shop", "CHANUNAVAIL\n# HELP")
    dials.add("+14155550123", "ANSWER")
    assert dials.values["shop", "other"] == 1
    assert dials.values["other", "ANSWER"] == 1


def test_ten_thousand_hostile_values_add_one_series_at_most() -> None:
    calls = Counter("calls_total", "Calls.", line=("shop",), result=("done",))
    took = Histogram("step_seconds", "Steps.", (1, 2), step=("dial",))
    chance = random.Random(1)  # noqa: S311 - a test's own dice
    for _ in range(10_000):
        word = chance.randbytes(20).hex()
        calls.add(word, chance.randbytes(8).hex())
        took.observe(chance.random(), word)
    assert set(calls.values) == {("shop", "done"), ("other", "other")}
    assert set(took.values) == {("dial",), ("other",)}
    assert calls.total() == 10_000


def test_a_histogram_counts_a_bound_into_its_own_bucket() -> None:
    took = Histogram("call_seconds", "Calls.", (1, 5))
    for seconds in (0.5, 1, 1.01, 5, 6):
        took.observe(seconds)
    assert took.values[()].counts == [2, 2, 1]
    assert took.values[()].sum == 13.51


def test_a_new_value_of_a_list_begins_at_zero_and_loses_no_count() -> None:
    calls = Counter("calls_total", "Calls.", line=("shop",), result=("done", "dial"))
    calls.add("shop", "done")
    calls.admit("line", "paris")
    calls.admit("line", "paris")
    calls.admit("reason", "not a label of it")
    assert calls.values == {
        ("shop", "done"): 1,
        ("shop", "dial"): 0,
        ("paris", "done"): 0,
        ("paris", "dial"): 0,
    }
