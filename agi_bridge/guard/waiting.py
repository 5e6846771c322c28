"""Places for connections that have not yet shown what they want, so many and no more.

Who connects and says nothing costs a descriptor for as long as it likes to. Refusing newcomers once
the places are taken would serve those who took them: the newcomer may be a caller. So it is the
oldest of those who wait that has to go, and of the address that holds most places: one machine can
push out only its own connections until it holds no more than any other.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class WaitingRoom(Generic[T]):
    """Who waits, by the address they came from, in the order of coming.

    How many may wait is for its owner to say: `crowded_out` names who has to go.
    """

    def __init__(self) -> None:
        self._sources: dict[T, str] = {}
        self._by_source: dict[str, dict[T, None]] = {}  # dicts, as they keep their order

    def __len__(self) -> int:
        return len(self._sources)

    def enter(self, one: T, source: str) -> None:
        """Have one wait, that does not yet."""
        self._sources[one] = source
        self._by_source.setdefault(source, {})[one] = None

    def crowded_out(self) -> T:
        """Take out the oldest of the address that has most waiting; somebody has to wait."""
        crowd = max(self._by_source.values(), key=len)
        oldest = next(iter(crowd))
        self.leave(oldest)
        return oldest

    def leave(self, one: T) -> None:
        """Take one out that waits no more; nothing happens if it did not wait."""
        source = self._sources.pop(one, None)
        if source is None:
            return
        crowd = self._by_source[source]
        del crowd[one]
        if not crowd:
            del self._by_source[source]
