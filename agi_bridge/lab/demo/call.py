"""The one call of the demonstration: by real telephones, or with the PBX's side played."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from agi_bridge.agi.testing import CallEvent, CallRecord, DialOutcome, FakeAsterisk
from agi_bridge.hook.testing import Scenario
from agi_bridge.lab.asterisk.server import Asterisk
from agi_bridge.lab.demo.environment import (
    CALLER,
    DID,
    DISCLOSURE,
    FORWARD,
    MOBILE,
    SHOP,
    Bridge,
    Phones,
)
from agi_bridge.lab.demo.recognizer import PromptRecognizer, ReferencePrompt, hears_tone, tone
from agi_bridge.lab.errors import DemoError, PhoneError
from agi_bridge.lab.sip.call import Call as SipCall
from agi_bridge.lab.sip.phone import SipPhone
from agi_bridge.lab.softphone.sounds import Sounds
from agi_bridge.lab.softphone.transcript import Story
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
    """Who was reached in the end: a number or an account, and how."""

    who: str
    how: str


def expected(scenario: Scenario) -> str:
    """Return who has to be reached, by what the hook answers."""
    return FORWARD if scenario is Scenario.DIAL else SHOP


def recordings(asterisk: Asterisk) -> list[ReferencePrompt]:
    """Return all that an English caller may hear: the prompts, and Asterisk's own digits."""
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
    """A SIP call through Asterisk: what is printed as heard was heard.

    Args:
        story: where it is told.
        asterisk: the PBX.
        phones: the telephones.
    """

    def __init__(self, story: Story, asterisk: Asterisk, phones: Phones) -> None:
        self._story = story
        self._phones = phones
        self._known = recordings(asterisk)
        self._began = 0.0

    async def make(self, scenario: Scenario) -> Reached:
        """Place the call and see it through.

        Raises:
            DemoError: it went otherwise than the story says; the text says where.
        """
        self._began = asyncio.get_running_loop().time()
        try:
            with self._step("the call is placed"):
                call = await self._phones.caller.dial(DID, caller_id=CALLER)
                self._tell("calls", f"{DID} from {CALLER}, through Asterisk")
                await call.answered()
            ear = PromptRecognizer(self._known, self._heard, self._heard_out)
            listening = asyncio.create_task(ear.listen(call.media))
            try:
                with self._step("the caller hears the disclosure"):
                    await ear.ends(DISCLOSURE, _PROMPT_SECONDS)
                with self._step("the caller is asked for a number"):
                    await ear.ends("enter-number", _PROMPT_SECONDS)
                    self._tell("keys", _NATIONAL)
                    await call.press(_NATIONAL)
                with self._step("the caller confirms"):
                    await ear.begins("confirm-number", _PROMPT_SECONDS)
                    await asyncio.sleep(_UNDERSTANDING_SECONDS)
                    self._tell("keys", "1")
                    await call.press("1")
                with self._step("somebody is rung"):
                    phone = self._phones.far if expected(scenario) == FORWARD else self._phones.shop
                    reached = await self._talk(phone, call)
                with self._step("the call ends"):
                    await call.ended()
            finally:
                listening.cancel()
                await asyncio.wait({listening})
        finally:
            self._story.end_line()
        self._tell("over", "Asterisk has hung up on the caller")
        return reached

    async def _talk(self, phone: SipPhone, call: SipCall) -> Reached:
        """Take the call that comes to a telephone, and let both sides hear each other."""
        rings = await phone.next_call(_ANSWER_SECONDS)
        self._tell("rings", f"{rings.number}, with {rings.caller} on its display")
        await rings.answered()
        self._tell("rings", f"{rings.number} answers")
        rings.play(tone(_OTHER_TONE, _TONE_SECONDS))
        call.play(tone(_CALLER_TONE, _TONE_SECONDS))
        await hears_tone(rings.media, _CALLER_TONE, _TONE_SECONDS)
        await hears_tone(call.media, _OTHER_TONE, _TONE_SECONDS)
        self._tell(
            "hears",
            f"each other: {_CALLER_TONE:.0f} Hz arrive there, {_OTHER_TONE:.0f} Hz come back",
        )
        await asyncio.sleep(_TALK_SECONDS)
        self._tell("hangup", f"{rings.number} hangs up")
        await rings.hang_up()
        return Reached(rings.number, "heard in both directions")

    def _heard(self, known: ReferencePrompt) -> None:
        if known.name.startswith(_DIGIT):
            self._story.bit(self._at(), "hears", f"{known.text} ")
        else:
            self._tell("hears", f"{known.name} ({known.seconds:.1f} s): {known.text}")

    def _heard_out(self, known: ReferencePrompt) -> None:
        if known.name == DISCLOSURE:
            self._tell("hears", f"{known.name} to its end")

    def _at(self) -> float:
        return asyncio.get_running_loop().time() - self._began

    def _tell(self, word: str, text: str) -> None:
        self._story.line(self._at(), word, text)

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        """Say at which step of the story it went wrong."""
        try:
            yield
        except TimeoutError:
            raise DemoError(f"it did not come to this: {what}") from None
        except PhoneError as error:
            raise DemoError(f"it did not come to this: {what} ({error})") from error


class FakeCall(FakeAsterisk):
    """The same caller where there is no Asterisk: the PBX's side is played, faster than life.

    Args:
        story: where it is told.
    """

    def __init__(self, story: Story) -> None:
        self._sounds = Sounds()
        super().__init__(
            sounds=self._sounds.milliseconds,
            keys=None,
            dial=DialOutcome(talk_seconds=_TALK_SECONDS),
            caller_id=CALLER,
            dnid=DID,
            extension=DID,
            pace=_FAKE_PACE,
            on_event=self._notice,
        )
        self._story = story
        self._hearing = ""
        self._to_key = list(_NATIONAL)
        self._confirmed = False
        self._waiting = False

    async def make(self, bridge: Bridge) -> Reached:
        """Place the call and see it through.

        Raises:
            DemoError: the bridge was not there, refused the call or dialled nobody.
        """
        self._story.line(0.0, "calls", f"{DID} from {CALLER}, without Asterisk")
        try:
            record = await self.call("127.0.0.1", bridge.port, f"consent?to=%2B{DID[1:]}")
        except OSError as error:
            raise DemoError(f"the bridge cannot be reached: {error.strerror}") from error
        finally:
            self._story.end_line()
        self._story.line(record.seconds, "over", f"AGISTATUS {record.status}")
        return _last_answered(record)

    async def next_key(self, timeout: float) -> str | None:  # noqa: ASYNC109 - the PBX's own
        """Key the number once the request for it is over, and 1 while the question plays."""
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

    def _notice(self, event: CallEvent) -> None:
        if event.kind == "playing":
            self._hearing = event.text.rpartition("/")[2]
        elif event.kind == "command":
            self._waiting = event.text.startswith("WAIT FOR DIGIT")
        self._story.tell(event)


def _last_answered(record: CallRecord) -> Reached:
    answered = [dialled for dialled in record.dialled if dialled.status == "ANSWER"]
    if not answered:
        raise DemoError(
            f"nobody was reached: the bridge {'refused' if record.refused else 'dialled nobody'}"
        )
    destination = answered[-1].destination.removeprefix("PJSIP/").partition("@")[0]
    return Reached(destination, "dialled")
