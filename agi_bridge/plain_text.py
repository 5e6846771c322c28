"""Decodes text files in the encodings that editors write, or refuses them.

One argument, `policy`, says which encodings are accepted. The module does not parse the text.
"""

from __future__ import annotations

import codecs
import unicodedata
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 1 << 20
"""Largest text that `read_text` reads."""

Policy = Literal["strict", "unicode", "legacy"]
"""Which encodings are accepted.

`strict`: UTF-8, and UTF-16 with a byte order mark (as Windows' Notepad writes it); no control
characters. For texts of the record of consent, where a guess would store wrong words.
`unicode`: also UTF-32 with a mark, and UTF-16 without one, which its zero bytes
reveal.
`legacy`: also Windows-1252, as spreadsheets write it.
"""

# Byte order marks (Unicode 16.0, section 2.6, table 2-4) and Python's names of the encodings.
_STRICT_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# UTF-32 comes first: its little-endian mark begins with that of UTF-16.
_MARKS: Final = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    **_STRICT_MARKS,
}
_LAYOUT: Final = frozenset("\n\r\t\f")
_SAMPLE_BYTES = 512


class NotText(ValueError):  # noqa: N818  # reads as what it is: raise NotText(...)
    """A file is not text. The message ends a sentence that begins with the file's name."""


def read_text(path: Path) -> str:
    r"""Return the text of a file under the `strict` policy, with lines that end in `\n`.

    Raises:
        NotText: it has another encoding, is not text, or is larger than MAX_BYTES.
        OSError: it cannot be read.
    """
    with path.open("rb") as opened:
        content = opened.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise NotText(f"is larger than {MAX_BYTES >> 20} MiB")
    return decode(content)


def decode(content: bytes, policy: Policy = "strict") -> str:
    r"""Return the text that bytes encode. Under `strict`, each line ends in `\n`.

    Raises:
        NotText: the bytes are not text in an accepted encoding. The message holds none of them.
    """
    if policy == "strict":
        return _decode_strict(content)
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    if encoding is None and b"\0" in content[:_SAMPLE_BYTES]:
        encoding = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    unmarked = ("utf-8", "cp1252") if policy == "legacy" else ("utf-8",)
    for name in (encoding,) if encoding else unmarked:
        try:
            text = content.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise NotText("is not text: save it as UTF-8") from None


def _decode_strict(content: bytes) -> str:
    marks = _STRICT_MARKS.items()
    encoding = next((name for mark, name in marks if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise NotText("is not UTF-8 text: save it as UTF-8") from None
    # UTF-16 without its mark is valid UTF-8, with a NUL beside every letter; U+FFFD is what an
    # editor put where it could not read.
    if any(
        (unicodedata.category(c) == "Cc" and c not in _LAYOUT) or c == "\ufffd" for c in {*text}
    ):
        raise NotText("holds characters that are not text: save it as UTF-8")
    return text.replace("\r\n", "\n").replace("\r", "\n")
