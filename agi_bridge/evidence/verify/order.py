"""What was before what: by the chain where both stand in one, else by clocks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

SKEW_MS: Final = 2_000
"""How far times of one clock may run back."""
BETWEEN_CLOCKS_MS: Final = 300_000
"""By how much the clocks of bridges on one database may differ."""


def was_before(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether an event was written before another; False if one of them is not there.

    Args:
        one: an event's chain, number, type, and when it was written.
        other: the same of the other event.
    """
    if not one or not other:
        return False
    if one[0] == other[0]:
        return bool(one[1] < other[1])
    return milliseconds(one[3]) + BETWEEN_CLOCKS_MS < milliseconds(other[3])


def milliseconds(at: str) -> int:
    """A timestamp of the ledger, in milliseconds since the epoch; 0 if there is no such time."""
    try:
        return round(datetime.fromisoformat(at).astimezone(UTC).timestamp() * 1000)
    except (ValueError, OverflowError):
        return 0
