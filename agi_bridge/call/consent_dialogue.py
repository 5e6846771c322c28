"""The dialogue that obtains consent: language, disclosure, number, read-back, agreement.

A number counts as consent only if the whole disclosure was played to this caller in this call
before the number was keyed, and the caller then did what the line asks for. Silence, a hangup or
`*` is never consent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeAlias

from agi_bridge import phone
from agi_bridge.agi import AGIHangup
from agi_bridge.call.digits import Digits
from agi_bridge.call.keypad import QUIET_SECONDS, STAR, await_key, choose, play
from agi_bridge.call.number_entry import NumberEntry
from agi_bridge.call.quiet_hours import Hours
from agi_bridge.call.variables import CHANNEL_LANGUAGE
from agi_bridge.consent import DisclosureHeard, NumberEntered, State
from agi_bridge.observe import wall_clock
from agi_bridge.speech import menu_key

if TYPE_CHECKING:
    from agi_bridge.agi import Channel
    from agi_bridge.consent import ConsentRecord
    from agi_bridge.observe import CallLogEntry
    from agi_bridge.settings import Line
    from agi_bridge.speech import Library, Recording


OPT_OUT_SECONDS: Final = 2.0
"""How long the opt-out key is waited for after it was offered."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The call goes on without a text.

    Attributes:
        reason: a stable word: `star`, `no_input`, `invalid_number`, `not_confirmed`,
            `disclosure_not_heard`, `quiet_hours`.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class OptedOut:
    """The caller pressed the opt-out key: no text now, and none from now on."""

    reason = "opted_out"


Refusal: TypeAlias = Declined | OptedOut


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
        call_line: CallLogEntry,
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

    async def obtain(self) -> Refusal | None:
        """Lead the caller through it; None means agreed.

        The record is left with everything that happened, the ending included, and waits to be
        stored.

        Raises:
            AGIHangup: the caller has gone; the record says `abandoned` if a disclosure had begun.
            AGIAppError: a recording is missing on the PBX.
        """
        try:
            await self._choose_language()
            refusal = await self._offer_opt_out() or await self._disclose() or await self._agree()
        except (AGIHangup, asyncio.CancelledError):  # a hangup inside until_hangup() is both
            if self._record.state is not None:
                self._record.ended(State.ABANDONED, "hangup")
            raise
        if refusal is None:
            self._record.confirmed(self._line.consent.act)
        elif isinstance(refusal, Declined):  # who opted out was asked for no consent
            self._record.ended(State.DECLINED, refusal.reason)
        return refusal

    async def speak(self, language: str) -> None:
        """Go on in a language of the line.

        Raises:
            AGIHangup: the caller has gone.
        """
        self.language = language
        self._call_line.note(language=language)
        await self._channel.set_variable(CHANNEL_LANGUAGE, language)

    async def _choose_language(self) -> None:
        language = self._line.languages[0]
        if len(self._line.languages) > 1:
            self._call_line.step("language")
            language = await self._ask_language()
        await self.speak(language)

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
                if key == self._line.consent.opt_out_key:  # doubled, it would revoke
                    await await_key(self._channel, STAR, QUIET_SECONDS)
                return items[key]
        return self._line.languages[0]

    async def _offer_opt_out(self) -> OptedOut | None:
        """Say which key revokes, where the line has one, and wait for it a little.

        Not during the disclosure: who begins to key their number early would be taken at a digit.
        """
        key = self._line.consent.opt_out_key
        if not key:
            return None
        self._call_line.step("opt_out_offer")
        digits = Digits(self._channel, self._line, self._library, self.language)
        offer = [self._prompt("opt-out-offer"), *await digits.sounds(key)]
        pressed = await play(self._channel, offer, key)
        pressed = pressed or await self._channel.wait_for_digit(OPT_OUT_SECONDS)
        return OptedOut() if pressed == key else None

    async def _disclose(self) -> Declined | None:
        """Play the disclosure, which only `*` interrupts, and note how much of it was played."""
        self._call_line.step("disclosure")
        recording = self._library.prompt(self._line.disclosure, self.language)
        try:
            if not await self._library.intact(recording):  # the record would name another sound
                self._record.disclosed(_heard(recording, 0))
                return Declined("disclosure_not_heard")
            playback = await self._channel.stream_file(
                recording.path, STAR, length=recording.seconds
            )
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
        entry = NumberEntry(
            self._channel,
            self._line,
            self._library,
            self._call_line,
            self.language,
            question=["confirm-number"],
            confirms=self._line.consent.act != "number",
            accept=self._entered,
            note_key=self._note_key,
        )
        found = await entry.obtain()
        return Declined(found) if isinstance(found, str) else None

    def _entered(self, number: phone.PhoneNumber, digits: str, tries: int) -> str | None:
        """Take a number down; return why it must not be texted, if so."""
        self._record.entered(
            NumberEntered(
                e164=number.e164,
                digits=digits,
                number_type=number.type,
                region=number.region,
                library=phone.LIBRARY_VERSION,
                tries=tries,
                ani_match=self._compare_with_caller_id(number),
            )
        )
        return None if may_be_texted_now(number.e164, self._line) else "quiet_hours"

    def _compare_with_caller_id(self, number: phone.PhoneNumber) -> str:
        if self._caller is not None:
            return "same" if self._caller == number.e164 else "different"
        return "hidden" if self._channel.environment.caller_id is None else "invalid"

    def _prompt(self, name: str, language: str | None = None) -> Recording:
        return self._library.prompt(name, language or self.language)

    def _note_key(self, prompt: str, key: str) -> None:
        self._record.key_pressed(prompt, self._call_line.elapsed_ms, key)


def may_be_texted_now(number: str, line: Line) -> bool:
    """Whether a caller's own wish is enough at this hour; a line with strict hours says no."""
    if line.consent.quiet_hours != "strict":
        return True
    now = datetime.fromtimestamp(wall_clock.now(), UTC)
    return Hours.of(line).allow(number, now)


def _heard(recording: Recording, endpos: int) -> DisclosureHeard:
    return DisclosureHeard(
        text=recording.text,
        language=recording.language,
        audio_sha256=recording.sha256,
        samples=recording.samples,
        endpos=endpos,
    )
