"""Errors of the record of consent.

ConsentError
├── IllegalTransition    an event that may not follow the one before it: our fault, nothing stored
├── Withheld             a consent that may not be taken: revoked, or a limit is reached
├── ClockInDoubt         nothing speaks for this machine's clock: nothing is erased by it
├── LedgerUnavailable    the database did not take the write: nothing of it is stored
│   ├── CircuitOpen      it has failed several times in a row, and was not asked
│   ├── LedgerClosed     the ledger was closed before the write reached it
│   └── SchemaOutdated   the database's tables are not of this version
├── KeyFault             the keys do not do; nothing is damaged, and the right keys mend it
│   ├── KeyMissing       a key that is needed is not there
│   ├── KeyUnreadable    a key is there, but cannot be read or is none
│   └── KeyMismatch      a key is one, but not the one this database was written with
├── NotOnRecord          the ledger has no such consent, revocation or message
├── VaultDamaged         sealed personal data that the right key does not open
├── BadCheckpoint        a text that is no checkpoint
└── BadExport            a folder or file that is no export of consents

Texts name consent ids, states, files and key ids, never a number or a key.
"""

from __future__ import annotations


class ConsentError(Exception):
    """Base of every error of this package."""


class IllegalTransition(ConsentError):  # noqa: N818 - named after what happened, as pyst2's are
    """An event that the table of states does not allow after the last one."""


class Withheld(ConsentError):  # noqa: N818 - the same
    """The consent may not be taken, whatever the caller keyed; nothing is stored.

    `reason` is `suppressed` (the number was revoked for this brand), or the limit that is reached:
    `number_limit`, `caller_limit`, `unidentified_limit` (all callers of the line together who show
    no number), `line_limit`, `line_share` (the part of it that one kind of caller may use).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"withheld: {reason}")
        self.reason = reason


class ClockInDoubt(ConsentError):  # noqa: N818 - the same
    """Only this machine's clock says that data is old enough to erase; nothing was erased."""


class LedgerUnavailable(ConsentError):  # noqa: N818 - the same
    """The database refused or failed the write; it was rolled back whole."""


class CircuitOpen(LedgerUnavailable):
    """The database failed several times in a row and is tried from time to time; not this time.

    The log has said so once, when the circuit opened.
    """


class LedgerClosed(LedgerUnavailable):
    """The ledger is closed."""


class SchemaOutdated(LedgerUnavailable):
    """The database's tables are not of this version; the text names the command that helps."""


class KeyFault(ConsentError):  # noqa: N818 - the same
    """The keys at hand do not do. The data is as it was; the right keys mend it."""


class KeyMissing(KeyFault):
    """A key that is needed is not there; the text names its file, or its id, and the fix."""


class KeyUnreadable(KeyFault):
    """A key is there but cannot be read, or is no key; the text names the place and the fix."""


class KeyMismatch(KeyFault):
    """A key is not the one that this database was written with."""


class NotOnRecord(ConsentError):  # noqa: N818 - the same
    """The ledger has no such consent, revocation or message."""


class VaultDamaged(ConsentError):  # noqa: N818 - the same
    """Sealed personal data that the right key does not open: it was changed, or moved."""


class BadCheckpoint(ConsentError):  # noqa: N818 - the same
    """A text that is no checkpoint."""


class BadExport(ConsentError):  # noqa: N818 - the same
    """A folder or file that is no export of consents, or not a whole one."""
