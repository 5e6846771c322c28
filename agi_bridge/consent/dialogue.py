"""The dialogue of a call as the record keeps it: what was played and keyed, in order. Pure.

An entry is a short list; its first element says which of four kinds it is:

    ["play", ms, name, lang, text_sha256, audio_sha256, samples, endpos]    a recording was played
    ["say", ms, digits, whole]          so many single digits were said; whole: none was cut short
    ["digits", ms, count, ended_by]     so many digits were keyed; never which
    ["key", ms, key, name, endpos]      a key that is not part of a number

`ms` is when the entry ended, in milliseconds of running time since the call began: it follows no
change of a clock. `endpos` of a recording is where it ended, in samples of 8 kHz, as Asterisk
reports it; of a key it is the place in the recording `name` that it cut short, or null if that one
had ended, or digits were being said. Digits that are read back are the number itself, so only how
many were said is kept, whether the PBX or recordings said them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.consent.encoding import Scalar

Entry: TypeAlias = "list[Scalar]"
"""One entry, as it stands in an event's body."""
EntryEnd: TypeAlias = Literal["full", "hash", "star", "pause", "silence", "time"]
"""How a number ended: enough digits, `#`, `*`, a pause, no key at all, the limit for all of it."""

READ_BACK: Final = "read-back"
"""Stands for the name of a recording where single digits are said."""
EARLY_SAMPLES: Final = 8000
"""A key counts as an answer from this place in a question on, one second: nobody has understood the
question before, and Asterisk reports a key only when it is released."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A recording of the dialogue: what identifies it, and its length in samples of 8 kHz."""

    name: str
    language: str
    text_sha256: str
    audio_sha256: str
    samples: int


class Dialogue:
    """Collects the entries of one call; `take()` hands over what no event holds yet.

    Args:
        elapsed_ms: milliseconds of running time since the call began.
    """

    __slots__ = ("_elapsed_ms", "_entries", "_place", "_playing")

    def __init__(self, elapsed_ms: Callable[[], int] = lambda: 0) -> None:
        self._elapsed_ms = elapsed_ms
        self._entries: list[Entry] = []
        self._playing = ""
        self._place: int | None = None

    def played(self, prompt: Prompt, endpos: int, *, cut: bool = False) -> None:
        """A recording was played up to a place; `cut` if a key ended it there.

        0 is also what an unknown place counts as.
        """
        self._playing, self._place = prompt.name, endpos if cut else None
        self._entries.append(
            [
                "play",
                self._elapsed_ms(),
                prompt.name,
                prompt.language,
                prompt.text_sha256,
                prompt.audio_sha256,
                prompt.samples,
                endpos,
            ]
        )

    def digits_spoken(self, digits: int, *, whole: bool) -> None:
        """Single digits were said; `whole` if no key cut them short.

        Those that follow each other are one entry.
        """
        self._playing, self._place = READ_BACK, None
        last = self._entries[-1] if self._entries else [""]
        if last[0] == "say" and last[3]:
            digits += int(last[2] or 0)
            del self._entries[-1]
        self._entries.append(["say", self._elapsed_ms(), digits, whole])

    def digits_keyed(self, count: int, ended_by: EntryEnd) -> None:
        """A number, or what was meant for one, was keyed."""
        self._entries.append(["digits", self._elapsed_ms(), count, ended_by])

    def key_pressed(self, key: str) -> None:
        """A key that is not part of a number, pressed in what was played last or after it."""
        self._entries.append(["key", self._elapsed_ms(), key, self._playing, self._place])
        self._place = None

    def take(self) -> list[Entry]:
        """The entries since the last time."""
        entries, self._entries = self._entries, []
        return entries
