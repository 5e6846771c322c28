"""Whole calls while the database fails: callers get through, nothing is sent unrecorded."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
import structlog

from agi_bridge.call import opt_out
from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import Ledger, circuit, engines
from agi_bridge.consent.ledger import worker as worker_module
from tests.support.call_env import prompts_heard
from tests.support.fault_calls import (
    AGREES,
    AGREES_LATER,
    DECLINES,
    DEFAULT,
    FORWARD,
    FaultBridge,
    went_to,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from agi_bridge.agi.testing import CallEvent
    from agi_bridge.consent.signing import Keys
    from tests.support.postgresql import PostgreSQL

Silence: TypeAlias = "Callable[[], AbstractContextManager[None]]"
ROOT = Path(__file__).parents[3]
NAMESPACE = ("unshare", "--map-root-user", "--mount")
CAN_MOUNT = subprocess.run([*NAMESPACE, "true"], check=False, capture_output=True).returncode == 0  # noqa: S603 - our own arguments
AGREEMENT = ["disclosed", "entered", "confirmed", "submitting"]
HOLDER = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.readline()
held.execute("ROLLBACK")
"""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Drawing the tracebacks of what is meant to fail takes longer than the calls."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def on_file(file: Path, keys: Keys, tmp_path: Path) -> AsyncIterator[FaultBridge]:
    """A bridge on SQLite."""
    async with FaultBridge.running(file, keys, tmp_path) as bridge:
        yield bridge


@pytest.fixture
async def on_postgresql(
    postgresql_url: str, keys: Keys, tmp_path: Path, postgresql_server: PostgreSQL
) -> AsyncIterator[FaultBridge]:
    """A bridge on PostgreSQL, whose server runs when the test is over."""
    async with FaultBridge.running(postgresql_url, keys, tmp_path) as bridge:
        yield bridge
        postgresql_server.resume()
        postgresql_server.start()


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch, postgresql_server: PostgreSQL) -> Silence:
    """While it lasts, nobody waits long for the server; at its end the server goes on."""

    @contextmanager
    def silence() -> Iterator[None]:
        try:
            with monkeypatch.context() as patch:
                for module in (worker_module, opt_out):
                    patch.setattr(module, "WAIT_SECONDS", 0.5)
                yield
        finally:
            postgresql_server.resume()

    return silence


@pytest.mark.programs
@pytest.mark.parametrize("kind", ["tmpfs", "limits"] if CAN_MOUNT else ["limits"])
def test_a_disk_that_is_full_then_read_only_then_well_again(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(  # noqa: S603 - our own arguments
        [
            *(NAMESPACE if kind == "tmpfs" else ()),
            *(sys.executable, "-m", "tests.support.fault_disk", folder, kind),
        ],
        check=True,
        cwd=ROOT,
    )


def at(prompt: str, act: Callable[[], object]) -> Callable[[CallEvent], None]:
    """Act when a prompt begins to be played."""

    def on_event(event: CallEvent) -> None:
        if event.kind == "playing" and event.text.endswith(f"/{prompt}"):
            act()

    return on_event


# Another process holds the SQLite file


@asynccontextmanager
async def held(file: Path) -> AsyncIterator[Callable[[], None]]:
    """Another process has begun to write; call what is given to let it end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HOLDER, str(file)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"held\n"
    yield process.stdin.close
    process.stdin.close()
    assert await process.wait() == 0


@pytest.mark.programs
async def test_a_file_that_stays_locked_costs_the_text_not_the_call(
    file: Path, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.2)
    async with FaultBridge.running(file, keys, tmp_path) as bridge:
        async with held(file):
            assert bridge.refused(await bridge.call(AGREES))
            assert went_to(await bridge.call(DECLINES)) == [DEFAULT]
        assert await bridge.goes_on()
        assert await bridge.states() == [[*AGREEMENT, "accepted"]]


@pytest.mark.programs
async def test_nothing_is_sent_before_a_lock_that_goes_in_time_has_gone(
    on_file: FaultBridge, file: Path
) -> None:
    async with held(file) as release:
        number_is_read_back = asyncio.Event()
        watch = at("you-entered", number_is_read_back.set)
        calling = asyncio.create_task(on_file.call(AGREES, on_event=watch))
        await number_is_read_back.wait()
        done, _ = await asyncio.wait({calling}, timeout=0.3)
        assert not done
        assert on_file.hook.requests == []
        release()
        call = await calling
    assert "accepted" in prompts_heard(call)
    assert went_to(call) == [FORWARD]
    assert await on_file.goes_on()


# PostgreSQL goes in the middle of a call


@pytest.mark.parametrize("how", ["immediate", "fast"])
@pytest.mark.parametrize("moment", ["disclosure", "you-entered"])
async def test_a_server_that_stops_in_mid_call_costs_the_text_not_the_call(
    on_postgresql: FaultBridge,
    postgresql_server: PostgreSQL,
    silence: Silence,
    moment: str,
    how: Any,
) -> None:
    stop = at(moment, lambda: postgresql_server.stop(how))
    with silence():
        assert on_postgresql.refused(await on_postgresql.call(AGREES, on_event=stop))
        assert on_postgresql.refused(await on_postgresql.call(AGREES))  # still down
        assert went_to(await on_postgresql.call(DECLINES)) == [DEFAULT]
    postgresql_server.start()
    assert await on_postgresql.goes_on()
    assert await on_postgresql.states() == [[*AGREEMENT, "accepted"]]


async def test_a_server_that_is_away_when_the_caller_presses_1_costs_nothing(
    on_postgresql: FaultBridge, postgresql_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first try finds no server; it is back for a later one, while the caller waits."""
    tries, again = [], on_postgresql.ledger._groups._try_again

    def back(group: Any, code: str) -> Any:
        tries.append(code)
        if len(tries) == 2:
            postgresql_server.start()
        return again(group, code)

    monkeypatch.setattr(on_postgresql.ledger._groups, "_try_again", back)
    stop = at("you-entered", lambda: postgresql_server.stop("immediate"))
    call = await on_postgresql.call(AGREES, on_event=stop)
    assert "accepted" in prompts_heard(call)
    assert len(tries) >= 2
    assert set(tries) == {"connection_lost"}
    assert await on_postgresql.states() == [[*AGREEMENT, "accepted"]]


async def test_the_circuit_closes_by_itself_when_the_server_is_back(
    on_postgresql: FaultBridge,
    postgresql_server: PostgreSQL,
    silence: Silence,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = on_postgresql.ledger
    monkeypatch.setattr(circuit, "SLOW_SECONDS", 0.1)
    with silence():
        postgresql_server.stop("immediate")
        while not ledger.circuit_open:
            assert on_postgresql.refused(await on_postgresql.call(AGREES))
    postgresql_server.start()
    assert ledger._groups._probing is not None
    await asyncio.wait_for(ledger._groups._probing, 60)
    assert await on_postgresql.goes_on()


async def test_a_server_that_restarts_between_two_calls_costs_nothing(
    on_postgresql: FaultBridge, postgresql_server: PostgreSQL
) -> None:
    assert await on_postgresql.goes_on()
    on_postgresql.hook.requests.clear()
    postgresql_server.stop("immediate")
    postgresql_server.start()
    assert "accepted" in prompts_heard(await on_postgresql.call(AGREES))


async def test_a_server_that_falls_silent_costs_the_text_not_the_call(
    on_postgresql: FaultBridge, postgresql_server: PostgreSQL, silence: Silence
) -> None:
    with silence():
        pause = at("you-entered", postgresql_server.pause)
        assert on_postgresql.refused(await on_postgresql.call(AGREES, on_event=pause))
        assert on_postgresql.refused(await on_postgresql.call(AGREES))
        assert went_to(await on_postgresql.call(DECLINES)) == [DEFAULT]
    assert await on_postgresql.goes_on()
    *late, last = await on_postgresql.states()
    assert last == [*AGREEMENT, "accepted"]
    # What was waiting may be stored now, and with it that nothing was sent and nothing will be.
    assert all(states == [*AGREEMENT, "not_sent", "expired"] for states in late if len(states) > 2)


async def test_a_silent_server_does_not_keep_the_ledgers_thread_from_ending(
    postgresql_url: str, keys: Keys, postgresql_server: PostgreSQL, silence: Silence
) -> None:
    ledger = await Ledger.open(postgresql_url, keys)
    thread = ledger._worker._thread
    assert thread is not None
    with silence():
        postgresql_server.pause()
        looking = asyncio.create_task(ledger.chains())
        await asyncio.sleep(0)
        await ledger.close()
        with pytest.raises(LedgerUnavailable):
            await looking
        await asyncio.to_thread(thread.join, 30)
        assert not thread.is_alive()


async def test_a_silent_server_does_not_hold_a_caller_who_might_be_known(
    postgresql_url: str,
    keys: Keys,
    tmp_path: Path,
    postgresql_server: PostgreSQL,
    silence: Silence,
) -> None:
    skip = {"returning": "skip", "caller_id_trust": "any", "opt_out_key": "9"}
    async with FaultBridge.running(postgresql_url, keys, tmp_path, consent=skip) as bridge:
        with silence():
            postgresql_server.pause()
            assert bridge.refused(await bridge.call(f",{AGREES}", caller_id="14155550123"))
            call = await bridge.call("9", caller_id="14155550123")
            assert "opted-out" not in prompts_heard(call)
            assert went_to(call) == [DEFAULT]
        assert await bridge.goes_on(f",{AGREES_LATER}")


@pytest.mark.parametrize("fault", ["stop", "pause"])
async def test_an_outcome_that_cannot_be_stored_is_unknown_after_the_next_start(
    on_postgresql: FaultBridge, postgresql_server: PostgreSQL, silence: Silence, fault: str
) -> None:
    act = {"stop": lambda: postgresql_server.stop("immediate"), "pause": postgresql_server.pause}
    on_postgresql.hook._on_request = lambda _: act[fault]()
    with silence():
        call = await on_postgresql.call(AGREES)
    assert went_to(call) == [FORWARD]  # the hook has taken it: the caller is connected
    on_postgresql.hook._on_request = None
    postgresql_server.start()
    assert await on_postgresql.goes_on()
    await on_postgresql.ledger.recover()
    assert len(on_postgresql.hook.requests) == 2
    states, _ = await on_postgresql.states()
    assert states in ([*AGREEMENT, "unknown"], [*AGREEMENT, "accepted"])
    assert states[-1] == "unknown" or fault == "pause"  # resumed, it may store what it was sent
