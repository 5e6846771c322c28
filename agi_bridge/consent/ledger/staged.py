"""A group of appends while it is staged: how it is tried, whose it is, and what it collects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from agi_bridge.consent.ledger.agreements import Taken

if TYPE_CHECKING:
    from collections.abc import Collection

    from agi_bridge.consent.errors import IllegalTransition, Withheld
    from agi_bridge.consent.ledger.agreements import Subject
    from agi_bridge.consent.ledger.commit_checks import Allowed
    from agi_bridge.consent.models import Batch, StoredEvent
    from agi_bridge.consent.signing.vault import PersonKey
    from agi_bridge.consent.states import State

MAX_GROUP: Final = 200
"""Most batches in one transaction: PostgreSQL has room for a few thousand locks in all, and bridges
that share the lock of a line count on each other's groups to be no larger."""

Outcome: TypeAlias = "IllegalTransition | Withheld | None"
"""What became of one batch: None is stored."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How a group is tried.

    Attributes:
        wait_ms: longest wait for a lock, in milliseconds.
        maybe_stored: the last events of batches that an earlier attempt may have stored: the
            connection was lost.
        exclusive: no line's lock is shared.
    """

    wait_ms: int = 200
    maybe_stored: Collection[str] = ()
    exclusive: bool = False


FIRST: Final = Attempt()


@dataclass(frozen=True, slots=True)
class Person:
    """The person of a record: id and key; `is_new` if they are not stored yet."""

    person_id: str
    key: PersonKey
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class Sealed:
    """The personal data of a batch's record, opened."""

    person: PersonKey
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """The rows that were looked up for a batch, as far as they were needed."""

    stored: Any
    """Of a record that is continued: see `Statements.stored`."""
    checks: Any
    """Of an agreement: the row of `Statements.agreement_checks`, then that of `line_counts`."""


@dataclass(slots=True)
class Group:
    """The rows and events of the batches of one transaction so far."""

    exclusive: bool
    """Whether no line's lock may be shared."""
    outcomes: list[Outcome] = field(default_factory=list)
    states: dict[str, State | None] = field(default_factory=dict)
    taken: Taken = field(default_factory=Taken)
    events: list[StoredEvent] = field(default_factory=list)
    leases: dict[str, float] = field(default_factory=dict)
    subjects: list[tuple[Batch, Subject, Person]] = field(default_factory=list)
    persons: dict[str, Person] = field(default_factory=dict)
    """By the keyed hash of their number."""
    new_persons: list[Person] = field(default_factory=list)
    whose: dict[str, PersonKey | None] = field(default_factory=dict)
    """By record."""
    learned: list[tuple[Batch, Sealed]] = field(default_factory=list)
    lifted: list[tuple[str, str]] = field(default_factory=list)
    allowed: list[Allowed] = field(default_factory=list)
