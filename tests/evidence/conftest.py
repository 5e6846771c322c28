"""Ledgers, and a filled one to export from."""

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
    "emptied_database",
    "emptied_url",
    "export",
    "file",
    "keys",
    "ledger",
    "original",
    "original_export",
    "other",
    "other_keys",
    "sample",
    "where",
]
