"""Normalizes a text message into words, for the grammar of opt-out requests.

Small Latin letters without accents, apostrophes or anything invisible. Letters that look like
Latin ones, or are pictures of them, become Latin; a telephone number becomes "this number".
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LONG_NUMBER: Final = 7
"""Digits of the shortest telephone number."""

_SHORT_QUOTE: Final = 40
"""Maximum length of a quote that a person may have written: the business's first text is longer."""

_TOKEN: Final = re.compile(r"[a-z0-9]+|[.,;:!?\N{MIDDLE DOT}-](?=\s|$)|\n")
_DIGITS: Final = re.compile(r"\+?[0-9][0-9 ().-]*[0-9]")
_MIXED: Final = re.compile(r"[a-z0-9$@|!+*]+")
_LEET: Final = str.maketrans("013457$@|!+*", "oleastsaiito")
_NO_APOSTROPHES: Final = dict.fromkeys(
    map(
        ord,
        "'`\N{ACUTE ACCENT}\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}"
        "\N{MODIFIER LETTER APOSTROPHE}\N{PRIME}\N{FULLWIDTH APOSTROPHE}",
    )
)
_LOOKS_LATIN: Final = re.compile(
    r"(?:NEGATIVE |REGIONAL |SQUARED |CIRCLED |PARENTHESIZED )*(?:LATIN|INDICATOR)"
    r"(?: SMALL| CAPITAL| LETTER| SYMBOL| TURNED| REVERSED| DOTLESS)* ([A-Z])(?: WITH .*)?"
)
"""Unicode's names of letters: small capitals, in circles and squares, flags, with strokes."""

_LOOKALIKES: Final = {
    chr(code): latin
    for codes, latins in (
        # Cyrillic, then Greek.
        ("430 435 43e 440 441 442 445 443 43a 43c 43d 432 456 455 43f", "aeopctxykmhbisn"),
        ("3bf 3c4 3c1 3b1 3b5 3b9 3c3 3c2 3c0", "otpaeissn"),
    )
    for code, latin in zip((int(code, 16) for code in codes.split()), latins, strict=True)
}
_PICTURE: Final = "\N{MIDDLE DOT}"
"""Stands for what is neither a letter nor a figure."""
_ELISIONS: Final = frozenset("cdjlmnst")
_VOWELS: Final = frozenset("aeiouhy")

_QUOTED: Final = (">", "|")
_SIGNATURES: Final = ("sent from ", "get outlook", "enviado desde ", "envoy\xe9 de", "envoye de")
_WROTE: Final = (("on ", "el ", "le "), ("wrote", "escribi\xf3", "a \xe9crit"))
_LIKED: Final = (
    "liked", "loved", "laughed at", "me gusta", "le gusta", "me encanta", "le encanta",
    "a aim\xe9", "a ador\xe9",
)  # fmt: skip
_OPENING: Final = '"\N{LEFT DOUBLE QUOTATION MARK}\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}'
_CLOSING: Final = '"\N{RIGHT DOUBLE QUOTATION MARK}\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}'


@dataclass(frozen=True, slots=True)
class Reading:
    """The words of a message, and the positions of its commas and full stops."""

    words: tuple[str, ...]
    breaks: frozenset[int]


def readings(message: str) -> Iterator[Reading]:
    """Yield the readings of a message: as it is, with joined words, with digits as letters."""
    folded = _fold(message)
    for text in {folded, _MIXED.sub(_unleet, folded)}:
        plain = _words(text)
        yield plain
        for words in {_elided(plain.words), _spelt(plain.words)} - {plain.words}:
            yield Reading(words, frozenset())


def plain_words(message: str) -> tuple[str, ...]:
    """The words of a message as it is: nothing put together, no figures for letters.

    Punctuation says nothing; a picture counts as a word.
    """
    bare = "".join(" " if unicodedata.category(c)[0] == "P" else c for c in message)
    return tuple(re.findall(rf"[a-z0-9]+|{_PICTURE}", _fold(bare)))


def _fold(message: str) -> str:
    """Lower-case Latin letters without accents, digits and punctuation; no invisible characters."""
    letters = "".join(map(_fold_character, _decomposed(message)))
    # "stoooop": none of the three languages says a letter three times.
    once = re.sub(r"([a-z])\1{2,}", r"\1", letters)
    return _DIGITS.sub(_telephone, once)


def _telephone(digits: re.Match[str]) -> str:
    """Replace a telephone number by the words "this number"."""
    return " this number " if sum(map(str.isdigit, digits[0])) >= _LONG_NUMBER else digits[0]


def _unleet(word: re.Match[str]) -> str:
    """Replace digits and signs by the letters they look like, in words that also have letters."""
    return word[0].translate(_LEET) if any(map(str.isalpha, word[0])) else word[0]


def _decomposed(message: str) -> str:
    # An apostrophe is written inside words, and as often left out: "don't" loses its own.
    # The acute accent would fall apart into a space and an accent.
    bare = message.translate(_NO_APOSTROPHES)
    folded = unicodedata.normalize("NFKD", bare).casefold()
    return unicodedata.normalize("NFKD", folded).translate(_NO_APOSTROPHES)


def _fold_character(character: str) -> str:
    if character.isascii():
        return character
    category = unicodedata.category(character)
    name = unicodedata.name(character, "")
    if category[0] == "M" or category == "Cf" or "FILLER" in name or "BLANK" in name:
        return ""
    if found := _LOOKS_LATIN.fullmatch(name):
        return found[1].lower()
    return _LOOKALIKES.get(character, " " if category[0] in "ZC" else "\N{MIDDLE DOT}")


def _words(text: str) -> Reading:
    words: list[str] = []
    breaks: set[int] = set()
    for token in _TOKEN.findall(text):
        if token[0].isalnum():
            words.append(token)
        else:
            breaks.add(len(words))
    return Reading(tuple(words), frozenset(breaks))


def _elided(words: Sequence[str]) -> tuple[str, ...]:
    """Join words that a missing apostrophe separates: "don t", "n envoyez plus"."""
    made: list[str] = []
    for word in words:
        before = made[-1] if made else ""
        if (word == "t" and before.endswith("n")) or (before in _ELISIONS and word[0] in _VOWELS):
            made[-1] = before + word
        else:
            made.append(word)
    return tuple(made)


def _spelt(words: Sequence[str]) -> tuple[str, ...]:
    """Join single letters in a row: "s t o p texting me"."""
    made: list[str] = []
    spelling = False
    for word in words:
        if spelling and len(word) == 1:
            made[-1] += word
        else:
            made.append(word)
        spelling = len(word) == 1
    return tuple(made)


def unquoted(message: str) -> str:
    """The person's own text above and between quoted lines, without a signature."""
    own: list[str] = []
    for line in message.splitlines():
        bare = line.strip().casefold()
        begins, ends = _WROTE
        if bare.startswith(begins) and bare.rstrip(" :").endswith(ends):
            break
        if bare.startswith((*_QUOTED, *_SIGNATURES)):
            continue
        own.append(line)
    return "\n".join(own)


def is_liking(message: str) -> bool:
    """Whether it is a phone's `Liked "…"`, which quotes the business's text, and so its STOP."""
    bare = message.strip()
    for verb in _LIKED:
        if bare[: len(verb)].casefold() == verb:
            quote = bare[len(verb) :].lstrip()
            return len(quote) > _SHORT_QUOTE and quote[0] in _OPENING and quote[-1] in _CLOSING
    return False
