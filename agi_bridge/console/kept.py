"""What a form asked for, kept for a while, so that its page has an address without a number in it.

A page that answers a form itself cannot be reached by Back, and a reload does its act once more. So
a form is answered with the address of a page, whose key stands for what was asked.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.console.sessions import Visitor

MAX_KEPT: Final = 1000
"""Values of a kind at once, of all people together; the oldest goes when another comes."""
KEPT_SECONDS: Final = 15 * 60.0

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[_Value]):
    name: str
    value: _Value = field(repr=False)  # may hold a number
    ends: float


class Kept(Generic[_Value]):
    """Values of one kind, each for the person who asked. Belongs to one event loop.

    Args:
        seconds: how long a value is kept.
        clock: seconds of running time.
    """

    def __init__(
        self, seconds: float = KEPT_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._entries: dict[str, _Entry[_Value]] = {}

    def keep(self, visitor: Visitor, value: _Value) -> str:
        """Keep a value; return its key, which cannot be guessed."""
        now = self._clock()
        while self._entries:  # all are kept equally long: the oldest ends first
            oldest = next(iter(self._entries))
            if self._entries[oldest].ends > now and len(self._entries) < MAX_KEPT:
                break
            del self._entries[oldest]
        key = secrets.token_urlsafe(16)
        self._entries[key] = _Entry(visitor.name, value, now + self._seconds)
        return key

    def get(self, visitor: Visitor, key: str) -> _Value | None:
        """The value of a key; None: there is none, it is over, or another person asked for it."""
        entry = self._entries.get(key)
        if entry is None or entry.name != visitor.name or entry.ends <= self._clock():
            return None
        return entry.value
