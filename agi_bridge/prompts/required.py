"""Which prompts a line needs, and in which words: the script's, with the line's own filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.settings import SayDefault
from agi_bridge.speech import DIGITS, NEEDED, OPT_OUT, PROMPTS, BadScript, LineWords, Script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agi_bridge.settings import Line
    from agi_bridge.speech import Text

BEFORE_THE_DISCLOSURE: Final = ("language-menu-item", "opt-out-offer")
"""What callers hear first."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A prompt that a line needs in a language."""

    name: str
    language: str
    text: Text | None
    """What the script has the line say; None: `problem` says why not."""
    problem: str = ""
    asks: bool = False
    """Whether it is the line's disclosure."""


def names(line: Line) -> tuple[str, ...]:
    """Return the prompts that calls of a line may play, about in the order in which they do."""
    needed = set(NEEDED)
    if line.consent.opt_out_key:
        needed |= set(OPT_OUT)
    if isinstance(line.default, SayDefault):
        needed.add(line.default.prompt)
    if line.digits == "own":
        needed |= set(DIGITS)
    first = [name for name in BEFORE_THE_DISCLOSURE if name in needed]
    needed -= {*first, line.disclosure}
    usual = [name for name in PROMPTS if name in needed]
    return *first, line.disclosure, *usual, *sorted(needed - set(usual))


def wanted(line: Line, script: Script, languages: Iterable[str] | None = None) -> list[Wanted]:
    """Return all prompts of a line, language by language; `languages` are some of the line's."""
    return [
        each
        for language in (line.languages if languages is None else languages)
        for each in _wanted(line, script, language)
    ]


def _wanted(line: Line, script: Script, language: str) -> Iterator[Wanted]:
    words = LineWords(line.brand, line.policy_url, line.texts)
    for name in names(line):
        asks = name == line.disclosure
        try:
            (text,) = script.texts(words, [language], [name])
        except BadScript as error:
            yield Wanted(name, language, None, "; ".join(error.problems), asks)
        else:
            yield Wanted(name, language, text, asks=asks)
