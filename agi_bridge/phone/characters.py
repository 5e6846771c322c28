"""The characters of a number, before anything looks at it: one folding for every way in.

Address books, PDFs and word processors put more into a number than is seen: marks of direction
(Apple's contacts, Windows), joiners, no-break blanks, a dozen dashes, digits of other scripts.
What cannot be seen is dropped, what looks like a character of a number becomes that character,
and whatever else stands there stays, to be refused by whoever reads the number.
"""

import re
import unicodedata
from typing import Final

from .number import InvalidNumber

LONGEST_TEXT: Final = 128
"""Longest text that is looked at, in characters; no number is written longer."""

# E.164's fifteen digits and the longest international prefix but for carriers' own (five digits).
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

# Formatting that people write round a number. Letters, `&`, `,`, `@` and their like would be
# dropped or translated by the parser, so they are refused before it sees them.
_FORMATTING: Final = str.maketrans("", "", " ().-/")
_PLAIN: Final = re.compile(r"\+?[0-9]{2,}")


def fold(text: str) -> str:
    """The text with one kind of blank, dash, plus and digit, and nothing that cannot be seen.

    Digits of every script become 0 to 9, except those that are not digits of a number (`²`, `①`).
    Outer blanks and line ends go. Takes time in proportion to the text.
    """
    if text.isascii() and "\t" not in text:
        return text.strip()
    return "".join(map(_folded, text)).strip()


def compact(text: str) -> str:
    """A number as people write it, folded, with nothing left but its digits and a leading `+`.

    Takes formatting of every kind, a leading `tel:` and a `+` in brackets, and nothing but one
    number: no letters, no extension.

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
