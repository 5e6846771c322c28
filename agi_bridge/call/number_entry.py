"""Number entry: asks the caller for a number, reads it, reads it back, and has it confirmed.

The question after the read-back says what the number is for: to receive a text, or no more texts.

The meaning of keys changes twice. Up to the last expected digit, digits belong to the number. From
there to the end of the read-back, a further digit means that the number was keyed wrong: the entry
fails and one try is used. 1 and 2 answer the question after its first second. `*` always declines.
`#`, which many press after a number, has no meaning then. Keys that follow a wrong entry or an
answer without a pause belong to it and never begin a number.

An answer counts only if its question was heard. The read-back and the question must be played to
their end or to the key, and the question's file must be the one that was read at the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import structlog

from agi_bridge import phone
from agi_bridge.agi import SAMPLES_PER_SECOND, AGIAppError
from agi_bridge.call.digits import DigitSounds, read_back_groups
from agi_bridge.call.keypad import (
    DIGITS,
    QUIET_SECONDS,
    STAR,
    KeyedDigits,
    NotHeardError,
    Timing,
    await_key,
    most_digits_keyed,
    play,
    play_recording,
    read_number,
)
from agi_bridge.consent import EARLY_SAMPLES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from agi_bridge.call.context import CallContext

YES_KEY: Final = "1"
CHANGE_KEY: Final = "2"
READ_BACK_PAUSE: Final = 0.4
"""Seconds between the groups of digits; a key pressed then counts."""

QUESTION_STARTS: Final = 3
"""How often early keys restart the question within one try."""

_SILENCE: Final = "silence/1"
"""One of Asterisk's core sounds; its end is played as the pause."""
_SILENCE_SECONDS: Final = 1.0
_LISTED: Final = DIGITS + STAR
"""The keys that interrupt from the read-back on; `#` is ignored on purpose."""

Confirmation = Literal["yes", "change", "star", "too_many", "not_confirmed", "question_not_heard"]
"""How the caller answered; `too_many`: a digit came before the question."""
_ANSWERS: Final[dict[str, Confirmation]] = {YES_KEY: "yes", CHANGE_KEY: "change", STAR: "star"}


@dataclass(frozen=True, slots=True)
class Declined:
    """The caller gave no usable number, or did not agree. The call continues without a text.

    Attributes:
        reason: a stable code: `star`, `no_input`, `invalid_number`, `not_confirmed`,
            `disclosure_not_heard`, `question_not_heard`, `quiet_hours`.
    """

    reason: str


class NumberEntry:
    """Asks one caller for a number, in their language.

    Args:
        context: the call; its line sets timeouts, tries and regions.
        question: the question after the read-back: the name of a prompt, then digits to say.
        confirms: False if keying the number is enough.
        accept: called with each valid number, its digits as keyed, and the number of earlier
            tries; may return a reason to refuse the number.
    """

    __slots__ = (
        "_accept",
        "_confirms",
        "_context",
        "_digits",
        "_question",
    )

    def __init__(
        self,
        context: CallContext,
        *,
        question: Sequence[str],
        confirms: bool = True,
        accept: Callable[[phone.PhoneNumber, str, int], str | None] = lambda *_: None,
    ) -> None:
        self._context = context
        self._digits = DigitSounds(context)
        self._question = question
        self._confirms = confirms
        self._accept = accept

    async def obtain(self) -> phone.PhoneNumber | Declined:
        """Ask until a number is confirmed or refused, or all tries are used.

        The reasons are `star`, `no_input`, `invalid_number`, `not_confirmed`,
        `question_not_heard`, and those of `accept`.

        Raises:
            AGIHangup: the caller has hung up.
            AGIAppError: a recording is missing on the PBX.
        """
        apology: str | None = None
        left_over = False
        for tries in range(self._context.line.consent.entry_tries):
            if left_over and await self._star_left_over():
                return self._star()
            self._context.log_entry.step("number")
            keyed = await self._ask([apology, "enter-number"] if apology else ["enter-number"])
            if keyed.ended_by == "star":
                self._context.log_entry.record("number", "star")
                return self._star()
            left_over = keyed.ended_by in {"full", "hash", "time"}  # else a long silence ended it
            number, apology = self._understand(keyed.digits)
            if number is None:
                continue
            self._context.log_entry.record("number", "valid")
            if refused := self._accept(number, keyed.digits, tries):
                return Declined(refused)
            confirmation = await self._confirm(keyed)
            self._context.log_entry.record("confirm", confirmation)
            if confirmation == "yes":
                return number
            if confirmation in {"star", "not_confirmed", "question_not_heard"}:
                return Declined(confirmation)
            left_over = True
            if confirmation == "too_many":
                self._context.log_entry.note(number_refused="too_many_digits")
                apology = "invalid-number"
        return Declined(_OUT_OF_TRIES[apology])

    async def _star_left_over(self) -> bool:
        """Wait until the caller stops keying; return whether a `*` was among the keys."""
        return await await_key(self._context, STAR, QUIET_SECONDS) == STAR

    def _star(self) -> Declined:
        self._context.dialogue.key_pressed(STAR)
        return Declined("star")

    def _ask(self, prompts: Sequence[str]) -> Awaitable[KeyedDigits]:
        consent = self._context.line.consent
        return read_number(
            self._context,
            [self._context.prompt(name) for name in prompts],
            timing=Timing(
                consent.first_digit_seconds, consent.between_digits_seconds, consent.entry_seconds
            ),
            most_digits=most_digits_keyed(self._context.line.regions),
        )

    def _understand(self, digits: str) -> tuple[phone.PhoneNumber | None, str | None]:
        """Return the number, or None and the prompt that apologises."""
        if not digits:
            self._context.log_entry.record("number", "no_input")
            return None, "no-input"
        line = self._context.line
        try:
            number = phone.keyed(
                digits,
                region=line.regions[0],
                allowed_regions=line.regions,
                own_numbers=line.own_numbers,
            )
        except phone.InvalidNumber as error:
            self._context.log_entry.note(number_refused=error.reason)
            self._context.log_entry.record("number", error.reason)
            return None, "invalid-number"
        return number, None

    async def _confirm(self, keyed: KeyedDigits) -> Confirmation:
        """Read the number back and ask; if keying it is enough, check that no digit follows."""
        if not self._confirms:
            return await self._check_nothing_follows(keyed)
        self._context.log_entry.step("confirm")
        try:
            return await self._read_back_and_ask(keyed)
        except NotHeardError as error:
            structlog.get_logger().error(
                "call.question_not_heard",
                line=self._context.line.name,
                file=error.recording.path,
                samples=error.recording.samples,
                endpos=error.endpos,
            )
            return "question_not_heard"

    async def _read_back_and_ask(self, keyed: KeyedDigits) -> Confirmation:
        asked = False  # a caller who heard the whole question may answer during its repetition
        for _ in range(self._context.line.consent.confirm_tries):
            if key := await self._read_back(keyed.digits):
                self._context.dialogue.key_pressed(key)
                return _ANSWERS[key] if key == STAR or (asked and key in _ANSWERS) else "too_many"
            answer = await self._ask_question()
            if not answer:
                asked = answer is not None
                continue
            self._context.dialogue.key_pressed(answer)
            if answer in _ANSWERS:
                return _ANSWERS[answer]
            asked = False
            if await self._star_left_over():
                self._context.dialogue.key_pressed(STAR)
                return "star"
        return "not_confirmed"

    async def _check_nothing_follows(self, keyed: KeyedDigits) -> Confirmation:
        if keyed.ended_by == "pause":  # which was longer than QUIET_SECONDS
            return "yes"
        key = await await_key(self._context, _LISTED, QUIET_SECONDS)
        if not key:
            return "yes"
        self._context.dialogue.key_pressed(key)
        return "star" if key == STAR else "too_many"

    async def _read_back(self, digits: str) -> str:
        """Say the number as it was keyed; return the digit or `*` that interrupted it, or ''."""
        context, introduction = self._context, self._context.prompt("you-entered")
        key = await play(context, [introduction], _LISTED, whole=True)
        for group in read_back_groups(digits):
            key = (
                key
                or await play(context, await self._digits.sounds(group), _LISTED, whole=True)
                or await self._pause()
            )
        return key

    async def _pause(self) -> str:
        """Pause between two groups; a digit or `*` pressed then counts."""
        offset = round((_SILENCE_SECONDS - READ_BACK_PAUSE) * SAMPLES_PER_SECOND)
        try:
            paused = await self._context.channel.stream_file(_SILENCE, _LISTED, offset=offset)
        except AGIAppError:  # a PBX without Asterisk's core sounds
            return await await_key(self._context, _LISTED, READ_BACK_PAUSE)
        if paused.digit:
            self._context.log_entry.record("key")
        return paused.digit

    async def _ask_question(self) -> str | None:
        """Ask for the answer; return its key, '' for silence, or None if only early keys came.

        Asterisk reports a key when it is released. A digit in the question's first second may have
        been pressed during the read-back: it is not an answer, and the question restarts.

        Raises:
            NotHeardError: the question's file is not the one that was read, or ended too early.
        """
        context, (first, *rest) = self._context, self._question
        recording = context.prompt(first)
        if not await context.library.intact(recording):
            raise NotHeardError(recording, 0)
        for _ in range(QUESTION_STARTS):
            played = await play_recording(context, recording, _LISTED, whole=True)
            if not played.digit or played.digit == STAR or played.endpos >= EARLY_SAMPLES:
                break
            self._context.dialogue.key_pressed(played.digit)
            if await self._star_left_over():
                return STAR
        else:
            return None
        if played.digit:
            return played.digit
        sounds = [sound for digit in rest for sound in await self._digits.sounds(digit)]
        return await play(context, sounds, _LISTED, whole=True) or await await_key(
            context, _LISTED, context.line.consent.confirm_seconds
        )


_OUT_OF_TRIES: Final = {
    None: "not_confirmed",
    "no-input": "no_input",
    "invalid-number": "invalid_number",
}
