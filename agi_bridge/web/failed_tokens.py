"""Wrong tokens: so many an address and minute, and one line of the log a minute.

The right token is always let in, whatever its address has sent before: behind a reverse proxy all
clients have one address, and nobody without a token may keep a revocation out. What the limit
spares is work and log; a token of sixteen random characters is not guessed at any rate.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from agi_bridge.diagnostics import RateLimitedEvent

if TYPE_CHECKING:
    from collections.abc import Callable

MOST: Final = 10
"""Wrong tokens from one address in a minute that are answered with 401."""

PERIOD: Final = 60.0
"""Seconds that they are counted for."""

_ADDRESSES: Final = 4096
"""Addresses that are told apart; all others count as one."""


class FailedTokens:
    """Counts wrong tokens by address.

    Args:
        now: a clock in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since = now()
        self._wrong: Counter[str] = Counter()
        self._refused = RateLimitedEvent("web.token_refused")

    def too_many(self, address: str, path: str) -> bool:
        """Count a wrong token; tell whether this address has sent too many."""
        if self._now() - self._since >= PERIOD:
            self._since = self._now()
            self._wrong.clear()
        if address not in self._wrong and len(self._wrong) >= _ADDRESSES:
            address = ""
        self._wrong[address] += 1
        self._refused.log(peer=address, path=path)
        return self._wrong[address] > MOST

    def close(self) -> None:
        """Say what was counted."""
        self._refused.close()
