"""One run of a process that sends what an outbox has, until it is killed.

python -m tests.support.push_process STATE_DIR URL
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


async def send(state_dir: Path, url: str) -> None:
    """Send until killed."""
    keys, _ = Keys.load(state_dir / "keys", create=False)
    async with await Ledger.open(state_dir / "consents.db", keys) as ledger:
        pusher = Pusher(ledger.outbox, Metrics())
        await pusher.use([Endpoint("crm", url, (SECRET_BYTES,))])
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(send(Path(sys.argv[1]), sys.argv[2]))
