"""Stores time stamps of checkpoints, each with a `witnessed` event that chains its hash.

What follows that event is younger than the stamp: nobody knew its hash before.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from agi_bridge.consent.encoding import Identifiers, timestamp
from agi_bridge.consent.errors import ConsentError
from agi_bridge.consent.ledger.schema import WITNESS
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.states import Act

if TYPE_CHECKING:
    from agi_bridge.consent.encoding import Body
    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.signing import Checkpoint, Stamp, TimestampAuthority

CLOCK_SKEW_MS: Final = 60_000
"""By how much the clock may differ from an authority's before the log says so: a verification then
says that the clock contradicts the witness."""


class StampStore(Protocol):
    """What keeps time stamps: the ledger."""

    async def keep_stamp(self, checkpoint: Checkpoint, stamp: Stamp, authority: str) -> None:
        """Keep a stamp, and chain its hash."""
        ...


def keep(
    transaction: Transaction, writer: Writer, checkpoint: Checkpoint, stamp: Stamp, authority: str
) -> None:
    """Keep a stamp of a checkpoint of our chain, and chain its hash."""
    writer.lock(transaction)
    transaction.core.execute(
        WITNESS.insert().values(
            sha256=stamp.sha256,
            ledger_id=checkpoint.ledger_id,
            seq=checkpoint.seq,
            stamp=stamp.der,
        )
    )
    body: Body = {
        "checkpoint": checkpoint.seq,
        "checkpoint_sha256": hashlib.sha256(checkpoint.line.encode()).hexdigest(),
        "stamp_sha256": stamp.sha256,
        "authority": authority,
        "stamped_at": timestamp(stamp.at_ms * 1_000_000),
    }
    new = Identifiers()
    event = StoredEvent(new.next(), new.next(), Act.WITNESSED, timestamp(), body)
    writer.append(transaction, [event])


async def witness_checkpoint(
    ledger: StampStore, authority: TimestampAuthority, checkpoint: Checkpoint
) -> Stamp | None:
    """Have a checkpoint of the ledger's own chain stamped, and keep the stamp.

    None if that failed: the log says why. The next checkpoint covers all that this one does.
    """
    log = structlog.get_logger()
    try:
        stamp = await asyncio.to_thread(authority.stamp, checkpoint.line)
        await ledger.keep_stamp(checkpoint, stamp, authority.name)
    except ConsentError as error:
        log.warning("witness.not_stamped", seq=checkpoint.seq, reason=str(error))
        return None
    asked_at = _milliseconds(checkpoint.at)
    if abs(stamp.at_ms - asked_at) > CLOCK_SKEW_MS:
        log.error(
            "witness.clock_differs",
            seq=checkpoint.seq,
            seconds=round((asked_at - stamp.at_ms) / 1000),
        )
    return stamp


def _milliseconds(at: str) -> int:
    return round(datetime.fromisoformat(at).timestamp() * 1000)
