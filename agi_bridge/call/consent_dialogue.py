"""The dialogue that obtains consent: language, disclosure, number, read-back, agreement.

A number counts as consent only if the whole disclosure was played to this caller in this call
before the number was keyed, and the caller then did what the line asks for. Silence, a hangup or
`*` is never consent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.agi import AGIHangup
from agi_bridge.call.keypad import (
    Entry,
    Timing,
    choose,
    read_back_groups,
    read_number,
    wanted_digits,
)
from agi_bridge.call.variables import CHANNEL_LANGUAGE
from agi_bridge.consent import DisclosureHeard, NumberEntered, State
from agi_bridge.speech import menu_key

if TYPE_CHECKING:
    from agi_bridge.agi import Channel
    from agi_bridge.consent import ConsentRecord
    from agi_bridge.observe import CallLine
    from agi_bridge.settings import Line
    from agi_bridge.speech import Library, Recording

DECLINE_KEY: Final = "*"
AGREE_KEY: Final = "1"
CHANGE_KEY: Final = "2"
CONFIRM_KEYS: Final = AGREE_KEY + CHANGE_KEY + DECLINE_KEY
READ_BACK_PAUSE: Final = 0.4
"""Seconds between the groups of digits; a key pressed in it counts."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The call goes on without a text.

    Attributes:
        reason: a stable word: `star`, `no_input`, `invalid_number`, `not_confirmed`,
            `disclosure_not_heard`.
    """

    reason: str


class ConsentDialogue:
    """One caller's way through the dialogue.

    Args:
        channel: the caller's channel.
        line: the line that was called.
        library: the prompts.
        record: takes down what happens.
        call_line: the call's line in the log.
        caller: the caller ID in E.164, None if there is none or it is no number.
    """

    __slots__ = ("_call_line", "_caller", "_channel", "_library", "_line", "_record", "language")

    def __init__(
        self,
        channel: Channel,
        line: Line,
        library: Library,
        record: ConsentRecord,
        call_line: CallLine,
        *,
        caller: str | None = None,
    ) -> None:
        self._channel = channel
        self._caller = caller
        self._line = line
        self._library = library
        self._record = record
        self._call_line = call_line
        self.language = line.languages[0]

    async def obtain(self) -> Declined | None:
        """Lead the caller through it; None means agreed.

        The record is left with everything that happened, the ending included, and waits to be
        stored.

        Raises:
            AGIHangup: the caller has gone; the record says `abandoned` if a disclosure had begun.
            AGIAppError: a recording is missing on the PBX.
        """
        try:
            await self._choose_language()
            declined = await self._disclose() or await self._agree()
        except (AGIHangup, asyncio.CancelledError):  # a hangup inside until_hangup() is both
            if self._record.state is not None:
                self._record.ended(State.ABANDONED, "hangup")
            raise
        if declined is None:
            self._record.confirmed(self._line.consent.act)
        else:
            self._record.ended(State.DECLINED, declined.reason)
        return declined

    async def _choose_language(self) -> None:
        if len(self._line.languages) > 1:
            self._call_line.step("language")
            self.language = await self._ask_language()
        self._call_line.note(language=self.language)
        await self._channel.set_variable(CHANNEL_LANGUAGE, self.language)

    async def _ask_language(self) -> str:
        items = {
            menu_key(self._library.prompt("language-menu-item", language).text) or "": language
            for language in self._line.languages
        }
        prompts = [self._prompt("language-menu-item", language) for language in items.values()]
        for _ in range(2):
            key = await choose(
                self._channel, prompts, "".join(items), self._line.consent.language_seconds
            )
            if key in items:
                self._note_key("language", key)
                return items[key]
        return self._line.languages[0]

    async def _disclose(self) -> Declined | None:
        """Play the disclosure, which only `*` interrupts, and note how much of it was played."""
        self._call_line.step("disclosure")
        recording = self._library.prompt(self._line.disclosure, self.language)
        try:
            playback = await self._channel.stream_file(recording.path, DECLINE_KEY)
        except (AGIHangup, asyncio.CancelledError):  # how far it came is not reported
            self._record.disclosed(_heard(recording, 0))
            raise
        heard = _heard(recording, playback.endpos)
        self._record.disclosed(heard)
        if playback.digit:
            self._note_key("disclosure", playback.digit)
            return Declined("star")
        # Old releases of Asterisk report a missing file as played, with endpos 0.
        return None if heard.complete else Declined("disclosure_not_heard")

    async def _agree(self) -> Declined | None:
        """From the first request for a number to the agreement; None means agreed."""
        apology: str | None = None
        for tries in range(1, self._line.consent.entry_tries + 1):
            self._call_line.step("number")
            prompts = [apology, "enter-number"] if apology else ["enter-number"]
            entry = await self._read_number(prompts)
            if entry.ended_by == "star":
                self._note_key("number", DECLINE_KEY)
                return Declined("star")
            if not entry.digits:
                apology = "no-input"
                continue
            number = self._accept(entry.digits, tries)
            if number is None:
                apology = "invalid-number"
                continue
            if self._line.consent.act == "number":
                return None
            self._call_line.step("confirm")
            key = await self._confirm(entry.digits)
            if key == AGREE_KEY:
                return None
            if key == DECLINE_KEY:
                return Declined("star")
            if key != CHANGE_KEY:
                return Declined("not_confirmed")
            apology = None
        return Declined(_OUT_OF_TRIES[apology])

    async def _read_number(self, prompts: list[str]) -> Entry:
        consent = self._line.consent
        return await read_number(
            self._channel,
            [self._prompt(name) for name in prompts],
            timing=Timing(
                consent.first_digit_seconds, consent.between_digits_seconds, consent.entry_seconds
            ),
            wanted=wanted_digits(self._line.regions),
        )

    def _accept(self, digits: str, tries: int) -> phone.PhoneNumber | None:
        region, allowed = self._line.regions[0], self._line.regions
        try:
            number = phone.keyed(digits, region=region, allowed_regions=allowed)
        except phone.InvalidNumber as error:
            self._call_line.note(number_refused=error.reason)
            return None
        self._record.entered(
            NumberEntered(
                e164=number.e164,
                digits=digits,
                number_type=number.type,
                region=number.region,
                library=phone.LIBRARY_VERSION,
                tries=tries - 1,
                ani_match=self._compare_with_caller_id(number),
            )
        )
        return number

    def _compare_with_caller_id(self, number: phone.PhoneNumber) -> str:
        if self._caller is not None:
            return "same" if self._caller == number.e164 else "different"
        return "hidden" if self._channel.environment.caller_id is None else "invalid"

    async def _confirm(self, digits: str) -> str:
        """Read the number back and ask; return the key pressed at last, or ''."""
        key = ""
        for _ in range(self._line.consent.confirm_tries):
            key = await self._read_back(digits)
            if key:
                self._note_key("confirm", key)
            if key in CONFIRM_KEYS and key:
                return key
        return ""

    async def _read_back(self, digits: str) -> str:
        channel = self._channel
        key = (await channel.stream_file(self._prompt("you-entered"), CONFIRM_KEYS)).digit
        for group in read_back_groups(digits):
            key = (
                key
                or await channel.say_digits(group, CONFIRM_KEYS)
                or await channel.wait_for_digit(READ_BACK_PAUSE)
            )
        return key or await choose(
            channel,
            [self._prompt("confirm-number")],
            CONFIRM_KEYS,
            self._line.consent.confirm_seconds,
        )

    def _prompt(self, name: str, language: str | None = None) -> str:
        return self._library.prompt(name, language or self.language).path

    def _note_key(self, prompt: str, key: str) -> None:
        self._record.key(prompt, self._call_line.elapsed_ms, key)


_OUT_OF_TRIES: Final = {
    None: "not_confirmed",
    "no-input": "no_input",
    "invalid-number": "invalid_number",
}


def _heard(recording: Recording, endpos: int) -> DisclosureHeard:
    return DisclosureHeard(
        text=recording.text,
        language=recording.language,
        audio_sha256=recording.sha256,
        samples=recording.samples,
        endpos=endpos,
    )
