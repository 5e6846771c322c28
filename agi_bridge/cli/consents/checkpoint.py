"""`consents checkpoint`: signs the head of the chain now and publishes the checkpoint."""

from __future__ import annotations

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
            "failures": list(self.failures),
        }

    def show(self, console: Console) -> None:
        """Print the checkpoint and the failures."""
        if self.checkpoint is None:
            console.print("nothing is new since the last checkpoint")
        else:
            console.print(self.checkpoint.line, soft_wrap=True)
        for failure in self.failures:
            console.print(f"not sent: {failure}", soft_wrap=True)


def command(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Sign the head of the chain now and send it to the configured places.

    `serve` does so every hour and every 100 events. Exit code 1 if it did not arrive everywhere.
    """
    from agi_bridge.app.ledger import open_ledger

    settings = load_settings(config)

    async def work() -> PublishedCheckpoint:
        async with await open_ledger(settings) as ledger:
            return await sign_and_publish(settings, ledger)

    answer(work(), as_json=as_json)


async def sign_and_publish(settings: Settings, ledger: Ledger) -> PublishedCheckpoint:
    """Sign the head of this bridge's chain and send it to every configured place.

    Checkpoints that could not be sent earlier are sent too.

    Raises:
        LedgerUnavailable, KeyFault: as the ledger raises them.
    """
    from agi_bridge.app.ledger import checkpoint_publisher
    from agi_bridge.consent.ledger import deliver_checkpoints

    publisher = checkpoint_publisher(settings)
    made = await ledger.checkpoint(publisher.names)
    failures = await deliver_checkpoints(ledger, publisher)
    return PublishedCheckpoint(made, tuple(failure.reason for failure in failures))
