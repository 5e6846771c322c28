"""Errors of the record of consent.

ConsentError
├── IllegalTransition    an event that may not follow the one before it: our fault, nothing stored
├── Withheld             a consent that may not be taken: revoked, or a limit is reached
├── ClockInDoubt         nothing speaks for this machine's clock: nothing is erased by it
├── LedgerUnavailable    the database did not take the write: nothing of it is stored
│   ├── KnownOutage      the log has an event for the outage: do not log each failed write
│   │   ├── CircuitOpen  the last writes failed; the database was not asked
│   │   └── LedgerLost   the database is not the one that was opened, or lacks stored events
│   ├── LedgerClosed     the ledger was closed before the write reached it
│   └── SchemaOutdated   the database's tables are not of this version
├── KeyFault             the keys do not do; nothing is damaged, and the right keys mend it
│   ├── KeyMissing       a key that is needed is not there
│   ├── KeyUnreadable    a key is there, but cannot be read or is none
│   └── KeyMismatch      a key is one, but not the one this database was written with
├── NotOnRecord          the ledger has no such consent, revocation or message
├── VaultDamaged         sealed personal data that the right key does not open
├── BadCheckpoint        a text that is no checkpoint
├── BadStamp             bytes that are not a time stamp, or a file without certificates
└── WitnessFailed        an authority did not stamp a checkpoint

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


class KnownOutage(LedgerUnavailable):
    """The database is out of service, and the log has an event for it.

    Do not log it for each caller.
    """


class CircuitOpen(KnownOutage):
    """The last writes failed, and the database was not asked: the circuit breaker is open."""


class LedgerLost(KnownOutage):
    """The database is not the one that was opened, or lacks events that were stored before.

    Nothing is stored until it is back, or the service was restarted.
    """


class LedgerClosed(LedgerUnavailable):
    """The ledger is closed."""


class SchemaOutdated(LedgerUnavailable):
    """The database's tables are not of this version; the text names the command that helps."""


class KeyFault(ConsentError):  # noqa: N818 - the same
    """These keys cannot open the ledger. Its data is intact; supply the keys that wrote it."""


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


class BadStamp(ConsentError):  # noqa: N818 - the same
    """Bytes that are not a time stamp (RFC 3161), or a file without certificates."""


class WitnessFailed(ConsentError):  # noqa: N818 - the same
    """An authority did not stamp a checkpoint; the text names its host and why."""
