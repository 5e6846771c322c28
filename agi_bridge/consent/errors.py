"""Errors of the record of consent.

ConsentError
├── IllegalTransition    an event that may not follow the one before it: our fault, nothing stored
└── LedgerUnavailable    the database did not take the write: nothing of it is stored
    └── LedgerClosed     the ledger was closed before the write reached it

Texts name consent ids and states, never a number or a key.
"""

from __future__ import annotations


class ConsentError(Exception):
    """Base of every error of this package."""


class IllegalTransition(ConsentError):  # noqa: N818 - named after what happened, as pyst2's are
    """An event that the table of states does not allow after the last one."""


class LedgerUnavailable(ConsentError):  # noqa: N818 - the same
    """The database refused or failed the write; it was rolled back whole."""


class LedgerClosed(LedgerUnavailable):
    """The ledger is closed."""
