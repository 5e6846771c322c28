"""Bearer tokens: checks a request's token, and limits and logs wrong ones.

The right token is always accepted, whatever its address sent before. Behind a reverse proxy all
clients have one address, and nobody without a token may block a revocation. The limit saves work
and log lines; a token of sixteen random characters cannot be guessed at any rate.
"""

from __future__ import annotations

import hmac
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.web.errors import ProblemResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from starlette.requests import Request

MOST: Final = 10
"""Wrong tokens from one address in a minute that get 401; further ones get 429."""

PERIOD: Final = 60.0
"""Seconds for which they are counted."""

_ADDRESSES: Final = 4096
"""Addresses that are counted separately; all others count as one."""

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="agi-bridge"'}


def authorise(request: Request, token: str, others: Collection[str] = ()) -> None:
    """Check the bearer token of a request: see `identify`."""
    identify(request, {"": token}, others)


def identify(request: Request, tokens: Mapping[str, str], others: Collection[str] = ()) -> str:
    """Return whose bearer token a request carries (RFC 6750, section 2.1).

    Args:
        request: the request.
        tokens: the tokens of this path, by their holders.
        others: tokens of other paths.

    Raises:
        ProblemResponse: 401 for a missing or wrong token, 403 for one of the others.
    """
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not given.strip():
        fix = "send the header Authorization: Bearer TOKEN"
        raise ProblemResponse(
            401, "token_missing", "Authorization", "must be a bearer token", fix, headers=_CHALLENGE
        )
    for holder, token in tokens.items():
        if _same(given, token):
            return holder
    if any(_same(given, other) for other in others):
        fix = "use the token for this path"
        problem = "is the token of another path"
        raise ProblemResponse(403, "token_of_another_path", "Authorization", problem, fix)
    challenge = {"WWW-Authenticate": f'{_CHALLENGE["WWW-Authenticate"]}, error="invalid_token"'}
    fix = "compare it with [web] in the configuration"
    raise ProblemResponse(
        401, "token_wrong", "Authorization", "is not valid", fix, headers=challenge
    )


def _same(given: str, token: str) -> bool:
    # A header is read as Latin-1; compare_digest takes only ASCII text, so bytes are compared.
    return hmac.compare_digest(given.strip().encode(), token.encode())


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
        """Count a wrong token; return whether this address has sent too many."""
        if self._now() - self._since >= PERIOD:
            self._since = self._now()
            self._wrong.clear()
        if address not in self._wrong and len(self._wrong) >= _ADDRESSES:
            address = ""
        self._wrong[address] += 1
        self._refused.log(peer=address, path=path)
        return self._wrong[address] > MOST

    def close(self) -> None:
        """Log what was counted."""
        self._refused.close()
