"""The prompts that a line needs, with their texts from the script and the line's settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.settings import SayDefault
from agi_bridge.speech import (
    DIGIT_PROMPTS,
    OPT_OUT_PROMPTS,
    PROMPTS,
    REQUIRED_PROMPTS,
    RETURNING_PROMPTS,
    BadScript,
    LineVariables,
    Script,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agi_bridge.settings import Line
    from agi_bridge.speech import Text

PROMPTS_BEFORE_DISCLOSURE: Final = ("language-menu-item", "returning", "opt-out-offer")
"""Prompts that callers hear before the disclosure."""


@dataclass(frozen=True, slots=True)
class RequiredPrompt:
    """A prompt that a line needs in a language."""

    name: str
    language: str
    text: Text | None
    """The text from the script; None: see `problem`."""
    problem: str = ""
    is_disclosure: bool = False
    """Whether the prompt is the line's disclosure."""


def required_names(line: Line) -> tuple[str, ...]:
    """Return the prompts that calls of a line may play, roughly in order."""
    needed = set(REQUIRED_PROMPTS)
    if line.consent.opt_out_key:
        needed |= set(OPT_OUT_PROMPTS)
    if line.consent.returning == "skip":
        needed |= set(RETURNING_PROMPTS)
    if isinstance(line.default, SayDefault):
        needed.add(line.default.prompt)
    if line.digits == "own":
        needed |= set(DIGIT_PROMPTS)
    first = [name for name in PROMPTS_BEFORE_DISCLOSURE if name in needed]
    needed -= {*first, line.disclosure}
    usual = [name for name in PROMPTS if name in needed]
    return *first, line.disclosure, *usual, *sorted(needed - set(usual))


def required_prompts(
    line: Line, script: Script, languages: Iterable[str] | None = None
) -> list[RequiredPrompt]:
    """Return the prompts of a line by language; `languages`: only these of the line's."""
    return [
        each
        for language in (line.languages if languages is None else languages)
        for each in _prompts_in(line, script, language)
    ]


def _prompts_in(line: Line, script: Script, language: str) -> Iterator[RequiredPrompt]:
    words = LineVariables(line.brand, line.policy_url, line.texts, line.mailing_address)
    for name in required_names(line):
        is_disclosure = name == line.disclosure
        try:
            (text,) = script.texts(words, [language], [name])
        except BadScript as error:
            yield RequiredPrompt(name, language, None, "; ".join(error.problems), is_disclosure)
        else:
            yield RequiredPrompt(name, language, text, is_disclosure=is_disclosure)
