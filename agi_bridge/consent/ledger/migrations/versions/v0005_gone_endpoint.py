"""Revision 0005: the endpoints that answered 410, which outlive the message that was answered."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"

_NEVER: Final = "9999"
"""When the next attempt was due, before this revision, of a message that was answered with 410."""


def upgrade() -> None:
    """Create the table. What was answered with 410 before is tried once more, and answers again."""
    op.create_table(
        "gone_endpoint",
        sa.Column("endpoint", sa.String(64), primary_key=True),
        sa.Column("address", sa.String(64), primary_key=True),
        comment="Endpoints that want no more messages, by the SHA-256 of the URL that said so",
    )
    outbox = sa.table("outbox", sa.column("next_at", sa.String))
    op.execute(outbox.update().where(outbox.c.next_at == _NEVER).values(next_at=""))
