from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from agi_bridge.observe import clock
from agi_bridge.observe.clock import KEPT_SECONDS, Clock, ask_kernel


def kernel(monkeypatch: pytest.MonkeyPatch, state: int, status: int) -> list[int]:
    """Let the C library answer so; returns the `modes` of each question."""
    asked: list[int] = []

    def adjtime(reference: Any) -> int:
        timex = reference._obj
        asked.append(timex.modes)
        timex.status = status
        return state

    library = SimpleNamespace(ntp_adjtime=adjtime)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: library)
    return asked


@pytest.mark.parametrize(
    ("state", "status", "synchronised"),
    [
        (0, 0x2001, True),  # TIME_OK, with STA_PLL and STA_NANO
        (1, 0x0010, True),  # a leap second is coming
        (5, 0x0000, False),  # TIME_ERROR
        (0, 0x0040, False),  # STA_UNSYNC
        (-1, 0x0000, False),  # not allowed to ask
    ],
)
def test_the_kernel_is_believed(
    monkeypatch: pytest.MonkeyPatch, *, state: int, status: int, synchronised: bool
) -> None:
    asked = kernel(monkeypatch, state, status)
    assert ask_kernel() is synchronised
    assert asked == [0], "the question must change nothing"


def test_a_c_library_without_the_call_means_unknown_and_so_no(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: SimpleNamespace())
    assert ask_kernel() is False


def test_the_real_kernel_answers_with_its_own_state() -> None:
    """The structure fits: what the kernel wrote is one of the states, its own words about error."""
    timex = clock._Timex(modes=0)
    state = ctypes.CDLL(None).ntp_adjtime(ctypes.byref(timex))
    assert 0 <= state <= 5
    assert timex.maxerror >= 0
    assert ask_kernel() is (state != 5 and not timex.status & 0x0040)


def test_an_answer_holds_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    asked = kernel(monkeypatch, 0, 0)
    own = Clock(lambda: now)
    assert [own.synchronised(), own.synchronised()] == [True, True]
    assert len(asked) == 1
    now += KEPT_SECONDS
    kernel(monkeypatch, 5, 0)
    assert own.synchronised() is False
