"""Normalizes the characters of a number, the same for every source.

Address books, PDFs and word processors add invisible characters and variants to numbers: direction
marks (Apple's contacts, Windows), joiners, no-break spaces, many kinds of dashes, digits of other
scripts. Invisible characters are dropped, and look-alikes are replaced by the usual character. All
other characters are kept, so that the reader of the number can refuse them.
"""

import re
import unicodedata
from typing import Final

from .number import InvalidNumber

LONGEST_TEXT: Final = 128
"""Longest accepted text, in characters; no written number is longer."""

# Fifteen digits of E.164 and an international prefix of up to five digits.
_MOST_DIGITS: Final = 20

# General categories (Unicode, chapter 4.5): format characters, blanks, dashes.
_FORMAT: Final = "Cf"
_BLANK: Final = "Zs"
_DASH: Final = "Pd"
# Invisible without being format characters: the combining grapheme joiner, variation selectors.
_INVISIBLE: Final = frozenset("\u034f" + "".join(map(chr, range(0xFE00, 0xFE10))))
# Look-alikes of other categories: the minus sign, Japan's long-vowel marks, dots of business cards,
# full-width brackets and signs.
_ALIKE: Final = {
    "\t": " ",
    "\u00b7": ".",
    "\u2022": ".",
    "\u2024": ".",
    "\u2027": ".",
    "\u2043": "-",
    "\u2044": "/",
    "\u2212": "-",
    "\u2215": "/",
    "\u2219": ".",
    "\u22c5": ".",
    "\u30fb": ".",
    "\u30fc": "-",
    "\ufe62": "+",
    "\uff08": "(",
    "\uff09": ")",
    "\uff0b": "+",
    "\uff0e": ".",
    "\uff0f": "/",
    "\uff70": "-",
}

# Punctuation that people write in a number. The parser would drop or translate letters, `&`, `,`,
# `@` and similar, so they are refused before.
_FORMATTING: Final = str.maketrans("", "", " ().-/")
_PLAIN: Final = re.compile(r"\+?[0-9]{2,}")

# What may be a number in a sentence, and the dates that would be one: 2025-03-01, 20250301,
# 31.12.2025.
_LONG: Final = re.compile(r"(?:[0-9][ ().\-]{0,2}){6,}[0-9]")
_DATE: Final = re.compile(
    r"(?<![0-9])(?:"
    r"(?:19|20)[0-9]{2}(?P<a>[-./]?)(?:0[1-9]|1[0-2])(?P=a)(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[1-9]|[12][0-9]|3[01])(?P<b>[-./])(?:0[1-9]|[12][0-9]|3[01])(?P=b)(?:19|20)[0-9]{2}"
    r")(?![0-9])"
)


def fold(text: str) -> str:
    """Replace spaces, dashes, plus signs and digits by the ASCII ones; drop invisible characters.

    Decimal digits of every script become 0 to 9; others (`²`, `①`) stay. Spaces and line ends at
    both ends are removed. Takes linear time.
    """
    if text.isascii() and "\t" not in text:
        return text.strip()
    return "".join(map(_folded, text)).strip()


def may_hold_number(text: str) -> bool:
    """Whether a text that is never erased may hold a telephone number; a date is none."""
    return _LONG.search(_DATE.sub(" / ", fold(text))) is not None


def compact(text: str) -> str:
    """Return the digits and the leading `+` of a written number.

    Accepts any formatting, a leading `tel:` and a `+` in brackets. Refuses letters, extensions and
    more than one number.

    Raises:
        InvalidNumber: `empty`, `too_long`, or `characters` that no number has.
    """
    plain = text if len(text) <= LONGEST_TEXT else text.strip()
    if len(plain) > LONGEST_TEXT:
        raise InvalidNumber("too_long")
    plain = fold(plain)
    if not plain:
        raise InvalidNumber("empty")
    digits = plain.removeprefix("tel:").translate(_FORMATTING)
    if _PLAIN.fullmatch(digits) is None:
        raise InvalidNumber("characters")
    if len(digits.removeprefix("+")) > _MOST_DIGITS:
        raise InvalidNumber("too_long")
    return digits


def _folded(character: str) -> str:
    if character.isascii() and character != "\t":
        return character
    if character in _ALIKE:
        return _ALIKE[character]
    category = unicodedata.category(character)
    if category == _FORMAT or character in _INVISIBLE:
        return ""
    if category == _BLANK:
        return " "
    if category == _DASH:
        return "-"
    digit = unicodedata.decimal(character, -1)
    return str(digit) if digit >= 0 else character
