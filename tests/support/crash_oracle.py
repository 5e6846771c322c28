"""Starts and kills bridge processes, and compares what they did with their records.

The records are read directly from the database, without the ledger's code.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from agi_bridge.consent import START, Row, State, leaf, link
from agi_bridge.consent.signing import Vault

if TYPE_CHECKING:
    from random import Random
    from types import TracebackType
    from typing import Self

    from agi_bridge.consent.signing import Keys
    from agi_bridge.hook.testing import Received

_MOMENTS: Final = (("step", 90), ("step", 90), ("thanks", 9))
"""The report that is counted before the kill, and the highest count; a call has a dozen steps."""
_KILLED_EARLY: Final = 1 / 8
_STOPPED_IN_ORDER: Final = 1 / 6
_STATES: Final = frozenset(state.value for state in State)
_START_SECONDS: Final = 0.05
_STEP_SECONDS: Final = 0.003
_ROOT: Final = Path(__file__).parents[2]
_ROWS: Final = (
    "SELECT ledger_id, seq, consent_id, type, at, tags, body, hash FROM event "
    "WHERE ledger_id = %s AND seq > %s ORDER BY seq"
)
_CONSENT: Final = "SELECT consent_id FROM pii WHERE number_hmac = %s AND kind = 'consent'"
_TYPES: Final = "SELECT type FROM event WHERE consent_id = %s ORDER BY id"


class Database:
    """Reads a ledger's database. A SQLite file is opened for each query and closed after it.

    The last connection that closes would clean up the log that the killed process left.
    """

    def __init__(self, where: Path | str) -> None:
        self._where = where
        self._postgresql = (
            psycopg.connect(where, autocommit=True) if isinstance(where, str) else None
        )

    def read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return all rows of a query with parameters."""
        if self._postgresql is not None:
            return self._postgresql.execute(query.encode(), values).fetchall()
        with closing(sqlite3.connect(f"file:{self._where}?mode=ro", uri=True)) as connection:
            return connection.execute(query.replace("%s", "?"), values).fetchall()

    def close(self) -> None:
        """Close the connection to PostgreSQL."""
        if self._postgresql is not None:
            self._postgresql.close()


class CrashOracle:
    """Compares what the PBX and the hook have seen with the records.

    Attributes:
        stages: for each stage of a call, how many calls were cut off in it.
        sent_again: how many submissions were rightly repeated.
        stops: how many bridges were stopped in order.
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._vault = Vault(keys)
        self._ledger_id = keys.ledger_id
        self._stopped_in_order = False
        self._seq = 0
        self._head = START
        self._types: defaultdict[str, list[str]] = defaultdict(list)
        self._open: set[str] = set()
        self._left_open: set[str] = set()
        self._submitted: set[str] = set()
        self._faults: list[str] = []
        self._thanked: set[str] = set()
        self._under_way: set[str] = set()
        self.stages: Counter[str] = Counter()
        self.sent_again = 0
        self.stops = 0

    @property
    def done(self) -> frozenset[str]:
        """The numbers that the hook was asked to text so far."""
        return frozenset(self._submitted)

    def stopped(self) -> None:
        """The bridge was stopped in order: of what it knew, nothing may become unknown."""
        self._stopped_in_order = True
        self.stops += 1

    def on_report(self, report: str, number: str) -> None:
        """Take note that a call started (`call`), was thanked (`thanks`) or ended (`done`)."""
        if report == "call":
            self._under_way.add(number)
            # One that was to be killed while it started was quicker: what it leaves open is its.
            self._stopped_in_order = False
        elif report == "thanks":
            self._thanked.add(number)
        else:
            self._under_way.discard(number)

    def on_request(self, received: Received) -> None:
        """Check at the hook's request that the consent is already on record.

        The fake hook swallows exceptions, so faults are kept and `check` raises them.
        """
        number = received.from_
        if number in self._submitted:
            self._faults.append("submitted twice")
        self._submitted.add(number)
        consent = self._consent_of(number)
        types = [type_ for (type_,) in self._database.read(_TYPES, consent) if type_ in _STATES]
        if types[:3] != ["disclosed", "entered", "confirmed"] or types[-1] != "submitting":
            self._faults.append(f"submitted with these on record: {types}")

    def check(self, recovered: int) -> None:
        """Compare what was seen of earlier runs with the records.

        Args:
            recovered: the chain's last event after the new run settled what was open.
        """
        assert self._faults == []
        cut_off, self._under_way = self._under_way, set()
        if self._stopped_in_order:
            assert not cut_off, "an orderly stop waits for its calls"
        left_open = len(self._left_open)
        rows = [Row(*row) for row in self._database.read(_ROWS, self._ledger_id, self._seq)]
        for row in rows:
            self._head = link(self._head, leaf(row.tags, row.body))
            assert (row.seq, row.hash) == (self._seq + 1, self._head.hex())
            self._seq = row.seq
            self._note(row)
            if row.seq == recovered:
                assert not self._open, "left open"
        assert self._seq >= recovered
        if self._stopped_in_order:
            assert len(self._left_open) == left_open, "an outcome was lost by an orderly stop"
        self._stopped_in_order = False
        for number in self._thanked:
            consent = self._consent_of(number)
            assert consent is not None, "thanked without a consent on record"
            assert {"confirmed", "accepted"} <= set(self._types[consent])
        self.stages.update({self._stage(number) for number in cut_off})
        self._thanked.clear()

    def _note(self, row: Row) -> None:
        if row.type not in _STATES:
            return  # of commands that ran beside
        types = self._types[row.consent_id]
        if row.type == "submitting":  # repeated only if the hook cannot have received it
            before = types[-1] if types else "not_sent"  # by the other bridge on the database
            assert before in {"confirmed", "not_sent"}
            self.sent_again += before == "not_sent"
            self._open.add(row.consent_id)
        elif row.consent_id in self._open:
            self._open.remove(row.consent_id)
            if row.fields.get("reason") == "bridge_stopped":
                self._left_open.add(row.consent_id)
        types.append(row.type)

    def _stage(self, number: str) -> str:
        if number in self._thanked:
            return "thanked"
        consent = self._consent_of(number)
        if consent is None:
            return "before confirmed"
        return "submitting" if consent in self._left_open else "settled"

    def _consent_of(self, number: str) -> str | None:
        found = self._database.read(_CONSENT, self._vault.lookup(number))
        assert len(found) <= 1
        return found[0][0] if found else None


class CrashSupervisor:
    """Starts bridge processes and kills them; an async context manager.

    Args:
        state_dir: the bridges' state directory, which holds their keys.
        where: their ledger.
        hook, closed: URLs of the hook, and of a port without a listener.
        oracle: receives their reports.
        warm_up: the number of a run that nobody else has.
    """

    def __init__(
        self,
        state_dir: Path,
        where: Path | str,
        hook: str,
        closed: str,
        oracle: CrashOracle,
        *,
        warm_up: int = 0,
    ) -> None:
        self._plan = {
            "state_dir": str(state_dir), "where": str(where), "hook": hook, "closed": closed,
            "warm_up": str(warm_up),
        }  # fmt: skip
        self._oracle = oracle
        self._reports: asyncio.StreamReader
        self._process: asyncio.subprocess.Process
        self._pipe: asyncio.ReadTransport
        self._pid = 0

    async def __aenter__(self) -> Self:
        read, write = os.pipe()
        # Coverage cannot measure processes that are killed.
        environ = {name: value for name, value in os.environ.items() if "COV" not in name}
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.crash_supervisor", str(write)),
            json.dumps(self._plan),
            env={**environ, "OPENBLAS_NUM_THREADS": "1"},  # no thread before a fork
            stdin=asyncio.subprocess.PIPE,
            pass_fds=[write],
            cwd=_ROOT,
        )
        os.close(write)
        self._reports = asyncio.StreamReader()
        self._pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._reports), os.fdopen(read, "rb")
        )
        await self._until("warm")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._pipe.close()
        await self._process.wait()

    async def run(self, number: int, chance: Random) -> None:
        """Start one process, end it at a random moment, and wait until it has exited.

        One in eight is killed while it starts, and one in six of the others is stopped in order.
        They end shortly after a random report, so that slow and fast machines reach the same
        stages.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n".encode())
        pid = int(await self._until("started"))
        if chance.random() < _KILLED_EARLY:
            self._oracle.stages["starting"] += 1
            await asyncio.sleep(chance.uniform(0, _START_SECONDS))
        else:
            self._oracle.check(int(await self._until("ready")))
            report, most = chance.choice(_MOMENTS)
            for _ in range(chance.randrange(most)):
                await self._until(report)
            await asyncio.sleep(chance.random() * chance.uniform(0, _STEP_SECONDS))
            if chance.random() < _STOPPED_IN_ORDER:
                os.kill(pid, signal.SIGTERM)
                assert int(await self._until("exited")) == 0
                self._oracle.stopped()
                return
        os.kill(pid, signal.SIGKILL)
        assert int(await self._until("exited")) == -signal.SIGKILL

    async def start(self, number: int) -> None:
        """Start one process; `stop` ends it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n".encode())
        self._pid = int(await self._until("started"))
        self._oracle.check(int(await self._until("ready")))
        await self._until("thanks")

    async def stop(self) -> None:
        """Stop that process in order, and wait until it has exited."""
        os.kill(self._pid, signal.SIGTERM)
        assert int(await self._until("exited")) == 0
        self._oracle.stopped()

    async def _until(self, awaited: str) -> str:
        """Pass reports to the oracle until the awaited one; return its value."""
        while line := (await self._reports.readline()).decode():
            report, _, rest = line.strip().partition(" ")
            if report in {"call", "thanks", "done"}:
                self._oracle.on_report(report, rest)
            if report == awaited:
                return rest
            assert report != "exited", f"the bridge exited by itself: {rest}"
        raise AssertionError("the supervisor has exited")
