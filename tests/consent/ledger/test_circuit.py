"""No caller waits for a ledger that takes nothing; what is owed for a stored consent is tried."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.consent import CircuitOpen, LedgerUnavailable, State
from agi_bridge.consent.ledger import Ledger, circuit, engines, worker
from agi_bridge.consent.ledger.circuit import FAILURES, RETRY_SECONDS, SLOW_SECONDS, Circuit
from tests.support.consent_builders import NUMBER, confirmed, revocation, settle, submitting
from tests.support.error_codes import coded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from agi_bridge.consent import Batch
    from agi_bridge.consent.ledger.staged import Attempt, Outcome
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.signing import Keys

GONE = LedgerUnavailable("the database is gone")


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(clock: Clock) -> Circuit:
    circuit = Circuit(clock)
    for _ in range(FAILURES):
        assert circuit.admits()
        circuit.failed(GONE, after=SLOW_SECONDS)
    return circuit


def test_failures_that_are_not_in_a_row_open_nothing(clock: Clock) -> None:
    circuit = Circuit(clock)
    for _ in range(5):
        for _ in range(FAILURES - 1):
            circuit.failed(GONE, after=SLOW_SECONDS)
        circuit.succeeded()
    assert not circuit.is_open


def test_failures_that_nobody_waited_for_open_nothing(clock: Clock) -> None:
    circuit = Circuit(clock)
    for _ in range(9):
        circuit.failed(GONE, after=SLOW_SECONDS - 0.01)
    assert not circuit.is_open


def test_while_it_is_open_one_tries_at_a_time(opened: Circuit, clock: Clock) -> None:
    assert [opened.admits() for _ in range(3)] == [False] * 3
    for _ in range(3):
        clock.now += RETRY_SECONDS
        assert [opened.admits() for _ in range(3)] == [True, False, False]
        opened.failed(GONE, after=SLOW_SECONDS)
    assert opened.is_open
    assert RETRY_SECONDS > worker.WAIT_SECONDS


def test_the_first_success_closes_it(opened: Circuit) -> None:
    opened.succeeded()
    assert not opened.is_open
    assert [opened.admits() for _ in range(3)] == [True] * 3


def test_the_log_says_once_that_it_opened_and_once_that_it_closed(clock: Clock) -> None:
    circuit = Circuit(clock)
    with capture_logs() as logs:
        for _ in range(9):
            circuit.failed(GONE, after=SLOW_SECONDS)
        circuit.succeeded()
        circuit.succeeded()
    assert logs == [
        {
            "event": "ledger.circuit_opened",
            "log_level": "error",
            "reason": "the database is gone",
            "retry_after": RETRY_SECONDS,
        },
        {"event": "ledger.circuit_closed", "log_level": "warning"},
    ]


@pytest.fixture
async def ledger(
    file: Path, keys: Keys, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ledger]:
    """A ledger that does not wait for another program that holds the file."""
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.0)
    monkeypatch.setattr(circuit, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr("agi_bridge.consent.ledger.ledger.Circuit", lambda: Circuit(clock))
    async with await Ledger.open(file, keys) as opened:
        yield opened


async def test_a_locked_ledger_is_not_asked_for_each_caller_but_for_what_is_owed(
    ledger: Ledger, file: Path, clock: Clock
) -> None:
    sent = submitting()
    await ledger.append(sent.take())
    settle(sent)
    outcome = sent.take()
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("begin immediate")
        for _ in range(FAILURES):
            with pytest.raises(LedgerUnavailable, match="locked"):
                await ledger.append(submitting().take())
        declined = confirmed()
        with pytest.raises(CircuitOpen, check=coded("circuit_open")):
            await ledger.append(declined.take())
        with pytest.raises(CircuitOpen):
            await ledger.active_consent(NUMBER, "Example Store", "info")
        with pytest.raises(LedgerUnavailable, match="locked"):
            await ledger.append(outcome)
        with pytest.raises(LedgerUnavailable, match="locked"):
            await ledger.revoke(revocation())
        clock.now += RETRY_SECONDS
        with pytest.raises(LedgerUnavailable, match="locked"):
            await ledger.append(submitting().take())
        with pytest.raises(CircuitOpen):
            await ledger.append(submitting().take())
        other.execute("rollback")
    with pytest.raises(CircuitOpen):
        await ledger.append(submitting().take())
    await ledger.append(outcome)  # a write like any other: all is well again
    assert (await ledger.events(sent.id))[-1].type is State.ACCEPTED
    await ledger.append(submitting().take())
    assert await ledger.active_consent(NUMBER, "Example Store", "info") is not None


async def test_callers_who_wait_in_vain_open_it_too(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> bool:
        return False

    with monkeypatch.context() as patched:
        patched.setattr(worker.Worker, "answered", staticmethod(never))
        for _ in range(FAILURES):
            with pytest.raises(LedgerUnavailable, check=coded("no_answer")):
                await ledger.active_consent(NUMBER, "Example Store", "info")
    with pytest.raises(CircuitOpen):
        await ledger.append(submitting().take())


async def test_writes_that_come_too_late_for_their_callers_open_it(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ledger._writer.store
    given_up = threading.Event()

    def slow(transaction: Transaction, batches: Sequence[Batch], attempt: Attempt) -> list[Outcome]:
        assert given_up.wait(60)
        return store(transaction, batches, attempt)

    with monkeypatch.context() as patched:
        patched.setattr(ledger._writer, "store", slow)
        patched.setattr(worker, "WAIT_SECONDS", 0.1)
        for _ in range(FAILURES):
            given_up.clear()
            with pytest.raises(LedgerUnavailable, check=coded("no_answer")):
                await ledger.append(submitting().take())
            given_up.set()
            await ledger._groups._idle.wait()
        with pytest.raises(CircuitOpen):
            await ledger.append(submitting().take())


async def test_what_is_withheld_is_not_a_failure_of_the_ledger(ledger: Ledger) -> None:
    await ledger.revoke(revocation())
    for _ in range(2 * FAILURES):
        with pytest.raises(Exception, match="suppressed"):
            await ledger.append(submitting().take())
    assert not ledger._circuit.is_open
