"""The least that PostgreSQL can make of consents, and what the ledger makes of them beside it.

    python -m bench.postgresql_floor          # half a minute; needs .postgresql

The floor: five rows of the size of our events for a consent, in two transactions (four, then one)
that a group of 50 shares, each group as one document; our indexes; nothing else: no person, no
limit, no look-up, no lock, no hash. The ledger has 100 calls waiting, so its groups are as large.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg
import uvloop

from bench import ledger, machine
from tests.support.postgresql import PostgreSQL

CONSENTS: Final = 3000
ROUNDS: Final = 5
GROUP: Final = ledger.WAITING // 2
BODY: Final = "x" * 520
INSERT: Final = (
    "INSERT INTO e SELECT * FROM json_to_recordset(%s) AS g(ledger_id text, seq bigint, "
    "consent_id text, type text, at text, tags text, body text, hash text)"
)
CREATE: Final = (
    "CREATE TABLE e (ledger_id text, seq bigint, consent_id text, type text, at text, tags text, "
    "body text, hash text)"
)
INDEXES: Final = (
    "CREATE UNIQUE INDEX ON e (ledger_id, seq)",
    "CREATE INDEX ON e (consent_id)",
)


def rows(first: int, count: int) -> str:
    """So many rows as one document."""
    made: list[dict[str, Any]] = [
        {
            "ledger_id": "1" * 36,
            "seq": seq,
            "consent_id": f"{seq // 5 * 7919 % 1_000_003:036d}",
            "type": "confirmed",
            "at": "2026-11-27T13:00:00.000Z",
            "tags": f'["{"a" * 32}","{"b" * 32}"]',
            "body": BODY,
            "hash": "c" * 64,
        }
        for seq in range(first, first + count)
    ]
    return orjson.dumps(made).decode()


def floor(url: str) -> None:
    """Store consents, a group after another."""
    with psycopg.connect(url) as connection:
        for statement in (CREATE, *INDEXES):
            connection.execute(statement)
        connection.commit()
        seq = 0
        for _ in range(0, CONSENTS, GROUP):
            for count in (4 * GROUP, GROUP):
                connection.execute(INSERT, (rows(seq, count),))
                connection.commit()
                seq += count


def ours(url: str) -> None:
    """The same number with the ledger."""
    uvloop.run(ledger.most(url, CONSENTS))


def main() -> None:
    """Measure both in turn, and print medians."""
    with PostgreSQL.running(fsync="on", shared_buffers="128MB") as server:
        pid = int((Path(server.folder) / "data" / "postmaster.pid").read_text("ascii").split()[0])
        found: dict[str, list[tuple[float, float, float]]] = {"floor": [], "ledger": []}
        for _ in range(ROUNDS):
            for name, store in (("floor", floor), ("ledger", ours)):
                with server.database() as url:
                    before, theirs = os.times(), machine.cpu_seconds(pid)
                    began = time.perf_counter()
                    store(url)
                    seconds = time.perf_counter() - began
                    after = os.times()
                    own = after.user - before.user + after.system - before.system
                    theirs = machine.cpu_seconds(pid) - theirs
                    found[name].append(
                        (CONSENTS / seconds, own / CONSENTS * 1e3, theirs / CONSENTS * 1e3)
                    )
    for name, each in found.items():
        rate, own, theirs = map(statistics.median, zip(*each, strict=True))
        print(f"{name}: {rate:,.0f} consents/s; ms of a consent: {own:.2f} ours, {theirs:.2f} its")


if __name__ == "__main__":
    main()
