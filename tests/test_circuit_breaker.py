"""The circuit breaker: when it opens, when a trial is due, and what closes it."""

from __future__ import annotations

from agi_bridge.circuit_breaker import CircuitBreaker


def test_it_opens_after_failures_in_a_row_and_a_trial_is_due_after_its_time() -> None:
    now = [0.0]
    circuit = CircuitBreaker(2, 10.0, lambda: now[0])
    assert not circuit.failed()
    assert not circuit.succeeded()
    assert [circuit.failed(), circuit.failed(), circuit.failed()] == [False, True, False]
    assert (circuit.is_open, circuit.blocks) == (True, True)
    now[0] = 10.0
    assert (circuit.is_open, circuit.blocks) == (True, False)
    circuit.wait_again()
    now[0] = 19.9
    assert circuit.blocks
    assert circuit.succeeded()
    assert not circuit.is_open


def test_waiting_again_does_not_open_a_closed_circuit() -> None:
    circuit = CircuitBreaker(1, 10.0)
    circuit.wait_again()
    assert not circuit.is_open
