"""The errors of speech.

    SpeechError(Exception)
        MissingPrompt      a prompt is not recorded in a language
        BadPrompts         a folder of prompts cannot be used; lists everything that is wrong
            BadScript      texts cannot be used, or lack a language or a value
        BadAudio           a file is not a usable sound
        BadEngine          an engine cannot be built from its settings
        EngineError        an engine returned no usable speech
            EngineTimeout  an engine took too long

No message holds a spoken text: it may come from outside and hold a phone number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .problems import Problem

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

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(problems)
        super().__init__("\n".join(self.problems))


class BadScript(BadPrompts):
    """Texts cannot be used. `problems` names each file, text and place, and what is wrong."""


class BadAudio(SpeechError):  # noqa: N818  # the same
    """A file is not a usable sound. `problem` says why, after the file's name."""

    def __init__(self, code: str, /, **fields: object) -> None:
        self.problem = Problem(code, **fields)
        super().__init__(self.problem)


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
