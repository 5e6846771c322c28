"""Events in chains, personal data sealed, revocations, recordings, checkpoints.

The events that are there become the beginning of this bridge's chain, in their order and with
their times; the chain's first event says how many they were: what was before it is as trustworthy
as the database was then.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from alembic import context, op

from agi_bridge.consent.ledger.schema import guards
from agi_bridge.consent.models import PersonalData, StoredEvent
from agi_bridge.consent.states import event_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

revision: Final = "0002"
down_revision: Final = "0001"

_AT_ONCE: Final = 1000
_COUNTER: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_RARE: Final = sa.text(
    "type IN ('not_sent', 'unknown', 'expired', 'revoked', 'revocation', 'message', 'resolved')"
)


def upgrade() -> None:
    """Make the new tables, move everything into them, take the old ones away."""
    bind = op.get_bind()
    op.drop_index("event_by_consent", "event")
    if bind.dialect.name == "sqlite":
        for verb in ("update", "delete"):
            op.execute(f"DROP TRIGGER event_no_{verb}")
    op.rename_table("event", "old_event")
    op.rename_table("pii", "old_pii")
    op.rename_table("disclosure", "old_disclosure")
    _make_tables()
    _move(bind)
    for table in ("old_event", "old_pii", "old_disclosure"):
        op.drop_table(table)
    for statement in guards(bind.dialect.name):
        op.execute(statement)


def _make_tables() -> None:
    op.create_table(
        "event",
        sa.Column("id", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("ledger_id", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("consent_id", sa.String(36), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.UniqueConstraint("ledger_id", "seq", name="event_in_chain"),
        sqlite_autoincrement=True,
        comment="Append-only: canonical JSON without readable personal data, chained by hash",
    )
    op.create_index("event_by_consent", "event", ["consent_id", "id"])
    op.create_index(
        "event_rare", "event", ["type", "id"], sqlite_where=_RARE, postgresql_where=_RARE
    )
    op.create_table(
        "disclosure",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("lang", sa.String(35), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        comment="Every text that was ever disclosed, once, by the SHA-256 of its UTF-8 bytes",
    )
    op.create_table(
        "audio",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("wav", sa.LargeBinary, nullable=False),
        comment="Every recording of a disclosure that was ever played, once",
    )
    op.create_table(
        "pii",
        sa.Column("consent_id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("line_id", sa.String(64)),
        sa.Column("brand", sa.Text),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("number_hmac", sa.String(64)),
        sa.Column("caller_hmac", sa.String(64)),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("disclosure_sha256", sa.String(64), sa.ForeignKey("disclosure.sha256")),
        sa.Column("trimmed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("restricted_until", sa.String(24)),
        comment="Erasable: a row may go, the events stay and still add up",
    )
    for name in ("number", "caller"):
        op.create_index(f"pii_by_{name}", "pii", [f"{name}_hmac", "at"])
    op.create_index("pii_by_line", "pii", ["line_id", "at"])
    op.create_table(
        "suppression",
        sa.Column("number_hmac", sa.String(64), primary_key=True),
        sa.Column("brand", sa.Text, primary_key=True),
        sa.Column("revocation_id", sa.String(36), nullable=False),
        sa.Column("revoked_at", sa.String(24), nullable=False),
        sa.Column("lifted_at", sa.String(24)),
        comment="Numbers that must not be texted, as keyed hashes; lifted by a consent given since",
    )
    op.create_table(
        "ledger",
        sa.Column("ledger_id", sa.String(32), primary_key=True),
        sa.Column("public_key", sa.String(44), nullable=False),
        sa.Column("lookup_check", sa.String(64), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        comment="The chains in this database, one for each signing key",
    )
    op.create_table(
        "checkpoint",
        sa.Column("ledger_id", sa.String(32), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("line", sa.Text, nullable=False),
        comment="Copies of the signed checkpoints; the ones that count are kept elsewhere",
    )


def _move(bind: sa.Connection) -> None:
    given = context.config.attributes
    count: int = bind.execute(sa.text("SELECT count(*) FROM old_event")).scalar_one()
    given["open_chain"](migrated_events=count)
    bind.execute(
        sa.text(
            "INSERT INTO disclosure (sha256, lang, version, text) SELECT sha256, lang, row_number()"
            " OVER (PARTITION BY lang ORDER BY sha256), text FROM old_disclosure"
        )
    )
    for page in _pages(bind):
        given["writer"].append(given["transaction"], [_event(row) for row in page])
    for row in bind.execute(sa.text(_PEOPLE)).all():
        facts = json.loads(row.body)
        person = PersonalData(
            kind="consent",
            values={
                "salt": row.salt.hex(),
                "number": row.number,
                "digits": row.digits,
                **({} if row.caller_id is None else {"caller_id": row.caller_id}),
            },
            line_id=facts["line_id"],
            brand=facts["brand"],
        )
        given["writer"].keep_personal(
            given["transaction"],
            row.consent_id,
            person,
            at=row.at,
            disclosure_sha256=row.disclosure_sha256,
        )


def _pages(bind: sa.Connection) -> Iterator[Sequence[sa.Row[Any]]]:
    last = 0
    query = sa.text(
        "SELECT seq, event_id, consent_id, type, at, body FROM old_event "
        "WHERE seq > :last ORDER BY seq LIMIT :count"
    )
    while page := bind.execute(query, {"last": last, "count": _AT_ONCE}).all():
        yield page
        last = page[-1].seq


def _event(row: sa.Row[Any]) -> StoredEvent:
    return StoredEvent(
        row.event_id, row.consent_id, event_type(row.type), row.at, json.loads(row.body)
    )


_PEOPLE: Final = """
    SELECT pii.*, confirmed.at, disclosed.body FROM old_pii pii
    JOIN old_event confirmed ON confirmed.consent_id = pii.consent_id
        AND confirmed.type = 'confirmed'
    JOIN old_event disclosed ON disclosed.consent_id = pii.consent_id
        AND disclosed.type = 'disclosed'
"""
