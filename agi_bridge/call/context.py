"""`CallContext`: channel, line, prompts, log entry, caller and language of one call.

`CallContext` is frozen and passed on as one value; only the caller's language changes. Which number
was called is also read here. What all calls share is in `call.services`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.agi import SAMPLES_PER_SECOND, AGIAppError
from agi_bridge.call.services import DialledCalls
from agi_bridge.call.variables import CHANNEL_LANGUAGE
from agi_bridge.consent import Dialogue
from agi_bridge.history import RecordedCall
from agi_bridge.speech import DIGIT_PROMPTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agi_bridge.agi import Channel, Environment, PlaybackResult
    from agi_bridge.observe import CallLogEntry
    from agi_bridge.phone import PhoneNumber
    from agi_bridge.settings import Line
    from agi_bridge.speech import Library, Recording

SAMPLES_PER_MS: Final = SAMPLES_PER_SECOND // 1000


@dataclass(slots=True)
class LanguageChoice:
    """The language of one call; None until it is chosen."""

    code: str | None = None


@dataclass(frozen=True, slots=True)
class CallContext:
    """One call on one line.

    Attributes:
        channel: the caller's channel.
        line: the line that was called.
        library: the prompts that callers of this line hear.
        log_entry: the call's entry in the log.
        caller: the caller ID, or None if it is missing or not a number.
        dialled_calls: knows whether a stop was asked for, and the calls that it leaves to the PBX.
        choice: the caller's language; read it through `language`.
        dialogue: what the caller hears and keys, for the consent record.
        recorded: the call in the history.
    """

    channel: Channel
    line: Line
    library: Library
    log_entry: CallLogEntry
    caller: PhoneNumber | None = None
    dialled_calls: DialledCalls = field(default_factory=DialledCalls)
    choice: LanguageChoice = field(default_factory=LanguageChoice)
    dialogue: Dialogue = field(default_factory=Dialogue)
    recorded: RecordedCall = field(default_factory=RecordedCall)

    @property
    def language(self) -> str:
        """The caller's two-letter language code: the line's first language until one is chosen."""
        return self.choice.code or self.line.languages[0]

    def prompt(self, name: str, language: str | None = None) -> Recording:
        """Return a prompt in the caller's language, or in the given one.

        Raises:
            MissingPrompt: the library has no such prompt.
        """
        return self.library.prompt(name, language or self.language)

    async def play(self, recording: Recording, escape: str = "") -> PlaybackResult:
        """Play a recording, which the keys of `escape` interrupt, and put it on the timeline.

        A single digit is not named there: it may be a number's.

        Raises:
            AGIAppError: the PBX does not have the recording.
            AGIHangup: the caller has hung up; how much was heard is then what had time to be.
        """
        entry, length = self.log_entry, recording.samples // SAMPLES_PER_MS
        began = entry.elapsed_ms
        if recording.name in DIGIT_PROMPTS:
            played = await self.channel.stream_file(
                recording.path, escape, length=recording.seconds
            )
            entry.digits_said(1, began)
        else:
            heard, how = 0, "missing"
            try:
                played = await self.channel.stream_file(
                    recording.path, escape, length=recording.seconds
                )
                heard = played.endpos // SAMPLES_PER_MS
                how = "key" if played.digit else "whole" if heard >= length else "early"
            except AGIAppError:
                raise
            except BaseException:  # a hangup inside until_hangup() is a cancellation
                heard, how = min(entry.elapsed_ms - began, length), "hangup"
                raise
            finally:
                entry.record(
                    "prompt", recording.name, recording.language, heard, length, how, at=began
                )
        if played.digit:
            entry.record("key")
        return played

    async def wait_for_digit(self, seconds: float) -> str:
        """Wait for a key; return it, or '' if none came. Its time is put on the timeline.

        Raises:
            AGIHangup: the caller has hung up.
        """
        key = await self.channel.wait_for_digit(seconds)
        if key:
            self.log_entry.record("key")
        return key

    async def set_language(self, language: str) -> None:
        """Continue the call in a language of the line; the channel is told if it has another.

        Raises:
            AGIHangup: the caller has hung up.
        """
        before = self.choice.code or self.channel.environment.language
        self.choice.code = language
        self.log_entry.note(language=language)
        self.log_entry.record("language", language)
        if language != before:
            await self.channel.set_variable(CHANNEL_LANGUAGE, language)


def called_numbers(environment: Environment, query: Mapping[str, str]) -> tuple[str | None, ...]:
    """Return what the AGI environment gives as the called number, the most reliable first.

    These are `to=` in the AGI URL, the first AGI argument, the DNID from the trunk, and the
    dialplan's extension. Any of them may be None.
    """
    argument = environment.arguments[0] if environment.arguments else None
    return (
        query.get("to"),
        argument,
        environment.dnid,
        environment.extension,
    )


def called_did(line: Line, called: Sequence[str | None]) -> str:
    """Return the DID of the line that was called; on the fallback line, the number called."""
    numbers = [number for number in called if number]
    for number in numbers:
        for did in line.did:
            if phone.same_number(number, did, region=line.regions[0]):
                return did
    return numbers[0] if numbers else line.did[0]
