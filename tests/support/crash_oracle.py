"""Who watches bridges that are killed: bears them, kills them, and holds them to their records.

The records are read past the ledger's own code, as they lie in the database.
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

from agi_bridge.consent import START, Row, leaf, link
from agi_bridge.consent.signing import Vault

if TYPE_CHECKING:
    from random import Random
    from types import TracebackType
    from typing import Self

    from agi_bridge.consent.signing import Keys
    from agi_bridge.hook.testing import Received

_MOMENTS: Final = (("step", 90), ("step", 90), ("thanks", 9))
"""What is counted up to the moment of death, and how far at most; a call has a dozen steps."""
_KILLED_EARLY: Final = 1 / 8
_START_SECONDS: Final = 0.05
_STEP_SECONDS: Final = 0.003
_ROOT: Final = Path(__file__).parents[2]
_ROWS: Final = (
    "SELECT ledger_id, seq, consent_id, type, at, body, hash FROM event WHERE seq > %s ORDER BY seq"
)
_CONSENT: Final = "SELECT consent_id FROM pii WHERE number_hmac = %s"
_TYPES: Final = "SELECT type FROM event WHERE consent_id = %s ORDER BY id"


class Database:
    """A ledger's database; of a SQLite file, nothing stays open from one look to the next.

    The last connection that closes tidies up, and a bridge is to find what the killed one left.
    """

    def __init__(self, where: Path | str) -> None:
        self._where = where
        self._postgresql = (
            psycopg.connect(where, autocommit=True) if isinstance(where, str) else None
        )

    def read(self, query: str, value: object) -> list[tuple[Any, ...]]:
        """All rows of a query with one value."""
        if self._postgresql is not None:
            return self._postgresql.execute(query.encode(), (value,)).fetchall()
        with closing(sqlite3.connect(f"file:{self._where}?mode=ro", uri=True)) as connection:
            return connection.execute(query.replace("%s", "?"), (value,)).fetchall()

    def close(self) -> None:
        """Let go."""
        if self._postgresql is not None:
            self._postgresql.close()


class Watch:
    """What was seen from outside, held against what is on record.

    Attributes:
        stages: in how many lives a call was cut off in each of the stages that a call can be in.
        sent_again: how many consents were submitted more than once, rightly.
    """

    def __init__(self, database: Database, keys: Keys) -> None:
        self._database = database
        self._vault = Vault(keys)
        self._seq = 0
        self._head = START
        self._types: defaultdict[str, list[str]] = defaultdict(list)
        self._open: set[str] = set()
        self._left_open: set[str] = set()
        self._heard: set[str] = set()
        self._faults: list[str] = []
        self._thanked: set[str] = set()
        self._under_way: set[str] = set()
        self.stages: Counter[str] = Counter()
        self.sent_again = 0

    def saw(self, what: str, number: str) -> None:
        """A call has begun, the caller is thanked, or the call has ended as calls do."""
        if what == "call":
            self._under_way.add(number)
        elif what == "thanks":
            self._thanked.add(number)
        else:
            self._under_way.discard(number)

    def heard(self, received: Received) -> None:
        """The hook has a request: the consent is on record before anything can come of it.

        Called by the stand-in, which would swallow what is raised here: `check` raises it.
        """
        number = received.from_
        if number in self._heard:
            self._faults.append("submitted twice")
        self._heard.add(number)
        consent = self._consent_of(number)
        types = [type_ for (type_,) in self._database.read(_TYPES, consent)]
        if types[:3] != ["disclosed", "entered", "confirmed"] or types[-1] != "submitting":
            self._faults.append(f"submitted with these on record: {types}")

    def check(self, recovered: int) -> None:
        """Hold all that was seen of earlier lives against the records.

        Args:
            recovered: up to which event the life that has just begun found the chain and settled
                what was open.
        """
        assert self._faults == []
        cut_off, self._under_way = self._under_way, set()
        rows = [Row(*row) for row in self._database.read(_ROWS, self._seq)]
        for row in rows:
            self._head = link(self._head, leaf(row.body))
            assert (row.seq, row.hash) == (self._seq + 1, self._head.hex())
            self._seq = row.seq
            self._note(row)
            if row.seq == recovered:
                assert not self._open, "left open"
        assert self._seq >= recovered
        for number in self._thanked:
            consent = self._consent_of(number)
            assert consent is not None, "thanked without a consent on record"
            assert {"confirmed", "accepted"} <= set(self._types[consent])
        self.stages.update({self._stage(number) for number in cut_off})
        self._thanked.clear()

    def _note(self, row: Row) -> None:
        types = self._types[row.consent_id]
        if row.type == "submitting":  # again only after what the hook cannot have heard of
            assert types[-1] in {"confirmed", "not_sent"}
            self.sent_again += types[-1] == "not_sent"
            self._open.add(row.consent_id)
        elif row.consent_id in self._open:
            self._open.remove(row.consent_id)
            if row.fields["reason"] == "bridge_stopped":
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


class Nursery:
    """Where bridges are born and killed; an async context manager.

    Args:
        state_dir: of the bridges; holds their keys.
        where: their ledger.
        hook, closed: URLs of the hook, and of a port where nobody listens.
        watch: is told what they do.
    """

    def __init__(
        self, state_dir: Path, where: Path | str, hook: str, closed: str, watch: Watch
    ) -> None:
        self._plan = {
            "state_dir": str(state_dir), "where": str(where), "hook": hook, "closed": closed
        }  # fmt: skip
        self._watch = watch
        self._told: asyncio.StreamReader
        self._process: asyncio.subprocess.Process
        self._pipe: asyncio.ReadTransport

    async def __aenter__(self) -> Self:
        read, write = os.pipe()
        # Coverage would measure processes that are killed before they can tell.
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
        self._told = asyncio.StreamReader()
        self._pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(self._told), os.fdopen(read, "rb")
        )
        await self._until("ready")
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

    async def life(self, number: int, chance: Random) -> None:
        """Let one be born, kill it at a moment that chance chooses, and see it dead.

        One in eight is killed while it starts; for the others the moment is some step of a call's
        and a little later, so that a slow machine sees the same stages as a quick one.
        """
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n".encode())
        pid = int(await self._until("born"))
        if chance.random() < _KILLED_EARLY:
            self._watch.stages["starting"] += 1
            await asyncio.sleep(chance.uniform(0, _START_SECONDS))
        else:
            self._watch.check(int(await self._until("up")))
            word, most = chance.choice(_MOMENTS)
            for _ in range(chance.randrange(most)):
                await self._until(word)
            await asyncio.sleep(chance.random() * chance.uniform(0, _STEP_SECONDS))
        os.kill(pid, signal.SIGKILL)
        assert int(await self._until("dead")) == -signal.SIGKILL

    async def _until(self, word: str) -> str:
        """Pass on what is told until this comes; what comes with it."""
        while line := (await self._told.readline()).decode():
            what, _, rest = line.strip().partition(" ")
            if what in {"call", "thanks", "done"}:
                self._watch.saw(what, rest)
            if what == word:
                return rest
            assert what != "dead", "it ended by itself"
        raise AssertionError("the nursery has ended")
