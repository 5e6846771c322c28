"""Calls that a stop did not wait for, kept for the next process.

The process that counts them ends before anybody looks: no scrape, alert or `agi-bridge status`
would ever see them. So the count is written into state_dir and goes on in the next process.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, TypeGuard

from agi_bridge.durable import write_synced

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "forced-calls.json"
"""In state_dir."""
RECENT_SECONDS: Final = 900.0
"""How long after a stop its calls are a problem that the next process reports."""
_MAX_BYTES: Final = 512


@dataclass(frozen=True, slots=True)
class ForcedCalls:
    """How many calls the stops of this service did not wait for.

    Attributes:
        total: of all stops.
        last: of the last stop, and of those shortly before it.
        at: when that was, in seconds since the epoch.
    """

    total: int = 0
    last: int = 0
    at: int = 0

    @classmethod
    def read(cls, state_dir: Path) -> Self:
        """Read what the stops before have left; nothing if there is no file.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds something else.
        """
        try:
            with (state_dir / FILE).open("rb") as opened:
                content = opened.read(_MAX_BYTES)
        except FileNotFoundError:
            return cls()
        found = json.loads(content)
        if not isinstance(found, dict):
            raise ValueError("no table")  # noqa: TRY004 - a file's content, no argument's type
        total, last, at = found.get("total"), found.get("last"), found.get("at")
        if not (_is_count(total) and _is_count(last) and _is_count(at)):
            raise ValueError("no counts")
        return cls(total, last, at)

    def more(self, calls: int, at: float) -> ForcedCalls:
        """The counts after a stop that did not wait for so many calls."""
        return ForcedCalls(self.total + calls, self.recent(at) + calls, int(at))

    def recent(self, now: float) -> int:
        """How many of them nobody can have seen yet, because the process ended."""
        return self.last if 0 <= now - self.at < RECENT_SECONDS else 0

    def write(self, state_dir: Path) -> None:
        """Keep it for the next process, in one step. Raises OSError."""
        file = state_dir / FILE
        temporary = file.with_suffix(".new")
        text = json.dumps({"total": self.total, "last": self.last, "at": int(self.at)})
        write_synced(temporary, text.encode())
        temporary.replace(file)


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and value >= 0
