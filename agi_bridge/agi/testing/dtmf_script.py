"""When a caller presses which key, and which of them reach a command.

Asterisk hands a key to the command that runs when it is released, and to nobody if that command
does not want it. Callers do not wait for commands: a group of keys once begun goes on at its pace
whatever the bridge does meanwhile, so what is too much falls into the next command.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

HANG_UP = "!"
"""In a script: the caller hangs up here."""

_KEYS = "0123456789*#ABCD"
_ALLOWED = frozenset(_KEYS + HANG_UP)
_DIGITS = frozenset("0123456789")

_PAUSE_SECONDS = 0.5
"""A wait shorter than this is a pause between prompts; nobody takes it for a question."""

_LEAST_SECONDS = 0.08
"""While no command runs, a key takes at least so long (`AST_MIN_DTMF_DURATION` in channel.c) ..."""
_GAP_SECONDS = 0.045
"""... and the next one follows after so much (`AST_MIN_DTMF_GAP`)."""


@dataclass(frozen=True, slots=True)
class KeySequence:
    """Keys one after another, at a pace of their own.

    Attributes:
        keys: which, ``!`` to hang up.
        after: seconds from the beginning of the sound, or of the call, to the first one.
        held: seconds that each is held; it counts when it is released.
        gap: seconds between two of them.
    """

    keys: str
    after: float = 0.1
    held: float = 0.1
    gap: float = 0.1


KeysBySound = Mapping[str, "str | KeySequence | Sequence[str | KeySequence]"]
"""Keys by the sound at whose beginning they are begun: the last part of its name, or the digits
that are said; ``""`` is the beginning of the call. Several stand for one time after the other."""


class DtmfScript:
    """Keys in groups, one for each chance to key: ``4155550123,1``.

    A chance begins with the first command that plays something after the caller was last waited
    for, or after a group was begun. Its group is begun at the first command that takes its first
    key and asks for one: a prompt that lists some keys, or a wait. A prompt that lists all ten
    digits plays out, as it may be the read-back of a number, and so does a pause of less than half
    a second. Once begun, the keys follow each other at 0.2 s, wanted or not. An empty group is a
    caller who stays silent for that chance; a group that nobody asked for until the next chance is
    never keyed. After the last group the caller stays silent.

    Raises:
        ValueError: a character that is neither a key, nor ``,``, nor ``!``.
    """

    def __init__(self, keys: str) -> None:
        if set(keys) - _ALLOWED - {","}:
            raise ValueError("keys are 0-9 * # A-D, with ',' between chances and '!' to hang up")
        self._groups = keys.split(",")
        self._next = 0
        self._group = ""
        self._over = True  # the chance is over: the next play begins another one

    def playing(self, accepted: str = "") -> str:
        """Something is about to be played; return the keys that the caller begins to press."""
        self._next_chance()
        return self._begin("" if set(accepted) >= _DIGITS else accepted)

    def waiting(self, accepted: str, seconds: float) -> str:
        """The caller is waited for; return the keys that they begin to press."""
        if seconds < _PAUSE_SECONDS:
            return self._begin("")
        if self._next == 0:  # before anything was played this is a chance too
            self._next_chance()
        self._over = True
        return self._begin(accepted)

    def _next_chance(self) -> None:
        if self._over:
            self._group = self._groups[self._next] if self._next < len(self._groups) else ""
            self._next += 1
            self._over = False

    def _begin(self, accepted: str) -> str:
        if not self._group or self._group[0] not in accepted + HANG_UP:
            return ""
        group, self._group = self._group, ""
        self._over = True
        return group


@dataclass(slots=True)
class _Key:
    key: str
    down: float
    up: float


class DtmfQueue:
    """The caller's keys on their way to the commands of one call. Times are the call's own."""

    def __init__(self) -> None:
        self._keys: deque[_Key] = deque()
        self._free = 0.0  # since when no command has run, or until when the PBX is at a key

    def press(self, press: KeySequence, begin: float) -> None:
        """Put keys at the end of those that are being pressed."""
        down = begin + press.after
        for key in press.keys:
            if self._keys:
                down = max(down, self._keys[-1].up + press.gap)
            self._keys.append(_Key(key, down, down + press.held))

    def take(self, begin: float, end: float, accepted: str) -> tuple[str, float] | None:
        """Return the first accepted key that reaches a command, and when; None if none does.

        Keys before it that the command does not want are lost.
        """
        self._pass_idle(begin)
        while self._keys and self._keys[0].up <= end:
            key = self._keys.popleft()
            if key.key in accepted + HANG_UP:
                self._free = max(key.up, begin)
                return key.key, self._free
        self._free = end
        return None

    def _pass_idle(self, now: float) -> None:
        """Lose what was released while no command ran.

        That is all of it at a person's pace. Of keys that follow each other faster than the PBX
        plays them on (`__ast_read`), the rest waits in the channel and reaches the next command.
        """
        while self._keys and self._keys[0].up < now:
            key = self._keys[0]
            if key.down >= self._free:
                done = max(key.up, key.down + _LEAST_SECONDS)
            else:  # its beginning was not seen: it is played on from its end
                start = max(key.up, self._free)
                done = start + max(key.up - key.down, _LEAST_SECONDS)
            if done > now and key.key != HANG_UP:
                self._wait_in_channel(done)
                return
            if key.key == HANG_UP:
                return
            self._free = done + _GAP_SECONDS
            self._keys.popleft()

    def _wait_in_channel(self, first: float) -> None:
        for place, key in enumerate(self._keys):
            key.up = max(key.up, first + place * _GAP_SECONDS)
