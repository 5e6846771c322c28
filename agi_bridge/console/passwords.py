"""Passwords: made into Argon2id hashes (RFC 9106), and checked one at a time.

A check takes 20 MB and some 30 ms of a processor on purpose. It runs in a thread, outside Python's
lock, and never two at once, so that guessing cannot take the machine from the calls. After a wrong
password the next check waits, for everybody. Of one address and one name, few may wait: who guesses
at other names, or from elsewhere, keeps nobody out.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

if TYPE_CHECKING:
    from agi_bridge.settings import ConsoleUser

MIN_CHARACTERS: Final = 12
"""Shortest password that a hash is made of (NIST SP 800-63B, 3.1.1.2 asks for 15 without a second
factor, 8 with one; the console is on loopback or behind a proxy)."""
MAX_CHARACTERS: Final = 256
WRONG_SECONDS: Final = 0.5
"""Pause after a wrong password: two guesses a second, by everybody together."""
MAX_ALIKE: Final = 2
"""Sign-ins from one address with one name that may wait for their turn; unknown names are one."""
MAX_WAITING: Final = 16
"""All sign-ins that may wait; further ones are turned away."""

# 19 MiB, 2 passes, 1 lane: the first choice of OWASP's Password Storage Cheat Sheet.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)


class TooManySignIns(Exception):  # noqa: N818 - a reason to come back later, no fault
    """Too many sign-ins wait; try again in a few seconds."""


def hash_password(password: str) -> str:
    """Return the hash of a password for `[[console.users]]`. Blocks for some 30 ms.

    Raises:
        ValueError: it is too short or too long; the text says what to do.
    """
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise ValueError(f"a password has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters")
    return _HASHER.hash(password)


class PasswordCheck:
    """Checks passwords, one at a time. Belongs to one event loop."""

    def __init__(self, wrong_seconds: float = WRONG_SECONDS) -> None:
        self._wrong_seconds = wrong_seconds
        self._turn = asyncio.Lock()
        self._waiting: Counter[tuple[str, str]] = Counter()

    async def matches(self, user: ConsoleUser | None, password: str, peer: str = "") -> bool:
        """Whether it is the password of a person; None: of nobody, which takes as long to say.

        `peer` is the address that it came from.

        Raises:
            TooManySignIns: too many are waiting for their turn.
        """
        alike = peer, "" if user is None else user.name
        if self._waiting[alike] >= MAX_ALIKE or self._waiting.total() >= MAX_WAITING:
            raise TooManySignIns
        self._waiting[alike] += 1
        try:
            async with self._turn:
                known = "" if user is None else user.password_hash
                right = await asyncio.to_thread(_verify, known or _nobodys(), password)
                right = right and bool(known)
                if not right:
                    await asyncio.sleep(self._wrong_seconds)
                return right
        finally:
            self._waiting -= Counter([alike])


def _verify(known: str, password: str) -> bool:
    try:
        return _HASHER.verify(known, password[: MAX_CHARACTERS + 1])
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _HASHER.hash("no password: nobody has this hash")
