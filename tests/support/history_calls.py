"""Calls for the history, without anybody calling."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from agi_bridge.history import RecordedCall
from agi_bridge.observe import CallLogEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.history.call import Draft

CALLER: Final = "+14155550100"
NUMBER: Final = "+14155550123"
DAY_MS: Final = 86_400_000
EVENTS: Final = (
    (0, "answered"),
    (12, "prompt", "disclosure", "en", 19_000, 23_200, "key"),
    (19_012, "key"),
    (19_020, "declined"),
    (19_030, "default", "star"),
)


def recorded(
    *,
    begun: int | None = None,
    number: str | None = None,
    caller: str | None = CALLER,
    events: Sequence[tuple[Any, ...]] = EVENTS,
    dials: Sequence[tuple[str, str]] = (),
    uniqueid: str = "1795413525.18",
    **fields: Any,
) -> RecordedCall:
    """A call that pressed *, unless `fields` of its log line say otherwise."""
    entry = CallLogEntry(uniqueid)
    entry.note(**{"line": "shop", "declined": "star", "ended": "dialplan", **fields})
    if "result" not in fields:
        entry.note(result="default")
    for ms, kind, *details in events:
        entry.record(kind, *details, at=ms)
    for leg, status in dials:
        entry.dialled(leg, status)
    began = time.time_ns() // 1_000_000 if begun is None else begun
    return RecordedCall(entry, began << 12, began, uniqueid, "+14155550111", caller, number)


def drafted(*, lasts: bool = False, **call: Any) -> Draft:
    return recorded(**call).draft(ended=not lasts)
