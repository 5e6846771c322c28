"""What makes the record a proof: disclosures and recordings kept, checkpoints, keys renewed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select, update

from agi_bridge.consent.encoding import Identifiers, timestamp
from agi_bridge.consent.ledger.schema import AUDIO, CHECKPOINT, EVENT, PII
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.signing.checkpoint import Checkpoint, sign
from agi_bridge.consent.states import Act

if TYPE_CHECKING:
    from agi_bridge.consent.encoding import Body
    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.database import Transaction
    from agi_bridge.consent.signing.keys import Keys

AT_ONCE = 500
"""Most rows in one transaction: calls wait for it."""


def register(
    transaction: Transaction, writer: Writer, wording: tuple[str, str], sound: tuple[str, bytes]
) -> int:  # fmt: skip
    """Keep a disclosure (language, text) and its recording (SHA-256, WAV), once.

    Returns the wording's version.
    """
    transaction.lock(["disclosure"])  # bridges that start at once have the same recordings to keep
    version = writer.version(transaction, *wording)
    audio_sha256, wav = sound
    there = transaction.core.execute(
        select(AUDIO.c.sha256).where(AUDIO.c.sha256 == audio_sha256)
    ).first()
    if there is None:
        transaction.core.execute(AUDIO.insert().values(sha256=audio_sha256, wav=wav))
    return version


def checkpoint(transaction: Transaction, writer: Writer, keys: Keys) -> Checkpoint | None:
    """Sign the head of our chain and keep a copy; None if it was signed already."""
    writer.hold(transaction)
    table = CHECKPOINT.c
    head = transaction.core.execute(
        select(EVENT.c.seq, EVENT.c.hash)
        .where(EVENT.c.ledger_id == writer.ledger_id)
        .order_by(EVENT.c.seq.desc())
        .limit(1)
    ).first()
    signed = transaction.core.execute(
        select(func.max(table.seq)).where(table.ledger_id == writer.ledger_id)
    ).scalar()
    if head is None or signed == head.seq:
        return None
    made = sign(keys.signing, head.seq, head.hash, timestamp())
    transaction.core.execute(
        CHECKPOINT.insert().values(ledger_id=made.ledger_id, seq=made.seq, line=made.line)
    )
    return made


def checkpoints(transaction: Transaction) -> list[Checkpoint]:
    """The copies of the checkpoints of every chain here.

    Raises:
        BadCheckpoint: one of them was changed into what is none.
    """
    table = CHECKPOINT.c
    lines = transaction.core.execute(select(table.line).order_by(table.ledger_id, table.seq))
    return [Checkpoint.parse(line) for line in lines.scalars()]


def rekey(transaction: Transaction, writer: Writer, actor: str, after: str) -> tuple[int, str]:
    """Seal again, under the first vault key, some of what is sealed under another one.

    Returns how many were, and the id to go on `after`; an empty one is the end.
    """
    writer.hold(transaction)
    pii = PII.c
    rows = transaction.core.execute(
        select(pii.consent_id, pii.sealed)
        .where(pii.consent_id > after)
        .order_by(pii.consent_id)
        .limit(AT_ONCE)
        .with_for_update()  # another bridge may be adding to one of them
    ).all()
    old = [row for row in rows if not writer.vault.is_current(row.sealed)]
    for row in old:
        known = writer.vault.open(row.consent_id, row.sealed)
        transaction.core.execute(
            update(PII)
            .where(pii.consent_id == row.consent_id)
            .values(sealed=writer.vault.seal(row.consent_id, known))
        )
    if old:
        new = Identifiers()
        body: Body = {"actor": actor, "count": len(old)}
        writer.append(
            transaction, [StoredEvent(new.next(), new.next(), Act.RESEALED, timestamp(), body)]
        )
    return len(old), rows[-1].consent_id if len(rows) == AT_ONCE else ""
