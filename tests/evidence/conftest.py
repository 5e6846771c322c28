"""Ledgers, and a filled one to export from."""

from tests.support.consents_shop import export, filled, original_export, shop
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

__all__ = [
    "emptied_database",
    "emptied_url",
    "export",
    "file",
    "filled",
    "keys",
    "ledger",
    "original_export",
    "other",
    "other_keys",
    "shop",
    "where",
]
