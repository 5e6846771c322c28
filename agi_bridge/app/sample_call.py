"""A sample call of a line, turn by turn: what the voice says, and what the caller does.

The words are those of the recordings that the line plays, in the order of `call.consent_dialogue`
for a caller who agrees: change both together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from agi_bridge.speech import menu_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.settings import Line
    from agi_bridge.speech import Library

Who: TypeAlias = Literal["voice", "caller", "text"]
"""Who has the turn: the automated voice, the caller, the text message."""

NUMBER_SAID: Final = "[the number, digit by digit]"
"""Stands for the digits that are read back."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a call; `language` is that of the words that are heard, None of all others."""

    who: Who
    words: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class SampleCall:
    """A call in one language, from the answer to the text."""

    language: str
    turns: tuple[Turn, ...]


def sample_call(line: Line, library: Library, language: str) -> SampleCall:
    """The call of somebody who agrees at the first try.

    Raises:
        MissingPrompt: a prompt of the line is not recorded in this language.
    """
    return SampleCall(language, tuple(_turns(line, library, language)))


def _turns(line: Line, library: Library, language: str) -> Iterator[Turn]:
    def says(name: str) -> str:
        return library.prompt(name, language).text

    def does(what: str) -> Turn:
        return Turn("caller", what)

    def hears(words: str) -> Turn:
        return Turn("voice", words, language)

    yield does(f"calls {line.brand}")
    if len(line.languages) > 1:
        for each in line.languages:
            item = library.prompt("language-menu-item", each).text
            yield Turn("voice", item, each)
        key = menu_key(library.prompt("language-menu-item", language).text)
        yield does(f"presses {key}")
    if line.consent.opt_out_key:
        yield hears(f"{says('opt-out-offer')} {line.consent.opt_out_key}.")
        yield does("presses nothing")
    yield hears(says(line.disclosure))
    yield hears(says("enter-number"))
    yield does("keys a mobile number")
    if line.consent.act == "number_then_1":
        yield hears(f"{says('you-entered')} {NUMBER_SAID}. {says('confirm-number')}")
        yield does("presses 1")
    yield hears(says("accepted"))
    yield Turn("text", line.filled(line.workflow.sample))
    if line.consent.confirm_by_reply:
        yield does("answers YES by text")
