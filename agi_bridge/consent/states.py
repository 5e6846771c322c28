"""The types of events: a consent's states with their valid transitions, and other acts."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from agi_bridge.consent.errors import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """The type of an event that leaves its consent in the state of the same name."""

    DISCLOSED = "disclosed"
    """The disclosure was played; its body says whether to the end."""
    ENTERED = "entered"
    """A number that may be texted was keyed."""
    CONFIRMED = "confirmed"
    """The caller agreed: this is the consent."""
    RETURNED = "returned"
    """A caller whose consent is on record called again; the body names that consent."""
    SUBMITTING = "submitting"
    """Stored before the first byte of the hook's request leaves."""
    ACCEPTED = "accepted"
    """The hook answered that it took the number."""
    REFUSED = "refused"
    """The hook answered that it did not."""
    UNKNOWN = "unknown"
    """The request may have reached the hook; nobody knows. Never sent again by software, unless the
    receiver is declared to be idempotent."""
    NOT_SENT = "not_sent"
    """No byte of the request can have reached the hook."""
    EXPIRED = "expired"
    """Confirmed, certainly not sent, and too old to be sent now."""
    DECLINED = "declined"
    """The caller goes on without a text."""
    ABANDONED = "abandoned"
    """The caller hung up before agreeing."""
    REVOKED = "revoked"
    """The consent was withdrawn."""
    IMPORTED = "imported"
    """A consent that was given elsewhere, by the business's own statement: no call, no dialogue."""


class Act(StrEnum):
    """The type of an event that changes no consent's state."""

    OPENED = "opened"
    """The first event of a chain: names the public key that its checkpoints are signed with."""
    REVOCATION = "revocation"
    """Somebody asked for a revocation; each consent that it ends gets its own `revoked`."""
    LIFTED = "lifted"
    """A consent given since, by the number itself, ended a revocation for one brand."""
    REPLIED = "replied"
    """A YES came back by text: it completes a consent that was to be confirmed by reply."""
    SETTLED = "settled"
    """What became of a submission whose consent was revoked while it was on its way."""
    MESSAGE = "message"
    """A request to stop whose sender's number is not known: a person has to find it."""
    LOOKED_UP = "looked_up"
    """A look-up did not say whose message it is; the body says why."""
    RESOLVED = "resolved"
    """What waited for a person was dealt with: an unknown outcome, a message, a revocation."""
    ERASED = "erased"
    """Personal data was deleted; the body says which and on what ground."""
    RESTRICTED = "restricted"
    """Personal data is kept for a defence only, on a stated ground, until a stated day."""
    REVEALED = "revealed"
    """Somebody looked at full numbers."""
    EXPORTED = "exported"
    """Somebody took the proof away."""
    RESEALED = "resealed"
    """Personal data was sealed again under a new key."""
    CLOCK = "clock"
    """The clock that times are read from was set, or is found behind what was written before."""
    WITNESSED = "witnessed"
    """A time stamp of an authority on a checkpoint was received; the body has its hash."""


EventType: TypeAlias = State | Act

FOLLOWS: Final[Mapping[State | None, frozenset[State]]] = {
    None: frozenset({State.DISCLOSED, State.RETURNED, State.IMPORTED}),
    State.DISCLOSED: frozenset({State.ENTERED, State.DECLINED, State.ABANDONED}),
    State.ENTERED: frozenset({State.ENTERED, State.CONFIRMED, State.DECLINED, State.ABANDONED}),
    State.CONFIRMED: frozenset({State.SUBMITTING, State.EXPIRED, State.REVOKED}),
    State.RETURNED: frozenset({State.SUBMITTING, State.DECLINED, State.EXPIRED, State.REVOKED}),
    State.SUBMITTING: frozenset(
        {State.ACCEPTED, State.REFUSED, State.UNKNOWN, State.NOT_SENT, State.REVOKED}
    ),
    State.NOT_SENT: frozenset({State.SUBMITTING, State.EXPIRED, State.REVOKED}),
    State.ACCEPTED: frozenset({State.REVOKED}),
    State.REFUSED: frozenset({State.REVOKED}),
    State.UNKNOWN: frozenset({State.REVOKED}),
    State.EXPIRED: frozenset({State.REVOKED}),
    State.DECLINED: frozenset(),
    State.ABANDONED: frozenset(),
    State.REVOKED: frozenset(),
    State.IMPORTED: frozenset({State.REVOKED}),
}
"""Which states may follow which; `None` is a consent that has no event yet."""

OUTCOMES: Final = frozenset({State.ACCEPTED, State.REFUSED, State.UNKNOWN, State.NOT_SENT})
"""The states that a submission ends in."""
AGREED: Final = frozenset({State.CONFIRMED, State.RETURNED})
"""The states in which a caller's number is stored."""
EVENT_TYPES: Final[Mapping[str, EventType]] = {kind.value: kind for kind in (*State, *Act)}
"""Every type by its name."""


def event_type(name: str) -> EventType:
    """The type of that name. ValueError if there is none."""
    try:
        return EVENT_TYPES[name]
    except KeyError:
        raise ValueError(f"{name}: no type of event") from None


def step(before: State | None, after: State, *, repeats: bool = False) -> State:
    """Return `after` if it may follow `before`.

    Args:
        before: the state so far.
        after: the state to be.
        repeats: the receiver is idempotent, so a submission may follow an unknown outcome.

    Raises:
        IllegalTransition: it may not.
    """
    if repeats and (before, after) == (State.UNKNOWN, State.SUBMITTING):
        return after
    if after not in FOLLOWS[before]:
        raise IllegalTransition(f"{after} may not follow {before or 'nothing'}")
    return after
