"""Decodes an answer's bytes, and replaces typographic quotes where XML needs plain ones. Pure."""

import codecs
import re
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
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

# Not what a document is written in: Unicode itself, which was looked for before; encodings of names
# or of source text, of which some are slow beyond any use (punycode); and codecs that only fail.
_NOT_DECLARABLE: Final = frozenset(
    {"utf-7", "idna", "punycode", "unicode-escape", "raw-unicode-escape"}
)
_WESTERN: Final = "cp1252"
_UNICODE: Final = ("utf-8", "utf-16", "utf-32")
# What a label means in practice (WHATWG, Encoding): the superset that everybody writes.
_SUPERSETS: Final = {
    "ascii": _WESTERN,
    "iso8859-1": _WESTERN,
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
}
# Labels that the WHATWG lists and Python does not know.
_LABELS: Final = {"windows-31j": "cp932", "iso-8859-8-i": "iso8859-8", "iso-8859-8-e": "iso8859-8"}
# Bytes of these are ASCII, and so pass for UTF-8.
_SEVEN_BIT: Final = ("iso2022_", "hz")

_DOUBLE: Final = "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb"
_SINGLE: Final = "\u2018\u2019\u201a\u201b\u2032\u02bc\u00b4`"
_STRAIGHT: Final = str.maketrans(
    {**dict.fromkeys(_DOUBLE, '"'), **dict.fromkeys(_SINGLE, "'")},
)


def decode(body: bytes, content_type: str | None) -> str:
    """The text of a body whose declared encoding may be wrong or absent; never raises.

    A byte order mark is believed first, then UTF-8 if the bytes are UTF-8 (text in another
    encoding hardly ever is), and only then what the XML declaration or the header declares; last
    of all Windows-1252. Bytes that an encoding does not define become U+FFFD.
    """
    shown = next(_unicode(body), None)
    if shown is not None:
        return body[shown[1] :].decode(shown[0], errors="replace")
    declared = _declared(body, content_type)
    if not declared.startswith(_SEVEN_BIT):
        with suppress(UnicodeDecodeError):
            return body.decode("utf-8")
    if declared == _WESTERN:
        with suppress(UnicodeDecodeError):
            return body.decode(_WESTERN)
        declared = "latin-1"  # cp1252 leaves five bytes undefined; latin-1 none
    return body.decode(declared, errors="replace")


def _unicode(body: bytes) -> Iterator[tuple[str, int]]:
    """The encodings that the first bytes show, and where the text begins; the first one counts."""
    if body[:1] == b"<" and body[1:2] != b"\0":  # as nearly every answer begins
        return
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            yield encoding, len(mark)
    start = body.lstrip()[:2] if body[:1] != b"\0" else body[:2]
    for zeros, encoding in _ZEROS:
        if start == zeros:
            yield encoding, 0


def _declared(body: bytes, content_type: str | None) -> str:
    """The codec of the encoding that the XML declaration, or else the header, names."""
    labels: list[str] = []
    if found := _ENCODING.search(body[:200]):
        labels.append(found[1].decode("ascii"))
    if content_type and (charset := _CHARSET.search(content_type)):
        labels.append(charset[1])
    return next((codec for label in labels if (codec := _codec(label))), _WESTERN)


@lru_cache(maxsize=64)
def _codec(label: str) -> str | None:
    """The codec for this encoding label; None if the label is unknown."""
    plain = label.lower().removeprefix("x-")
    plain = _LABELS.get(plain, plain)
    for name in (plain, plain.replace("windows-", "cp")):
        try:
            found = codecs.lookup(name).name
            b"<".decode(found, errors="replace")  # fails for what does not encode text
        except (LookupError, UnicodeError):
            continue
        if found in _NOT_DECLARABLE or found.startswith(_UNICODE):
            return None
        return _SUPERSETS.get(found, found)
    return None


def straight_quotes(text: str) -> str:
    """The text with every typographic quote, single or double, as its ASCII form."""
    return text.translate(_STRAIGHT)


def normalised(text: str) -> str:
    """A sentence for comparison: case, blanks, quotes and the final stop make no difference."""
    plain = unicodedata.normalize("NFKC", straight_quotes(text)).casefold()
    return " ".join(plain.split()).rstrip(" .!")
