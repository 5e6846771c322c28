"""What a batch makes of a stored consent: its next state, and the events that follow. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.consent.encoding import Identifiers, timestamp
from agi_bridge.consent.errors import IllegalTransition
from agi_bridge.consent.models import StoredEvent
from agi_bridge.consent.states import OUTCOMES, Act, State, step

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def state_after(state: State | None, events: Iterable[StoredEvent]) -> State | None:
    """The state of a consent after these events.

    Raises:
        IllegalTransition: one may not follow.
    """
    for event in events:
        if isinstance(event.type, State):
            try:
                state = step(state, event.type, repeats="idempotent" in event.body)
            except IllegalTransition as error:
                raise IllegalTransition(f"consent {event.consent_id}: {error}") from None
    return state


def comes_late(state: State | None, outcome: object) -> bool:
    """Whether the submission of an outcome was settled in the meantime.

    Its consent was revoked; or its lease ran out, and nobody knew.
    """
    if outcome not in OUTCOMES:
        return False
    return state is State.REVOKED or (state is State.UNKNOWN and outcome is not State.UNKNOWN)


def after_all(event: StoredEvent) -> StoredEvent:
    """The outcome of a submission that was settled before the outcome arrived."""
    body = {**event.body, "outcome": event.type.value}
    return StoredEvent(event.event_id, event.consent_id, Act.SETTLED, event.at, body)


def lifting(consent_id: str, revocations: Sequence[str], brand: str) -> Iterator[StoredEvent]:
    """The events of revocations that a consent lifts."""
    if not revocations:
        return
    new, now = Identifiers(), timestamp()
    for revocation_id in revocations:
        body = {"consent": consent_id, "revocation": revocation_id, "brand": brand}
        yield StoredEvent(new.next(), consent_id, Act.LIFTED, now, body)
