"""Reads and judges key presses: one choice of a menu, or a whole number, each with timeouts.

`GET DATA` has one timeout for everything and reports neither the key that ended it nor, after a
hangup, the digits so far (res_agi.c `handle_getdata`). So a number is read key by key with
`WAIT FOR DIGIT`. Asterisk reports a key when it is released, about 100 ms after it was pressed. The
next command is waiting by then, so no key is lost between two commands.

Asterisk does not buffer keys between commands, but callers keep pressing keys: a doubled key, a
digit too many or `#` reaches the next prompt. So each prompt lists every key that has a meaning
there, and leftover keys are discarded before a new entry begins.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.consent import Prompt
from agi_bridge.speech import DIGIT_PROMPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agi_bridge.agi import PlaybackResult
    from agi_bridge.call.context import CallContext
    from agi_bridge.consent import EntryEnd
    from agi_bridge.speech import Recording

DIGITS: Final = "0123456789"
KEYS: Final = DIGITS + "*#"
STAR: Final = "*"

QUIET_SECONDS: Final = 1.5
"""Seconds without a key after which an entry has ended; slow typists need over a second."""
_MAX_DISCARDED: Final = 50
"""Most keys that are discarded; otherwise a stuck key would hold the call forever."""
_ENDING_KEYS: Final[dict[str, EntryEnd]] = {"": "silence", STAR: "star", "#": "hash"}
"""What ends an entry whatever its digits; no first key is silence."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Timeouts of one entry in seconds: to the first digit, between digits, overall."""

    first: float
    between: float
    whole: float


@dataclass(frozen=True, slots=True)
class KeyedDigits:
    """The digits of an entry, and how it ended."""

    digits: str
    ended_by: EntryEnd


class NotHeardError(Exception):
    """A recording that no key interrupted ended before its end: the file is not what was read.

    Attributes:
        recording: the recording.
        endpos: where the PBX says that it ended, in samples.
    """

    def __init__(self, recording: Recording, endpos: int) -> None:
        super().__init__(recording.name)
        self.recording = recording
        self.endpos = endpos


def see_heard(recording: Recording, played: PlaybackResult) -> None:
    """Check that a recording was played to its end, or to the key that interrupted it.

    Raises:
        NotHeardError: it was not.
    """
    if not played.digit and played.endpos < recording.samples:
        raise NotHeardError(recording, played.endpos)


async def play(
    context: CallContext, sounds: Iterable[Recording | str], escape: str, *, whole: bool = False
) -> str:
    """Play sounds in order; return the key of `escape` that interrupted them, or ''.

    What was played goes into the dialogue's record; the key does not, as it may be a number's.

    Args:
        context: the call.
        sounds: recordings, and digits for the PBX to say.
        escape: the keys that interrupt; others are ignored.
        whole: each recording must be played to its end or to the key.

    Raises:
        AGIAppError: a recording is missing.
        AGIHangup: the caller has hung up.
        NotHeardError: a recording was not played `whole`.
    """
    for sound in sounds:
        if isinstance(sound, str):
            began = context.log_entry.elapsed_ms
            key = await context.channel.say_digits(sound, escape)
            context.log_entry.digits_said(len(sound), began)
            if key:
                context.log_entry.record("key")
            context.dialogue.digits_spoken(len(sound), whole=not key)
        else:
            key = (await play_recording(context, sound, escape, whole=whole)).digit
        if key:
            return key
    return ""


async def play_recording(
    context: CallContext, recording: Recording, escape: str, *, whole: bool = False
) -> PlaybackResult:
    """Play one recording, and put it into the dialogue's record.

    A single digit is recorded as said, not by its name: it may be a number's.

    Raises:
        AGIAppError: the recording is missing.
        AGIHangup: the caller has gone; how far it came is then not known.
        NotHeardError: with `whole`, no key interrupted it, and it ended before its end.
    """
    played = await context.play(recording, escape)
    if recording.name in DIGIT_PROMPTS:
        context.dialogue.digits_spoken(1, whole=not played.digit)
    else:
        context.dialogue.played(prompt_of(recording), played.endpos, cut=bool(played.digit))
    if whole:
        see_heard(recording, played)
    return played


def prompt_of(recording: Recording) -> Prompt:
    """A recording as the dialogue's record names it."""
    return Prompt(
        name=recording.name,
        language=recording.language,
        text_sha256=recording.text_sha256,
        audio_sha256=recording.sha256,
        samples=recording.samples,
    )


async def read_number(
    context: CallContext,
    prompts: Iterable[Recording],
    *,
    timing: Timing,
    most_digits: Callable[[str], int],
) -> KeyedDigits:
    """Play prompts, which any key interrupts, and read a number.

    Args:
        context: the call; its dialogue gets how many digits were keyed.
        prompts: recordings.
        timing: the three timeouts; the overall one starts at the first digit.
        most_digits: returns the longest possible entry for the digits so far.
    """
    key = await play(context, prompts, KEYS) or await context.wait_for_digit(timing.first)
    clock = asyncio.get_running_loop().time
    last_moment = clock() + timing.whole
    digits, ended_by = "", _ENDING_KEYS.get(key)
    while ended_by is None:
        if key in DIGITS:  # test sets also have A to D, which have no meaning
            digits += key
        if len(digits) >= most_digits(digits):
            ended_by = "full"
        elif (left := last_moment - clock()) <= 0:
            ended_by = "time"
        elif key := await context.wait_for_digit(min(timing.between, left)):
            ended_by = _ENDING_KEYS.get(key)
        else:
            ended_by = "pause" if left > timing.between else "time"
    context.dialogue.digits_keyed(len(digits), ended_by)
    return KeyedDigits(digits, ended_by)


async def choose(context: CallContext, sounds: Iterable[Recording], keys: str, wait: float) -> str:
    """Play sounds, which a key of `keys` interrupts, then wait; return the key, or ''.

    A key outside `keys` is returned too, so that the caller of this function can ask again.
    """
    return await play(context, sounds, keys) or await context.wait_for_digit(wait)


async def await_key(context: CallContext, among: str, seconds: float) -> str:
    """Wait for a key of `among`; return it, or '' after this many seconds without a key.

    Other keys are discarded and restart the wait.
    """
    for _ in range(_MAX_DISCARDED):
        key = await context.wait_for_digit(seconds)
        if not key or key in among:
            return key
    return ""


@cache
def most_digits_keyed(regions: tuple[str, ...]) -> Callable[[str], int]:
    """Return a function that gives the longest possible number for its first digits.

    It follows `phone.keyed_length` for the line's regions. Where the length varies, `#` or a pause
    ends a shorter number.
    """

    def most_digits(digits: str) -> int:
        return phone.keyed_length(digits, regions).most

    return most_digits
