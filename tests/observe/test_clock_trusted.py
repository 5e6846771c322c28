"""The time that decisions are made by: a jump of the system's clock is not followed at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from agi_bridge.observe.clock import CONFIRM, DRIFT, NTP_STEP, TOLERANCE, TrustedClock

NOON = 1_800_000_000.0
YEARS = 13 * 365 * 86_400.0


class Machine:
    """A machine whose clock can be set."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.set_by = 0.0
        self.ntp = False
        self.clock = TrustedClock(
            lambda: NOON + self.passed + self.set_by, lambda: 7.0 + self.passed, lambda: self.ntp
        )

    def after(self, seconds: float) -> float:
        """The time that the clock tells after some time has passed, since noon."""
        self.passed += seconds
        return self.clock.now() - NOON


def test_it_returns_the_time_of_day() -> None:
    machine = Machine()
    assert [machine.after(seconds) for seconds in (0, 1, 86_400)] == [0, 1, 86_401]
    assert not machine.clock.in_doubt


def test_a_clock_that_is_wrong_for_a_moment_is_not_followed() -> None:
    machine = Machine()
    for jump in (YEARS, -YEARS, NTP_STEP, TOLERANCE + 1):
        machine.set_by = jump
        before = machine.passed
        assert machine.after(5) == before + 5
        assert machine.clock.in_doubt
        machine.set_by = 0.0
        assert machine.after(5) == before + 10
        assert not machine.clock.in_doubt


def test_a_clock_that_was_put_right_is_believed_after_an_hour() -> None:
    machine = Machine()
    machine.set_by = YEARS
    with capture_logs() as logs:
        assert machine.after(1) == 1
        assert machine.after(CONFIRM - 1) == CONFIRM
        assert machine.after(1) == YEARS + CONFIRM + 1
    assert not machine.clock.in_doubt
    assert [(log["event"], log["log_level"], log["seconds"]) for log in logs] == [
        ("clock.jumped", "error", YEARS),
        ("clock.followed", "warning", YEARS),
    ]


def test_a_second_jump_begins_the_hour_again() -> None:
    machine = Machine()
    machine.set_by = YEARS
    machine.after(1)
    machine.after(CONFIRM - 1)
    machine.set_by = YEARS / 2
    assert machine.after(10) == CONFIRM + 10
    assert machine.after(CONFIRM) == YEARS / 2 + 2 * CONFIRM + 10


def test_ntp_puts_the_clock_right_at_once_but_by_a_day_at_most() -> None:
    machine = Machine()
    machine.ntp = True
    machine.set_by = -NTP_STEP
    assert machine.after(1) == 1 - NTP_STEP
    machine.set_by = YEARS
    assert machine.after(1) == 2 - NTP_STEP


def test_a_clock_that_is_slewed_is_followed_however_far_it_goes() -> None:
    machine = Machine()
    for _ in range(100):
        machine.set_by += DRIFT * 86_400
        assert machine.after(86_400) == pytest.approx(machine.passed + machine.set_by, abs=1e-3)
    assert machine.set_by > 50 * TOLERANCE


@pytest.mark.parametrize("seconds", [0, 1, 10])
@pytest.mark.parametrize("step", [TOLERANCE - 1, 1 - TOLERANCE, 10.0])
def test_small_steps_one_after_another_are_a_jump(step: float, seconds: float) -> None:
    """As a program makes them that sets the clock by hand again and again."""
    machine = Machine()
    with capture_logs():
        for _ in range(100):
            machine.set_by += step
            machine.after(seconds)
    assert abs(machine.clock.now() - NOON - machine.passed) <= TOLERANCE + DRIFT * machine.passed
    assert machine.clock.in_doubt


def test_small_steps_of_a_clock_that_ntp_keeps_are_followed() -> None:
    machine = Machine()
    machine.ntp = True
    with capture_logs():
        for _ in range(100):
            machine.set_by += TOLERANCE - 1
            assert machine.after(1) == machine.passed + machine.set_by


@given(st.lists(st.tuples(st.floats(0, CONFIRM / 10), st.floats(-YEARS, YEARS)), max_size=9))
def test_no_jumps_in_less_than_an_hour_move_it_by_more_than_the_tolerance_in_all(
    steps: list[tuple[float, float]],
) -> None:
    machine = Machine()
    with capture_logs():
        for seconds, jump in steps:
            machine.set_by = jump
            time_of_day = machine.after(seconds)
            assert abs(time_of_day - machine.passed) <= TOLERANCE + DRIFT * machine.passed + 1e-3
