"""Digits spoken to the caller: their sounds, and the groups in which a number is read back.

The PBX speaks them, or recordings do where the PBX lacks the language.

SAY DIGITS does not report which recordings it played. Without digits in the channel's language,
Asterisk plays English ones; without those, it plays nothing. It returns 0 in both cases
(main/file.c, `fileexists_core`: the channel's language, then no language, then the default one). A
file inside the language's own folder has no such substitute, so STREAM FILE reports whether it
exists.
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

_NANP_DIGITS: Final = 10
_GROUP: Final = 3


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


def read_back_groups(digits: str) -> tuple[str, ...]:
    """Group a number as people say it: 3-3-4 in the NANP, pairs in France, otherwise threes.

    A single digit is never left over after threes: the last four digits are then two pairs.

    Args:
        digits: as keyed, so that callers hear what they keyed.
    """
    if digits.startswith("1") and len(digits) == _NANP_DIGITS + 1:
        return (digits[0], *read_back_groups(digits[1:]))
    if len(digits) == _NANP_DIGITS and not digits.startswith("0"):
        return digits[:3], digits[3:6], digits[6:]
    if len(digits) == _NANP_DIGITS:
        return _groups(digits, 2)
    if len(digits) % _GROUP == 1 and len(digits) > _GROUP:
        return (*_groups(digits[:-4], _GROUP), *_groups(digits[-4:], 2))
    return _groups(digits, _GROUP)


def _groups(digits: str, size: int) -> tuple[str, ...]:
    return tuple(digits[i : i + size] for i in range(0, len(digits), size))
