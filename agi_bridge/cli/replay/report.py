"""Replays calls of the history with a configuration, and shows which of them end otherwise."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from agi_bridge.app.history import reading_calls
from agi_bridge.cli.output import count, table
from agi_bridge.cli.rehearse.endings import Caller
from agi_bridge.cli.rehearse.numbers import forward_number, keyed_number
from agi_bridge.cli.rehearse.report import problem_text, result_of
from agi_bridge.cli.rehearse.stage import Stage
from agi_bridge.cli.replay.script import LEFT_OUT, NotReplayable, ending_of, require_replayable
from agi_bridge.history import CallFilter, HistoryError, short
from agi_bridge.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from agi_bridge.cli.rehearse.endings import Ending
    from agi_bridge.cli.rehearse.report import Result
    from agi_bridge.history import Call
    from agi_bridge.settings import Settings

_COLUMNS: Final = ("", "calls", "line", "ended", "would end", "goes to", "one of them")


@dataclass(frozen=True, slots=True)
class Group:
    """Calls of which everything is alike that a replay repeats.

    Attributes:
        calls: their ids, the newest first.
        line: their line.
        recorded: the code of how they ended.
        now: the code of how they would end.
        result: what came of the replay.
    """

    calls: tuple[str, ...]
    line: str
    recorded: str
    now: str
    result: Result

    @property
    def differs(self) -> bool:
        """Whether they would end otherwise."""
        return self.recorded != self.now


@dataclass(frozen=True, slots=True)
class Replay:
    """The answer of the command."""

    groups: tuple[Group, ...]
    left_out: tuple[tuple[str, int], ...]

    @property
    def ok(self) -> bool:
        """Whether every caller hears something and reaches somebody."""
        return not any(group.result.problem for group in self.groups)

    def json(self) -> object:
        """The document that docs/calls.md describes."""
        return {
            "ok": self.ok,
            "replayed": sum(len(group.calls) for group in self.groups),
            "differ": sum(len(group.calls) for group in self.groups if group.differs),
            "left_out": dict(self.left_out),
            "groups": [
                {
                    "calls": list(group.calls),
                    "line": group.line,
                    "recorded": group.recorded,
                    "now": group.now,
                    "differs": group.differs,
                    "goes_to": {"kind": group.result.kind, "place": group.result.place},
                    "stored": list(group.result.states),
                    "problem": group.result.problem,
                }
                for group in self.groups
            ],
        }

    def show(self, console: Console) -> None:
        """Print the calls that would end otherwise, what is wrong, and what was not replayed."""
        shown = [group for group in self.groups if group.differs or group.result.problem]
        if shown:
            console.print(table(_COLUMNS, map(_row, shown)))
            console.print()
        for group in shown:
            if group.result.problem:
                console.print(
                    f"{group.line}: {short(group.recorded)}: {problem_text(group.result)}"
                )
        for code, number in self.left_out:
            console.print(f"not replayed: {count(number, 'call')}, {LEFT_OUT[code]}")
        differ = sum(len(group.calls) for group in self.groups if group.differs)
        replayed = sum(len(group.calls) for group in self.groups)
        console.print(f"{count(replayed, 'call')} replayed, {differ} would end otherwise")


async def replayed(settings: Settings, line: str | None, last: int) -> Replay:
    """Replay the newest calls of the history.

    Raises:
        UnknownLineError: there is no such line.
        HistoryError: the history cannot be read.
        BadPrompts, MissingPrompt: what callers hear cannot be played.
        ToolError: no number is known that could be keyed or dialled.
    """
    wanted = CallFilter(line=None if line is None else settings.find_line(line).name, limit=last)
    calls = await asyncio.to_thread(_recorded, settings, wanted)
    with temporary_folder("agi-bridge-replay-") as folder:
        stage = await asyncio.to_thread(Stage, settings, folder)
        async with stage:
            return await _play(settings, stage, calls)


def _recorded(settings: Settings, wanted: CallFilter) -> list[Call]:
    try:
        with reading_calls(settings) as reader:
            return reader.find(wanted)
    except HistoryError as error:
        if error.code == "no_history":
            return []
        raise


async def _play(settings: Settings, stage: Stage, calls: Sequence[Call]) -> Replay:
    alike: dict[str, tuple[Ending, list[Call]]] = {}
    left_out: Counter[str] = Counter()
    for call in calls:
        try:
            require_replayable(call)  # first: of a call that had no line, that is the reason
            ending = ending_of(call, _caller(settings, stage, call))
        except NotReplayable as reason:
            left_out[reason.code] += 1
            continue
        key = repr((call.why, call.language, replace(ending, code="")))
        alike.setdefault(key, (ending, []))[1].append(call)
    groups = []
    for ending, members in alike.values():
        name = ending.line.name
        _, number = keyed_number(ending.line)
        played = await stage.play(ending, number, forward_number(ending.line, number))
        recorded = played.recorded
        groups.append(
            Group(
                tuple([call.id for call in members]),
                name,
                members[0].why or "",
                "" if recorded is None else recorded.why or "",
                result_of(ending, members[0].language or "", played, stage.sounds),
            )
        )
    return Replay(tuple(groups), tuple(left_out.most_common()))


def _caller(settings: Settings, stage: Stage, call: Call) -> Caller:
    """Return who called: on the line that has the number called now.

    Raises:
        NotReplayable: no line has it.
    """
    line = settings.line_for((call.did,)) or settings.lines.get(call.line or "")
    if line is None:
        raise NotReplayable("line")
    digits, _ = keyed_number(line)
    language = call.language if call.language in line.languages else line.languages[0]
    return Caller(line, language, digits, stage.libraries[line.name], stage.webhook)


def _row(group: Group) -> tuple[str, ...]:
    return (
        "!" if group.result.problem else "",
        str(len(group.calls)),
        group.line,
        short(group.recorded),
        short(group.now),
        group.result.place,
        group.calls[0],
    )
