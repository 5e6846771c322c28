"""The engine `pbx`: Asterisk's own Flite, eSpeak or Festival, through EXEC.

This engine renders and caches nothing. It returns an application and its arguments, which the
channel executes and escapes for the PBX. This module removes the characters that are special to
the application: Festival, for example, puts the text into a Lisp expression.
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
"""Longest text. An AGI command is one line of 2047 bytes, and an escaped comma takes three."""

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
"""Applications, in lower case, that run programs or dialplan. The text is not trusted, and the
removed characters make it safe for a speech application only, not for a shell."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_SPECIAL = str.maketrans(dict.fromkeys('"\\{}[]()<>|`', " "))


@dataclass(frozen=True, slots=True)
class PbxSpeech:
    """A text for the PBX to speak: `EXEC application arguments`."""

    application: str
    arguments: tuple[str, ...]
    """The arguments, not escaped."""
    language: str
    text: str
    """The requested text."""


class PbxEngine:
    """An application of the PBX, such as `["Flite", "{text}"]` or `["Espeak", "{text}", "", "fr"]`.

    `{language}` in an argument becomes the language's tag. Raises BadEngine for an invalid command.
    """

    def __init__(self, command: Sequence[str], languages: Collection[str] = ()) -> None:
        if not command or not _NAME.fullmatch(command[0]):
            raise BadEngine("command", "must begin with the name of an application, such as Flite")
        if command[0].lower() in NOT_SPEECH:
            raise BadEngine("command", "must name a speech application, such as Flite")
        if sum(argument.count(TEXT) for argument in command[1:]) != 1:
            raise BadEngine("command", "must contain {text} once")
        self.name: Final = command[0].lower()
        self.application: Final = command[0]
        self._arguments = tuple(command[1:])
        self.languages: Final = frozenset(languages)

    def serves(self, language: str) -> bool:
        """Return whether the engine speaks a language, given as a tag in lower case."""
        return not self.languages or language in self.languages

    def speech(self, text: str, language: str) -> PbxSpeech | None:
        """Return what the PBX executes, or None for a text that is empty or too long."""
        plain = " ".join(text.translate(_SPECIAL).split())
        if not plain or len(plain.encode()) > MAX_TEXT_BYTES:
            return None
        arguments = tuple(
            # One pass: placeholders in the text itself are not replaced.
            plain.join(part.replace(LANGUAGE, language) for part in argument.split(TEXT))
            for argument in self._arguments
        )
        return PbxSpeech(self.application, arguments, language, text)
