"""The errors of speech.

    SpeechError(Exception)
        MissingPrompt      a prompt that is not recorded in a language
        BadPrompts         a folder of prompts that cannot be used; lists all that is wrong
            BadScript      texts that cannot be, or that lack a language or a place
        BadAudio           a file that is not a usable sound
        BadEngine          an engine that cannot be made of what it is given
        EngineError        an engine that gave no usable speech
            EngineTimeout  ... in time

No text in here holds a spoken text: it may come from outside and hold a phone number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class SpeechError(Exception):
    """Anything that went wrong with speech."""


class MissingPrompt(SpeechError):  # noqa: N818  # reads as what it is: raise MissingPrompt(...)
    """A prompt is not recorded in a language."""

    def __init__(self, name: str, language: str) -> None:
        self.name = name
        self.language = language
        super().__init__(f"no recording of the prompt {name!r} in the language {language!r}")


class BadPrompts(SpeechError):  # noqa: N818  # the same
    """A folder of prompts cannot be used. `problems` names each file and what is wrong with it."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems: tuple[str, ...] = tuple(problems)
        super().__init__("\n".join(self.problems))


class BadScript(BadPrompts):
    """Texts cannot be used. `problems` names each file, text and place, and what is wrong."""


class BadAudio(SpeechError):  # noqa: N818  # the same
    """A file is not a usable sound."""


class BadEngine(SpeechError):  # noqa: N818  # the same
    """An engine cannot be made. `field` is the setting, `problem` what is wrong with it."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field} {problem}")


class EngineError(SpeechError):
    """An engine gave no usable speech."""


class EngineTimeout(EngineError):  # noqa: N818  # the same
    """An engine took longer than it may."""
