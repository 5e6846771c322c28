"""What other systems of the business are told: events that leave the ledger as signed requests.

A message is about one event. It is stored with the event, in the same transaction, as a reference:
what is personal is read when it is sent, so an erasure reaches what has not been sent yet.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from agi_bridge.consent.states import Act, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from agi_bridge.consent.states import EventType


class PushType(StrEnum):
    """What a message says."""

    ACCEPTED = "accepted"
    """The platform took a consent, or a person found out that it did: the number may be texted,
    unless the consent waits for its YES."""
    REVOKED = "revoked"
    """A number was revoked for a brand, a seller or all."""
    EXPIRED = "expired"
    """A consent was certainly not sent to the platform, and will not be."""
    REPLY = "reply"
    """A YES by text completed a consent."""


PUSHED: Final[Mapping[EventType, PushType]] = {
    State.ACCEPTED: PushType.ACCEPTED,
    Act.RESOLVED: PushType.ACCEPTED,  # as `texted`, and not revoked since
    Act.REVOCATION: PushType.REVOKED,
    State.EXPIRED: PushType.EXPIRED,
    Act.REPLIED: PushType.REPLY,
}
"""The events that other systems can be told about."""

PushRoutes: TypeAlias = "Mapping[EventType, tuple[str, ...]]"
"""The names of the endpoints that an event goes to, by its type."""

Personal: TypeAlias = Literal["included", "erased", "restricted"]
"""What a message has of personal data: the number; nothing any more; nothing but for a defence."""

GONE: Final = "gone"
"""Why an endpoint gets nothing any more: it answered 410."""
UNREADABLE: Final = "unreadable"
"""Why a message was not sent: what is sealed of its record cannot be opened."""


@dataclass(frozen=True, slots=True)
class PushKey:
    """One message to one endpoint: the event's chain and place, and the endpoint's name."""

    ledger_id: str
    seq: int
    endpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushMessage:
    """A message that this process is to send now.

    Attributes:
        key: which it is.
        message_id: the event's id, the same in every attempt.
        type: what it says.
        at: when it happened, RFC 3339 in UTC.
        record: the consent or the revocation.
        facts: the event's body.
        call: the body of the record's first event, which names line, brand and purpose.
        number: in E.164; None unless `personal` is `included`.
        personal: see `Personal`.
        ended: the consents that a revocation ended.
        attempts: how often it was tried before.
        unfinished: the consent waits for its YES by text: the number must not be texted yet.
    """

    key: PushKey
    message_id: str
    type: PushType
    at: str
    record: str
    facts: Mapping[str, Any]
    call: Mapping[str, Any]
    number: str | None = field(repr=False)
    personal: Personal
    ended: tuple[str, ...] = ()
    attempts: int = 0
    unfinished: bool = False


@dataclass(frozen=True, slots=True)
class PushClaim:
    """What one process may send to an endpoint now.

    Attributes:
        messages: those that it is to send.
        failures: how often the endpoint failed in a row before, whichever bridge tried it.
        pause: for how many seconds it is left alone because of that; 0: it may be tried.
    """

    messages: Sequence[PushMessage] = ()
    failures: int = 0
    pause: float = 0.0


@dataclass(frozen=True, slots=True)
class PushFailure:
    """An attempt that failed.

    Attributes:
        key: of which message.
        reason: a stable word, for the list of what is stuck.
        seconds: until the next attempt.
        ours: whether the message itself was refused; else every message of the endpoint would be.
    """

    key: PushKey
    reason: str
    seconds: float
    ours: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PushEntry:
    """One message that waits, as a list shows it. Times are RFC 3339 in UTC.

    Attributes:
        key: which it is.
        type: what it says.
        record: the consent or the revocation.
        at: when it happened.
        attempts: how often it was tried.
        reason: why the last attempt failed; None: it was not tried, or did not fail.
        next_at: when the next attempt is due, by its own pause and its endpoint's; None: at once,
            or as soon as those before it are delivered.
    """

    key: PushKey
    type: PushType
    record: str
    at: str
    attempts: int
    reason: str | None
    next_at: str | None


@dataclass(frozen=True, slots=True)
class PushRetried:
    """How many messages are due at once, and how many endpoints that were gone are asked again."""

    messages: int
    endpoints: int


@dataclass(frozen=True, slots=True)
class PushBacklog:
    """What waits.

    Attributes:
        pending: messages.
        failing: those of them that failed at least once.
        oldest_at: since when the oldest waits.
        gone: endpoints of them that answered 410, and get nothing until a person retries.
    """

    pending: int = 0
    failing: int = 0
    oldest_at: str | None = None
    gone: int = 0
