"""Inspection of a line's prompts: what each plays, and what is wrong with it. Fixes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING

from agi_bridge.prompts.required import required_prompts
from agi_bridge.prompts.sources import PromptSources
from agi_bridge.speech import (
    LONG_DISCLOSURE_SECONDS,
    BadAudio,
    Problem,
    RecordingFix,
    check_recording,
    read_samples,
    read_sound_info,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agi_bridge.prompts.required import RequiredPrompt
    from agi_bridge.settings import Line
    from agi_bridge.speech import PromptFile, PromptFolder, Script


class Severity(StrEnum):
    """How much an issue matters."""

    FAULT = "fault"
    """Something goes wrong in a call."""
    NOTE = "note"
    """Callers hear it, but the call works."""


class Remedy(StrEnum):
    """What fixes an issue."""

    RENDER = "render"
    CONVERT = "convert"
    RECORD = "record"
    """Record it, or record it again."""
    BY_HAND = "by hand"
    """Do what the problem says."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong with a prompt."""

    problem: Problem
    """What is wrong, after the prompt's name; `problem.code` is stable."""
    severity: Severity
    remedy: Remedy


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt of a line, as it stands."""

    wanted: RequiredPrompt
    found: PromptFile | None
    seconds: float | None
    """Length, if there is a sound."""
    issues: tuple[Issue, ...]

    @property
    def words(self) -> str:
        """What callers hear; if nothing is played, what they should hear."""
        if self.found is not None and self.found.text is not None:
            return self.found.text
        return self.wanted.text.text if self.wanted.text is not None else ""

    @property
    def version(self) -> int | None:
        """The script's version, if the words are the script's."""
        text = self.wanted.text
        return text.version if text is not None and text.text == self.words else None


@dataclass(frozen=True, slots=True)
class LinePrompts:
    """All prompts of a line."""

    line: Line
    prompts: tuple[Prompt, ...]
    problems: tuple[Problem, ...]
    """What else is wrong with the folders and keeps the service from starting."""

    def by_language(self) -> Iterator[tuple[str, list[Prompt]]]:
        """Yield the prompts of each of the line's languages."""
        for language, prompts in groupby(self.prompts, lambda each: each.wanted.language):
            yield language, list(prompts)


def inspect_line(line: Line, folders: Iterable[PromptFolder], script: Script) -> LinePrompts:
    """Inspect all prompts of a line. Blocks: every sound file is read and measured.

    Args:
        line: the line.
        folders: where its prompts come from, the folder that wins first.
        script: the texts in force.
    """
    sources = PromptSources.read(folders)
    prompts = [
        inspect_prompt(each, sources.find(each.name, each.language))
        for each in required_prompts(line, script)
    ]
    played = {each.found.file for each in prompts if each.found is not None}
    return LinePrompts(line, tuple(prompts), sources.problems(besides=played))


def inspect_prompt(wanted: RequiredPrompt, found: PromptFile | None) -> Prompt:
    """Inspect one prompt; `found` is the file that is played for it. Blocks."""
    if found is None:
        return Prompt(wanted, None, None, (_missing(wanted),))
    seconds = _seconds(found)
    issues = [*_sound(found), *_words(wanted, found)]
    if wanted.is_disclosure and seconds is not None and seconds > LONG_DISCLOSURE_SECONDS:
        problem = Problem("long_disclosure", seconds=seconds, limit=LONG_DISCLOSURE_SECONDS)
        issues.append(Issue(problem, Severity.NOTE, Remedy.BY_HAND))
    if wanted.is_disclosure and found.wide is not None:
        # Its endpos counts samples of 16 kHz, so half of it would count as the whole.
        problem = Problem("wide_disclosure", name=found.wide.name)
        issues.append(Issue(problem, Severity.FAULT, Remedy.BY_HAND))
    known = {issue.problem for issue in issues}
    remedy = Remedy.RENDER if found.source == "rendered" else Remedy.BY_HAND
    issues += [
        Issue(problem, Severity.FAULT, remedy) for problem in found.problems if problem not in known
    ]
    return Prompt(wanted, found, seconds, tuple(issues))


def _missing(wanted: RequiredPrompt) -> Issue:
    if wanted.text is None:
        return Issue(
            Problem("missing_text", problem=wanted.problem), Severity.FAULT, Remedy.BY_HAND
        )
    return Issue(Problem("missing"), Severity.FAULT, Remedy.RENDER)


def _seconds(found: PromptFile) -> float | None:
    try:
        samples, rate = read_samples(found.file)
    except BadAudio:
        return None
    return len(samples) / rate


def _sound(found: PromptFile) -> Iterator[Issue]:
    try:
        read_sound_info(found.file)
    except (BadAudio, OSError):
        playable = False
    else:
        playable = True
    for issue in check_recording(found.file, found.text or ""):
        converts = issue.fix is not RecordingFix.RECORD
        severity = Severity.NOTE if playable and converts else Severity.FAULT
        if found.source == "rendered":
            remedy = Remedy.RENDER
        else:
            remedy = Remedy.CONVERT if converts else Remedy.RECORD
        yield Issue(issue.problem, severity, remedy)


def _words(wanted: RequiredPrompt, found: PromptFile) -> Iterator[Issue]:
    if found.text is None:
        return  # its problems say why
    if wanted.text is None:
        # A business's own prompt may be missing from the script; a shipped or rendered one may not.
        if found.source in {"shipped", "rendered"}:
            problem = Problem("no_words", problem=wanted.problem)
            yield Issue(problem, Severity.NOTE, Remedy.BY_HAND)
    elif wanted.text.text != found.text:
        yield _other_words(wanted, found)


def _other_words(wanted: RequiredPrompt, found: PromptFile) -> Issue:
    if found.source == "shipped":
        code = "no_brand" if wanted.is_disclosure else "shipped_words"
        return Issue(Problem(code), Severity.NOTE, Remedy.RENDER)
    if found.source == "prompts":
        return Issue(Problem("own_words"), Severity.NOTE, Remedy.BY_HAND)
    remedy = Remedy.RENDER if found.source == "rendered" else Remedy.RECORD
    return Issue(Problem("stale"), Severity.FAULT, remedy)
