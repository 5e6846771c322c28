"""The states of one consent and the only ways between them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from agi_bridge.consent.errors import IllegalTransition

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """The type of an event, which is also the state it leaves the consent in."""

    DISCLOSED = "disclosed"
    """The disclosure was played; its body says whether to the end."""
    ENTERED = "entered"
    """A number that may be texted was keyed."""
    CONFIRMED = "confirmed"
    """The caller agreed: this is the consent."""
    SUBMITTING = "submitting"
    """Stored before the first byte of the hook's request leaves."""
    ACCEPTED = "accepted"
    """The hook answered that it took the number."""
    REFUSED = "refused"
    """The hook answered that it did not."""
    UNKNOWN = "unknown"
    """The request may have reached the hook; nobody knows. Never sent again by software."""
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


FOLLOWS: Final[Mapping[State | None, frozenset[State]]] = {
    None: frozenset({State.DISCLOSED}),
    State.DISCLOSED: frozenset({State.ENTERED, State.DECLINED, State.ABANDONED}),
    State.ENTERED: frozenset({State.ENTERED, State.CONFIRMED, State.DECLINED, State.ABANDONED}),
    State.CONFIRMED: frozenset({State.SUBMITTING, State.EXPIRED, State.REVOKED}),
    State.SUBMITTING: frozenset({State.ACCEPTED, State.REFUSED, State.UNKNOWN, State.NOT_SENT}),
    State.NOT_SENT: frozenset({State.SUBMITTING, State.EXPIRED, State.REVOKED}),
    State.ACCEPTED: frozenset({State.REVOKED}),
    State.REFUSED: frozenset({State.REVOKED}),
    State.UNKNOWN: frozenset({State.REVOKED}),
    State.EXPIRED: frozenset({State.REVOKED}),
    State.DECLINED: frozenset(),
    State.ABANDONED: frozenset(),
    State.REVOKED: frozenset(),
}
"""Which states may follow which; `None` is a consent that has no event yet."""


def step(before: State | None, after: State) -> State:
    """Return `after` if it may follow `before`.

    Raises:
        IllegalTransition: it may not.
    """
    if after not in FOLLOWS[before]:
        raise IllegalTransition(f"{after} may not follow {before or 'nothing'}")
    return after
