"""Revision 0002: who runs with each signing key, and requests for checkpoints.

Additive: a bridge of the release before runs on these tables.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    """Create the two tables."""
    op.create_table(
        "chain_lease",
        sa.Column("ledger_id", sa.String(32), primary_key=True),
        sa.Column("holder", sa.String(32), nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("process", sa.Text, nullable=False),
        sa.Column("deadline", sa.String(24), nullable=False),
        comment="The bridge that runs with each signing key, and until when, unless it renews",
    )
    op.create_table(
        "checkpoint_request",
        sa.Column("ledger_id", sa.String(32), primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        comment="Chains whose bridge is asked for a checkpoint, at this event or a later one",
    )
