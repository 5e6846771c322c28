"""The values that a consent record is made of: call, disclosure, number, event, personal data.

An event's body has the fields of the first three under their own names, or under the key that
their metadata names; `event_body` derives it, so that each is spelt here alone.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent.dialogue import Prompt
from agi_bridge.consent.encoding import text_sha256
from agi_bridge.consent.states import event_type

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agi_bridge.consent.chain import Row
    from agi_bridge.consent.encoding import Body, Scalar
    from agi_bridge.consent.states import EventType

SCHEMA: Final = 3
"""Version of the events' bodies, and of checkpoints; docs/record-format.md describes it."""

_KEY: Final = "key"
INSTAPLY: Final = "instaply"
"""The kind of hook of events that name none."""
_NOT_IN_EVENTS: Final = {_KEY: None}
"""Metadata of a field that no event holds: it names a person, or an event holds its hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallMetadata:
    """The facts of a call that are known before its dialogue.

    `attestation` is the STIR/SHAKEN level (`A`, `B`, `C`) if the trunk gave one, `server` the
    bridge's host, `tz` the business's time zone, `clock_synced` whether the host's clock was
    disciplined by NTP. `caller_id` is in E.164, however the trunk spelt it: limits count by it.
    `caller_id_trust` is the level that the line asks for before a caller ID alone lifts a
    revocation or stands for a consent: `A`, `B` or `any`.
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
    caller_id: str | None = field(default=None, repr=False, metadata=_NOT_IN_EVENTS)
    linked_id: str = ""
    attestation: str | None = None
    caller_id_trust: str = "any"
    server: str = ""
    tz: str = "UTC"
    clock_synced: bool = False

    @property
    def caller_is_trusted(self) -> bool:
        """Whether the caller ID may lift a revocation, or stand for a consent."""
        if self.caller_id is None:
            return False
        return self.caller_id_trust == "any" or (self.attestation or "Z") <= self.caller_id_trust


@dataclass(frozen=True, slots=True, kw_only=True)
class DisclosureHeard:
    """The disclosure as it was played to this caller.

    `samples` is the length of the recording and `endpos` where playback stopped, both in samples of
    8 kHz, as Asterisk's `STREAM FILE` reports it. `sha256` is the text's (computed, unless
    `known_sha256` gives it), and `complete` says whether it was played to its end; nothing else
    means heard.
    """

    text: str = field(metadata=_NOT_IN_EVENTS)
    name: str = field(default="disclosure", metadata={_KEY: "prompt"})
    language: str = field(metadata={_KEY: "lang"})
    audio_sha256: str
    samples: int
    endpos: int
    known_sha256: InitVar[str | None] = None
    sha256: str = field(init=False, metadata={_KEY: "disclosure_sha256"})
    complete: bool = field(init=False)

    def __post_init__(self, known_sha256: str | None) -> None:
        object.__setattr__(self, "sha256", known_sha256 or text_sha256(self.text))
        object.__setattr__(self, "complete", 0 < self.samples <= self.endpos)

    @property
    def sound(self) -> Prompt:
        """What was played, as an entry of the dialogue names it."""
        return Prompt(
            name=self.name,
            language=self.language,
            text_sha256=self.sha256,
            audio_sha256=self.audio_sha256,
            samples=self.samples,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberEntered:
    """A number that a caller keyed and that may be texted."""

    e164: str = field(repr=False, metadata=_NOT_IN_EVENTS)
    digits: str = field(repr=False, metadata=_NOT_IN_EVENTS)
    number_type: str
    region: str
    library: str = field(metadata={_KEY: "lib_version"})
    tries: int
    ani_match: str
    key_count: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key_count", len(self.digits))


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingFacts:
    """What stands in `submitting` of the texts that the hook is asked for.

    Attributes:
        texts_from: the number that texts come from, in E.164, or None if the business has not said.
        platform: who sends them: the host of the hook's address.
        first_text: the sample of the first text that the line promises; an event holds its hash.
        first_text_sha256: that hash.
        seconds: how long the submission may take; its lease ends then.
        hook_kind: `instaply` or `webhook`; an event names it only if it is not Instaply's.
        idempotent: the receiver is declared to text once, however often it is asked under the
            consent's id. Only then may a submission whose outcome is unknown be repeated.
    """

    texts_from: str | None
    platform: str
    first_text: str = field(metadata=_NOT_IN_EVENTS)
    first_text_sha256: str = field(init=False)
    seconds: float = field(default=30.0, metadata=_NOT_IN_EVENTS)
    hook_kind: str = field(default=INSTAPLY, metadata=_NOT_IN_EVENTS)
    idempotent: bool = field(default=False, metadata=_NOT_IN_EVENTS)

    def __post_init__(self) -> None:
        object.__setattr__(self, "first_text_sha256", text_sha256(self.first_text))


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementFacts:
    """What a platform is told about an agreement, besides the numbers.

    For a returning caller, disclosure and language are those of the consent that is relied on.

    Attributes:
        consent_id: its id.
        line_id: the line that was called.
        brand: for whom the texts are.
        purpose: `info` or `marketing`.
        language: of the disclosure.
        disclosure_sha256: of its text.
        agreed_at: when the caller agreed (RFC 3339 in UTC).
    """

    consent_id: str
    line_id: str
    brand: str
    purpose: str
    language: str
    disclosure_sha256: str
    agreed_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementRules:
    """The limits of agreements; 0 means no limit.

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
        """How many of the line's agreements in an hour a share comes to; 0 means no limit."""
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
        values: what is sealed: `salt`, `number`, `caller_id`, `digits`, `forward` and so on. An
            event of the record holds a commitment `NAME_c` to each but the salt.
        line_id: the line, if there was a call.
        brand: the brand that the number belongs to.
        seller: the legal name behind the brand.
        purpose: `info` or `marketing`, if there was a call.
        rules: the limits to keep to; what is not an agreement has none.
        may_lift: whether the caller ID is trusted enough to lift a revocation.
        relies_on: the consent that a returning caller relies on.
        max_age_days: how old that may be; 0 is any age.
    """

    kind: str
    values: Mapping[str, str] = field(repr=False)
    line_id: str | None = None
    brand: str | None = None
    seller: str | None = None
    purpose: str | None = None
    rules: AgreementRules = UNLIMITED
    may_lift: bool = False
    relies_on: str | None = None
    max_age_days: int = 0

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

    `learned` is personal data that became known after the consent was stored, and `lease_seconds`
    how long the submission that the last event begins may take.
    """

    consent_id: str
    events: tuple[StoredEvent, ...]
    personal: PersonalData | None = None
    disclosure: DisclosureHeard | None = None
    learned: Mapping[str, str] | None = field(default=None, repr=False)
    lease_seconds: float = 0.0


EVENT_KEYS: Final[Mapping[type[Any], Mapping[str, str]]] = {
    model: {
        each.name: key
        for each in fields(model)
        if (key := each.metadata.get(_KEY, each.name)) is not None
    }
    for model in (CallMetadata, DisclosureHeard, NumberEntered, SendingFacts)
}
"""The keys that a model's fields have in an event's body, by the fields' names."""


def event_body(
    values: CallMetadata | DisclosureHeard | NumberEntered | SendingFacts,
) -> dict[str, Scalar]:
    """Return the part of an event's body that a model holds."""
    keys, get = _READERS[type(values)]
    return dict(zip(keys, get(values), strict=True))


_READERS: Final[Mapping[type[Any], tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]]] = {
    model: (tuple(keys.values()), attrgetter(*keys)) for model, keys in EVENT_KEYS.items()
}
"""The same keys, and what reads all values at once."""
