"""The commands of the simulated PBX that play, say, read keys and record."""

import re
from pathlib import PurePosixPath

from agi_bridge.agi.results import SAMPLES_PER_SECOND
from agi_bridge.agi.testing.channel import SimulatedChannel
from agi_bridge.agi.testing.channel_variables import ChannelVariables
from agi_bridge.agi.testing.dtmf_script import HANG_UP
from agi_bridge.agi.testing.errors import CallerGoneError, NotSimulatedError
from agi_bridge.agi.testing.record import PlayedSound, SoundKind

SAMPLES_PER_MS = SAMPLES_PER_SECOND // 1000
ALL_KEYS = "0123456789*#ABCD"
FOREVER_SECONDS = 86400.0
"""Stands for "forever", e.g. in WAIT FOR DIGIT -1."""

_WHOLE = re.compile(r"\s*[+-]?[0-9]+")
_DEFAULT_MS = 1000
_SPOKEN_MS = 800  # per character, about as in the recorded SAY commands
_TIME_MS = {"date": 6000, "time": 2500}  # as recorded in English
_FIELD_MS = 1200  # of each field of a date and time, as recorded
_FIELD = re.compile(r"'[^']*'|[A-Za-z]")
_LAYOUT = "ABdY 'digits/at' IMp"
_NO_TIMEOUT_SECONDS = 6.0  # of GET DATA without a time-out
_BEEP_MS = 425
_FRAME_SECONDS = 0.02
_SILENCES = frozenset(f"silence/{seconds}" for seconds in range(1, 11))
"""Of Asterisk's core sounds."""
_OF_C = range(-(2**31), 2**31)
_LEAST_FOR_OFFSET = 7  # arguments of CONTROL STREAM FILE
_EXTENSIONS = frozenset(
    {".wav", ".sln", ".ulaw", ".ul", ".alaw", ".gsm", ".g722", ".wav16", ".mp3"}
)
_RATES = {
    **dict.fromkeys(
        ("wav", "WAV", "wav49", "gsm", "ulaw", "ul", "ulw", "pcm", "mu", "alaw", "al", "alw"), 8000
    ),
    **dict.fromkeys(("au", "sln", "slin", "raw", "vox"), 8000),
    **dict.fromkeys(("g726-16", "g726-24", "g726-32", "g726-40"), 8000),
    **{f"sln{rate}": rate * 1000 for rate in (12, 16, 24, 32, 48, 96, 192)},
    **dict.fromkeys(("g719", "g723", "g729", "ilbc", "siren7", "siren14", "spx"), 0),
    **dict.fromkeys(("h263", "h264"), 0),
    "sln44": 44100,
    "wav16": 16000,
    "g722": 16000,
}
"""Samples a second of the formats that RECORD FILE takes, in this spelling (`ast_format_def`). Of
those with 0 nothing is written: Debian's package has no encoder for them."""


class PlaybackHandlers:
    """The effect and the reply of each of these commands, for one channel."""

    def __init__(self, channel: SimulatedChannel, variables: ChannelVariables) -> None:
        self._channel = channel
        self._variables = variables
        self._recorded: dict[str, int] = {}
        """Milliseconds of what RECORD FILE has written."""

    def fail(self) -> None:
        """Let the session count as failed: `RESULT_FAILURE` while the caller is there."""
        if self._channel.dead or not self._channel.hanging_up:
            self._channel.record.status = "FAILURE"

    def sound(self, name: str) -> int | None:
        """Return a sound's milliseconds; None if it is missing, a list, or has an extension.

        A URL may have one (`is_remote_path` in file.c). What was recorded in the call is there.
        """
        if name in self._recorded:
            return self._recorded[name]
        remote = name.startswith(("http://", "https://"))
        if not name or "&" in name or (not remote and PurePosixPath(name).suffix in _EXTENSIONS):
            return None
        sounds = self._channel.scenario.sounds
        known = _DEFAULT_MS if sounds is None else None
        if sounds is not None:
            known = sounds(name) if callable(sounds) else sounds.get(name)
        if name in _SILENCES:
            return int(name[8:]) * 1000
        return None if sounds is None and name.startswith("silence/") else known

    async def stream_file(self, args: list[str]) -> str:
        """Play: STREAM FILE."""
        name, accepted, offset = args[0], args[1], int(args[2]) if args[2:] else 0
        length = self.sound(name)
        if length is None:
            self.fail()
            return "200 result=-1 endpos=0\n"
        start = min(max(0, offset), length * SAMPLES_PER_MS) // SAMPLES_PER_MS
        beyond_end = offset > 0 and start >= length
        key, seconds = await self.play("file", name, length - start, accepted, silent=beyond_end)
        endpos = (start + round(seconds * 1000)) * SAMPLES_PER_MS
        return f"200 result={ord(key) if key else 0} endpos={endpos}\n"

    async def play(
        self,
        kind: SoundKind,
        name: str,
        length: int,
        accepted: str,
        *,
        silent: bool = False,
    ) -> tuple[str, float]:
        """Play for `length` milliseconds, unless a key or a hangup ends it.

        With `silent` no event reports it: the offset is beyond the end of the file.
        """
        channel = self._channel
        audible, began = channel.record.answered, channel.now()
        if not silent:
            channel.emit("playing" if kind == "file" else "saying", name, length)
        try:
            plays = None if name.startswith("silence/") else name
            key, seconds = await channel.listen(length / 1000, accepted, plays=plays)
        except CallerGoneError as gone:
            passed = round(gone.seconds * 1000)
            channel.record.heard.append(PlayedSound(kind, name, passed, HANG_UP, audible, began))
            raise
        passed = round(seconds * 1000)
        channel.record.heard.append(PlayedSound(kind, name, passed, key, audible, began))
        return key, seconds

    async def control_stream_file(self, args: list[str]) -> str:
        """Play with keys that wind, pause and stop: CONTROL STREAM FILE."""
        name, stop = args[0], args[1]
        skip = leading_number(args[2]) if args[2:] else 3000
        forward, rewind = (*args[3:5], "", "")[:2]
        forward, rewind = forward or "#", rewind or "*"
        pause = args[5] if args[5:] else ""
        length = self.sound(name)
        if length is None:
            self.fail()
            return self._controlled("ERROR", -1, -1)
        position = leading_number(args[6]) if len(args) >= _LEAST_FOR_OFFSET else 0
        accepted = stop + forward + rewind + pause
        while position < length:
            key, seconds = await self.play("file", name, length - position, accepted)
            position += round(seconds * 1000)
            if key and key in stop:
                self._variables.store("CPLAYBACKSTOPKEY", key)
                return self._controlled("USERSTOPPED", ord(key), position)
            if key and key in pause:
                while (await self._channel.listen(FOREVER_SECONDS, pause))[0] not in pause:
                    pass
            elif key and key in forward:
                position += skip
            elif key and key in rewind:
                position = max(0, position - skip)
        return self._controlled("SUCCESS", 0, -1)

    def _controlled(self, status: str, result: int, position: int) -> str:
        self._variables.store("CPLAYBACKSTATUS", status)
        self._variables.store("CPLAYBACKOFFSET", str(position))
        return f"200 result={result} endpos={position}\n"

    async def get_option(self, args: list[str]) -> str:
        """Play, then wait for one key: GET OPTION; a key that is not listed ends it unseen."""
        name, accepted = args[0], args[1]
        length = self.sound(name)
        if length is None:
            self.fail()
            return "200 result=-1 endpos=0\n"
        key, seconds = await self.play("file", name, length, accepted)
        endpos = round(seconds * 1000) * SAMPLES_PER_MS
        if not key:
            wait = self._variables.functions.timeouts["digit"]
            wait = leading_number(args[2]) / 1000 if args[2:] else wait
            key, _ = await self._channel.listen(wait, ALL_KEYS)
        return f"200 result={ord(key) if key and key in accepted else 0} endpos={endpos}\n"

    async def say(self, kind: SoundKind, args: list[str]) -> str:
        """Say something: SAY DIGITS, NUMBER, PHONETIC, ALPHA, DATE, TIME, DATETIME.

        Raises:
            NotSimulatedError: a number that is no C int; Asterisk says another one.
        """
        if kind == "number" and leading_number(args[0]) not in _OF_C:
            raise NotSimulatedError("SAY NUMBER of a number beyond 32 bits", "say it as digits")
        length = _TIME_MS.get(kind, _SPOKEN_MS * len(args[0]))
        if kind == "datetime":
            length = _FIELD_MS * len(_FIELD.findall(args[2] if args[2:] else _LAYOUT))
        key, _ = await self.play(kind, args[0], length, args[1])
        return f"200 result={ord(key) if key else 0}\n"

    async def wait_for_digit(self, args: list[str]) -> str:
        """Wait for a key: WAIT FOR DIGIT; a negative time waits forever."""
        wait = int(args[0])
        seconds = wait / 1000 if wait >= 0 else FOREVER_SECONDS
        key, _ = await self._channel.listen(seconds, ALL_KEYS)
        return f"200 result={ord(key) if key else 0}\n"

    async def get_data(self, args: list[str]) -> str:
        """Play and collect: GET DATA (`ast_app_getdata_full`, `ast_readstring_full`)."""
        prompt = args[0]
        seconds = leading_number(args[1]) / 1000 if args[1:] else 0.0
        most = leading_number(args[2]) if args[2:] else 1024
        length = 0 if not prompt else self.sound(prompt)
        if length is None or most <= 0:
            return "200 result=-1\n"
        keys = ""
        if length:
            keys, _ = await self.play("file", prompt, length, ALL_KEYS)
        while keys[-1:] != "#" and len(keys) < most:
            key, _ = await self._channel.listen(seconds or _NO_TIMEOUT_SECONDS, ALL_KEYS)
            if not key:
                return f"200 result={keys} (timeout)\n"
            keys += key
        return f"200 result={keys.removesuffix('#')}\n"

    async def record_file(self, args: list[str]) -> str:
        """Record: RECORD FILE, until a key of the third argument or the end of the time.

        A key that stops the beep before it is a "randomerror". A format that Asterisk does not
        know is found when the file is opened, after the beep. The simulated caller says nothing:
        with ``s=`` it ends after that silence.
        """
        if _beeps(args):
            key, _ = await self.play("file", "beep", _BEEP_MS, args[2])
            if key:
                return f"200 result={ord(key)} (randomerror) endpos=0\n"
        rate = _RATES.get(args[1])
        if rate is None:
            self.fail()
            return "200 result=-1 (writefile)\n"
        wait = leading_number(args[3])
        limit = FOREVER_SECONDS if wait < 0 else wait / 1000
        there = (self.sound(args[0]) or 0) * rate // 1000
        offset = min(max(0, leading_number(args[4])), there) if args[4:] else 0
        silence = _silence_seconds(args)
        listened = min(limit, silence + _FRAME_SECONDS) if silence > 0 else limit
        try:
            key, seconds = await self._channel.listen(listened, args[2])
        except CallerGoneError as gone:
            self._keep(args[0], rate, offset + round(gone.seconds * rate))
            raise
        left = round((limit - seconds) * 1000)
        if listened < limit and not key:  # all of the silence but a second is cut off
            seconds -= silence - 1
        endpos = (offset + round(seconds * rate)) * bool(rate)
        self._keep(args[0], rate, endpos)
        return (
            f"200 result={ord(key)} (dtmf) endpos={endpos}\n"
            if key
            else f"200 result={left} (timeout) endpos={endpos}\n"
        )

    def _keep(self, name: str, rate: int, samples: int) -> None:
        if rate:
            self._recorded[name] = samples * 1000 // rate


def _silence_seconds(args: list[str]) -> int:
    """Read ``s=`` of RECORD FILE; 0: silence does not end it."""
    for text in args[4:7]:
        if "s" in text:
            _, mark, seconds = text[text.index("s") :].partition("s=")
            return leading_number(seconds) if mark else 0
    return 0


def _beeps(args: list[str]) -> bool:
    """Tell whether an argument of RECORD FILE is the beep's (`handle_recordfile`)."""
    first, second = (*args[4:6], "", "")[:2]
    is_beep = bool(first) and not _WHOLE.match(first) and not first.startswith("s=")
    return is_beep or (bool(second) and not second.startswith("s="))


def leading_number(text: str) -> int:
    """Read a number as `atoi` does: 0 if there is none."""
    found = _WHOLE.match(text)
    return int(found[0]) if found else 0
