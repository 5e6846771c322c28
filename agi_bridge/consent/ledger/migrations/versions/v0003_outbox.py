"""Revision 0003: the outbox, for messages to other systems.

Additive: a bridge of the release before runs on these tables.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"

_COUNTER: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the table and its indexes."""
    op.create_table(
        "outbox",
        sa.Column("id", _COUNTER, primary_key=True, autoincrement=True),
        sa.Column("ledger_id", sa.String(32), nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("endpoint", sa.String(64), nullable=False),
        sa.Column("consent_id", sa.String(36), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("next_at", sa.String(24), nullable=False, server_default=""),
        sa.Column("reason", sa.String(40)),
        sa.Column("refused", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("owner", sa.String(32)),
        sa.Column("deadline", sa.String(24)),
        sa.UniqueConstraint("ledger_id", "seq", "endpoint", name="outbox_once"),
        comment="Messages to other systems that are not delivered yet: which event, to which "
        "endpoint",
        sqlite_autoincrement=True,
    )
    op.create_index("outbox_due", "outbox", ["endpoint", "next_at"])
    op.create_index("outbox_in_order", "outbox", ["endpoint", "subject", "id"])
    op.create_index("outbox_by_consent", "outbox", ["consent_id"])
