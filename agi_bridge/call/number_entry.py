"""How a caller gives a number: asked for, keyed, read back, confirmed by a key.

What the number is for, the question after the read-back says: to be texted, or to be left alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.call.digits import Digits
from agi_bridge.call.keypad import (
    Entry,
    Timing,
    choose,
    play,
    read_back_groups,
    read_number,
    wanted_digits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agi_bridge.agi import Channel
    from agi_bridge.observe import CallLine
    from agi_bridge.settings import Line
    from agi_bridge.speech import Library

STAR_KEY: Final = "*"
YES_KEY: Final = "1"
CHANGE_KEY: Final = "2"
CONFIRM_KEYS: Final = YES_KEY + CHANGE_KEY + STAR_KEY
READ_BACK_PAUSE: Final = 0.4
"""Seconds between the groups of digits; a key pressed in it counts."""


class NumberEntry:
    """Asks one caller for a number, in their language.

    Args:
        channel: the caller's channel.
        line: the line that was called; time-outs, tries and regions are its own.
        library: the prompts.
        call_line: the call's line in the log.
        language: the caller's.
        question: what is asked after the read-back: prompts by name, and digits to be said.
        confirms: False if keying the number is enough.
        accept: is told each valid number, its digits as keyed and the tries before it; may refuse
            it with a reason.
        note_key: is told the prompt's name and the key, for each key but those of the number.
    """

    __slots__ = (
        "_accept",
        "_call_line",
        "_channel",
        "_confirms",
        "_digits",
        "_language",
        "_library",
        "_line",
        "_note_key",
        "_question",
    )

    def __init__(
        self,
        channel: Channel,
        line: Line,
        library: Library,
        call_line: CallLine,
        language: str,
        *,
        question: Sequence[str],
        confirms: bool = True,
        accept: Callable[[phone.PhoneNumber, str, int], str | None] = lambda *_: None,
        note_key: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self._channel = channel
        self._line = line
        self._library = library
        self._call_line = call_line
        self._language = language
        self._digits = Digits(channel, line, library, language)
        self._question = question
        self._confirms = confirms
        self._accept = accept
        self._note_key = note_key

    async def obtain(self) -> phone.PhoneNumber | str:
        """Lead the caller to a number; or return the reason why there is none.

        The reasons are `star`, `no_input`, `invalid_number`, `not_confirmed`, and those of
        `accept`.

        Raises:
            AGIHangup: the caller has gone.
            AGIAppError: a recording is missing on the PBX.
        """
        apology: str | None = None
        for tries in range(self._line.consent.entry_tries):
            self._call_line.step("number")
            keyed = await self._ask([apology, "enter-number"] if apology else ["enter-number"])
            if keyed.ended_by == "star":
                self._note_key("number", STAR_KEY)
                return "star"
            number, apology = self._understand(keyed.digits)
            if number is None:
                continue
            if refused := self._accept(number, keyed.digits, tries):
                return refused
            key = await self._confirm(keyed.digits) if self._confirms else YES_KEY
            if key == YES_KEY:
                return number
            if key != CHANGE_KEY:
                return "star" if key == STAR_KEY else "not_confirmed"
        return _OUT_OF_TRIES[apology]

    async def _ask(self, prompts: Sequence[str]) -> Entry:
        consent = self._line.consent
        return await read_number(
            self._channel,
            [self._path(name) for name in prompts],
            timing=Timing(
                consent.first_digit_seconds, consent.between_digits_seconds, consent.entry_seconds
            ),
            wanted=wanted_digits(self._line.regions),
        )

    def _understand(self, digits: str) -> tuple[phone.PhoneNumber | None, str | None]:
        """The number, or None and the apology for it."""
        if not digits:
            return None, "no-input"
        line = self._line
        try:
            number = phone.keyed(
                digits,
                region=line.regions[0],
                allowed_regions=line.regions,
                own_numbers=line.own_numbers,
            )
        except phone.InvalidNumber as error:
            self._call_line.note(number_refused=error.reason)
            return None, "invalid-number"
        return number, None

    async def _confirm(self, digits: str) -> str:
        """Read the number back and ask; return the key pressed at last, or ''."""
        self._call_line.step("confirm")
        for _ in range(self._line.consent.confirm_tries):
            key = await self._read_back(digits)
            if key:
                self._note_key("confirm", key)
                if key in CONFIRM_KEYS:
                    return key
        return ""

    async def _read_back(self, digits: str) -> str:
        channel = self._channel
        key = (await channel.stream_file(self._path("you-entered"), CONFIRM_KEYS)).digit
        for group in read_back_groups(digits):
            key = (
                key
                or await play(channel, await self._digits.sounds(group), CONFIRM_KEYS)
                or await channel.wait_for_digit(READ_BACK_PAUSE)
            )
        question = [
            sound
            for part in self._question
            for sound in (await self._digits.sounds(part) if part.isdigit() else [self._path(part)])
        ]
        return key or await choose(
            channel, question, CONFIRM_KEYS, self._line.consent.confirm_seconds
        )

    def _path(self, name: str) -> str:
        return self._library.prompt(name, self._language).path


_OUT_OF_TRIES: Final = {
    None: "not_confirmed",
    "no-input": "no_input",
    "invalid-number": "invalid_number",
}
