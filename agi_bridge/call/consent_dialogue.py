"""The dialogue that obtains consent: language, disclosure, number, read-back, agreement.

A number counts as consent only if the whole disclosure was played to this caller in this call
before the number was keyed, and the caller then gave the agreement that the line asks for. Silence,
a hangup or `*` is never consent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.agi import AGIHangup
from agi_bridge.call.digits import DigitSounds
from agi_bridge.call.keypad import QUIET_SECONDS, STAR, await_key, choose, play
from agi_bridge.call.number_entry import Declined, NumberEntry
from agi_bridge.call.quiet_hours import SendingHours
from agi_bridge.consent import DisclosureHeard, NumberEntered, State
from agi_bridge.observe import wall_clock
from agi_bridge.speech import menu_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.call.context import CallContext
    from agi_bridge.consent import ConsentRecord
    from agi_bridge.settings import Line
    from agi_bridge.speech import Recording


OPT_OUT_SECONDS: Final = 2.0
"""Seconds to wait for the opt-out key after the offer."""


@dataclass(frozen=True, slots=True)
class OptedOut:
    """The caller pressed the opt-out key: no text in this call or later."""

    reason = "opted_out"


class ConsentDialogue:
    """Holds the dialogue with one caller.

    Args:
        context: the call.
        record: receives the events of the dialogue.
        number_entered: called when a number has been keyed that may be texted.
    """

    __slots__ = ("_context", "_number_entered", "_record")

    def __init__(
        self,
        context: CallContext,
        record: ConsentRecord,
        number_entered: Callable[[], None] = lambda: None,
    ) -> None:
        self._context = context
        self._record = record
        self._number_entered = number_entered

    async def obtain(self) -> Declined | OptedOut | None:
        """Hold the dialogue; None means that the caller agreed.

        The record then contains everything that happened, including how the dialogue ended. The
        caller of this method stores it.

        Raises:
            AGIHangup: the caller has hung up; the record says `abandoned` once a disclosure began.
            AGIAppError: a recording is missing on the PBX.
        """
        try:
            await self._choose_language()
            refusal = await self._offer_opt_out() or await self._disclose()
            if refusal is None:
                entered = await self._number_entry().obtain()
                refusal = entered if isinstance(entered, Declined) else None
        except (AGIHangup, asyncio.CancelledError):  # a hangup inside until_hangup() is both
            if self._record.state is not None:
                released = self._context.channel.released
                self._record.ended(State.ABANDONED, "service_stopped" if released else "hangup")
            raise
        if refusal is None:
            consent = self._context.line.consent
            self._record.confirmed(consent.act, confirm_by_reply=consent.confirm_by_reply)
        elif isinstance(refusal, Declined):  # a caller who opted out was not asked for consent
            self._record.ended(State.DECLINED, refusal.reason)
        return refusal

    async def greet_returning(self) -> Declined | OptedOut | None:
        """Tell a caller who agreed before that they are texted, and offer the opt-out key.

        None means that the caller agrees by doing nothing; `*` means no text this time.

        Raises:
            AGIHangup: the caller has hung up.
            AGIAppError: a recording is missing on the PBX.
        """
        self._context.log_entry.step("returned")
        key = self._context.line.consent.opt_out_key
        pressed = await play(self._context, [self._context.prompt("returning")], key + STAR)
        if not pressed:
            pressed = await self._play_offer(key, key + STAR)
        if pressed not in {key, STAR}:
            return None
        self._context.dialogue.key_pressed(pressed)
        return OptedOut() if pressed == key else Declined("star")

    async def _play_offer(self, key: str, keys: str) -> str:
        """Offer the opt-out key, and wait briefly for one of `keys`; return what was pressed."""
        digits = DigitSounds(self._context)
        offer = [self._context.prompt("opt-out-offer"), *await digits.sounds(key)]
        pressed = await play(self._context, offer, keys)
        return pressed or await self._context.wait_for_digit(OPT_OUT_SECONDS)

    async def _choose_language(self) -> None:
        line = self._context.line
        language = line.languages[0]
        if len(line.languages) > 1:
            self._context.log_entry.step("language")
            language = await self._ask_language()
        await self._context.set_language(language)

    async def _ask_language(self) -> str:
        items = {
            menu_key(self._context.prompt("language-menu-item", language).text) or "": language
            for language in self._context.line.languages
        }
        prompts = [
            self._context.prompt("language-menu-item", language) for language in items.values()
        ]
        for _ in range(2):
            key = await choose(
                self._context,
                prompts,
                "".join(items),
                self._context.line.consent.language_seconds,
            )
            if key in items:
                self._context.dialogue.key_pressed(key)
                # Pressed twice, the key would also answer the opt-out offer that follows.
                if key == self._context.line.consent.opt_out_key:
                    await await_key(self._context, STAR, QUIET_SECONDS)
                return items[key]
        return self._context.line.languages[0]

    async def _offer_opt_out(self) -> OptedOut | None:
        """Offer the opt-out key, if the line has one, and wait briefly for it.

        The key does not count during the disclosure: callers who key their number early would opt
        out by one of its digits.
        """
        key = self._context.line.consent.opt_out_key
        if not key:
            return None
        self._context.log_entry.step("opt_out_offer")
        if await self._play_offer(key, key) != key:
            return None
        self._context.dialogue.key_pressed(key)
        return OptedOut()

    async def _disclose(self) -> Declined | None:
        """Play the disclosure, which only `*` interrupts, and record how much of it was played."""
        self._context.log_entry.step("disclosure")
        recording = self._context.prompt(self._context.line.disclosure)
        try:
            # Otherwise the record would name another sound than the caller heard.
            if not await self._context.library.intact(recording):
                self._record.disclosed(_heard(recording, 0))
                return Declined("disclosure_not_heard")
            playback = await self._context.play(recording, STAR)
        except (AGIHangup, asyncio.CancelledError):  # Asterisk does not report how much was played
            self._record.disclosed(_heard(recording, 0))
            raise
        heard = _heard(recording, playback.endpos)
        self._record.disclosed(heard, cut=bool(playback.digit))
        if playback.digit:
            self._context.dialogue.key_pressed(playback.digit)
            return Declined("star")
        # Old releases of Asterisk report a missing file as played, with endpos 0.
        return None if heard.complete else Declined("disclosure_not_heard")

    def _number_entry(self) -> NumberEntry:
        """What asks for a number and for the agreement."""
        return NumberEntry(
            self._context,
            question=["confirm-number"],
            confirms=self._context.line.consent.act != "number",
            accept=self._entered,
        )

    def _entered(self, number: phone.PhoneNumber, digits: str, tries: int) -> str | None:
        """Record a number; return the reason if it must not be texted now."""
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
        if not may_be_texted_now(number.e164, self._context.line):
            return "quiet_hours"
        self._number_entered()
        return None

    def _compare_with_caller_id(self, number: phone.PhoneNumber) -> str:
        caller = self._context.caller
        if caller is not None:
            return "same" if caller.e164 == number.e164 else "different"
        return "hidden" if self._context.channel.environment.caller_id is None else "invalid"


def may_be_texted_now(number: str, line: Line) -> bool:
    """Return whether the line's quiet hours allow a text to this number now.

    Only lines with strict quiet hours refuse a text that the caller asks for.
    """
    if not line.is_strict:
        return True
    now = datetime.fromtimestamp(wall_clock.now(), UTC)
    return SendingHours.of(line).allow(number, now)


def _heard(recording: Recording, endpos: int) -> DisclosureHeard:
    return DisclosureHeard(
        text=recording.text,
        known_sha256=recording.text_sha256,
        name=recording.name,
        language=recording.language,
        audio_sha256=recording.sha256,
        samples=recording.samples,
        endpos=endpos,
    )
