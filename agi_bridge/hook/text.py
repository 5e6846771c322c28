"""Bytes to text, and the quotes that people's editors put where machines want others. Pure."""

import codecs
import re
import unicodedata
from typing import Final

# UTF-32 before UTF-16: the mark of the one begins with the mark of the other.
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Without a mark, UTF-16 shows in the zero byte beside the first character (XML 1.0, appendix F).
_ZEROS: Final = ((b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"))
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_ENCODING: Final = re.compile(rb"<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{1,40})")

_DOUBLE: Final = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"
_SINGLE: Final = "\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4`"
_STRAIGHT: Final = str.maketrans(
    {**dict.fromkeys(_DOUBLE, '"'), **dict.fromkeys(_SINGLE, "'")},
)


def decode(body: bytes, content_type: str | None) -> str:
    """The text of a body whose declared encoding may be wrong or absent; never raises.

    A byte order mark is believed first, then UTF-8 if the bytes are UTF-8 (text in another
    encoding hardly ever is), and only then what the XML declaration or the header declares.
    """
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(encoding, errors="replace")
    start = body.lstrip()[:2] if body[:1] != b"\0" else body[:2]
    for zeros, encoding in _ZEROS:
        if start == zeros:
            return body.decode(encoding, errors="replace")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return _legacy(body, content_type)


def _legacy(body: bytes, content_type: str | None) -> str:
    """Western single-byte text; `latin-1` means Windows-1252 as in every browser (WHATWG)."""
    found = _ENCODING.search(body[:200])
    declared = found[1].decode("ascii") if found else ""
    if not declared and content_type and (charset := _CHARSET.search(content_type)):
        declared = charset[1]
    try:
        name = codecs.lookup(declared).name
    except LookupError:
        name = ""
    try:
        return body.decode("iso8859-15" if name == "iso8859-15" else "cp1252")
    except UnicodeDecodeError:
        return body.decode("latin-1")  # cp1252 leaves five bytes undefined; latin-1 none


def straight_quotes(text: str) -> str:
    """The text with every typographic quote, single or double, as its ASCII form."""
    return text.translate(_STRAIGHT)


def normalised(text: str) -> str:
    """A sentence for comparison: case, blanks, quotes and the final stop make no difference."""
    plain = unicodedata.normalize("NFKC", straight_quotes(text)).casefold()
    return " ".join(plain.split()).rstrip(" .!")
