"""Text files that a person saved, with whatever editor: read as what they are, or refused by name.

UTF-8 is taken with and without a byte order mark, UTF-16 with one, as Windows' Notepad writes both.
Whatever else there is cannot be told from other encodings with certainty (UTF-16 without its mark,
Windows-1252), so it is refused: a guess would put wrong words into the record of consent.
"""

from __future__ import annotations

import codecs
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 1 << 20
"""Largest text that is read."""

_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_LAYOUT: Final = frozenset("\n\r\t\f")


class NotText(ValueError):  # noqa: N818  # reads as what it is: raise NotText(...)
    """A file is no text that can be read. The message ends a sentence: `is not UTF-8 text: …`."""


def read_text(path: Path) -> str:
    r"""Return the text of a file, its lines ended by `\n`.

    Raises:
        NotText: it is in another encoding, is no text, or larger than MAX_BYTES.
        OSError: it cannot be read.
    """
    with path.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise NotText(f"is larger than {MAX_BYTES >> 20} MiB")
    return decode(content)


def decode(content: bytes) -> str:
    """Return the text that bytes are; `read_text` for what is read already. Raises NotText."""
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise NotText("is not UTF-8 text: save it as UTF-8") from None
    # UTF-16 without its mark is valid UTF-8, with a NUL beside every letter; U+FFFD is what an
    # editor put where it could not read.
    if any((unicodedata.category(c) == "Cc" and c not in _LAYOUT) or c == "\ufffd" for c in text):
        raise NotText("holds characters that are no text: save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")
