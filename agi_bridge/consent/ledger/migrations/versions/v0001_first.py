"""The first tables: one chainless row of events, and personal data in the clear."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "disclosure",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("lang", sa.String(35), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_table(
        "event",
        sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("event_id", sa.String(36), nullable=False),
        sa.Column("consent_id", sa.String(36), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("event_by_consent", "event", ["consent_id", "seq"])
    op.create_table(
        "pii",
        sa.Column("consent_id", sa.String(36), primary_key=True),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("number", sa.String(16), nullable=False),
        sa.Column("caller_id", sa.String(64)),
        sa.Column("digits", sa.String(32), nullable=False),
        sa.Column(
            "disclosure_sha256", sa.String(64), sa.ForeignKey("disclosure.sha256"), nullable=False
        ),
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER event_no_{verb.lower()} BEFORE {verb} ON event "
                "BEGIN SELECT RAISE(ABORT, 'events are never changed'); END"
            )
