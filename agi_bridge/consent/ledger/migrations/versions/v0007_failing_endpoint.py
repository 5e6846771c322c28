"""Revision 0007: the endpoints that fail, so that all bridges share one pause for each.

Additive: a bridge of the release before runs on these tables, and keeps its own pauses.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0007"
down_revision: Final = "0006"
oldest: Final = "0006"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "failing_endpoint",
        sa.Column("endpoint", sa.String(64), primary_key=True),
        sa.Column("address", sa.String(64), primary_key=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("next_at", sa.String(24), nullable=False),
        sa.Column("owner", sa.String(32)),
        comment="Endpoints that fail: how often in a row, when the next attempt is due, and who "
        "makes it now",
    )
