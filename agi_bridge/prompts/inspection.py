"""A line's prompts, looked at one by one: what is played, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

from agi_bridge.prompts.required import wanted
from agi_bridge.prompts.sources import Shelves
from agi_bridge.speech import BadAudio, Script
from agi_bridge.speech.audio import read
from agi_bridge.speech.recording import examine
from agi_bridge.speech.recording_check import LONG_DISCLOSURE_SECONDS, Cure, review

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.prompts.required import Wanted
    from agi_bridge.settings import Line, Settings
    from agi_bridge.speech.prompt_folder import Entry


class Severity(StrEnum):
    """How much a flaw matters."""

    FAULT = "fault"
    """Something would go wrong in a call."""
    NOTE = "note"
    """A caller hears that it could be better."""


class Remedy(StrEnum):
    """What puts a flaw right."""

    RENDER = "render"
    CONVERT = "convert"
    RECORD = "record"
    """Record it again, or for the first time."""
    BY_HAND = "by hand"
    """Do what the problem says."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong with a prompt."""

    problem: str
    """The end of a sentence that begins with the prompt's name."""
    weight: Severity
    repair: Remedy


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt of a line, as it stands."""

    wanted: Wanted
    found: Entry | None
    seconds: float | None
    """Length, if there is a sound."""
    flaws: tuple[Issue, ...]

    @property
    def words(self) -> str:
        """What callers hear; where nothing is played, what they should."""
        if self.found is not None and self.found.text is not None:
            return self.found.text
        return self.wanted.text.text if self.wanted.text is not None else ""

    @property
    def version(self) -> int | None:
        """The script's version, if these are its words."""
        text = self.wanted.text
        return text.version if text is not None and text.text == self.words else None


@dataclass(frozen=True, slots=True)
class LinePrompts:
    """All prompts of a line."""

    line: Line
    prompts: tuple[Prompt, ...]
    problems: tuple[str, ...]
    """What else is wrong with the folders, so that the service would not start."""

    def by_language(self) -> Iterator[tuple[str, list[Prompt]]]:
        """Yield the prompts of each of the line's languages."""
        for language, prompts in groupby(self.prompts, lambda each: each.wanted.language):
            yield language, list(prompts)


def survey(settings: Settings, line: str | None) -> tuple[LinePrompts, ...]:
    """Look at the prompts of a line, or of all. Blocks: every sound is read and measured.

    Raises:
        UsageError: no such line.
        BadScript: the script cannot be used.
    """
    script = Script(settings.speech.script)
    lines = [settings.find_line(line)] if line is not None else settings.lines.values()
    return tuple(_line(settings, each, script) for each in lines)


def _line(settings: Settings, line: Line, script: Script) -> LinePrompts:
    shelves = Shelves.of(settings, line)
    prompts = [look(each, shelves.find(each.name, each.language)) for each in wanted(line, script)]
    shown = {each.found.file for each in prompts if each.found is not None}
    return LinePrompts(line, tuple(prompts), shelves.problems(besides=shown))


def look(wanted: Wanted, found: Entry | None) -> Prompt:
    """Look at one prompt: `found` is what is played for it. Blocks."""
    if found is None:
        return Prompt(wanted, None, None, (_missing(wanted),))
    seconds = _seconds(found)
    flaws = [*_sound(found), *_words(wanted, found)]
    if wanted.asks and seconds is not None and seconds > LONG_DISCLOSURE_SECONDS:
        told = f"takes {seconds:.1f} s: above {LONG_DISCLOSURE_SECONDS:g} s callers hang up"
        flaws.append(Issue(told, Severity.NOTE, Remedy.BY_HAND))
    if wanted.asks and found.wide is not None:
        # Its endpos counts samples of 16 kHz: half of it heard would pass for the whole.
        told = f"must not have {found.wide.name} beside it: remove that file"
        flaws.append(Issue(told, Severity.FAULT, Remedy.BY_HAND))
    said = {flaw.problem for flaw in flaws}
    repair = Remedy.RENDER if found.source == "rendered" else Remedy.BY_HAND
    flaws += [
        Issue(problem, Severity.FAULT, repair) for problem in found.problems if problem not in said
    ]
    return Prompt(wanted, found, seconds, tuple(flaws))


def _missing(wanted: Wanted) -> Issue:
    if wanted.text is None:
        return Issue(f"is missing: {wanted.problem}", Severity.FAULT, Remedy.BY_HAND)
    return Issue("is missing", Severity.FAULT, Remedy.RENDER)


def _seconds(found: Entry) -> float | None:
    try:
        samples, rate = read(found.file)
    except BadAudio:
        return None
    return len(samples) / rate


def _sound(found: Entry) -> Iterator[Issue]:
    try:
        examine(found.file)
    except (BadAudio, OSError):
        playable = False
    else:
        playable = True
    for remark in review(found.file, found.text or ""):
        converts = remark.cure is not Cure.RECORD
        weight = Severity.NOTE if playable and converts else Severity.FAULT
        if found.source == "rendered":
            repair = Remedy.RENDER
        else:
            repair = Remedy.CONVERT if converts else Remedy.RECORD
        yield Issue(remark.problem, weight, repair)


def _words(wanted: Wanted, found: Entry) -> Iterator[Issue]:
    if found.text is None:
        return  # why there is none is among its problems
    if wanted.text is None:
        # A prompt of one's own need not be in the script; one that cannot be filled in should be.
        if found.source in {"shipped", "rendered"}:
            told = f"cannot have the script's text: {wanted.problem}"
            yield Issue(told, Severity.NOTE, Remedy.BY_HAND)
    elif wanted.text.text != found.text:
        yield _other_words(wanted, found)


def _other_words(wanted: Wanted, found: Entry) -> Issue:
    if found.source == "shipped":
        told = "names no brand" if wanted.asks else "has other words than the script"
        return Issue(f"is the package's own, which {told}", Severity.NOTE, Remedy.RENDER)
    if found.source == "prompts":
        return Issue("has words of its own, not the script's", Severity.NOTE, Remedy.BY_HAND)
    repair = Remedy.RENDER if found.source == "rendered" else Remedy.RECORD
    return Issue("is stale: the script's text has changed since", Severity.FAULT, repair)
