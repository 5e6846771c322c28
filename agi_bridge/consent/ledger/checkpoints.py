"""Stores contents by hash, makes checkpoints of the chain, and renews the key of personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Integer, bindparam, delete, func, select, update

from agi_bridge.consent.encoding import Identifiers, timestamp
from agi_bridge.consent.errors import BadCheckpoint
from agi_bridge.consent.ledger import queries
from agi_bridge.consent.ledger.schema import AUDIO, CHECKPOINT, CONTENT, DELIVERY, PERSON
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.signing.checkpoint import Checkpoint, sign
from agi_bridge.consent.states import Act

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import BindParameter, Table

    from agi_bridge.consent.encoding import Body
    from agi_bridge.consent.ledger.append import Writer
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.signing.keys import Keys

PAGE = 500
"""Most rows in one transaction: calls wait for it."""

# Statements are built once: at hundreds of calls a second there are dozens of checkpoints.
_OURS: Final[BindParameter[str]] = bindparam("chain")
_SIGNED: Final = select(func.max(CHECKPOINT.c.seq)).where(CHECKPOINT.c.ledger_id == _OURS)
_KEEP: Final = CHECKPOINT.insert()
_TO_DELIVER: Final = DELIVERY.insert()
_DELIVERIES: Final = (
    select(DELIVERY.c.sink, CHECKPOINT.c.line)
    .where(
        DELIVERY.c.ledger_id == _OURS,
        DELIVERY.c.sink.not_in(bindparam("without", expanding=True)),
        CHECKPOINT.c.ledger_id == DELIVERY.c.ledger_id,
        CHECKPOINT.c.seq == DELIVERY.c.seq,
    )
    .order_by(DELIVERY.c.seq, DELIVERY.c.sink)
    .limit(bindparam("most", type_=Integer()))
)
_DELIVERED: Final = delete(DELIVERY).where(
    DELIVERY.c.ledger_id == _OURS,
    DELIVERY.c.seq == bindparam("event"),
    DELIVERY.c.sink == bindparam("to"),
)


def register_disclosure(
    transaction: Transaction,
    writer: Writer,
    wording: tuple[str, str, str],
    sound: tuple[str, bytes],
) -> int:
    """Keep a disclosure (language, text, SHA-256) and its recording (SHA-256, WAV), once.

    Returns the wording's version.
    """
    transaction.lock(["disclosure"])  # bridges that start at once have the same recordings to keep
    version = writer.version(transaction, *wording)
    _keep(transaction, AUDIO, {sound[0]: {"wav": sound[1]}})
    return version


def register(
    transaction: Transaction, texts: Mapping[str, str], recordings: Mapping[str, bytes]
) -> None:
    """Keep texts and recordings that events name by their SHA-256, once each."""
    transaction.lock(["disclosure"])
    _keep(transaction, CONTENT, {sha256: {"text": text} for sha256, text in texts.items()})
    _keep(transaction, AUDIO, {sha256: {"wav": wav} for sha256, wav in recordings.items()})


def _keep(transaction: Transaction, table: Table, rows: Mapping[str, Mapping[str, Any]]) -> None:
    """Insert the rows that do not exist yet."""
    there = transaction.core.execute(select(table.c.sha256).where(table.c.sha256.in_(rows)))
    for sha256 in rows.keys() - set(there.scalars()):
        transaction.core.execute(table.insert().values(sha256=sha256, **rows[sha256]))


def checkpoint(
    transaction: Transaction, writer: Writer, keys: Keys, sinks: Sequence[str]
) -> Checkpoint | None:
    """Sign the head of our chain and keep a copy; None if it was signed already.

    It is to be delivered to each of the sinks, by name; `deliveries` says which are still to get
    it.
    """
    writer.lock(transaction)
    writer.note_clock(transaction)  # the checkpoint, too, is dated
    heads = {each.ledger_id: each for each in queries.chains(transaction)}
    writer.check_heads(transaction, heads.values())
    own = heads.pop(writer.ledger_id, None)
    signed = transaction.core.execute(_SIGNED, {"chain": writer.ledger_id}).scalar()
    if own is None or not own.seq or signed == own.seq:
        return None
    others = [(each.ledger_id, each.seq, each.hash) for each in heads.values() if each.seq]
    made = sign(keys.signing, own.seq, own.hash, timestamp(), others)
    place = {"ledger_id": made.ledger_id, "seq": made.seq}
    transaction.core.execute(_KEEP, {**place, "line": made.line})
    if sinks:
        transaction.core.execute(_TO_DELIVER, [{**place, "sink": sink} for sink in sinks])
    return made


def deliveries(
    transaction: Transaction, writer: Writer, limit: int, without: Sequence[str]
) -> list[tuple[str, Checkpoint]]:
    """Our checkpoints that are not delivered yet, with the sink's name; oldest first."""
    found = transaction.core.execute(
        _DELIVERIES, {"chain": writer.ledger_id, "without": without, "most": limit}
    )
    return [(sink, Checkpoint.parse(line)) for sink, line in found]


def delivered(transaction: Transaction, writer: Writer, sent: Sequence[tuple[int, str]]) -> None:
    """Note that checkpoints reached sinks, or that the sinks are no longer configured."""
    transaction.core.execute(
        _DELIVERED, [{"chain": writer.ledger_id, "event": seq, "to": sink} for seq, sink in sent]
    )


def newest_heads(kept: Iterable[Checkpoint]) -> dict[str, tuple[int, str]]:
    """The newest event of each chain that genuine checkpoints name, and the hash after it."""
    newest: dict[str, tuple[int, str]] = {}
    for each in kept:
        if each.is_genuine:
            for ledger_id, seq, hash_ in [(each.ledger_id, each.seq, each.hash), *each.heads]:
                if seq > newest.get(ledger_id, (0, ""))[0]:
                    newest[ledger_id] = seq, hash_
    return newest


def expect(transaction: Transaction, writer: Writer, heads: Mapping[str, tuple[int, str]]) -> None:
    """Compare the database with heads that were seen before, now and at each later check.

    Raises:
        LedgerLost: it lacks one.
    """
    writer.expect(heads)
    writer.check_heads(transaction, queries.chains(transaction))


def checkpoints(transaction: Transaction) -> list[Checkpoint]:
    """The copies of the checkpoints of every chain here.

    Raises:
        BadCheckpoint: one of them was changed into what is none.
    """
    table = CHECKPOINT.c
    lines = transaction.core.execute(select(table.line).order_by(table.ledger_id, table.seq))
    return [_parsed(line) for line in lines.scalars()]


def _parsed(line: object) -> Checkpoint:
    if not isinstance(line, str):  # SQLite takes any type in any column
        raise BadCheckpoint("not a text")
    return Checkpoint.parse(line)


def rekey(transaction: Transaction, writer: Writer, actor: str, after: str) -> tuple[int, str]:
    """Seal some persons again under the first vault key that are sealed under another one.

    Returns how many were, and the id to go on `after`; an empty one is the end.
    """
    writer.lock(transaction)
    person = PERSON.c
    rows = transaction.core.execute(
        select(person.person_id, person.sealed)
        .where(person.person_id > after)
        .order_by(person.person_id)
        .limit(PAGE)
        .with_for_update()  # another bridge may be erasing one of them
    ).all()
    old = [row for row in rows if not writer.vault.is_current(row.sealed)]
    for row in old:
        opened = writer.vault.open_person(row.person_id, row.sealed)
        transaction.core.execute(
            update(PERSON)
            .where(person.person_id == row.person_id)
            .values(sealed=writer.vault.seal_person(row.person_id, opened))
        )
    if old:
        new = Identifiers()
        body: Body = {"actor": actor, "count": len(old)}
        writer.append(
            transaction, [StoredEvent(new.next(), new.next(), Act.RESEALED, timestamp(), body)]
        )
    return len(old), rows[-1].person_id if len(rows) == PAGE else ""
