"""What is known of a call, a caller and a consent, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agi_bridge.consent.states import event_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.consent.chain import Row
    from agi_bridge.consent.encoding import Body
    from agi_bridge.consent.states import EventType

SCHEMA: Final = 2
"""Version of the events' bodies. 1 had no chain, and its bodies did not say whose they were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMetadata:
    """What is known of a call before anybody has said or keyed anything.

    `attestation` is the STIR/SHAKEN level (`A`, `B`, `C`) if the trunk gave one, `server` the
    bridge's host, `tz` the business's time zone, `clock_synced` whether the host's clock was
    disciplined by NTP. `caller_id` is in E.164, however the trunk spelt it: limits count by it.
    """

    line_id: str
    did: str
    brand: str
    legal_name: str
    purpose: str
    call_uid: str
    channel: str
    software: str
    config_sha256: str
    caller_id: str | None = field(default=None, repr=False)
    linked_id: str = ""
    attestation: str | None = None
    server: str = ""
    tz: str = "UTC"
    clock_synced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureHeard:
    """The disclosure as it was played to this caller.

    `samples` is the length of the recording and `endpos` where playback stopped, both in samples of
    8 kHz, as Asterisk's `STREAM FILE` reports it.
    """

    text: str
    language: str
    audio_sha256: str
    samples: int
    endpos: int

    @property
    def complete(self) -> bool:
        """Whether it was played to its end; nothing else means heard."""
        return 0 < self.samples <= self.endpos


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberEntered:
    """A number that a caller keyed and that may be texted."""

    e164: str = field(repr=False)
    digits: str = field(repr=False)
    number_type: str
    region: str
    library: str
    tries: int
    ani_match: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementRules:
    """How many agreements are taken; 0 is no limit.

    Anyone can key a stranger's number: so many for one number on one line in 24 hours, from one
    caller ID in 24 hours, from all callers of a line together who show none in 24 hours, on one
    line in an hour. The shares, in percent of `line_per_hour`, keep one kind of caller from using
    up a line's hour; what they come to is rounded down, but to no less than one.

    Attributes:
        unidentified_share: callers without a caller ID.
        other_number_share: these, and callers who key another number than the one they show.
        own_number_share: callers who key the number that they show.
    """

    number_per_day: int = 3
    caller_per_day: int = 5
    unidentified_per_day: int = 20
    line_per_hour: int = 60
    unidentified_share: int = 20
    other_number_share: int = 50
    own_number_share: int = 90

    def hourly(self, share: int) -> int:
        """How many of the line's agreements in an hour a share comes to; 0 is no limit."""
        return max(1, self.line_per_hour * share // 100) if self.line_per_hour else 0


UNLIMITED: Final = AgreementRules(
    number_per_day=0, caller_per_day=0, unidentified_per_day=0, line_per_hour=0
)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event, to be stored or as stored; the ledger adds its own fields to the body."""

    event_id: str
    consent_id: str
    type: EventType
    at: str
    body: Body

    @classmethod
    def of(cls, row: Row) -> StoredEvent:
        """An event as it was stored."""
        facts = row.fields
        return cls(facts["event_id"], row.consent_id, event_type(row.type), row.at, facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """What can be erased: everything that names a caller, and the salt that binds it.

    Attributes:
        kind: `consent`, `returned`, `revocation` or `message`.
        values: what is sealed: `salt`, `number`, `caller_id`, `digits`, `forward` and so on.
        line_id: the line, if there was a call.
        brand: the brand that the number belongs to.
        rules: the limits to keep to; what is no agreement has none.
    """

    kind: str
    values: Mapping[str, str] = field(repr=False)
    line_id: str | None = None
    brand: str | None = None
    rules: AgreementRules = UNLIMITED

    @property
    def number(self) -> str | None:
        """The number in E.164."""
        return self.values.get("number")

    @property
    def caller_id(self) -> str | None:
        """The caller ID in E.164."""
        return self.values.get("caller_id")


@dataclass(frozen=True, slots=True)
class Batch:
    """What one append stores: all of it in one transaction, or none.

    `learned` is personal data that became known after the consent was stored.
    """

    consent_id: str
    events: tuple[StoredEvent, ...]
    personal: PersonalData | None = None
    disclosure: DisclosureHeard | None = None
    learned: Mapping[str, str] | None = field(default=None, repr=False)
