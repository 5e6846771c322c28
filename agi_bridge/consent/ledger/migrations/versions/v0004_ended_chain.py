"""Revision 0004: the chains that end where a ledger was restored from a backup."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"


def upgrade() -> None:
    """Create the table; nothing was restored before."""
    op.create_table(
        "ended_chain",
        sa.Column("ledger_id", sa.String(32), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("at", sa.String(24), nullable=False),
        comment="Chains that end here because the ledger was restored from a backup",
    )
