"""Digits said to a caller: by the PBX, or by our own recordings where it has none.

SAY DIGITS does not tell which: in a language that it lacks, Asterisk says English digits, and where
it lacks those too, none, and answers 0 both times (main/file.c, `fileexists_core`: the channel's
language, then no language, then the default one). A file asked for below its language's own folder
has no such substitute, so STREAM FILE tells; from beyond its end on, it is not heard.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agi_bridge.agi import AGIAppError
from agi_bridge.speech import DIGIT_PROMPTS

if TYPE_CHECKING:
    from agi_bridge.agi import Channel
    from agi_bridge.settings import Line
    from agi_bridge.speech import Library, Recording

_BEYOND: Final = 8000 * 3600
"""Samples into a digit: no digit takes an hour."""


class Digits:
    """How one caller hears digits in one language."""

    __slots__ = ("_channel", "_language", "_library", "_line", "_own")

    def __init__(self, channel: Channel, line: Line, library: Library, language: str) -> None:
        self._channel = channel
        self._line = line
        self._library = library
        self._language = language
        self._own: bool | None = None

    async def sounds(self, digits: str) -> list[Recording | str]:
        """Return what to play, for `keypad.play`: recordings, or the digits for SAY DIGITS.

        Raises:
            AGIHangup: the caller has gone.
        """
        if self._own is None:
            self._own = await self._ours()
        if not self._own:
            return [digits]
        names = [DIGIT_PROMPTS[int(digit)] for digit in digits]
        return [self._library.prompt(name, self._language) for name in names]

    async def _ours(self) -> bool:
        if not all(self._library.has(name, self._language) for name in DIGIT_PROMPTS):
            return False
        if self._line.digits == "own":
            return True
        try:
            await self._channel.stream_file(f"{self._language}/digits/0", offset=_BEYOND)
        except AGIAppError:
            return True
        return False
