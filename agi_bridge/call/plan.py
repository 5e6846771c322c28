"""Plan, act not: from the hook's answer and the line's settings to the steps of the call.

Pure: the same answer, line and language always give the same plan. Numbers come out checked by the
line's forward policy or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from agi_bridge import phone
from agi_bridge.hook.answer import Dial, Hangup, Instructions, Pause, Reject, Say
from agi_bridge.settings import DialDefault, DialplanDefault, SayDefault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agi_bridge.hook.answer import Answer
    from agi_bridge.settings import Line


@dataclass(frozen=True, slots=True)
class Speak:
    """Say a text.

    Attributes:
        text: from outside.
        language: its two-letter code.
        times: how often.
        keys: the caller's keys that end it.
    """

    text: str
    language: str
    times: int = 1
    keys: str = ""


@dataclass(frozen=True, slots=True)
class Ring:
    """Ring numbers together until one answers.

    Attributes:
        numbers: checked numbers.
        ring: seconds to ring.
        limit: seconds the call may last once answered.
        caller_id: E.164 to show instead of the caller's own, or None.
    """

    numbers: tuple[phone.PhoneNumber, ...]
    ring: int
    limit: int
    caller_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for some seconds."""

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
    """What to do with a caller, in order, and which numbers were left out, by reason."""

    steps: tuple[Step, ...]
    forward_refused: tuple[str, ...] = ()

    @property
    def forward_number(self) -> str | None:
        """The first number in E.164 that the plan rings, or None."""
        rings = (step for step in self.steps if isinstance(step, Ring))
        return next((ring.numbers[0].e164 for ring in rings), None)


def forward_policy(line: Line) -> phone.ForwardPolicy:
    """Where the hook may send this line's callers."""
    return phone.ForwardPolicy(
        regions=frozenset(line.forward_regions),
        region=line.forward_regions[0],
        own_numbers=line.own_numbers,
        bare_digits=line.number_format == "digits",
    )


def plan_call(answer: Answer, line: Line, language: str) -> Plan:
    """Plan the rest of the call from the hook's answer.

    Args:
        answer: what the hook said; anything but instructions leads to the default destination.
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
            said = [verb for verb in verbs if isinstance(verb, Say)]
            steps += _speak(said, line, language)
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
    """Whether a plan leads to somebody, or at least to an attempt: "connecting you" is true."""
    if any(isinstance(step, Ring) for step in steps):
        return True
    return isinstance(steps[-1], GoToDefault) and isinstance(
        line.default, DialDefault | DialplanDefault
    )


def speaks(steps: Sequence[Step], line: Line) -> bool:
    """Whether a plan has anything to say by itself, the line's default included."""
    if any(isinstance(step, Speak) for step in steps):
        return True
    return isinstance(steps[-1], GoToDefault) and isinstance(line.default, SayDefault)


def _last(steps: Sequence[Step], line: Line, kind: str) -> Step:
    """What follows when the answer says no more."""
    if any(isinstance(step, Ring) for step in steps):
        return GoToDefault("no_answer")  # reached only if nobody answered
    if not any(isinstance(step, Speak) for step in steps):
        return GoToDefault("nothing_to_do")
    # "not linked" is our own fault: that caller is never hung up on.
    if line.after_say == "hangup" and kind != "not_linked":
        return End("said")
    return GoToDefault("said" if kind == "other" else kind)


def _speak(said: Sequence[Say], line: Line, language: str) -> Iterator[Speak]:
    """The texts to speak: all, or one language of those that the hook gave side by side."""
    spoken = [(verb, _base(verb.language) or line.languages[0]) for verb in said]
    offered = [code for _, code in spoken]
    if line.say == "match" and len(set(offered)) > 1:
        wanted = next((c for c in (language, line.languages[0]) if c in offered), offered[0])
        spoken = [(verb, code) for verb, code in spoken if code == wanted]
    for verb, code in spoken:
        yield Speak(verb.text, code, verb.loop, line.say_skip_keys)


def _base(language: str | None) -> str:
    """The language of a tag: `fr` of `fr-CA` (RFC 5646, section 2.1)."""
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
