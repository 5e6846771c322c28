"""The lease on a chain: of two bridges with one signing key, one runs."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from structlog.testing import capture_logs

from agi_bridge.consent import LedgerLost, LedgerUnavailable, State
from agi_bridge.consent.ledger import Ledger, lease, worker
from agi_bridge.consent.ledger.lease import Process
from tests.support.consent_builders import revocation, settle, submitting
from tests.support.error_codes import coded
from tests.support.external_db import execute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agi_bridge.consent.signing import Keys

ELSEWHERE: Final = "another-boot 1 1"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.05)


@pytest.fixture
async def shared(emptied_url: str, keys: Keys) -> AsyncIterator[Ledger]:
    """A ledger on PostgreSQL."""
    async with await Ledger.open(emptied_url, keys) as opened:
        yield opened


def held_by(url: str, process: str, *, seconds: float = 10.0) -> None:
    """Write down who has the lease, and for how long."""
    execute(url, "delete from chain_lease")
    deadline = f"(now() + interval '{seconds} s') at time zone 'UTC'"
    written = f"""to_char({deadline}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
    execute(
        url,
        f"insert into chain_lease select ledger_id, 'another', 'pbx2', '{process}', {written} "  # noqa: S608 - our own words
        "from ledger",
    )


async def test_a_second_bridge_with_the_same_key_is_refused_and_settles_nothing(
    shared: Ledger, emptied_url: str, keys: Keys
) -> None:
    await shared.lease.take()
    keeping = asyncio.create_task(shared.lease.keep())
    record = submitting()
    await shared.append(record.take())
    async with await Ledger.open(emptied_url, keys) as second:
        with pytest.raises(LedgerUnavailable, check=coded("chain_in_use")):
            await second.lease.take()
    assert await shared.may_send(record.id) is None
    keeping.cancel()


async def test_one_that_stopped_in_order_leaves_the_lease_free(
    shared: Ledger, emptied_url: str, keys: Keys
) -> None:
    await shared.lease.take()
    await shared.lease.release()
    async with await Ledger.open(emptied_url, keys) as second:
        with capture_logs() as logs:
            await second.lease.take()
    assert logs == []


@pytest.mark.programs
async def test_one_that_was_killed_here_is_succeeded_at_once(
    shared: Ledger, emptied_url: str
) -> None:
    held_by(emptied_url, str(killed()))
    with capture_logs() as logs:
        await shared.lease.take()
    assert logs == []


async def test_one_elsewhere_that_is_silent_is_succeeded_when_its_time_is_over(
    shared: Ledger, emptied_url: str
) -> None:
    held_by(emptied_url, ELSEWHERE, seconds=0.3)
    with capture_logs() as logs:
        await shared.lease.take()
    assert [line["event"] for line in logs] == ["ledger.waiting_for_lease"]


@pytest.mark.parametrize("seconds", [-60, 86_400])
async def test_a_lease_that_came_with_a_database_put_back_locks_nobody_out(
    shared: Ledger, emptied_url: str, seconds: int
) -> None:
    held_by(emptied_url, ELSEWHERE, seconds=seconds)
    with capture_logs() as logs:
        await shared.lease.take()
    assert logs == []


async def test_a_process_with_the_same_number_that_began_later_is_another_one(
    shared: Ledger, emptied_url: str
) -> None:
    held_by(emptied_url, str(replace(Process.this(), started="1")))
    with capture_logs() as logs:
        await shared.lease.take()
    assert logs == []


async def test_one_that_was_away_too_long_stores_nothing_more(
    shared: Ledger, emptied_url: str
) -> None:
    await shared.lease.take()
    record = submitting()
    await shared.append(record.take())
    held_by(emptied_url, ELSEWHERE)
    with capture_logs() as logs:
        await shared.lease.keep()
    assert [line["event"] for line in logs] == ["ledger.chain_taken"]
    settle(record)
    with pytest.raises(LedgerLost, check=coded("chain_taken")):
        await shared.append(record.take())
    with pytest.raises(LedgerLost, check=coded("chain_taken")):
        await shared.may_send(record.id)
    await shared.lease.release()
    assert execute(emptied_url, "select holder from chain_lease") == [("another",)]
    assert (await shared.events())[-1].type is State.SUBMITTING


async def test_a_lease_that_nobody_took_is_renewed_however_late(
    shared: Ledger, emptied_url: str
) -> None:
    await shared.lease.take()
    execute(emptied_url, "update chain_lease set deadline = '2020-01-01T00:00:00.000Z'")
    await shared.lease.take()
    execute(emptied_url, "delete from chain_lease")
    await shared.lease.take()
    assert execute(emptied_url, "select count(*) from chain_lease") == [(1,)]


async def test_what_another_bridge_stored_is_missed_after_the_next_renewal(
    shared: Ledger, emptied_url: str, other_keys: Keys
) -> None:
    """A replica that took over may lack a revocation that no checkpoint of ours names."""
    await shared.lease.take()
    async with await Ledger.open(emptied_url, other_keys) as command:
        await command.revoke(revocation())
        await shared.lease.take()
    execute(emptied_url, "alter table event disable trigger all")
    chain = f"ledger_id = '{other_keys.ledger_id}'"
    execute(
        emptied_url,
        f"delete from event where {chain} and seq = (select max(seq) from event where {chain})",  # noqa: S608 - our own words
    )
    with pytest.raises(LedgerLost):
        await shared.lease.take()
    with pytest.raises(LedgerLost):
        await shared.append(submitting().take())


async def test_a_stop_does_not_wait_for_a_database_that_does_not_answer(
    shared: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A COMMIT waits for a synchronous standby without any limit."""
    await shared.lease.take()
    monkeypatch.setattr(worker, "WAIT_SECONDS", 0.01)
    answers = threading.Event()
    shared._worker.submit(answers.wait)
    with capture_logs() as logs:
        await shared.lease.release()
    assert [line["event"] for line in logs] == ["ledger.lease_not_released"]
    answers.set()


async def test_sqlite_has_the_lock_of_the_state_directory_instead(file: Path, keys: Keys) -> None:
    async with await Ledger.open(file, keys) as ledger:
        await ledger.lease.take()
        await ledger.lease.keep()
        await ledger.lease.release()
        assert execute(file, "select * from chain_lease") == []


def test_a_process_is_read_as_it_was_written() -> None:
    this = Process.this()
    assert Process.parse(str(this)) == this
    assert this.pid == os.getpid()
    assert not this.is_gone()
    for other in ("anything else", "place 0 1", "place -1 1", "place 1", f"place {10**12} 1"):
        assert Process.parse(other) is None


def test_a_process_that_cannot_be_seen_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """`hidepid` and `ProtectProc=invisible` hide what runs under another account."""
    this = Process.this()
    unseen = replace(this, started="?")
    assert not unseen.is_gone()
    monkeypatch.setattr(lease, "_started", lambda _: None)
    assert not this.is_gone()
    assert Process.parse(str(Process.this())) == unseen


@pytest.mark.programs
def test_a_process_that_was_killed_is_gone_although_none_can_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = killed()
    monkeypatch.setattr(lease, "_started", lambda _: None)
    assert gone.is_gone()


def test_a_process_that_may_not_be_signalled_is_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int, __: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    this = Process.this()
    assert not this.is_gone()
    assert replace(this, started="1").is_gone()


@pytest.mark.programs
@pytest.mark.parametrize("mounted", [True, False])
def test_a_process_of_another_container_is_not_gone(*, mounted: bool) -> None:
    """Its numbers are other ones; without a /proc of its own it would read ours by mistake."""
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    told = (
        "from agi_bridge.consent.ledger.lease import Process; import sys;"
        f"there = Process.parse({str(Process.this())!r});"
        "print(Process.this(), there.is_gone(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(  # noqa: S603 - our own arguments
        [
            *("unshare", *root, "--pid", "--fork", *(["--mount-proc"] if mounted else [])),
            *(sys.executable, "-c", told),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stdout is not None
        place, pid, started, we_are_gone = running.stdout.readline().split()
        there = Process.parse(f"{place} {pid} {started}")
        assert there is not None
        assert (there.is_here(), there.is_gone(), we_are_gone) == (False, False, "False")
        assert (started != "?") is mounted
        running.communicate("")
    assert not there.is_gone()


def killed() -> Process:
    """A process of this machine that has ended."""
    with subprocess.Popen(["sleep", "600"]) as process:  # noqa: S607 - any program
        gone = replace(Process.this(), pid=process.pid, started=started(process.pid))
        assert not gone.is_gone()
        process.kill()
    assert gone.is_gone()
    return gone


def started(pid: int) -> str:
    """When a process began, in clock ticks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
