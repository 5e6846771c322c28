"""Commands that the caller hears or answers with keys."""

from agi_bridge.agi.commands import FAILED, Commands, milliseconds
from agi_bridge.agi.errors import AGIArgumentError
from agi_bridge.agi.results import DigitsResult, PlaybackResult, RecordResult, digits, key, number

_MOST_DIGITS = 1023
"""GET DATA collects into 1,024 bytes (`handle_getdata`)."""

_SPOKEN_SECONDS = 3.0
"""The longest that one character takes in any language, spelt phonetically."""


class MediaCommands(Commands):
    """Playing, saying, keying, recording.

    Answer the channel first: on an unanswered one these take their time and nobody hears them.
    Keys pressed while no command runs are lost, but for those that come faster than the PBX plays
    them on (more than some eight a second): the last of them reach the next command.
    """

    __slots__ = ()

    async def stream_file(
        self, name: str, escape_digits: str = "", *, offset: int = 0, length: float | None = None
    ) -> PlaybackResult:
        """Play a sound: STREAM FILE (`handle_streamfile`).

        `name` has no extension; `offset` and the result's endpos are in samples. A key among
        `escape_digits` ends it when it is released, other keys are lost.

        `length` is the sound's in seconds, if it is known. A PBX that fetches a sound from a web
        server that does not answer says nothing until its own time-out, on some releases for four
        minutes (`curl_request` in res_http_media_cache.c). A command that runs cannot be withdrawn
        but by closing the connection: then the dialplan goes on as soon as the PBX can.

        Raises:
            AGIAppError: there is no such sound.
            AGIHangup: the caller has gone.
            AGITimeout: it had not ended `Limits.reply_seconds` after it should have.
        """
        limits = self._limits
        seconds = limits.play_seconds if length is None else length + limits.reply_seconds
        reply = await self._send("STREAM FILE", name, escape_digits, offset, seconds=seconds)
        code = number(reply)
        if code == FAILED:
            await self._failed("STREAM FILE could not play the sound")
        return PlaybackResult(key(code), reply.endpos or 0)

    async def get_data(self, prompt: str, *, timeout: float, max_digits: int) -> DigitsResult:  # noqa: ASYNC109 - Asterisk's own time-out
        """Play a prompt and collect keys: GET DATA (`handle_getdata`).

        The first key stops the prompt; ``#`` ends the input and is not part of it. `timeout`
        seconds count from the end of the prompt, and anew from each key. An empty prompt is none.

        Raises:
            AGIArgumentError: `timeout` under 1 ms (Asterisk would take 6 s), or `max_digits` not
                in 1 to 1,023.
            AGIAppError: there is no such prompt.
            AGIHangup: the caller has gone; what was keyed so far is gone too.
        """
        if not 1 <= max_digits <= _MOST_DIGITS:
            raise AGIArgumentError(f"GET DATA takes 1 to {_MOST_DIGITS} digits")
        reply = await self._send(
            "GET DATA",
            prompt,
            milliseconds(timeout),
            max_digits,
            seconds=self._limits.play_seconds + timeout * (max_digits + 1),
        )
        if reply.result == str(FAILED):
            await self._failed("GET DATA could not play the prompt")
        return digits(reply, max_digits)

    async def wait_for_digit(self, timeout: float) -> str:  # noqa: ASYNC109 - Asterisk's own time-out
        """Wait for one key: WAIT FOR DIGIT (`handle_waitfordigit`); empty if none came.

        A negative `timeout` waits as long as the call may last, 0 does not wait.
        """
        if timeout < 0:
            wait, seconds = -1, self._limits.call_seconds
        else:
            wait, seconds = milliseconds(timeout, least=0), timeout
        reply = self._send("WAIT FOR DIGIT", wait, seconds=seconds)
        return key(await self._checked("WAIT FOR DIGIT failed", reply))

    async def say_digits(self, digits: str | int, escape_digits: str = "") -> str:
        """Say digit by digit: SAY DIGITS (`handle_saydigits`); gives the key that ended it.

        Raises:
            AGIArgumentError: nothing to say; Asterisk would answer with the usage.
        """
        return await self._say("SAY DIGITS", str(digits), escape_digits)

    async def say_number(self, number: int, escape_digits: str = "") -> str:
        """Say a whole number as a number: SAY NUMBER (`handle_saynumber`)."""
        return await self._say("SAY NUMBER", str(int(number)), escape_digits)

    async def say_phonetic(self, text: str, escape_digits: str = "") -> str:
        """Spell with the phonetic alphabet: SAY PHONETIC (`handle_sayphonetic`)."""
        return await self._say("SAY PHONETIC", text, escape_digits)

    async def say_alpha(self, text: str, escape_digits: str = "") -> str:
        """Spell letter by letter: SAY ALPHA (`handle_sayalpha`)."""
        return await self._say("SAY ALPHA", text, escape_digits)

    async def _say(self, words: str, text: str, escape_digits: str) -> str:
        if not text:
            raise AGIArgumentError(f"{words} needs something to say")
        seconds = _SPOKEN_SECONDS * len(text) + self._limits.reply_seconds
        reply = self._send(words, text, escape_digits, seconds=seconds)
        return key(await self._checked(f"{words} could not be said", reply))

    async def record_file(
        self,
        name: str,
        file_format: str = "wav",
        escape_digits: str = "#",
        *,
        seconds: float,
        offset: int = 0,
        beep: bool = False,
        silence: float | None = None,
    ) -> RecordResult:
        """Record the caller: RECORD FILE (`handle_recordfile`).

        Ends with a key among `escape_digits`, after `seconds`, or after `silence` seconds of it.
        `name` has no extension. `offset` in samples is where in an existing file to begin.

        Raises:
            AGIAppError: the file could not be written, or the format is unknown.
        """
        arguments: list[str | int] = [name, file_format, escape_digits, milliseconds(seconds)]
        arguments.append(offset)
        if beep:
            arguments.append("BEEP")
        if silence is not None:
            arguments.append(f"s={max(1, round(silence))}")
        reply = await self._send(
            "RECORD FILE", *arguments, seconds=seconds + self._limits.reply_seconds
        )
        code = number(reply)
        if code == FAILED:
            await self._failed("RECORD FILE could not record")
        # When silence ends it, the result is a count of milliseconds: only (dtmf) is a key.
        return RecordResult(key(code) if reply.data == "dtmf" else "", reply.endpos or 0)

    async def set_music(self, on: bool, music_class: str | None = None) -> None:  # noqa: FBT001 - reads as set_music(True)
        """Start or stop music on hold: SET MUSIC (`handle_setmusic`)."""
        words = "SET MUSIC ON" if on else "SET MUSIC OFF"
        await (self._send(words, music_class) if on and music_class else self._send(words))
