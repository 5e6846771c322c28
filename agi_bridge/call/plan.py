"""Plans the rest of a call from the hook's answer and the line's settings.

Pure: the same answer, line and language always give the same plan. Only numbers that the line's
forward policy allows are in a plan. `call.execute` carries it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from agi_bridge import phone
from agi_bridge.hook import Dial, Hangup, Instructions, Pause, Reject, Say
from agi_bridge.settings import DialDefault, DialplanDefault, SayDefault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agi_bridge.hook import Answer
    from agi_bridge.settings import Line


@dataclass(frozen=True, slots=True)
class Speak:
    """Say a text.

    Attributes:
        text: the hook's text, untrusted.
        language: its two-letter code.
        times: how often to say it.
        keys: keys with which the caller skips it.
    """

    text: str
    language: str
    times: int = 1
    keys: str = ""


@dataclass(frozen=True, slots=True)
class Ring:
    """Ring numbers together until one answers.

    Attributes:
        numbers: numbers that the policy allows.
        ring: seconds to ring.
        limit: seconds the call may last once answered.
        caller_id: number in E.164 to show instead of the caller's, or None.
    """

    numbers: tuple[phone.PhoneNumber, ...]
    ring: int
    limit: int
    caller_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for some seconds."""

    seconds: int


@dataclass(frozen=True, slots=True)
class GoToDefault:
    """Take the caller to the line's default destination."""

    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """Hang up."""

    reason: str


Step: TypeAlias = Speak | Ring | Wait | GoToDefault | End


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a call in order, and the reasons for which numbers were refused."""

    steps: tuple[Step, ...]
    forward_refused: tuple[str, ...] = ()

    @property
    def forward_number(self) -> str | None:
        """The first number that the plan rings, in E.164, or None."""
        rings = (step for step in self.steps if isinstance(step, Ring))
        return next((ring.numbers[0].e164 for ring in rings), None)


def forward_policy(line: Line) -> phone.ForwardPolicy:
    """Return the policy for numbers to which the hook may send this line's callers."""
    return phone.ForwardPolicy(
        regions=frozenset(line.forward_regions),
        region=line.forward_regions[0],
        own_numbers=line.own_numbers,
        bare_digits=line.number_format == "digits",
    )


def plan_call(answer: Answer, line: Line, language: str) -> Plan:
    """Plan the rest of the call from the hook's answer.

    Args:
        answer: the hook's answer; without instructions the caller goes to the default destination.
        line: the line that was called.
        language: the caller's.
    """
    if not isinstance(answer, Instructions):
        return Plan((GoToDefault(answer.reason),))
    if answer.kind == "not_linked" and not line.say_not_linked:
        return Plan((GoToDefault("not_linked"),))
    steps: list[Step] = []
    refused: list[str] = []
    for same, verbs in groupby(answer.verbs, key=lambda verb: isinstance(verb, Say)):
        if same:
            texts = [verb for verb in verbs if isinstance(verb, Say)]
            steps += _speak(texts, line, language)
            continue
        for verb in verbs:
            match verb:
                case Dial():
                    ring = _ring(verb, line, refused)
                    if ring is None:
                        return Plan((*steps, GoToDefault("forward_refused")), tuple(refused))
                    steps.append(ring)
                case Pause(seconds=seconds):
                    steps += [Wait(seconds)] if seconds else []
                case Hangup() | Reject():
                    return Plan((*steps, End(type(verb).__name__.lower())), tuple(refused))
    return Plan((*steps, _last(steps, line, answer.kind)), tuple(refused))


def connects(steps: Sequence[Step], line: Line) -> bool:
    """Return whether a plan connects the caller, or tries to: "connecting you" is then true."""
    if any(isinstance(step, Ring) for step in steps):
        return True
    return isinstance(steps[-1], GoToDefault) and isinstance(
        line.default, DialDefault | DialplanDefault
    )


def speaks(steps: Sequence[Step], line: Line) -> bool:
    """Return whether a plan speaks a text or ends with the line's own announcement."""
    if any(isinstance(step, Speak) for step in steps):
        return True
    return isinstance(steps[-1], GoToDefault) and isinstance(line.default, SayDefault)


def _last(steps: Sequence[Step], line: Line, kind: str) -> Step:
    """Return the step after the answer's last verb."""
    if any(isinstance(step, Ring) for step in steps):
        return GoToDefault("no_answer")  # reached only if nobody answered
    if not any(isinstance(step, Speak) for step in steps):
        return GoToDefault("nothing_to_do")
    # "Not linked" is a configuration error: never hang up on that caller.
    if line.after_say == "hangup" and kind != "not_linked":
        return End("said")
    return GoToDefault("said" if kind == "other" else kind)


def _speak(texts: Sequence[Say], line: Line, language: str) -> Iterator[Speak]:
    """Yield the texts to speak: all, or those in one of the languages that the hook gave."""
    spoken = [(verb, _base(verb.language) or line.languages[0]) for verb in texts]
    offered = [code for _, code in spoken]
    if line.say == "match" and len(set(offered)) > 1:
        wanted = next((c for c in (language, line.languages[0]) if c in offered), offered[0])
        spoken = [(verb, code) for verb, code in spoken if code == wanted]
    for verb, code in spoken:
        yield Speak(verb.text, code, verb.loop, line.say_skip_keys)


def _base(language: str | None) -> str:
    """Return the language of a tag: `fr` for `fr-CA` (RFC 5646, section 2.1)."""
    return (language or "").replace("_", "-").partition("-")[0].strip().lower()


def _ring(dial: Dial, line: Line, refused: list[str]) -> Ring | None:
    policy = forward_policy(line)
    numbers: dict[str, phone.PhoneNumber] = {}
    for text in dial.numbers:
        try:
            number = phone.forward(text, policy)
        except phone.InvalidNumber as error:
            refused.append(error.reason)
        else:
            numbers[number.e164] = number
    if not numbers:
        return None
    limit = line.talk_seconds
    if dial.time_limit is not None:
        limit = min(limit, dial.time_limit)
    shown = None
    if line.allow_caller_id and dial.caller_id is not None:
        caller = phone.caller_id(dial.caller_id, region=policy.region)
        shown = None if caller is None else caller.e164
    ring = line.ring_seconds if dial.timeout is None else dial.timeout
    return Ring(tuple(numbers.values()), ring, limit, shown)
