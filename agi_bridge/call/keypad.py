"""Keys: one choice from a menu, or a whole number, with the time-outs that people need.

`GET DATA` has one time-out for everything and tells neither which key ended it nor, after a hangup,
what was keyed (res_agi.c `handle_getdata`). So a number is read key by key with `WAIT FOR DIGIT`.
A key counts when it is released, about 100 ms after it went down; the next command is waiting by
then, so none is lost between two commands.

Asterisk keeps no key for later while commands follow each other, but callers key on whatever they
hear: a doubled key, a digit too many or `#` reaches the next prompt. So each prompt lists every key
that would mean something there, and before a new entry begins, what is left over is passed over.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final, Literal

from agi_bridge import phone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agi_bridge.agi import Channel
    from agi_bridge.speech import Recording

DIGITS: Final = "0123456789"
KEYS: Final = DIGITS + "*#"
STAR: Final = "*"

QUIET_SECONDS: Final = 1.5
"""How long no key may come until what was being keyed is over; slow typists need over a second."""
_MOST_PASSED_OVER: Final = 50
"""Keys that are passed over at most, or a stuck key would hold the call for ever."""

EntryEnd = Literal["full", "hash", "star", "pause", "silence", "time"]
"""How an entry ended: enough digits, `#`, `*`, a pause, no key at all, the limit for all of it."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Time-outs of one entry, in seconds: to the first digit, between digits, for all of it."""

    first: float
    between: float
    whole: float


@dataclass(frozen=True, slots=True)
class KeyedDigits:
    """What was keyed, digits only, and how it ended."""

    digits: str
    ended_by: EntryEnd


async def play(channel: Channel, sounds: Iterable[Recording | str], escape: str) -> str:
    """Play sounds one after the other; return the key of `escape` that cut them short, or ''.

    Args:
        channel: the caller's channel.
        sounds: recordings, and digits that the PBX says digit by digit.
        escape: the keys that interrupt; others are lost.

    Raises:
        AGIAppError: a recording is missing.
        AGIHangup: the caller has gone.
    """
    for sound in sounds:
        if isinstance(sound, str):
            key = await channel.say_digits(sound, escape)
        else:
            key = (await channel.stream_file(sound.path, escape, length=sound.seconds)).digit
        if key:
            return key
    return ""


async def read_number(
    channel: Channel,
    prompts: Iterable[Recording],
    *,
    timing: Timing,
    most_digits: Callable[[str], int],
) -> KeyedDigits:
    """Play prompts, which any key interrupts, and read a number.

    Args:
        channel: the caller's channel.
        prompts: recordings.
        timing: the three time-outs; the whole one begins with the first digit.
        most_digits: from the digits so far, how many there will be at most.
    """
    key = await play(channel, prompts, KEYS) or await channel.wait_for_digit(timing.first)
    if not key:
        return KeyedDigits("", "silence")
    clock = asyncio.get_running_loop().time
    last_moment = clock() + timing.whole
    digits = ""
    while True:
        if key == STAR:
            return KeyedDigits(digits, "star")
        if key == "#":
            return KeyedDigits(digits, "hash")
        if key in DIGITS:  # A to D exist on test sets; nobody means them
            digits += key
        if len(digits) >= most_digits(digits):
            return KeyedDigits(digits, "full")
        left = last_moment - clock()
        if left <= 0:
            return KeyedDigits(digits, "time")
        key = await channel.wait_for_digit(min(timing.between, left))
        if not key:
            return KeyedDigits(digits, "pause" if left > timing.between else "time")


async def choose(channel: Channel, sounds: Iterable[Recording], keys: str, wait: float) -> str:
    """Play sounds, which a key of `keys` interrupts, then wait; return the key, or ''.

    A key that is not on offer is returned too: the caller of this function may want to ask again.
    """
    return await play(channel, sounds, keys) or await channel.wait_for_digit(wait)


async def await_key(channel: Channel, among: str, seconds: float) -> str:
    """Wait for a key of `among`; return it, or '' when nothing was keyed for so many seconds.

    Other keys are passed over, and the seconds begin again with each.
    """
    for _ in range(_MOST_PASSED_OVER):
        key = await channel.wait_for_digit(seconds)
        if not key or key in among:
            return key
    return ""


@cache
def most_digits_keyed(regions: tuple[str, ...]) -> Callable[[str], int]:
    """How many digits a number has at most, from its first ones and the regions that a line takes.

    The rules are `phone.keyed_length`, which also tells whether the length varies: then a number
    may be whole before it has so many digits, and `#` or a pause ends it.
    """

    def most_digits(digits: str) -> int:
        return phone.keyed_length(digits, regions).most

    return most_digits
