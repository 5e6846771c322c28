"""Ledgers, a filled one to export from, and an honest one with stamps to attack."""

from tests.support.honest_place import authority, honest, honest_export, place
from tests.support.ledgers import (
    emptied_database,
    emptied_url,
    file,
    keys,
    ledger,
    other,
    other_keys,
    where,
)
from tests.support.sample_ledger import export, original, original_export, sample

__all__ = [
    "authority",
    "emptied_database",
    "emptied_url",
    "export",
    "file",
    "honest",
    "honest_export",
    "keys",
    "ledger",
    "original",
    "original_export",
    "other",
    "other_keys",
    "place",
    "sample",
    "where",
]
