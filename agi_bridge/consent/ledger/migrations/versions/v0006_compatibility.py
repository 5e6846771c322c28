"""Revision 0006: the oldest program that may use the tables.

From here on each revision says in `oldest` whose programs may run on its tables; one that says
nothing allows its own alone. `upgrade.py` writes it down.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0006"
down_revision: Final = "0005"
oldest: Final = "0006"


def upgrade() -> None:
    """Create the table; it gets its row behind the last revision."""
    op.create_table(
        "compatibility",
        sa.Column("oldest", sa.String(32), primary_key=True),
        comment="The oldest revision of these tables whose programs may use them",
    )
