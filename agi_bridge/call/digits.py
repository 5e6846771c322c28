"""The sounds of single digits: spoken by the PBX, or recordings where the PBX lacks a language.

SAY DIGITS does not report which recordings it played. Without digits in the channel's language,
Asterisk says English ones; without those, it says nothing. It answers 0 both times (main/file.c,
`fileexists_core`: the channel's language, then no language, then the default one). A file named
inside the language's own folder has no such substitute, so STREAM FILE reports whether it exists.
The probe starts beyond the end of the file, so the caller does not hear it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agi_bridge.agi import AGIAppError
from agi_bridge.speech import DIGIT_PROMPTS

if TYPE_CHECKING:
    from agi_bridge.call.context import CallContext
    from agi_bridge.speech import Recording

_BEYOND_END: Final = 8000 * 3600
"""An offset in samples: no digit takes an hour."""


class DigitSounds:
    """Chooses, once per call, between the PBX's digits and recorded ones."""

    __slots__ = ("_context", "_recorded")

    def __init__(self, context: CallContext) -> None:
        self._context = context
        self._recorded: bool | None = None

    async def sounds(self, digits: str) -> list[Recording | str]:
        """Return what `keypad.play` plays: recordings, or the digits themselves for SAY DIGITS.

        Raises:
            AGIHangup: the caller has hung up.
        """
        if self._recorded is None:
            self._recorded = await self._needs_recordings()
        if not self._recorded:
            return [digits]
        return [self._context.prompt(DIGIT_PROMPTS[int(digit)]) for digit in digits]

    async def _needs_recordings(self) -> bool:
        context = self._context
        if not all(context.library.has(name, context.language) for name in DIGIT_PROMPTS):
            return False
        if context.line.digits == "own":
            return True
        try:
            await context.channel.stream_file(f"{context.language}/digits/0", offset=_BEYOND_END)
        except AGIAppError:
            return True
        return False
