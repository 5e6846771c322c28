"""Which prompts a line needs, and in which words: the script's, with the line's own filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.settings import SayDefault
from agi_bridge.speech import (
    DIGIT_PROMPTS,
    OPT_OUT_PROMPTS,
    PROMPTS,
    REQUIRED_PROMPTS,
    BadScript,
    LineVariables,
    Script,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agi_bridge.settings import Line
    from agi_bridge.speech import Text

BEFORE_THE_DISCLOSURE: Final = ("language-menu-item", "opt-out-offer")
"""What callers hear first."""


@dataclass(frozen=True, slots=True)
class RequiredPrompt:
    """A prompt that a line needs in a language."""

    name: str
    language: str
    text: Text | None
    """What the script has the line say; None: `problem` says why not."""
    problem: str = ""
    is_disclosure: bool = False
    """Whether it is the line's disclosure."""


def required_names(line: Line) -> tuple[str, ...]:
    """Return the prompts that calls of a line may play, about in the order in which they do."""
    needed = set(REQUIRED_PROMPTS)
    if line.consent.opt_out_key:
        needed |= set(OPT_OUT_PROMPTS)
    if isinstance(line.default, SayDefault):
        needed.add(line.default.prompt)
    if line.digits == "own":
        needed |= set(DIGIT_PROMPTS)
    first = [name for name in BEFORE_THE_DISCLOSURE if name in needed]
    needed -= {*first, line.disclosure}
    usual = [name for name in PROMPTS if name in needed]
    return *first, line.disclosure, *usual, *sorted(needed - set(usual))


def required_prompts(
    line: Line, script: Script, languages: Iterable[str] | None = None
) -> list[RequiredPrompt]:
    """Return all prompts of a line, language by language; `languages` are some of the line's."""
    return [
        each
        for language in (line.languages if languages is None else languages)
        for each in _wanted(line, script, language)
    ]


def _wanted(line: Line, script: Script, language: str) -> Iterator[RequiredPrompt]:
    words = LineVariables(line.brand, line.policy_url, line.texts)
    for name in required_names(line):
        is_disclosure = name == line.disclosure
        try:
            (text,) = script.texts(words, [language], [name])
        except BadScript as error:
            yield RequiredPrompt(name, language, None, "; ".join(error.problems), is_disclosure)
        else:
            yield RequiredPrompt(name, language, text, is_disclosure=is_disclosure)
