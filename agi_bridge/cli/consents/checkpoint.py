"""`consents checkpoint`: signs the head of the chain now and publishes the checkpoint."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class PublishedCheckpoint:
    """The checkpoint (None: nothing is new since the last one), and where it did not arrive."""

    checkpoint: Checkpoint | None
    failures: tuple[str, ...] = ()
    stamped_at: str | None = None
    """The time on its time stamp; None if it has none."""

    @property
    def ok(self) -> bool:
        """Whether it arrived everywhere."""
        return not self.failures

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        made = self.checkpoint
        return {
            "ledger_id": None if made is None else made.ledger_id,
            "seq": None if made is None else made.seq,
            "hash": None if made is None else made.hash,
            "at": None if made is None else made.at,
            "stamped_at": self.stamped_at,
            "failures": list(self.failures),
        }

    def show(self, console: Console) -> None:
        """Print the checkpoint and the failures."""
        if self.checkpoint is None:
            console.print("nothing is new since the last checkpoint")
        else:
            console.print(self.checkpoint.line, soft_wrap=True)
        if self.stamped_at is not None:
            console.print(f"time stamp received, of {self.stamped_at}")
        for failure in self.failures:
            console.print(f"not sent: {failure}", soft_wrap=True)


def command(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Sign the head of the chain now, send it to the configured places, and have it stamped.

    `serve` does so every hour and every 100 events. Exit code 1 if it did not arrive everywhere.
    """
    from agi_bridge.app.ledger import open_ledger

    settings = load_settings(config)

    async def work() -> PublishedCheckpoint:
        async with await open_ledger(settings) as ledger:
            return await sign_and_publish(settings, ledger)

    answer(work(), as_json=as_json)


async def sign_and_publish(settings: Settings, ledger: Ledger) -> PublishedCheckpoint:
    """Sign the head of this bridge's chain, send it to every configured place, have it stamped.

    Checkpoints that could not be sent earlier are sent too.

    Raises:
        LedgerUnavailable, KeyFault: as the ledger raises them.
    """
    from agi_bridge.app.ledger import checkpoint_publisher, timestamp_authority
    from agi_bridge.consent import timestamp
    from agi_bridge.consent.ledger import deliver_checkpoints, witness_checkpoint

    publisher = checkpoint_publisher(settings)
    made = await ledger.checkpoint(publisher.names)
    failures = await deliver_checkpoints(ledger, publisher)
    problems = [failure.reason for failure in failures]
    authority = await asyncio.to_thread(timestamp_authority, settings)
    stamp = None
    if made is not None and authority is not None:
        stamp = await witness_checkpoint(ledger, authority, made)
        if stamp is None:
            problems.append(f"authority {authority.name}: no time stamp; the log says why")
    stamped_at = None if stamp is None else timestamp(stamp.at_ms * 1_000_000)
    return PublishedCheckpoint(made, tuple(problems), stamped_at)
