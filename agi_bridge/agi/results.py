"""What commands give back: typed values, read from replies by pure functions."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from agi_bridge.agi.errors import AGIProtocolError
from agi_bridge.agi.wire import Reply

SAMPLES_PER_SECOND = 8000
"""Of the sounds of a telephone line; endpos counts in these for 8 kHz files."""

_KEYS = "0123456789*#ABCD"


class ChannelState(IntEnum):
    """The state of a channel, as `ast_channel_state` numbers it."""

    UNKNOWN = -1
    DOWN = 0
    RESERVED = 1
    OFF_HOOK = 2
    DIALING = 3
    RING = 4
    RINGING = 5
    UP = 6
    BUSY = 7
    DIALING_OFF_HOOK = 8
    PRE_RING = 9

    @classmethod
    def _missing_(cls, _value: object) -> "ChannelState":
        return cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class PlaybackResult:
    """How a sound ended.

    `digit` is the key that ended it, empty if it played out. `endpos` is the place where it
    ended, in samples of the file. Old versions of Asterisk answer a missing file as one that
    played out with endpos 0: compare with the known length before claiming that it was heard.
    """

    digit: str
    endpos: int


@dataclass(frozen=True, slots=True, repr=False)
class DigitsResult:
    """What the caller keyed, and why no more: all keys came, ``#``, or a time-out."""

    keys: str
    ended_by: Literal["full", "hash", "timeout"]

    def __repr__(self) -> str:
        """Tell how many keys, not which: they may be somebody's number."""
        return f"DigitsResult({len(self.keys)} keys, ended_by={self.ended_by!r})"


@dataclass(frozen=True, slots=True)
class RecordResult:
    """How a recording ended: the key that ended it (empty: time or silence), and its samples."""

    digit: str
    endpos: int


def number(reply: Reply) -> int:
    """Read a result that is a whole number.

    Raises:
        AGIProtocolError: it is none.
    """
    try:
        return int(reply.result)
    except ValueError as error:
        raise AGIProtocolError("a result is not a number") from error


def key(code: int) -> str:
    """Turn a key's ASCII code into the key; 0 is no key.

    Raises:
        AGIProtocolError: there is no such key on a telephone.
    """
    if code == 0:
        return ""
    char = chr(code) if 0 < code < 128 else ""  # noqa: PLR2004 - ASCII
    if char not in _KEYS or not char:
        raise AGIProtocolError("a result is not a key")
    return char


def digits(reply: Reply, max_digits: int) -> DigitsResult:
    """Read the reply of GET DATA (`handle_getdata`): keys, perhaps with ``(timeout)``."""
    if reply.data == "timeout":
        return DigitsResult(reply.result, "timeout")
    return DigitsResult(reply.result, "full" if len(reply.result) >= max_digits else "hash")


def value(reply: Reply) -> str | None:
    """Read a value in parentheses: None if unset, empty if set to nothing."""
    return (reply.data or "") if reply.result == "1" else None
