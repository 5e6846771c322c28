"""Arguments and results of ledger operations as values: filters, summaries, retention.

Pure: the queries themselves are in `consent.ledger`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agi_bridge.consent.push import PushBacklog
from agi_bridge.consent.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Disclosure:
    """A text that was disclosed: its hash, language, version in that language, and words."""

    sha256: str
    lang: str
    version: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A filter of consents and acts; None matches any.

    Attributes:
        number: in E.164.
        line: the line's name.
        state: the state that a consent was left in.
        since: RFC 3339 in UTC, inclusive.
        until: the same, exclusive.
        open_: only what waits for a person: an unknown outcome, a submission that is overdue, a
            revocation that the platform does not know of, a message from nobody knows whom.
        limit: at most so many; None is all of them.
        oldest_first: in the order they began, not newest first.
        past: the record that the page before ended with.
    """

    number: str | None = field(default=None, repr=False)
    line: str | None = None
    state: State | None = None
    since: str | None = None
    until: str | None = None
    open_: bool = False
    limit: int | None = 100
    oldest_first: bool = False
    past: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The summary of a consent, a revocation or a message. Times are RFC 3339 in UTC.

    Attributes:
        consent_id: its id.
        kind: `consent`, `returned`, `revocation` or `message`.
        line_id: the line, if there was a call.
        brand: the brand; None for every one.
        state: what a consent was left in; None for the others.
        unfinished: whether it still waits for a YES by text, which completes it.
        overdue: whether it is being submitted, and the bridge that does it had its time.
        at: when it began.
        last_at: when something last happened to it.
        erased: whether there is no personal data any more, though there was.
        restricted_until: until when that is kept for a defence only.
        masked_number: the number, all but its ends; None also if it cannot be opened.
        lookup: why a look-up did not say whose message it is.
        damaged: whether what is stored of it was changed, so that the rest is not known.
    """

    consent_id: str
    kind: str
    line_id: str | None
    brand: str | None
    state: State | None
    unfinished: bool
    overdue: bool
    at: str
    last_at: str
    erased: bool
    restricted_until: str | None
    masked_number: str | None
    lookup: str | None = None
    damaged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMessage:
    """A message that nobody has dealt with.

    Attributes:
        message_id: its id in the ledger.
        customer_id: the sender, as the platform names them.
        words: what they wrote.
        reference: identifies the message for the platform, if it did.
        business_id: whom they wrote to, if the platform said so.
        received: when (RFC 3339).
        lookup: why the last look-up did not say whose it is; None: there was none.
    """

    message_id: str
    customer_id: str = field(repr=False)
    words: str = field(repr=False)
    reference: str | None
    business_id: str | None
    received: str
    lookup: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """A consent that was confirmed and may be sent again. Times are RFC 3339 in UTC.

    Attributes:
        consent_id: its id.
        line_id: the line it was given on.
        confirmed_at: when the caller agreed.
        last_at: when the last attempt failed.
        attempts: how many there were.
        region: the country of the number.
        state: `not_sent`; or `unknown`, of an idempotent receiver that may be asked again.
    """

    consent_id: str
    line_id: str
    confirmed_at: str
    last_at: str
    attempts: int
    region: str
    state: State = State.NOT_SENT


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is waiting: consents to send again, and by kind the records for a person to settle.

    The kinds are those of `Summary`; all are there, also those of which none waits. `push` are the
    messages to other systems.
    """

    unsent: int
    waiting: Mapping[str, int]
    push: PushBacklog = field(default_factory=PushBacklog)


@dataclass(frozen=True, slots=True)
class ActiveConsent:
    """A consent in force, the language that it was given in, and the hash of its disclosure."""

    consent_id: str
    language: str
    disclosure_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRules:
    """Retention periods.

    Attributes:
        now: the time that they were made for, in seconds since the epoch.
        personal_before: what a person last did before this (RFC 3339 in UTC) is deleted.
        details_before: of consents before this, details are deleted.
        of_lines: what holds for some lines instead of `personal_before`.
    """

    now: float
    personal_before: str
    details_before: str
    of_lines: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetentionReport:
    """How many consents' personal data goes, and of how many more only the details."""

    erase: int = 0
    trim: int = 0

    def __add__(self, other: RetentionReport) -> RetentionReport:
        """The sum of two."""
        return RetentionReport(self.erase + other.erase, self.trim + other.trim)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredValues:
    """One row of personal data.

    Attributes:
        record: the id of its record.
        values: what is sealed, and `person_salt`; None if it cannot be opened.
        damage: why not.
        kind, line_id, brand, number_hmac, caller_hmac, restricted_until, trimmed,
            disclosure_sha256: the columns.
        number_lookup, caller_lookup: what the keyed hashes should be, by the sealed values; None if
            there is no such value.
    """

    record: str
    values: Mapping[str, str] | None = field(repr=False)
    damage: str | None
    kind: object
    line_id: object
    brand: object
    number_hmac: object
    caller_hmac: object
    restricted_until: object
    disclosure_sha256: object
    trimmed: object
    number_lookup: str | None = field(repr=False)
    caller_lookup: str | None = field(repr=False)
