"""Alembic's entry point: runs the revisions on a given connection, in its open transaction."""

from __future__ import annotations

from alembic import context

from agi_bridge.consent.ledger.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=False,  # the caller has begun the transaction
)
context.run_migrations()
