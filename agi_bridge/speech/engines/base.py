"""What every engine is: a voice that turns a text into a sound file."""

from __future__ import annotations

import stat
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from agi_bridge.speech.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

MAX_OUTPUT_BYTES: Final = 32 << 20
"""Largest sound that an engine may give: five minutes at 48 kHz."""


class Engine(ABC):
    """A voice.

    `name` stands in counts and log lines. `identity` is a text that changes whenever the same words
    would sound different. `languages` are BCP 47 tags in lower case; empty: whatever it is asked.
    """

    at_once: int = 2
    """Renderings side by side: more would starve the calls of the processor."""

    def __init__(self, name: str, identity: str, languages: Collection[str] = ()) -> None:
        self.name: Final = name
        self.identity: Final = identity
        self.languages: Final = frozenset(languages)

    def serves(self, language: str) -> bool:
        """Tell whether it can be asked for a language, given as a tag in lower case."""
        return not self.languages or language in self.languages

    @abstractmethod
    async def render(self, text: str, language: str, output: Path) -> None:
        """Speak a text into a new sound file, of any usual rate, in a folder that is the job's own.

        Raises EngineError. A cancelled rendering leaves no process behind that would not end.
        """

    async def start(self) -> None:  # noqa: B027  # most engines have nothing to make ready
        """Make ready, so that the first caller need not wait for it. Raises EngineError."""

    async def close(self) -> None:  # noqa: B027  # ... nor anything to end
        """End what it runs. A later request starts it again."""


def check_output(output: Path, max_bytes: int = MAX_OUTPUT_BYTES) -> None:
    """Raise EngineError unless there is a plain file of a likely size."""
    try:
        found = output.lstat()
    except OSError:
        raise EngineError("the engine wrote no file") from None
    if not stat.S_ISREG(found.st_mode) or not 0 < found.st_size <= max_bytes:
        raise EngineError("the engine wrote no usable file")
