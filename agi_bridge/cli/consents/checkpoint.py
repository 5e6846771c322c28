"""`consents checkpoint`: sign the head of the chain now, and send it to where checkpoints go."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agi_bridge.app.ledger import checkpoint_publisher, open_ledger

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Anchored:
    """What was signed (None: nothing is new since the last time), and where it did not arrive."""

    checkpoint: Checkpoint | None
    failures: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it arrived everywhere."""
        return not self.failures

    def json(self) -> dict[str, object]:
        """The same as plain values."""
        made = self.checkpoint
        return {
            "ledger_id": None if made is None else made.ledger_id,
            "seq": None if made is None else made.seq,
            "hash": None if made is None else made.hash,
            "at": None if made is None else made.at,
            "failures": list(self.failures),
        }

    def show(self, console: Console) -> None:
        """Print the checkpoint, and what failed."""
        if self.checkpoint is None:
            console.print("nothing is new since the last checkpoint")
        else:
            console.print(self.checkpoint.line, soft_wrap=True)
        for failure in self.failures:
            console.print(f"not sent: {failure}", soft_wrap=True)


async def run(settings: Settings) -> Anchored:
    """Open the ledger of a configuration and sign its head.

    Raises:
        LedgerUnavailable, KeyFault: as the ledger says.
    """
    async with await open_ledger(settings) as ledger:
        return await checkpoint(settings, ledger)


async def checkpoint(settings: Settings, ledger: Ledger) -> Anchored:
    """Sign the head of our chain, and send it to every place that the configuration names."""
    made = await ledger.checkpoint()
    if made is None:
        return Anchored(None)
    failures = await asyncio.to_thread(checkpoint_publisher(settings).publish, made)
    return Anchored(made, tuple(failures))
