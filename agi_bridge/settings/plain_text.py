"""Text files that people and their programs write, in whichever encoding it was."""

from __future__ import annotations

import codecs
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks (Unicode 16.0, section 2.6, table 2-4), and Python's names of the encodings."""


def decode(raw: bytes, *, legacy: bool = True) -> str:
    """Return the text of a file: UTF-8, UTF-16 or UTF-32 by its mark, else Windows-1252 (`legacy`).

    Notepad, PowerShell and spreadsheets write all of these. UTF-16 without a mark is known by the
    zero bytes of its Latin letters.

    Raises:
        ValueError: it is no text; the message holds nothing of it.
    """
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), None)
    if encoding is None and b"\0" in raw[:512]:
        encoding = "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"
    unmarked = ("utf-8", "cp1252") if legacy else ("utf-8",)
    for name in (encoding,) if encoding else unmarked:
        try:
            text = raw.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise ValueError("is not text: save it as UTF-8") from None
