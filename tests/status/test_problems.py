"""Each kind of problem: when it begins, when it ends, and that everybody has words and a cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import PushBacklog
from agi_bridge.consent.encoding import stamp
from agi_bridge.status import KINDS, PAGE
from tests.support.statuses import START, Pretended

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR = 3600.0


def test_a_service_that_is_well_has_no_problem() -> None:
    assert Pretended().kinds == []


def refused(service: Pretended) -> None:
    service.metrics.hook_answered("shop", "refused", 403, "forbidden", 0.1)


def unknown(service: Pretended) -> None:
    for _ in range(3):
        service.metrics.hook_answered("shop", "unknown", None, "timeout", 8)


def trunk(service: Pretended) -> None:
    for status in ("CONGESTION", "CHANUNAVAIL", "none"):
        service.metrics.dials.add("shop", "forward", status)


def not_linked(service: Pretended) -> None:
    service.metrics.hook_answered("shop", "accepted", 200, "not_linked", 0.1)


GROW: dict[str, Callable[[Pretended], None]] = {
    "HookRefused": refused,
    "HookUnknownRate": unknown,
    "NotLinked": not_linked,
    "StopsNotLookedUp": lambda service: service.metrics.stop_lookups.add("token_refused"),
    "LedgerErrors": lambda service: service.metrics.appended(5, stored=False),
    "DrainForced": lambda service: service.metrics.drain_forced(2),
    "ForwardRefused": lambda service: service.metrics.forward_refusals.add("shop", "premium"),
    "TrunkDown": trunk,
}


@pytest.mark.parametrize("kind", GROW)
def test_what_has_happened_is_a_problem_for_a_quarter_of_an_hour(kind: str) -> None:
    service = Pretended()
    GROW[kind](service)
    assert service.kinds == [kind]
    for _ in range(15):
        service.status.window.read()
    assert service.kinds == [kind]
    service.status.window.read()
    assert service.kinds == []


WAITING = stamp(START - HOUR - 1)

STAND: dict[str, Callable[[Pretended], None]] = {
    "NotReady": lambda service: setattr(service.state, "listening", False),
    "HookDown": lambda service: setattr(service, "hook_open", True),
    "WaitingForPerson": lambda service: setattr(service.state, "waiting", {"message": 1}),
    "DiskLow": lambda service: setattr(service.state, "free_bytes", (1 << 30) - 1),
    "ClockUnsynchronised": lambda service: setattr(service, "clock", False),
    "ConfigStale": lambda service: setattr(service.state, "stale", "is wrong"),
    "ConsoleDown": lambda service: setattr(service.state, "console_problem", "it has ended"),
    "PushLate": lambda service: setattr(service.state, "push", PushBacklog(1, 1, WAITING)),
    "CheckpointLate": lambda service: setattr(service, "now", START + 2 * HOUR + 1),
}


def test_a_receiver_that_is_gone_is_a_problem_at_once() -> None:
    service = Pretended()
    service.state.push = PushBacklog(1, 0, stamp(START), gone=1)
    assert service.kinds == ["PushLate"]


@pytest.mark.parametrize("kind", STAND)
def test_what_stands_is_a_problem_as_long_as_it_does(kind: str) -> None:
    service = Pretended()
    STAND[kind](service)
    assert service.kinds == [kind]


def test_a_service_that_drains_is_not_a_problem() -> None:
    service = Pretended()
    service.state.draining = True
    assert service.kinds == []


def test_a_few_unknown_outcomes_among_many_are_no_problem() -> None:
    service = Pretended()
    unknown(service)
    for _ in range(60):
        service.metrics.hook_answered("shop", "accepted", 200, "dial", 0.1)
    assert service.kinds == []


def test_a_trunk_that_connects_somebody_is_not_down() -> None:
    service = Pretended()
    trunk(service)
    service.metrics.dials.add("shop", "forward", "ANSWER")
    assert service.kinds == []


def test_people_who_do_not_answer_say_nothing_of_the_trunk() -> None:
    service = Pretended()
    for status in ("BUSY", "NOANSWER", "CANCEL"):
        service.metrics.dials.add("shop", "forward", status)
    assert service.kinds == []


def test_a_checkpoint_in_time_is_not_late() -> None:
    service = Pretended()
    service.now += 2 * HOUR
    service.metrics.checkpoint_published([])
    service.now += 2 * HOUR
    assert service.kinds == []


def test_no_calls_where_a_week_ago_many_came() -> None:
    service = Pretended()
    week = 7 * 24 * HOUR
    service.now = START + HOUR / 2
    for _ in range(10):
        service.metrics.recent.ended("done")
    service.now += week
    service.metrics.checkpoint_published([])
    assert service.kinds == []
    service.now += 1.5 * HOUR
    assert service.kinds == ["NoCalls"]
    service.metrics.recent.ended("done")
    assert service.kinds == []


def test_a_bridge_younger_than_a_week_misses_no_calls() -> None:
    service = Pretended()
    service.now += 2 * HOUR
    assert service.kinds == []


def test_every_kind_is_covered_here_and_has_words_and_a_cure() -> None:
    assert {*GROW, *STAND, "NoCalls"} == set(KINDS)
    for kind in KINDS.values():
        assert kind.notice.endswith(".")
        assert kind.cure.endswith(".")
    assert KINDS["HookRefused"].severity == PAGE
