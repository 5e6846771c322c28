"""The typed results of commands, and the pure functions that read them from replies."""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from agi_bridge.agi.errors import AGIProtocolError
from agi_bridge.agi.wire import Reply

SAMPLES_PER_SECOND = 8000
"""Sample rate of telephone sounds; `endpos` counts these samples for 8 kHz files."""

_KEYS = "0123456789*#ABCD"
_KEY_BY_CODE = {ord(char): char for char in _KEYS} | {0: ""}
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,9})")
_NUMBERS = {str(code): code for code in range(-2, 128)}
_DIGIT = re.compile(r"digit\) digit=(.) endpos=([0-9]{1,18})")
_SPEECH = re.compile(r"speech\) endpos=([0-9]{1,18}) results=[0-9]{1,4} ?")
_SCORE = re.compile(r'score([0-9]{1,4})=(-?[0-9]{1,10}) text\1="')


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
    """The keys of GET DATA, and what ended them: the maximum, ``#``, or a time-out."""

    keys: str
    ended_by: Literal["full", "hash", "timeout"]

    def __repr__(self) -> str:
        """Show the number of keys, not the keys: they may be a phone number."""
        return f"DigitsResult({len(self.keys)} keys, ended_by={self.ended_by!r})"


@dataclass(frozen=True, slots=True)
class RecordResult:
    """How a recording ended: the key that ended it (empty: time or silence), and its samples."""

    digit: str
    endpos: int


@dataclass(frozen=True, slots=True)
class ControlledPlaybackResult:
    """How a sound ended that the caller could wind: the key that stopped it, and where.

    `milliseconds` is None if it played to its end.
    """

    digit: str
    milliseconds: int | None


@dataclass(frozen=True, slots=True, repr=False)
class Utterance:
    """One thing that a speech engine may have heard. `score` is the engine's, usually 0 to 100."""

    score: int
    text: str
    grammar: str

    def __repr__(self) -> str:
        """Leave out the text: it may be a name or a number."""
        return f"Utterance(score={self.score}, grammar={self.grammar!r})"


@dataclass(frozen=True, slots=True)
class SpeechResult:
    """How SPEECH RECOGNIZE ended: the engine has results, a key was pressed, or time ran out.

    `endpos` is where the prompt was interrupted, in samples; 0 if it played out.
    """

    ended_by: Literal["speech", "digit", "timeout"]
    endpos: int
    digit: str = ""
    utterances: tuple[Utterance, ...] = ()
    """Best first, as the engine ordered them."""


def number(reply: Reply) -> int:
    """Read a result that is a whole number, as C's ``%d`` and ``%u`` print one, and nothing else.

    Raises:
        AGIProtocolError: the result is not such a number.
    """
    code = _NUMBERS.get(reply.result)
    if code is not None:
        return code
    if not _NUMBER.fullmatch(reply.result) or reply.result == "-0":
        raise AGIProtocolError("unexpected_result", "a result is not a number")
    return int(reply.result)


def key(code: int) -> str:
    """Turn a key's ASCII code into the key; 0 means none.

    Raises:
        AGIProtocolError: no telephone has this key.
    """
    char = _KEY_BY_CODE.get(code)
    if char is None:
        raise AGIProtocolError("unexpected_result", "a result is not a DTMF key")
    return char


def digits(reply: Reply, max_digits: int) -> DigitsResult:
    """Read the reply of GET DATA (`handle_getdata`): keys, perhaps with ``(timeout)``.

    Raises:
        AGIProtocolError: the result is not made of keys.
    """
    if reply.result.strip(_KEYS):
        raise AGIProtocolError("unexpected_result", "a result is not made of DTMF keys")
    if reply.data == "timeout":
        return DigitsResult(reply.result, "timeout")
    return DigitsResult(reply.result, "full" if len(reply.result) >= max_digits else "hash")


def value(reply: Reply) -> str | None:
    """Read a value in parentheses: None if unset, empty if set to nothing."""
    return (reply.data or "") if reply.result == "1" else None


def speech(reply: Reply) -> SpeechResult | None:
    """Read the reply of SPEECH RECOGNIZE (`handle_speechrecognize`); None: the caller hung up.

    Raises:
        AGIProtocolError: it is not such a reply.
    """
    data = reply.data or ""
    if data == "hangup":
        return None
    if data == "timeout":
        return SpeechResult("timeout", reply.endpos or 0)
    if found := _DIGIT.fullmatch(data):
        return SpeechResult("digit", int(found[2]), digit=key(ord(found[1])))
    if found := _SPEECH.match(data):
        return SpeechResult("speech", int(found[1]), utterances=_utterances(data[found.end() :]))
    raise AGIProtocolError("unexpected_result", "a result is not one of speech recognition")


def _utterances(text: str) -> tuple[Utterance, ...]:
    """Take apart ``score0=90 text0="yes" grammar0=g score1=...``.

    Asterisk escapes nothing, and cuts the whole at 4,095 bytes: an utterance that is not whole is
    left out.
    """
    starts = [found for found in _SCORE.finditer(text) if text[: found.start()][-1:] in ("", " ")]
    found_all: list[Utterance] = []
    for start in starts:
        place = len(found_all)
        if int(start[1]) != place:
            continue  # in the text of another one
        follows = (each.start() - 1 for each in starts if int(each[1]) == place + 1)
        whole = text[start.end() : max(follows, default=len(text))]
        utterance, mark, grammar = whole.rpartition(f'" grammar{place}=')
        if mark:
            found_all.append(Utterance(int(start[2]), utterance, grammar))
    return tuple(found_all)
