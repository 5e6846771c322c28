"""Revision 0001, the baseline: all tables of the first release.

Frozen: a later change to `schema` comes with its own revision.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from agi_bridge.consent.ledger.schema import guards

revision: Final = "0001"
down_revision: Final = None

_COUNTER: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_RARE: Final = sa.text(
    "type IN ('not_sent', 'unknown', 'expired', 'revoked', 'revocation', 'message', 'resolved')"
)


def upgrade() -> None:
    """Create the tables, their indexes and the triggers that keep events unchanged."""
    op.create_table(
        "event",
        sa.Column("id", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("ledger_id", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("consent_id", sa.String(36), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
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
        "content",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        comment="Texts that events name by hash: prompts, configurations, samples of first texts",
    )
    op.create_table(
        "audio",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("wav", sa.LargeBinary, nullable=False),
        comment="Every recording of the dialogue that was ever played, once",
    )
    op.create_table(
        "pii",
        sa.Column("consent_id", sa.String(36), primary_key=True),
        sa.Column("person_id", sa.String(64), nullable=False),
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
    op.create_index("pii_by_person", "pii", ["person_id"])
    op.create_table(
        "person",
        sa.Column("person_id", sa.String(64), primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        comment="A key for each person: personal data is sealed under it, and erased with it",
    )
    op.create_table(
        "suppression",
        sa.Column("revocation_id", sa.String(36), primary_key=True),
        sa.Column("number_hmac", sa.String(64), nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("brand", sa.Text),
        comment="An index of the revocations: numbers that must not be texted, as keyed hashes",
    )
    op.create_index("suppression_by_number", "suppression", ["number_hmac"])
    op.create_table(
        "lifting",
        sa.Column("revocation_id", sa.String(36), primary_key=True),
        sa.Column("brand", sa.Text, primary_key=True),
        comment="An index: revocations that a consent given since has lifted for a brand",
    )
    op.create_table(
        "submission",
        sa.Column("consent_id", sa.String(36), primary_key=True),
        sa.Column("ledger_id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(32), nullable=False),
        sa.Column("deadline", sa.String(24), nullable=False),
        comment="An index: submissions under way, who sends each, and until when",
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
    op.create_table(
        "delivery",
        sa.Column("ledger_id", sa.String(32), primary_key=True),
        sa.Column("seq", sa.BigInteger, primary_key=True),
        sa.Column("sink", sa.String(255), primary_key=True),
        comment="Checkpoints that have not got out yet, for each place that they are to go to",
    )
    op.create_table(
        "witness",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("ledger_id", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("stamp", sa.LargeBinary, nullable=False),
        comment="Time stamps of authorities on checkpoints, as they came (DER), by their SHA-256",
    )
    for statement in guards(op.get_bind().dialect.name):
        op.execute(statement)
