"""A line's prompts, looked at one by one: what is played, and what is wrong with it."""

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
    RecordingFix,
    Script,
    check_recording,
    read_samples,
    read_sound_info,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.prompts.required import RequiredPrompt
    from agi_bridge.settings import Line, Settings
    from agi_bridge.speech import PromptFile


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


def inspect_lines(settings: Settings, line: str | None) -> tuple[LinePrompts, ...]:
    """Look at the prompts of a line, or of all. Blocks: every sound is read and measured.

    Raises:
        UsageError: no such line.
        BadScript: the script cannot be used.
    """
    script = Script(settings.speech.script)
    lines = [settings.find_line(line)] if line is not None else settings.lines.values()
    return tuple(_line(settings, each, script) for each in lines)


def _line(settings: Settings, line: Line, script: Script) -> LinePrompts:
    sources = PromptSources.of(settings, line)
    prompts = [
        inspect_prompt(each, sources.find(each.name, each.language))
        for each in required_prompts(line, script)
    ]
    shown = {each.found.file for each in prompts if each.found is not None}
    return LinePrompts(line, tuple(prompts), sources.problems(besides=shown))


def inspect_prompt(wanted: RequiredPrompt, found: PromptFile | None) -> Prompt:
    """Look at one prompt: `found` is what is played for it. Blocks."""
    if found is None:
        return Prompt(wanted, None, None, (_missing(wanted),))
    seconds = _seconds(found)
    issues = [*_sound(found), *_words(wanted, found)]
    if wanted.is_disclosure and seconds is not None and seconds > LONG_DISCLOSURE_SECONDS:
        told = f"takes {seconds:.1f} s: above {LONG_DISCLOSURE_SECONDS:g} s callers hang up"
        issues.append(Issue(told, Severity.NOTE, Remedy.BY_HAND))
    if wanted.is_disclosure and found.wide is not None:
        # Its endpos counts samples of 16 kHz: half of it heard would pass for the whole.
        told = f"must not have {found.wide.name} beside it: remove that file"
        issues.append(Issue(told, Severity.FAULT, Remedy.BY_HAND))
    said = {issue.problem for issue in issues}
    remedy = Remedy.RENDER if found.source == "rendered" else Remedy.BY_HAND
    issues += [
        Issue(problem, Severity.FAULT, remedy) for problem in found.problems if problem not in said
    ]
    return Prompt(wanted, found, seconds, tuple(issues))


def _missing(wanted: RequiredPrompt) -> Issue:
    if wanted.text is None:
        return Issue(f"is missing: {wanted.problem}", Severity.FAULT, Remedy.BY_HAND)
    return Issue("is missing", Severity.FAULT, Remedy.RENDER)


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
        return  # why there is none is among its problems
    if wanted.text is None:
        # A prompt of one's own need not be in the script; one that cannot be filled in should be.
        if found.source in {"shipped", "rendered"}:
            told = f"cannot have the script's text: {wanted.problem}"
            yield Issue(told, Severity.NOTE, Remedy.BY_HAND)
    elif wanted.text.text != found.text:
        yield _other_words(wanted, found)


def _other_words(wanted: RequiredPrompt, found: PromptFile) -> Issue:
    if found.source == "shipped":
        told = "names no brand" if wanted.is_disclosure else "has other words than the script"
        return Issue(f"is the package's own, which {told}", Severity.NOTE, Remedy.RENDER)
    if found.source == "prompts":
        return Issue("has words of its own, not the script's", Severity.NOTE, Remedy.BY_HAND)
    remedy = Remedy.RENDER if found.source == "rendered" else Remedy.RECORD
    return Issue("is stale: the script's text has changed since", Severity.FAULT, remedy)
