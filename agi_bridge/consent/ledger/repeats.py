"""When a submission of unknown outcome may be repeated, and what a repetition says.

A receiver that texts once for a consent's id may be asked again under it. The record shows that it
may: the submission before was to the same receiver, and both say that it is idempotent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from agi_bridge.consent.errors import IllegalTransition
from agi_bridge.consent.ledger import queries
from agi_bridge.consent.states import Act, State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agi_bridge.consent.chain import Row
    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.models import StoredEvent

_SUBMITTING = State.SUBMITTING.value
_WAYS: Final[Mapping[str, tuple[str, ...]]] = {
    State.UNKNOWN.value: ("texted", "not-texted"),
    Act.REVOCATION.value: ("passed-on",),
    Act.MESSAGE.value: ("done",),
}
"""What a person says of an unknown outcome, a revocation and a message, as the record has it."""


def may_repeat(rows: Sequence[Row], body: Mapping[str, Any] | None = None) -> bool:
    """Whether the last submission of a consent may be repeated.

    Args:
        rows: the consent's events, in the order they were stored.
        body: of the submission that is to repeat it; None: of one to the same receiver.
    """
    begun = _last_submission(rows)
    if begun is None:
        return False
    first = rows[begun].fields
    if not first.get("idempotent") or (body is not None and not body.get("idempotent")):
        return False
    if body is not None and body.get("platform") != first.get("platform"):
        return False
    # A person may have settled it, or its answer came late.
    since = {row.type for row in rows[begun + 1 :]}
    return since == {State.UNKNOWN.value}


def check_repetition(transaction: Transaction, state: State | None, event: StoredEvent) -> None:
    """Let a submission follow an unknown outcome only where its receiver may be asked again.

    Raises:
        IllegalTransition: it may not.
    """
    if state is not State.UNKNOWN or event.type is not State.SUBMITTING:
        return
    if not may_repeat(queries.rows_of(transaction, event.consent_id), event.body):
        raise IllegalTransition(f"consent {event.consent_id}: it must not be submitted again")


def is_repetition(rows: Sequence[Row]) -> bool:
    """Whether the last submission repeats one whose outcome is unknown."""
    begun = _last_submission(rows) or 0
    return any(row.type == State.UNKNOWN for row in rows[:begun])


def outcome_is_unknown(types: Sequence[str]) -> bool:
    """Whether nobody knows what became of the last submission, by the types of all events."""
    begun = max((n for n, type_ in enumerate(types) if type_ == _SUBMITTING), default=0)
    return State.UNKNOWN.value in types[begun:]


def is_open(types: Sequence[str]) -> bool:
    """Whether a record waits for a person, as far as the types of its events show it."""
    if Act.RESOLVED.value in types:
        return False
    waits = {Act.REVOCATION.value, Act.MESSAGE.value}
    return not waits.isdisjoint(types) or outcome_is_unknown(types)


def resolutions(types: Sequence[str]) -> tuple[str, ...]:
    """How a person may settle a record with these types of events; none: it does not wait."""
    if not is_open(types):
        return ()
    return tuple(each for type_, ways in _WAYS.items() if type_ in types for each in ways)


def _last_submission(rows: Sequence[Row]) -> int | None:
    return max((n for n, row in enumerate(rows) if row.type == _SUBMITTING), default=None)
