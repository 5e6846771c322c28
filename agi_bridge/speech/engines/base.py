"""The base class of engines: a voice that renders a text as a sound file."""

from __future__ import annotations

import stat
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from agi_bridge.speech.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

MAX_OUTPUT_BYTES: Final = 32 << 20
"""Largest sound file of an engine: five minutes at 48 kHz."""


class Engine(ABC):
    """A voice.

    `name` appears in metrics and log lines. `identity` is a text that changes whenever the same
    words would sound different. `languages` are BCP 47 tags in lower case; empty: every language.
    """

    at_once: int = 2
    """Concurrent renderings. More would take processor time from calls."""

    def __init__(self, name: str, identity: str, languages: Collection[str] = ()) -> None:
        self.name: Final = name
        self.identity: Final = identity
        self.languages: Final = frozenset(languages)

    def serves(self, language: str) -> bool:
        """Return whether the engine speaks a language, given as a tag in lower case."""
        return not self.languages or language in self.languages

    @abstractmethod
    async def render(self, text: str, language: str, output: Path) -> None:
        """Render a text as a new sound file of any usual rate, in a folder used by no other job.

        Raises EngineError. A cancelled rendering leaves no process running.
        """

    async def start(self) -> None:  # noqa: B027  # most engines have nothing to start
        """Start the engine, so that the first caller does not wait for it. Raises EngineError."""

    async def close(self) -> None:  # noqa: B027  # nor to stop
        """Stop what the engine runs. A later request starts it again."""


def check_output(output: Path, max_bytes: int = MAX_OUTPUT_BYTES) -> None:
    """Raise EngineError unless the output is a regular file of a plausible size."""
    try:
        found = output.lstat()
    except OSError:
        raise EngineError("the engine wrote no file") from None
    if not stat.S_ISREG(found.st_mode) or not 0 < found.st_size <= max_bytes:
        raise EngineError("the engine wrote no usable file")
