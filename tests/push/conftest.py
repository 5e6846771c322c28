"""Ledgers, on SQLite and on PostgreSQL."""

from tests.support.ledgers import (
    emptied_database,
    emptied_url,
    file,
    keys,
    ledger,
    other,
    other_keys,
    synchronised,
    where,
)

__all__ = [
    "emptied_database",
    "emptied_url",
    "file",
    "keys",
    "ledger",
    "other",
    "other_keys",
    "synchronised",
    "where",
]
