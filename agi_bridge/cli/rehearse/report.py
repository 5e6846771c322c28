"""Rehearses lines, and shows of each ending what is heard, where the call goes, what is stored."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from agi_bridge import phone
from agi_bridge.cli.common import UsageError
from agi_bridge.cli.output import count, table
from agi_bridge.cli.rehearse.endings import Caller, Ending, endings
from agi_bridge.cli.rehearse.numbers import forward_number, keyed_number
from agi_bridge.cli.rehearse.stage import Played, Stage, is_default
from agi_bridge.settings import SayDefault
from agi_bridge.speech import BadPrompts
from agi_bridge.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import Console

    from agi_bridge.agi.testing import CallRecord
    from agi_bridge.lab.softphone import Sounds
    from agi_bridge.settings import Line, Settings

Kind: TypeAlias = Literal[
    "forward", "default", "dialplan", "fallback", "announcement", "caller", "nobody"
]
"""Where a call goes: `forward`: the hook's number; `default`: the line's default destination;
`dialplan`: one of the two, which the dialplan dials or goes to; `fallback`: the dialplan's own;
`announcement`: a text, then the end; `caller`: the caller has hung up; `nobody`: it is hung up."""

Problem: TypeAlias = Literal["", "silence", "nobody"]
"""What is wrong: the caller hears silence in place of a prompt, or is connected to nobody."""

_COLUMNS: Final = ("", "the caller", "hears", "silence", "goes to", "stored", "requests")
_ANSWERED: Final = "ANSWER"
_SPOKEN_BY_THE_HOOK: Final = frozenset(("no-forwarding", "not-linked"))
_DIGITS: Final = "digits"
_DIGIT: Final = re.compile(r"(?:digits/|digit-)?[0-9]")
_PAUSE: Final = "silence/"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a caller heard: a recording's name, or `digits`; the words if known; how much of it."""

    prompt: str
    text: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Result:
    """One ending, as it was played.

    Attributes:
        ending: what was played.
        language: the caller's.
        heard: what the caller heard, in order, without pauses.
        kind: where the call goes.
        place: the same, in words of the dialplan; numbers are masked.
        states: what is stored.
        requests: how many requests the hook got: each may send a text.
        problem: what is wrong.
        silence: the longest time, in seconds, in which the caller hears nothing.
        unplayed: prompts that the caller should have heard and did not.
    """

    ending: Ending
    language: str
    heard: tuple[Heard, ...]
    kind: Kind
    place: str
    states: tuple[str, ...]
    requests: int
    problem: Problem
    silence: float = 0.0
    unplayed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """The answer of the command: the endings of each line, by its name."""

    lines: tuple[tuple[str, tuple[Result, ...]], ...]

    @property
    def ok(self) -> bool:
        """Whether every caller hears something and reaches somebody."""
        return not any(result.problem for _, results in self.lines for result in results)

    def json(self) -> object:
        """The document that docs/rehearse.md describes."""
        return {
            "ok": self.ok,
            "lines": [
                {"line": name, "endings": [_document(result) for result in results]}
                for name, results in self.lines
            ],
        }

    def show(self, console: Console) -> None:
        """Print a table for each line and language, and what is wrong."""
        wrong = 0
        for name, results in self.lines:
            for language in dict.fromkeys(result.language for result in results):
                console.print(f"line {name}, {language}")
                rows = [_row(result) for result in results if result.language == language]
                console.print(table(_COLUMNS, rows))
                console.print()
            for result in results:
                if result.problem:
                    wrong += 1
                    console.print(
                        f"{name}, {result.language}: {result.ending.what}: {problem_text(result)}"
                    )
        played = sum(len(results) for _, results in self.lines)
        console.print(f"{count(played, 'ending')} played, {count(wrong, 'problem')}")


async def rehearsed(settings: Settings, line: str | None) -> Rehearsal:
    """Play every ending of a line, or of all.

    Raises:
        UnknownLineError: there is no such line.
        UsageError: a folder of prompts cannot be used.
        MissingPrompt: a prompt that a line needs is not recorded.
        ToolError: no number is known that could be keyed or dialled.
    """
    lines = settings.lines.values() if line is None else (settings.find_line(line),)
    with temporary_folder("agi-bridge-rehearsal-") as folder:
        try:
            stage = await asyncio.to_thread(Stage, settings, folder)
        except BadPrompts as error:
            raise UsageError(
                f"[speech]: {'; '.join(map(str, error.problems))}: run agi-bridge prompts check"
            ) from None
        async with stage:
            return Rehearsal(
                tuple([(each.name, tuple(await _line(stage, each))) for each in lines])
            )


async def _line(stage: Stage, line: Line) -> list[Result]:
    digits, number = keyed_number(line)
    forward = forward_number(line, number)
    results = []
    for language in line.languages:
        library, webhook = stage.libraries[line.name], stage.webhook
        caller = Caller(line, language, digits, library, webhook)
        for ending in endings(caller):
            played = await stage.play(ending, number, forward)
            results.append(result_of(ending, language, played, stage.sounds))
    return results


def result_of(ending: Ending, language: str, played: Played, sounds: Sounds) -> Result:
    """Return what a caller heard, where the call went, and what is wrong with that."""
    heard = tuple(_heard(played.call, sounds))
    kind, place = _where(ending.line, played.call, heard)
    problem: Problem = ""
    if kind != "caller":
        silent = not heard or played.unplayed
        problem = "silence" if silent else "nobody" if kind == "nobody" else ""
    return Result(
        ending,
        language,
        heard,
        kind,
        place,
        played.states,
        played.requests,
        problem,
        played.call.silence,
        played.unplayed,
    )


def _heard(call: CallRecord, sounds: Sounds) -> Iterator[Heard]:
    for each in call.heard:
        if not each.audible or not each.milliseconds or each.name.startswith(_PAUSE):
            continue
        if each.kind != "file":  # said by the PBX
            yield Heard(_DIGITS, each.name, each.milliseconds)
            continue
        sound = sounds.find(each.name)
        known = sound is not None and sound.known
        name = sound.name if sound is not None and known else each.name
        yield Heard(name, sound.text if sound is not None else "", each.milliseconds)


def _where(line: Line, call: CallRecord, heard: tuple[Heard, ...]) -> tuple[Kind, str]:
    """Return where a call goes: what the bridge did, or what the dialplan does next."""
    answered = next((dial for dial in call.dialled if dial.status == _ANSWERED), None)
    if answered is not None:
        kind: Kind = "default" if is_default(line, answered.destination) else "forward"
        return kind, phone.mask_within(answered.destination)
    result = call.variables.get("AGI_BRIDGE_RESULT")
    if call.hung_up or result == "hangup":
        return "caller", "the caller has hung up"
    if result != "done":
        return _left_to_dialplan(result, call.variables)
    last = heard[-1].prompt if heard else ""
    own = {line.default.prompt} if isinstance(line.default, SayDefault) else set()
    if last in own | _SPOKEN_BY_THE_HOOK:
        return "announcement", f"{last}, then the end"
    return "nobody", "hung up"


def _left_to_dialplan(result: str | None, variables: Mapping[str, str]) -> tuple[Kind, str]:
    """Return what dialplan/agi-bridge.conf does; without a result, the bridge is dead."""
    if result == "dial":
        return "dialplan", f"Dial({phone.mask_within(variables.get('AGI_BRIDGE_DESTINATION', ''))})"
    if result != "fallback":
        if destination := variables.get("AGI_BRIDGE_DEFAULT"):
            return "dialplan", f"Dial({phone.mask_within(destination)})"
        if context := variables.get("AGI_BRIDGE_CONTEXT"):
            place = [variables.get(f"AGI_BRIDGE_{name}") for name in ("EXTENSION", "PRIORITY")]
            return "dialplan", ",".join((context, place[0] or "s", place[1] or "1"))
    return "fallback", "the dialplan's fallback"


def problem_text(result: Result) -> str:
    """Say what is wrong with an ending, and the cure."""
    if result.problem == "silence":
        missing = ", ".join(dict.fromkeys(name for name in result.unplayed if name != "?"))
        named = f"prompts that are not played: {missing}; " if missing else ""
        return f"the caller hears silence; {named}run agi-bridge prompts check"
    return "the caller is hung up on and has reached nobody; set `default` to a destination"


def _row(result: Result) -> tuple[str, ...]:
    return (
        "!" if result.problem else "",
        result.ending.what,
        ", ".join(_names(result.heard)) or "nothing",
        f"{result.silence:.1f} s",
        result.place,
        result.states[-1] if result.states else "nothing",
        str(result.requests),
    )


def _names(heard: tuple[Heard, ...]) -> Iterator[str]:
    """Yield the names of what was heard; the digits of a number are one."""
    before = ""
    for each in heard:
        name = _DIGITS if _DIGIT.fullmatch(each.prompt) else each.prompt
        if name != _DIGITS or before != name:
            yield name
        before = name


def _document(result: Result) -> object:
    return {
        "ending": result.ending.code,
        "language": result.language,
        "what": result.ending.what,
        "heard": [
            {"prompt": each.prompt, "text": each.text, "milliseconds": each.milliseconds}
            for each in result.heard
        ],
        "goes_to": {"kind": result.kind, "place": result.place},
        "stored": list(result.states),
        "requests": result.requests,
        "silence_milliseconds": round(1000 * result.silence),
        "unplayed": list(result.unplayed),
        "problem": result.problem,
    }
