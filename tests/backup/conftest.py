"""A ledger on each database, and cheap passphrases."""

from tests.support.backups import cheap_tries
from tests.support.ledgers import *  # noqa: F403 - fixtures, which pytest finds by name

__all__ = ["cheap_tries"]
