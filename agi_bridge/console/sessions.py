"""Sessions of people who signed in with a password: in memory, so a restart ends them.

A session holds while its person is in the configuration with the password that it began with: a
reload that removes the person, or changes the password, ends it.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.settings import ConsoleSettings, ConsoleUser, Role

MAX_SESSIONS: Final = 1000
"""Sessions at once; the oldest ends when another begins."""
_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person, or with `sign_in = "none"` anybody on this machine.

    Attributes:
        name: stands in the ledger beside what they do.
        role: `look` or `act`.
    """

    name: str
    role: Role

    @property
    def may_act(self) -> bool:
        """Whether they may change something, and see a number in full."""
        return self.role == "act"

    @property
    def actor(self) -> str:
        """How the ledger names them."""
        return f"{self.name} (console)"


@dataclass(frozen=True, slots=True)
class _Session:
    name: str
    password_hash: str
    ends: float


def cookie_name(settings: ConsoleSettings) -> str:
    """The cookie of a console.

    A browser does not keep the cookies of two ports apart (RFC 6265, section 8.5), so two consoles
    on one machine need two names.
    """
    return f"agi_bridge_console_{settings.port}"


class Sessions:
    """The sessions of one console. Belongs to one event loop.

    Args:
        clock: seconds of running time.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: dict[bytes, _Session] = {}

    def open(self, user: ConsoleUser, hours: int) -> str:
        """Begin a session; return its token, which the browser keeps."""
        token = secrets.token_urlsafe(32)
        self._drop_ended()
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        ends = self._clock() + hours * _HOUR
        self._sessions[_key(token)] = _Session(user.name, user.password_hash, ends)
        return token

    def visitor(self, token: str, settings: ConsoleSettings) -> Visitor | None:
        """Whose session a token is of; None: it is over, or none."""
        session = self._sessions.get(_key(token))
        if session is None or session.ends <= self._clock():
            return None
        user = settings.user(session.name)
        if user is None or user.password_hash != session.password_hash:
            return None
        return Visitor(user.name, user.role)

    def close(self, token: str) -> None:
        """End a session."""
        self._sessions.pop(_key(token), None)

    def _drop_ended(self) -> None:
        now = self._clock()
        for key in [key for key, each in self._sessions.items() if each.ends <= now]:
            del self._sessions[key]


def _key(token: str) -> bytes:
    """What is kept of a token: who reads the process's memory gets no session of it."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
