"""Which message is looked up next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as some

from agi_bridge.web.lookup_queue import AGAIN_SECONDS, ALONE, FIRST_WAIT, LONGEST_WAIT, LookupQueue


def filled(*ids: str) -> LookupQueue:
    queue = LookupQueue()
    queue.fill(ids)
    return queue


def test_an_empty_queue_waits_for_nothing() -> None:
    assert LookupQueue().next(0) is None
    assert LookupQueue().wait(0) is None


def test_a_new_message_comes_before_those_that_were_found_at_the_start() -> None:
    queue = filled("old", "older")
    queue.add("new")
    assert queue.next(0) == "new"
    queue.remove("new")
    assert queue.next(0) == "old"


def test_a_message_that_another_bridge_stored_is_new_as_well() -> None:
    queue = filled("old")
    queue.failed("old", 0)
    queue.fill(["old", "theirs"])
    assert queue.next(0) == "theirs"


def test_a_message_that_comes_while_the_open_ones_are_read_is_kept() -> None:
    queue = filled("old")
    queue.add("new")
    queue.fill(["old"])
    assert queue.next(0) == "new"


def test_one_failure_holds_those_that_wait_but_no_new_one() -> None:
    queue = filled("a", "b")
    queue.failed("a", 0)
    assert queue.next(FIRST_WAIT - 1) is None
    assert queue.wait(0) == FIRST_WAIT
    queue.add("new")
    assert queue.next(0) == "new"
    queue.remove("new")
    assert queue.next(FIRST_WAIT) == "b", "who failed least"


def test_waits_grow_to_the_longest() -> None:
    queue, now = filled("a"), 0.0
    waits = []
    for _ in range(20):
        queue.failed("a", now)
        waits.append(queue.wait(now))
        now += waits[-1] or 0.0
    assert waits[:3] == [FIRST_WAIT, 2 * FIRST_WAIT, 4 * FIRST_WAIT]
    assert waits[-1] == LONGEST_WAIT


def test_all_that_failed_are_due_when_the_api_answers_and_others_keep_their_wait() -> None:
    queue = filled("a", "b", "c")
    queue.postpone("c", 0)
    for _ in range(5):
        queue.failed("a", 0)
        queue.failed("b", 0)
    queue.add("new")
    queue.served()
    queue.remove("new")
    assert {queue.next(1)} <= {"a", "b"}
    queue.remove("a")
    queue.remove("b")
    assert queue.wait(0) == AGAIN_SECONDS


def test_a_failure_is_the_customers_where_the_api_serves_others_again_and_again() -> None:
    queue = filled("broken")
    found = []
    for _ in range(ALONE):
        queue.served()
        found.append(queue.failed("broken", 0))
    assert found == [False] * (ALONE - 1) + [True]
    queue = filled("down")
    assert not any(queue.failed("down", 0) for _ in range(50)), "nobody is served"


def test_a_message_that_a_person_has_is_not_taken_in_again() -> None:
    queue = filled("a")
    queue.leave("a")
    queue.add("a")
    queue.fill(["a"])
    assert queue.next(0) is None
    queue.fill([])  # the person dealt with it
    queue.fill(["a"])
    assert queue.next(0) == "a"


def test_a_message_that_is_not_open_any_more_is_forgotten() -> None:
    queue = filled("a", "b")
    queue.fill(["b"])
    assert queue.next(0) == "b"


@given(some.lists(some.sampled_from("fspa"), max_size=60))
def test_whatever_happens_to_others_each_message_is_due_within_the_hour(steps: list[str]) -> None:
    queue, now = filled("mine", "other"), 0.0
    for n, step in enumerate(steps):
        who = queue.next(now) or "other"
        if step == "f":
            queue.failed(who, now)
        elif step == "s":
            queue.served()
        elif step == "p":
            queue.postpone(who, now)
        else:
            queue.add(f"new{n}")
        now += 1.0
    asked = set()
    end = now + 2 * AGAIN_SECONDS
    while now < end and "mine" not in asked:
        if (found := queue.next(now)) is not None:
            asked.add(found)
            queue.failed(found, now)
        now += max(queue.wait(now) or 0.0, 1.0)
    assert "mine" in asked
