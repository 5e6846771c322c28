"""Commands that play sounds, read keys and record."""

from agi_bridge.agi.commands import FAILED, Commands, milliseconds, waiting_time
from agi_bridge.agi.errors import AGIArgumentError
from agi_bridge.agi.results import (
    ControlledPlaybackResult,
    DigitsResult,
    PlaybackResult,
    RecordResult,
    digits,
    key,
    number,
)

_MOST_DIGITS = 1023
"""GET DATA collects into 1,024 bytes (`handle_getdata`)."""

_SEVERAL_DIGITS = 1024
"""What GET DATA collects at most if it is not told (`handle_getdata`)."""

_KEY_IN_RESULT = frozenset({"dtmf", "randomerror"})
"""RECORD FILE: a key ended the recording, or the beep before it (`handle_recordfile`)."""


class MediaCommands(Commands):
    """Playing, keying, recording.

    Answer the channel first: on an unanswered channel these take their time but are not heard.
    Keys pressed while no command runs are lost. Exception: keys that arrive faster than the PBX
    processes them (about eight a second); the last of them reach the next command.
    """

    __slots__ = ()

    async def stream_file(
        self, name: str, escape_digits: str = "", *, offset: int = 0, length: float | None = None
    ) -> PlaybackResult:
        """Play a sound: STREAM FILE (`handle_streamfile`).

        `name` has no extension; `offset` and the result's endpos are in samples. A key among
        `escape_digits` ends it when it is released, other keys are lost.

        `length` is the length of the sound in seconds, if known. A PBX that fetches a sound from a
        web server without an answer replies only after its own time-out, four minutes on some
        releases (`curl_request` in res_http_media_cache.c). Only closing the connection ends a
        running command; the dialplan then continues as soon as the PBX can.

        Raises:
            AGIAppError: the sound does not exist.
            AGIHangup: the caller has gone.
            AGITimeout: it had not ended `Limits.reply_seconds` after it should have.
        """
        limits = self._limits
        seconds = limits.play_seconds if length is None else length + limits.reply_seconds
        reply = await self._send("STREAM FILE", name, escape_digits, offset, seconds=seconds)
        code = number(reply)
        if code == FAILED:
            await self._failed("sound_missing", "STREAM FILE could not play the sound")
        return PlaybackResult(key(code), reply.endpos or 0)

    async def control_stream_file(
        self,
        name: str,
        stop_digits: str = "",
        *,
        skip: float = 3.0,
        forward: str = "#",
        rewind: str = "*",
        pause: str = "",
        start: float = 0.0,
    ) -> ControlledPlaybackResult:
        """Play a sound that the caller can wind: CONTROL STREAM FILE (`handle_controlstreamfile`).

        `skip` is how many seconds a key winds, `start` where to begin. A key among `stop_digits`
        ends it. Asterisk takes an empty `forward` or `rewind` as ``#`` and ``*``; a key in
        `stop_digits` cannot also wind.

        Raises:
            AGIAppError: the sound does not exist.
        """
        reply = await self._send(
            "CONTROL STREAM FILE",
            name,
            stop_digits,
            milliseconds(skip),
            forward,
            rewind,
            pause,
            milliseconds(start, least=0),
            seconds=self._limits.call_seconds,
        )
        code = number(reply)
        if code == FAILED:
            await self._failed("sound_missing", "CONTROL STREAM FILE could not play the sound")
        ended = reply.endpos is None or reply.endpos < 0  # -1 is how it says "to the end"
        return ControlledPlaybackResult(key(code), None if ended else reply.endpos)

    async def get_option(
        self,
        name: str,
        escape_digits: str,
        timeout: float | None = None,  # noqa: ASYNC109 - Asterisk's own time-out
    ) -> PlaybackResult:
        """Play a sound, then wait for one key: GET OPTION (`handle_getoption`).

        Unlike `stream_file` it goes on waiting for `timeout` seconds after the sound, by default
        for the channel's digit time-out (``TIMEOUT(digit)``, 5 s).

        Raises:
            AGIAppError: the sound does not exist.
        """
        own = () if timeout is None else (milliseconds(timeout),)
        seconds = self._limits.call_seconds if timeout is None else timeout
        reply = await self._send(
            "GET OPTION", name, escape_digits, *own, seconds=self._limits.play_seconds + seconds
        )
        code = number(reply)
        if code == FAILED:
            await self._failed("sound_missing", "GET OPTION could not play the sound")
        return PlaybackResult(key(code), reply.endpos or 0)

    async def get_data(
        self,
        prompt: str,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - Asterisk's own time-out
        max_digits: int | None = None,
    ) -> DigitsResult:
        """Play a prompt and collect keys: GET DATA (`handle_getdata`).

        The first key stops the prompt; ``#`` ends the input and is not part of it. `timeout`
        seconds count from the end of the prompt, and again from each key; without it, Asterisk
        waits 6 s for the first key and 2 s for each other, whatever ``TIMEOUT()`` says
        (`ast_app_getdata_terminator`). An empty prompt plays nothing.

        Raises:
            AGIArgumentError: `timeout` under 1 ms (Asterisk would take its own), or `max_digits`
                not in 1 to 1,023.
            AGIAppError: the prompt does not exist.
            AGIHangup: the caller has gone; the keys so far are lost.
        """
        if max_digits is not None and not 1 <= max_digits <= _MOST_DIGITS:
            raise AGIArgumentError("number_of_digits", f"GET DATA takes 1 to {_MOST_DIGITS} digits")
        most = _SEVERAL_DIGITS if max_digits is None else max_digits
        arguments: list[str | int] = [prompt]
        if timeout is not None or max_digits is not None:
            arguments.append(0 if timeout is None else milliseconds(timeout))
        if max_digits is not None:
            arguments.append(max_digits)
        collecting = self._limits.call_seconds if timeout is None else timeout * (most + 1)
        reply = await self._send(
            "GET DATA", *arguments, seconds=self._limits.play_seconds + collecting
        )
        if reply.result == str(FAILED):
            await self._failed("prompt_missing", "GET DATA could not play the prompt")
        return digits(reply, most)

    async def wait_for_digit(self, timeout: float) -> str:  # noqa: ASYNC109 - Asterisk's own time-out
        """Wait for one key: WAIT FOR DIGIT (`handle_waitfordigit`); empty if none came.

        A negative `timeout` waits as long as the call may last, 0 does not wait.
        """
        wait, seconds = waiting_time(timeout, self._limits.call_seconds)
        code = number(await self._send("WAIT FOR DIGIT", wait, seconds=seconds))
        if code == FAILED:
            await self._failed("digit_failed", "WAIT FOR DIGIT failed")
        return key(code)

    async def record_file(
        self,
        name: str,
        file_format: str = "wav",
        escape_digits: str = "#",
        *,
        seconds: float | None,
        offset: int = 0,
        beep: bool = False,
        silence: float | None = None,
    ) -> RecordResult:
        """Record the caller: RECORD FILE (`handle_recordfile`).

        Ends with a key among `escape_digits`, after `seconds` (None: as long as the call may
        last), or after `silence` seconds of it. `name` has no extension. `offset` in samples is
        where in an existing file to begin. A key that stops the beep leaves nothing recorded.

        Raises:
            AGIAppError: the file could not be written, or the format is unknown.
        """
        limit = -1 if seconds is None else milliseconds(seconds)
        arguments: list[str | int] = [name, file_format, escape_digits, limit, offset]
        if beep:
            arguments.append("BEEP")
        if silence is not None:
            arguments.append(f"s={max(1, round(silence))}")
        longest = self._limits.call_seconds if seconds is None else seconds
        reply = await self._send(
            "RECORD FILE", *arguments, seconds=longest + self._limits.reply_seconds
        )
        code = number(reply)
        if code == FAILED:
            await self._failed("recording_failed", "RECORD FILE could not record")
        # When silence ends it, the result is a count of milliseconds: not a key.
        by_key = reply.data in _KEY_IN_RESULT
        return RecordResult(key(code) if by_key else "", reply.endpos or 0)

    async def set_music(self, on: bool, music_class: str | None = None) -> None:  # noqa: FBT001 - reads as set_music(True)
        """Start or stop music on hold: SET MUSIC (`handle_setmusic`)."""
        words = "SET MUSIC ON" if on else "SET MUSIC OFF"
        await (self._send(words, music_class) if on and music_class else self._send(words))
