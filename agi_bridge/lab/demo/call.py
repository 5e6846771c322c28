"""The demonstration's call: through a real Asterisk by SIP, or through a simulated one."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from agi_bridge.agi.testing import CallEvent, CallRecord, DialOutcome, FakeAsterisk
from agi_bridge.hook.testing import Scenario
from agi_bridge.lab.asterisk import Asterisk
from agi_bridge.lab.demo.environment import (
    CALLER,
    DID,
    DISCLOSURE,
    FORWARD,
    MOBILE,
    SHOP,
    BridgeProcess,
    Phones,
)
from agi_bridge.lab.demo.recognizer import PromptRecognizer, ReferencePrompt, hears_tone, tone
from agi_bridge.lab.errors import DemoError, PhoneError
from agi_bridge.lab.sip import Call as SipCall
from agi_bridge.lab.sip import SipPhone
from agi_bridge.lab.softphone import Sounds, Transcript
from agi_bridge.speech import SHIPPED

_CALLER_TONE: Final = 440.0
_OTHER_TONE: Final = 620.0
_TONE_SECONDS: Final = 20.0
_TALK_SECONDS: Final = 1.5
_PROMPT_SECONDS: Final = 30.0
_UNDERSTANDING_SECONDS: Final = 1.5
"""From the beginning of the question to the key; in the first second, no digit is an answer."""
"""Longest wait for a prompt: the disclosure is the longest one."""
_ANSWER_SECONDS: Final = 30.0
"""Longest wait for a telephone to ring: the bridge may wait for the hook, and speak, before."""
_NATIONAL: Final = MOBILE.removeprefix("+1")
_FAKE_PACE: Final = 0.15
_DIGIT: Final = "digit "


@dataclass(frozen=True, slots=True)
class Reached:
    """The destination that answered: a number or an account, and how that was established."""

    who: str
    how: str


def expected(scenario: Scenario) -> str:
    """Return the destination that must answer, given the hook's answer."""
    return FORWARD if scenario is Scenario.DIAL else SHOP


def recordings(asterisk: Asterisk) -> list[ReferencePrompt]:
    """Return everything an English caller can hear: the prompts and Asterisk's digits."""
    sounds = Sounds()
    known = []
    for path in sorted((SHIPPED / "en").glob("*.wav")):
        sound = sounds.find(str(path.with_suffix("")))
        known.append(ReferencePrompt.of(path, path.stem, sound.text if sound is not None else ""))
    digits = asterisk.sounds / "en" / "digits"
    known += [
        ReferencePrompt.of(digits / f"{digit}.wav", f"{_DIGIT}{digit}", str(digit))
        for digit in range(10)
    ]
    return known


class RealCall:
    """A SIP call through Asterisk. A prompt is printed when it is recognized in the received audio.

    Args:
        transcript: where the call is printed.
        asterisk: the PBX.
        phones: the SIP phones.
    """

    def __init__(self, transcript: Transcript, asterisk: Asterisk, phones: Phones) -> None:
        self._transcript = transcript
        self._phones = phones
        self._known = recordings(asterisk)
        self._began = 0.0

    async def make(self, scenario: Scenario) -> Reached:
        """Place the call and run it to its end.

        Raises:
            DemoError: a step did not happen; the text names it.
        """
        self._began = asyncio.get_running_loop().time()
        try:
            with self._step("the call is placed"):
                call = await self._phones.caller.dial(DID, caller_id=CALLER)
                self._print("calls", f"{DID} from {CALLER}, through Asterisk")
                await call.answered()
            recognizer = PromptRecognizer(self._known, self._prompt_began, self._prompt_ended)
            listening = asyncio.create_task(recognizer.listen(call.media))
            try:
                with self._step("the caller hears the disclosure"):
                    await recognizer.wait_end(DISCLOSURE, _PROMPT_SECONDS)
                with self._step("the caller is asked for a number"):
                    await recognizer.wait_end("enter-number", _PROMPT_SECONDS)
                    self._print("keys", _NATIONAL)
                    await call.press(_NATIONAL)
                with self._step("the caller confirms"):
                    await recognizer.wait_begin("confirm-number", _PROMPT_SECONDS)
                    await asyncio.sleep(_UNDERSTANDING_SECONDS)
                    self._print("keys", "1")
                    await call.press("1")
                with self._step("the destination rings"):
                    phone = self._phones.far if expected(scenario) == FORWARD else self._phones.shop
                    reached = await self._talk(phone, call)
                with self._step("the call ends"):
                    await call.ended()
            finally:
                listening.cancel()
                await asyncio.wait({listening})
        finally:
            self._transcript.end_line()
        self._print("over", "Asterisk has hung up on the caller")
        return reached

    async def _talk(self, phone: SipPhone, call: SipCall) -> Reached:
        """Answer the call at `phone`, and check that both sides hear each other."""
        rings = await phone.next_call(_ANSWER_SECONDS)
        self._print("rings", f"{rings.number}, showing caller ID {rings.caller}")
        await rings.answered()
        self._print("rings", f"{rings.number} answers")
        rings.play(tone(_OTHER_TONE, _TONE_SECONDS))
        call.play(tone(_CALLER_TONE, _TONE_SECONDS))
        await hears_tone(rings.media, _CALLER_TONE, _TONE_SECONDS)
        await hears_tone(call.media, _OTHER_TONE, _TONE_SECONDS)
        self._print(
            "hears",
            f"each other: {_CALLER_TONE:.0f} Hz one way, {_OTHER_TONE:.0f} Hz the other",
        )
        await asyncio.sleep(_TALK_SECONDS)
        self._print("hangup", f"{rings.number} hangs up")
        await rings.hang_up()
        return Reached(rings.number, "heard in both directions")

    def _prompt_began(self, prompt: ReferencePrompt) -> None:
        if prompt.name.startswith(_DIGIT):
            self._transcript.append(self._at(), "hears", f"{prompt.text} ")
        else:
            self._print("hears", f"{prompt.name} ({prompt.seconds:.1f} s): {prompt.text}")

    def _prompt_ended(self, prompt: ReferencePrompt) -> None:
        if prompt.name == DISCLOSURE:
            self._print("hears", f"{prompt.name} to its end")

    def _at(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def _print(self, word: str, text: str) -> None:
        self._transcript.line(self._at(), word, text)

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        """Name the step in the error if it fails."""
        try:
            yield
        except TimeoutError:
            raise DemoError("step_missing", f"this step did not happen: {what}") from None
        except PhoneError as error:
            raise DemoError("step_failed", f"this step did not happen: {what} ({error})") from error


class FakeCall(FakeAsterisk):
    """The same call through a simulated Asterisk, faster than real time.

    Args:
        transcript: where the call is printed.
    """

    def __init__(self, transcript: Transcript) -> None:
        self._sounds = Sounds()
        super().__init__(
            sounds=self._sounds.milliseconds,
            keys=None,
            dial=DialOutcome(talk_seconds=_TALK_SECONDS),
            caller_id=CALLER,
            dnid=DID,
            extension=DID,
            pace=_FAKE_PACE,
            on_event=self._on_event,
        )
        self._transcript = transcript
        self._hearing = ""
        self._to_key = list(_NATIONAL)
        self._confirmed = False
        self._waiting = False

    async def make(self, bridge: BridgeProcess) -> Reached:
        """Place the call and run it to its end.

        Raises:
            DemoError: the bridge could not be reached, refused the call, or did not dial.
        """
        self._transcript.line(0.0, "calls", f"{DID} from {CALLER}, without Asterisk")
        try:
            record = await self.call("127.0.0.1", bridge.port, f"consent?to=%2B{DID[1:]}")
        except OSError as error:
            raise DemoError(
                "bridge_unreachable", f"the bridge cannot be reached: {error.strerror}"
            ) from error
        finally:
            self._transcript.end_line()
        self._transcript.line(record.seconds, "over", f"AGISTATUS {record.status}")
        return _last_answered(record)

    async def next_key(self, timeout: float) -> str | None:  # noqa: ASYNC109 - the PBX's own
        """Key the number after its prompt has ended, and 1 while the confirmation plays."""
        moment = min(timeout, 0.25 * self.pace)
        if self._hearing == "enter-number" and self._waiting and self._to_key:
            await self.clock.sleep(moment)
            return self._to_key.pop(0)
        if self._hearing == "confirm-number" and not self._confirmed:
            self._confirmed = True
            await self.clock.sleep(min(timeout, _UNDERSTANDING_SECONDS * self.pace))
            return "1"
        await self.clock.sleep(timeout)
        return None

    def _on_event(self, event: CallEvent) -> None:
        if event.kind == "playing":
            self._hearing = event.text.rpartition("/")[2]
        elif event.kind == "command":
            self._waiting = event.text.startswith("WAIT FOR DIGIT")
        self._transcript.on_event(event)


def _last_answered(record: CallRecord) -> Reached:
    answered = [dialled for dialled in record.dialled if dialled.status == "ANSWER"]
    if not answered:
        reason = "refused the call" if record.refused else "did not dial"
        raise DemoError("not_connected", f"no destination answered: the bridge {reason}")
    destination = answered[-1].destination.removeprefix("PJSIP/").partition("@")[0]
    return Reached(destination, "dialled")
