"""One run of a process that sends what an outbox has, until it is killed.

python -m tests.support.push_process KEYS DATABASE URL

DATABASE is a SQLite file, or the URL of a PostgreSQL database.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.observe import Metrics
from agi_bridge.push import Endpoint, Pusher
from tests.support.push_receiver import SECRET_BYTES


async def send(keys_folder: Path, database: Path | str, url: str) -> None:
    """Send until killed."""
    keys, _ = Keys.load(keys_folder, create=False)
    async with await Ledger.open(database, keys) as ledger:
        pusher = Pusher(ledger.outbox, Metrics())
        await pusher.use([Endpoint("crm", url, (SECRET_BYTES,))])
        await asyncio.Event().wait()


if __name__ == "__main__":
    _, folder, where, target = sys.argv
    asyncio.run(send(Path(folder), where if "://" in where else Path(where), target))
