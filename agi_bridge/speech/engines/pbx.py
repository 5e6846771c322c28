"""Speech that the PBX makes itself: Asterisk's Flite, eSpeak, Festival and the like, by EXEC.

Nothing is rendered here and nothing kept: what comes out is an application and its arguments, which
the channel runs. Escaping for the PBX is theirs; what is taken out of the text here
would mean something to the application behind it (Festival's is put into a Lisp expression).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.speech.errors import BadEngine

from .command import LANGUAGE, TEXT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

MAX_TEXT_BYTES: Final = 1000
"""Longest text: an AGI command is one line of 2047 bytes, in which each comma takes three."""

NOT_SPEECH: Final = frozenset(
    {
        "agi",
        "deadagi",
        "dial",
        "eagi",
        "exec",
        "execif",
        "externalivr",
        "gosub",
        "gosubif",
        "goto",
        "gotoif",
        "macro",
        "mixmonitor",
        "monitor",
        "mp3player",
        "mset",
        "originate",
        "page",
        "set",
        "system",
        "tryexec",
        "trysystem",
    }
)
"""Applications, in lower case, that run programs or dialplan: a text is from outside, and what is
taken out of it below protects a voice, not a shell."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_MEANING = str.maketrans(dict.fromkeys('"\\{}[]()<>|`', " "))


@dataclass(frozen=True, slots=True)
class PbxSpeech:
    """A text for the PBX to speak: `EXEC application arguments`."""

    application: str
    arguments: tuple[str, ...]
    """As they are meant, one by one: not escaped."""
    language: str
    text: str
    """The words, as they were asked for."""


class PbxEngine:
    """An application of the PBX, such as `["Flite", "{text}"]` or `["Espeak", "{text}", "", "fr"]`.

    `{language}` in an argument becomes the language's tag. Raises BadEngine if that is none.
    """

    def __init__(self, command: Sequence[str], languages: Collection[str] = ()) -> None:
        if not command or not _NAME.fullmatch(command[0]):
            raise BadEngine("command", "begins with no application's name, such as Flite")
        if command[0].lower() in NOT_SPEECH:
            raise BadEngine("command", "names an application that does not speak: Flite does")
        if sum(argument.count(TEXT) for argument in command[1:]) != 1:
            raise BadEngine("command", "must hold {text} once")
        self.name: Final = command[0].lower()
        self.application: Final = command[0]
        self._arguments = tuple(command[1:])
        self.languages: Final = frozenset(languages)

    def serves(self, language: str) -> bool:
        """Tell whether it can be asked for a language, given as a tag in lower case."""
        return not self.languages or language in self.languages

    def speech(self, text: str, language: str) -> PbxSpeech | None:
        """Return what the PBX is to run, or None for a text that it cannot take."""
        plain = " ".join(text.translate(_MEANING).split())
        if not plain or len(plain.encode()) > MAX_TEXT_BYTES:
            return None
        arguments = tuple(
            # One pass: what a text contains is never a placeholder itself.
            plain.join(part.replace(LANGUAGE, language) for part in argument.split(TEXT))
            for argument in self._arguments
        )
        return PbxSpeech(self.application, arguments, language, text)
