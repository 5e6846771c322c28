"""A ledger on each database, and cheap passphrases."""

from tests.support.backups import cheap_tries
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
    "cheap_tries",
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
