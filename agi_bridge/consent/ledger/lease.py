"""The lease on a chain: one running bridge writes with a signing key, and the database knows which.

Two bridges with one key would take each other's submissions for left open by a crash. So the
service takes the lease of its chain before it settles anything, and renews it while it runs. It is
free if nobody has it, if its time is over by the database's clock, or if its holder was a process
of this machine that has certainly ended. A holder that is frozen loses it to a successor; when it
thaws, it stores nothing more.

Commands write to the chain without the lease: each of their transactions is whole. In SQLite the
lock of the state directory does the same, and the lease is not used.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import structlog
from sqlalchemy import delete, insert, select, update

from agi_bridge.consent.encoding import stamp
from agi_bridge.consent.errors import LedgerLost, LedgerUnavailable
from agi_bridge.consent.ledger import queries
from agi_bridge.consent.ledger.schema import CHAIN_LEASE

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.ledger.worker import Worker

LEASE_SECONDS: Final = 15.0
"""How long a bridge that does not renew its lease keeps it."""
RENEW_SECONDS: Final = 2.0
"""Between two renewals."""
_UNKNOWN: Final = "?"
_ENDED: Final = "-"
_WRITTEN: Final = re.compile(r"(\S+) ([1-9][0-9]{0,8}) (\S+)", re.ASCII)
"""A process as text: its place, its id, when it began."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process on a machine, so that a successor on the same machine knows whether it is gone.

    Attributes:
        place: the id of the machine's boot, and of the namespaces that process ids and times are
            of: a container has its own, whatever its host is called.
        pid: its id there.
        started: when it began, in clock ticks since the boot, because ids are used again;
            `_UNKNOWN` if that could not be read.
    """

    place: str
    pid: int
    started: str

    @classmethod
    def this(cls) -> Self:
        """Our own."""
        return cls(_place(), os.getpid(), _started(os.getpid()) or _UNKNOWN)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """A process as it was written; None if it was written by something else."""
        written = _WRITTEN.fullmatch(text)
        return None if written is None else cls(written[1], int(written[2]), written[3])

    def __str__(self) -> str:
        return f"{self.place} {self.pid} {self.started}"

    def is_gone(self) -> bool:
        """Whether it is certain that it has ended: it was here, and is not.

        A process that cannot be seen is not gone. `hidepid` and `ProtectProc=` hide those of other
        accounts from /proc, but not from kill(2), which says that they are not ours to signal.
        """
        if not self.is_here():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        started = _started(self.pid)
        return started is not None and self.started not in {_UNKNOWN, started}

    def is_here(self) -> bool:
        """Whether it runs, or ran, where we do."""
        return self.place == _place()


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has the lease of a chain.

    Attributes:
        id: a new one for each process.
        host: the machine's name, for people.
        process: see `Process`.
        deadline: until when, by the database's clock, as events are dated.
    """

    id: str
    host: str
    process: str
    deadline: str = ""

    @classmethod
    def this(cls) -> Self:
        """This process."""
        return cls(uuid.uuid4().hex, socket.gethostname(), str(Process.this()))

    def is_gone(self) -> bool:
        """Whether it is certain that its process has ended."""
        process = Process.parse(self.process)
        return process is not None and process.is_gone()

    def is_here(self) -> bool:
        """Whether its process runs, or ran, where we do."""
        process = Process.parse(self.process)
        return process is not None and process.is_here()

    def is_over(self, now: float) -> bool:
        """Whether its time is over. One that is too far ahead came with a database put back."""
        return not stamp(now) <= self.deadline <= stamp(now + 2 * LEASE_SECONDS)


def holder(core: Connection, ledger_id: str) -> Holder | None:
    """Who has the lease of a chain, by reading alone; its time may be over."""
    row = CHAIN_LEASE.c
    found = core.execute(
        select(row.holder, row.host, row.process, row.deadline).where(row.ledger_id == ledger_id)
    ).first()
    return None if found is None else Holder(*found)


class ChainLease:
    """The lease of our chain. Belongs to the event loop.

    Args:
        worker: the ledger's.
        writer: writes the chain.
        is_used: whether the database is one that bridges share.
    """

    def __init__(self, worker: Worker, writer: Writer, *, is_used: bool) -> None:
        self._worker = worker
        self._writer = writer
        self._is_used = is_used
        self._us = Holder.this()

    async def take(self) -> None:
        """Take the lease; waits for one whose holder may be gone, until its time is over.

        Raises:
            LedgerUnavailable: another bridge has it and renews it (`chain_in_use`), or the database
                failed.
        """
        first: Holder | None = None
        while (other := await self._try(patient=True)) is not None:
            if first is None:
                first = other
                structlog.get_logger().warning(
                    "ledger.waiting_for_lease", host=other.host, seconds=LEASE_SECONDS
                )
            elif other != first:
                raise LedgerUnavailable("; ".join(in_use(other)), code="chain_in_use")
            await asyncio.sleep(RENEW_SECONDS / 2)

    async def keep(self) -> None:
        """Renew the lease until cancelled; one that was lost is not taken again.

        A database that is away is asked again: if nobody took the lease meanwhile, it is still
        ours. Each time, the heads of all chains are noted: a replica that takes over must have what
        a command or another bridge stored, a revocation for example.
        """
        while self._is_used and not self._writer.is_taken:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                other = await self._try()
            except LedgerLost:
                continue
            except LedgerUnavailable as error:
                structlog.get_logger().warning("ledger.lease_not_renewed", reason=str(error))
                continue
            if other is not None:
                self._writer.is_taken = True
                structlog.get_logger().error("ledger.chain_taken", host=other.host)

    async def release(self) -> None:
        """Give the lease back, so that a successor does not wait; never raises for the database.

        A COMMIT may wait for a synchronous standby that is away, and a stop does not wait for it.
        """
        if not self._is_used or self._writer.is_taken:
            return
        row = CHAIN_LEASE.c
        mine = delete(CHAIN_LEASE).where(
            row.ledger_id == self._writer.ledger_id, row.holder == self._us.id
        )
        try:
            task = asyncio.create_task(self._worker.run(lambda t: t.core.execute(mine)))
            if not await self._worker.answered(task):
                raise self._worker.no_answer()
            task.result()
        except LedgerUnavailable as error:
            structlog.get_logger().warning("ledger.lease_not_released", reason=str(error))

    async def _try(self, *, patient: bool = False) -> Holder | None:
        """Take or renew the lease; None if it is ours now, else who has it."""
        if not self._is_used:
            return None
        work = partial(_take, writer=self._writer, us=self._us, patient=patient)
        return await self._worker.run(work)


def in_use(other: Holder) -> tuple[str, str]:
    """The error for a lease that another bridge holds: the reason and the fix."""
    problem = f"a bridge on {other.host} is running with the same signing key"
    cure = (
        "give each bridge its own signing.key (all have the same vault.key and lookup.key), or "
        "stop the other"
    )
    return problem, cure


def _take(transaction: Transaction, *, writer: Writer, us: Holder, patient: bool) -> Holder | None:
    if patient:  # at a start: no caller waits
        transaction.be_patient()
    transaction.lock([f"lease:{writer.ledger_id}"])
    row, now = CHAIN_LEASE.c, writer.database_now(transaction)
    found = holder(transaction.core, writer.ledger_id)
    if found is not None and found.id != us.id and not (found.is_over(now) or found.is_gone()):
        return found
    values = {
        "holder": us.id,
        "host": us.host,
        "process": us.process,
        "deadline": stamp(now + LEASE_SECONDS),
    }
    if found is None:
        transaction.core.execute(insert(CHAIN_LEASE).values(ledger_id=writer.ledger_id, **values))
    else:
        transaction.core.execute(
            update(CHAIN_LEASE).where(row.ledger_id == writer.ledger_id).values(**values)
        )
    writer.check_heads(transaction, queries.chains(transaction))
    return None


def _place() -> str:
    """What process ids are unique in: this boot of this machine, and our namespaces."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        namespaces = [Path(f"/proc/self/ns/{name}").readlink() for name in ("pid", "time")]
    except OSError:  # no proof is possible: nobody is here, nobody is gone
        return uuid.uuid4().hex
    return "/".join((boot, *map(str, namespaces)))


def _started(pid: int) -> str | None:
    """When a process began (proc_pid_stat(5), field 22); None if that cannot be read.

    One that has ended and waits for its parent began at no time.
    """
    try:
        if Path("/proc/self").readlink() != Path(str(os.getpid())):
            return None  # another namespace's: its numbers are of other processes
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return _ENDED if fields[0] in "ZX" else fields[19]
