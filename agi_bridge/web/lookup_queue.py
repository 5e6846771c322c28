"""Decides which customer's number is asked for next. Pure: knows neither the API nor the ledger.

A message that was just stored comes first, at once. Each other waits for itself: an hour where
there was no number for its customer, and longer and longer where the API failed. While the API
fails, those that wait are tried one after the other, with pauses; once it answers, all are due.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

FIRST_WAIT: Final = 15.0
"""Seconds after the API's first failure; each further wait is twice as long ..."""
LONGEST_WAIT: Final = 600.0
"""... up to this."""
AGAIN_SECONDS: Final = 3600.0
"""How long a message waits for whose customer there was no number."""
ALONE: Final = 3
"""How often the API may fail for a message while it serves others, until that is the customer's."""
_TWICE_AT_MOST: Final = 10
"""Doublings of a wait that are counted."""


@dataclass(slots=True)
class _Entry:
    """A message that waits to be looked up.

    Attributes:
        fresh: it was never tried, and came while we were running.
        not_before: the second from which it is due.
        failures: how often the API failed for it.
        alone: how many of these came after the API had served others.
        served: how often the API had served at its last failure.
    """

    fresh: bool
    not_before: float = 0.0
    failures: int = 0
    alone: int = 0
    served: int = 0


class LookupQueue:
    """The open messages whose sender's number is to be asked for, by their ids in the ledger."""

    def __init__(self) -> None:
        self._waiting: dict[str, _Entry] = {}
        self._for_a_person: set[str] = set()
        self._is_filled = False
        self._served = 0
        self._failures = 0
        self._api_not_before = 0.0

    def add(self, message_id: str) -> None:
        """Add a message that was just stored."""
        if message_id not in self._for_a_person:
            self._waiting.setdefault(message_id, _Entry(fresh=True))

    def fill(self, open_ids: Collection[str]) -> None:
        """Take in all open messages, oldest first, and forget those that are not open any more.

        Of the first ones nobody knows whether they were tried before: they wait in turn.
        """
        fresh, self._is_filled = self._is_filled, True
        known = self._waiting
        self._for_a_person &= set(open_ids)
        # What was added while they were read is not among them, and is tried all the same.
        news = {each: entry for each, entry in known.items() if entry.fresh}
        self._waiting = news | {
            each: known.get(each) or _Entry(fresh=fresh)
            for each in open_ids
            if each not in self._for_a_person
        }

    def next(self, now: float) -> str | None:
        """The message to look up now; None if none is due."""
        due = [each for each in self._waiting if self._due_at(each) <= now]
        return min(due, key=self._rank, default=None)

    def wait(self, now: float) -> float | None:
        """After how many seconds a message is due; None if none waits."""
        first = min(map(self._due_at, self._waiting), default=None)
        return None if first is None else max(first - now, 0.0)

    def remove(self, message_id: str) -> None:
        """The message was dealt with."""
        self._waiting.pop(message_id, None)

    def leave(self, message_id: str) -> None:
        """No look-up can say whose it is: a person has it."""
        self.remove(message_id)
        self._for_a_person.add(message_id)

    def postpone(self, message_id: str, now: float) -> None:
        """There was no number for its customer: ask again later, for a person may correct that."""
        entry = self._waiting[message_id]
        entry.fresh, entry.failures, entry.not_before = False, 0, now + AGAIN_SECONDS

    def hold(self, message_id: str, now: float) -> None:
        """What failed is on our side: the message waits alone."""
        entry = self._waiting[message_id]
        entry.fresh = False
        entry.failures += 1
        entry.not_before = now + _backoff(entry.failures)

    def failed(self, message_id: str, now: float) -> bool:
        """The API failed; return whether that is the customer's, as it serves others."""
        self.hold(message_id, now)
        entry = self._waiting[message_id]
        if self._served > entry.served:
            entry.served = self._served
            entry.alone += 1
        self._failures += 1
        self._api_not_before = now + _backoff(self._failures)
        return entry.alone >= ALONE

    def served(self) -> None:
        """The API answers: what waits because it failed is due."""
        self._served += 1
        if self._failures:
            for each in self._waiting.values():
                if each.failures:
                    each.not_before = 0.0
        self._failures, self._api_not_before = 0, 0.0

    @property
    def pause(self) -> float:
        """How long the messages that wait leave the API alone after its last failure."""
        return _backoff(self._failures) if self._failures else 0.0

    def _due_at(self, message_id: str) -> float:
        entry = self._waiting[message_id]
        return 0.0 if entry.fresh else max(entry.not_before, self._api_not_before)

    def _rank(self, message_id: str) -> tuple[bool, int]:
        """News first, then those that failed least: one customer must not hold the others."""
        entry = self._waiting[message_id]
        return not entry.fresh, entry.failures


def _backoff(failures: int) -> float:
    doublings = min(failures - 1, _TWICE_AT_MOST)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
