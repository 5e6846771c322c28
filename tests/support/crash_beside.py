"""What people do beside a bridge that is killed: list, show, export, revoke, retain, anchor.

Each is done as a command does it: the ledger is opened, used and closed. A bridge is killed now and
then while it waits for us, or we for it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from agi_bridge.consent import Act, Filter, RetentionRules, Revocation, timestamp
from agi_bridge.consent.ledger import Ledger
from agi_bridge.evidence.export import Collector, ExportWriter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from random import Random

    from agi_bridge.consent.signing import Keys
    from tests.support.crash_oracle import CrashOracle

PACE_SECONDS = 0.3
"""Between two commands: nobody types faster."""
_NEVER = "1999-01-01T00:00:00.000Z"


class Beside:
    """Runs commands until it is told to end.

    Attributes:
        did: how often each was done.
    """

    def __init__(self, where: Path | str, keys: Keys, oracle: CrashOracle, chance: Random) -> None:
        self._where, self._keys = where, keys
        self._oracle, self._chance = oracle, chance
        self.did: Counter[str] = Counter()

    async def run(self, ended: asyncio.Event) -> None:
        """One command after the other."""
        commands = (self._list, self._revoke, self._retain, self._export, self._checkpoint)
        while not ended.is_set():
            command = self._chance.choice(commands)
            async with await Ledger.open(self._where, self._keys) as ledger:
                await command(ledger)
            self.did[command.__name__.strip("_")] += 1
            with suppress(TimeoutError):  # SQLite has one writer at a time: calls need theirs
                await asyncio.wait_for(ended.wait(), PACE_SECONDS)

    async def _list(self, ledger: Ledger) -> None:
        for each in await ledger.summaries(Filter(limit=5)):
            await ledger.record_act(Act.REVEALED, each.consent_id, actor="me", command="list")

    async def _revoke(self, ledger: Ledger) -> None:
        if self._oracle.done:
            number = self._chance.choice(sorted(self._oracle.done))
            await ledger.revoke(
                Revocation(number=number, scope="all", channel="command", actor="me")
            )

    async def _retain(self, ledger: Ledger) -> None:
        await ledger.retain(
            RetentionRules(now=time.time(), personal_before=_NEVER, details_before=timestamp()),
            dry_run=False,
        )

    async def _export(self, ledger: Ledger) -> None:
        found = await ledger.summaries(Filter(limit=1))
        if not found:
            return
        with TemporaryDirectory() as folder:
            out = Path(folder) / "out"
            out.mkdir()
            writer = ExportWriter(out)
            await Collector(ledger, writer, everything=False).collect([found[0].consent_id])
            await asyncio.to_thread(writer.finish, self._keys)

    async def _checkpoint(self, ledger: Ledger) -> None:
        await ledger.checkpoint()


@asynccontextmanager
async def working_beside(beside: Beside) -> AsyncIterator[None]:
    """Run commands while the block runs; what they raise is raised."""
    ended = asyncio.Event()
    task = asyncio.create_task(beside.run(ended))
    try:
        yield
    finally:
        ended.set()
        await task
