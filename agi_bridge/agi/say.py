"""Commands that say numbers, letters, dates and times with Asterisk's own recordings."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Final, Literal

from agi_bridge.agi.commands import FAILED, Commands
from agi_bridge.agi.errors import AGIArgumentError
from agi_bridge.agi.results import key, number

_SPOKEN_SECONDS: Final = 3.0
"""The longest time for one character in any language, spelt phonetically."""

_DATE_CHARACTERS: Final = 20
"""A date or a time takes about as long as this many characters."""

_LEAST: Final = -(2**31)
_MOST: Final = 2**31 - 1
"""SAY NUMBER, SAY DATE and SAY TIME read an `int` (``%30d`` in `handle_saynumber`); what does not
fit becomes another number."""


class SayCommands(Commands):
    """Saying. Each returns the key among `escape_digits` that ended it, empty if none did.

    Answer the channel first, as for playing. The recordings are those of the channel's language.
    """

    __slots__ = ()

    async def say_digits(self, digits: str | int, escape_digits: str = "") -> str:
        """Say digit by digit: SAY DIGITS (`handle_saydigits`).

        Raises:
            AGIArgumentError: `digits` is empty; Asterisk would reply with the usage.
        """
        return await self._say("SAY DIGITS", str(digits), escape_digits)

    async def say_number(
        self, number: int, escape_digits: str = "", *, gender: str | None = None
    ) -> str:
        """Say a whole number as a number: SAY NUMBER (`handle_saynumber`).

        `gender` is for languages that have it, as ``say_number`` in Asterisk's say.c reads it:
        ``f``, ``m``, ``n``, ``c``, or ``p`` for plural.

        Raises:
            AGIArgumentError: more than nine or ten digits; a telephone number is for `say_digits`.
        """
        if not _LEAST <= number <= _MOST:
            raise AGIArgumentError("number_range", f"SAY NUMBER takes numbers up to {_MOST}")
        return await self._say("SAY NUMBER", str(int(number)), escape_digits, gender)

    async def say_phonetic(self, text: str, escape_digits: str = "") -> str:
        """Spell with the phonetic alphabet: SAY PHONETIC (`handle_sayphonetic`)."""
        return await self._say("SAY PHONETIC", text, escape_digits)

    async def say_alpha(
        self,
        text: str,
        escape_digits: str = "",
        *,
        case: Literal["all", "lower", "upper", "none"] | None = None,
    ) -> str:
        """Spell letter by letter: SAY ALPHA (`handle_sayalpha`).

        `case` says for which letters "lowercase" or "uppercase" is said before them: Asterisk 13
        and later.
        """
        return await self._say("SAY ALPHA", text, escape_digits, case and case[0])

    async def say_date(self, when: datetime | int, escape_digits: str = "") -> str:
        """Say a date, e.g. "Tuesday, November 14, 2023": SAY DATE (`handle_saydate`).

        `when` is a time, or seconds since 1970; it is said in the PBX's own time zone.

        Raises:
            AGIArgumentError: before 1901 or after January 2038, which Asterisk cannot read here.
        """
        return await self._say_time("SAY DATE", when, escape_digits)

    async def say_time(self, when: datetime | int, escape_digits: str = "") -> str:
        """Say a time of day: SAY TIME (`handle_saytime`). Arguments as for `say_date`."""
        return await self._say_time("SAY TIME", when, escape_digits)

    async def say_datetime(
        self,
        when: datetime | int,
        escape_digits: str = "",
        *,
        layout: str | None = None,
        zone: str | None = None,
    ) -> str:
        """Say date and time: SAY DATETIME (`handle_saydatetime`).

        `layout` is a format of voicemail.conf, by default ``ABdY 'digits/at' IMp`` (German:
        ``A dBY HMS``). `zone` is a time zone such as ``Europe/Paris``, by default the PBX's.
        """
        arguments = [_seconds(when), escape_digits]
        if layout is not None or zone is not None:
            arguments.append(layout or "ABdY 'digits/at' IMp")
        if zone is not None:
            arguments.append(zone)
        length = _SPOKEN_SECONDS * max(_DATE_CHARACTERS, len(layout or ""))
        return await self._saying("SAY DATETIME", length, *arguments)

    def _say(
        self, words: str, text: str, escape_digits: str, option: str | None = None
    ) -> Awaitable[str]:
        if not text:
            raise AGIArgumentError("empty_text", f"{words} needs something to say")
        options = () if option is None else (option,)
        length = _SPOKEN_SECONDS * len(text)
        return self._saying(words, length, text, escape_digits, *options)

    async def _say_time(self, words: str, when: datetime | int, escape_digits: str) -> str:
        seconds = _seconds(when)
        if not _LEAST <= int(seconds) <= _MOST:
            raise AGIArgumentError("time_range", f"{words} takes times from 1901 to 2038")
        length = _SPOKEN_SECONDS * _DATE_CHARACTERS
        return await self._saying(words, length, seconds, escape_digits)

    async def _saying(self, words: str, length: float, *arguments: str) -> str:
        seconds = length + self._limits.reply_seconds
        code = number(await self._send(words, *arguments, seconds=seconds))
        if code == FAILED:
            await self._failed("say_failed", f"{words} could not be said")
        return key(code)


def _seconds(when: datetime | int) -> str:
    """Give the seconds since 1970."""
    return str(int(when.timestamp() if isinstance(when, datetime) else when))
