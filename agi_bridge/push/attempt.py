"""One attempt to deliver a message: its result, and when to retry (back-off, `Retry-After`)."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import GONE, PushFailure

if TYPE_CHECKING:
    from agi_bridge.consent import PushMessage
    from agi_bridge.hook import Posted

FIRST_SECONDS: Final = 5.0
"""From the first failure to the second attempt; each further wait is twice as long ..."""
LONGEST_PAUSE: Final = 900.0
"""... up to this where the endpoint fails, so that it has everything soon when it is back ..."""
LONGEST_SECONDS: Final = 4 * 3600.0
"""... and up to this where it refuses one message, or asks for it (`Retry-After`)."""
JITTER: Final = 0.25
"""By which part a wait is longer or shorter, so that many do not come back at the same moment."""
_GONE_STATUS: Final = 410
_OURS: Final = frozenset({400, 409, 413, 415, 422})
"""Statuses that are about one message: others of the endpoint may be taken."""
_TWICE_AT_MOST: Final = 20
"""Doublings of a wait that are counted: more would be years."""


class Delivery(StrEnum):
    """What became of an attempt, for the metrics."""

    DELIVERED = "delivered"
    """The endpoint answered with 2xx."""
    FAILED = "failed"
    """It could not be reached, or answered what it would answer to every message."""
    REFUSED = "refused"
    """It does not take this message."""
    GONE = "gone"
    """It wants no more messages (410)."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """The result of one attempt; `failure` is None if the message was delivered."""

    message: PushMessage
    delivery: Delivery
    failure: PushFailure | None = None
    asked: float = 0.0
    """Seconds that the endpoint asked to wait (`Retry-After`)."""


def judge(message: PushMessage, posted: Posted) -> Attempted:
    """Judge what came of a request."""
    status = posted.status
    if status is not None and 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, 15.3
        return Attempted(message, Delivery.DELIVERED)
    if status == _GONE_STATUS:
        return Attempted(message, Delivery.GONE, PushFailure(message.key, GONE, 0.0))
    reason = posted.reason if status is None else f"http_{status}"
    ours = status in _OURS
    wait = backoff(message.attempts, LONGEST_SECONDS if ours else LONGEST_PAUSE)
    if posted.retry_after is not None:
        wait = min(max(wait, posted.retry_after), LONGEST_SECONDS)
    failure = PushFailure(message.key, reason, wait, ours)
    asked = min(posted.retry_after or 0.0, LONGEST_SECONDS)
    return Attempted(message, Delivery.REFUSED if ours else Delivery.FAILED, failure, asked)


def backoff(failures: int, longest: float) -> float:
    """The seconds to wait after so many failures before this one."""
    wait = min(FIRST_SECONDS * 2.0 ** min(failures, _TWICE_AT_MOST), longest)
    return wait * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
