"""Errors of the record of consent, each with a stable `code`.

ConsentError
├── IllegalTransition    an event may not follow the one before it: our fault, nothing stored
├── Withheld             a consent is not allowed: the number is revoked, or a limit is reached
├── ClockInDoubt         nothing confirms this machine's clock, so nothing is erased
├── LedgerUnavailable    the database did not take the write: nothing of it is stored
│   ├── KnownOutage      the log has an event for the outage: do not log each failed write
│   │   ├── CircuitOpen  the last writes failed; the database was not asked
│   │   └── LedgerLost   the database is not the one that was opened, or lacks stored events
│   ├── LedgerClosed     the ledger was closed before the write reached it
│   └── SchemaOutdated   the database's tables are not of this version
├── KeyFault             these keys cannot open the ledger; its data is intact
│   ├── KeyMissing       a required key is missing
│   ├── KeyUnreadable    a key file cannot be read, or does not hold a valid key
│   ├── KeyMismatch      a valid key, but not the one this database was written with
│   └── ChainEnded       the signing key of a chain that ended with a restore from a backup
├── NotOnRecord          the ledger has no such consent, revocation or message
├── VaultDamaged         sealed personal data that the right key does not open
├── RecordDamaged        what is stored of a record is not what was ever written
├── BadCheckpoint        a text is not a checkpoint
├── BadStamp             bytes are not a time stamp, or a file has no certificates
└── WitnessFailed        an authority did not stamp a checkpoint

Texts name consent ids, states, files and key ids, never a number or a key.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator


_OF_DAMAGE: Final = (TypeError, ValueError, AttributeError, LookupError, OverflowError)
"""What readers of a row raise whose columns hold other things than were written."""


class ConsentError(Exception):
    """Base of every error of this package.

    Attributes:
        code: a stable name of the error: that of its class, or of one of the class's causes.
    """

    code: str = "consent_error"

    def __init__(self, text: str, *, code: str | None = None) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code


class IllegalTransition(ConsentError):  # noqa: N818 - named after what happened, as pyst2's are
    """An event that the table of states does not allow after the last one.

    Codes: `illegal_transition`, `not_waiting`.
    """

    code = "illegal_transition"


class Withheld(ConsentError):  # noqa: N818 - the same
    """The consent is not allowed, whatever the caller keyed; nothing is stored.

    `reason` is `suppressed` (the number was revoked for this brand), or the limit that is reached:
    `number_limit`, `caller_limit`, `unidentified_limit` (all callers of the line together who show
    no number), `line_limit`, `line_share` (the part of it that one kind of caller may use).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"withheld: {reason}", code=reason)
        self.reason = reason


class ClockInDoubt(ConsentError):  # noqa: N818 - the same
    """Only this machine's clock says that data is old enough to erase; nothing was erased."""

    code = "clock_unconfirmed"


class LedgerUnavailable(ConsentError):  # noqa: N818 - the same
    """The database refused or failed the write; it was rolled back whole.

    Codes: `database_failed` (the text has the database's words), `no_ledger`, `no_answer`,
    `chain_in_use`, `settings_dropped`, `contended`, `log_in_use`, `log_gone`, `driver_missing`,
    `schema_unversioned`, `schema_newer`, `not_empty`, `text_invalid`.
    Those of PostgreSQL that another try may not have: `outdated`, `locked`, `stalled`,
    `connection_lost`.
    """

    code = "database_failed"


class KnownOutage(LedgerUnavailable):
    """The database is out of service, and the log has an event for it.

    Do not log it for each caller.
    """

    code = "known_outage"


class CircuitOpen(KnownOutage):
    """The last writes failed, and the database was not asked: the circuit breaker is open."""

    code = "circuit_open"


class LedgerLost(KnownOutage):
    """The database is not the one that was opened, or lacks events that were stored before.

    Nothing is stored until it is back, or the service was restarted.

    Codes: `events_lost`, `file_replaced`, `file_truncated`, `chain_taken`.
    """

    code = "events_lost"


class LedgerClosed(LedgerUnavailable):
    """The ledger is closed."""

    code = "ledger_closed"


class SchemaOutdated(LedgerUnavailable):
    """The database's tables are not of this version; the text names the command that helps.

    Codes: `schema_older`, `schema_newer`.
    """

    code = "schema_older"


class KeyFault(ConsentError):  # noqa: N818 - the same
    """These keys cannot open the ledger. Its data is intact; supply the keys that wrote it."""

    code = "key_fault"


class KeyMissing(KeyFault):
    """A required key is missing; the text names its file, or its id, and the fix.

    Codes: `key_missing` (a file), `vault_key_missing` (one of those in it).
    """

    code = "key_missing"


class KeyUnreadable(KeyFault):
    """A key cannot be read, or is not a valid key; the text names the place and the fix.

    Codes: `key_unreadable`, `key_unwritable`, `key_invalid`.
    """

    code = "key_unreadable"


class KeyMismatch(KeyFault):
    """A key is not the one that this database was written with."""

    code = "key_mismatch"


class ChainEnded(KeyFault):
    """The signing key of a chain that ended when the ledger was restored from a backup."""

    code = "chain_ended"


class NotOnRecord(ConsentError):  # noqa: N818 - the same
    """The ledger has no such consent, revocation or message."""

    code = "not_on_record"


class RecordDamaged(ConsentError):  # noqa: N818 - the same
    """What is stored was changed into what nothing ever wrote: `verify` says where."""

    code = "record_damaged"


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Read what is stored in the block; a row that was changed is one error, not a fault of ours.

    SQLite takes any type in any column, and its owner can write what he likes.

    Raises:
        RecordDamaged: nothing that was ever written can be read so.
    """
    try:
        yield
    except ConsentError:
        raise
    except _OF_DAMAGE as error:
        raise RecordDamaged(
            f"{what}: what is stored was changed and cannot be read ({type(error).__name__}); "
            "`agi-bridge consents verify` says where"
        ) from error


class VaultDamaged(ConsentError):  # noqa: N818 - the same
    """Sealed personal data that the right key does not open: it was changed, or moved."""

    code = "vault_damaged"


class BadCheckpoint(ConsentError):  # noqa: N818 - the same
    """A text is not a checkpoint.

    Codes: `checkpoint_invalid`, `checkpoints_unreadable`.
    """

    code = "checkpoint_invalid"


class BadStamp(ConsentError):  # noqa: N818 - the same
    """Bytes that are not a time stamp (RFC 3161), or a file without certificates.

    Codes: `stamp_invalid`, `stamp_refused`, `stamp_too_long`, `unreadable`, `no_certificates`.
    """

    code = "stamp_invalid"


class WitnessFailed(ConsentError):  # noqa: N818 - the same
    """An authority did not stamp a checkpoint; the text names its host and why.

    Codes: those of `BadStamp` for its answer, and `stamp_of_other`, `stamp_untrusted`,
    `http_status`, `timeout`, `unreachable`.
    """

    code = "witness_failed"
