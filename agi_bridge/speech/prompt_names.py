"""What is said: the prompts by name, and texts that come from outside made fit to be said."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

PROMPTS: Final = (
    "disclosure",
    "disclosure-example-store",
    "enter-number",
    "you-entered",
    "confirm-number",
    "invalid-number",
    "no-input",
    "accepted",
    "declined",
    "not-confirmed",
    "please-hold",
    "language-menu-item",
    "no-forwarding",
    "not-linked",
    "caller-id-offer",
    "caller-id-confirm",
    "opt-out-offer",
    "opted-out",
    "no-answer",
    "busy",
    "goodbye",
    "please-wait",
)
"""All prompts that are shipped in each language; English has DIGITS besides."""

OPT_OUT_PROMPTS: Final = ("opt-out-offer", "opted-out")
"""Prompts of a line on which callers can key that they want no more texts."""

REQUIRED_PROMPTS: Final = frozenset(PROMPTS) - {
    "disclosure",  # a line names its own
    "disclosure-example-store",
    "caller-id-offer",
    "caller-id-confirm",
    *OPT_OUT_PROMPTS,
}
"""The prompts that a call may need in its language, whatever the line."""

DIGIT_PROMPTS: Final = tuple(f"digit-{digit}" for digit in range(10))
"""Prompts for reading numbers back where the PBX cannot; nobody has to have them.

Shipped in English only: docs/speech.md tells why.
"""

DOCUMENTED: Final = ("no-forwarding", "not-linked")
"""Prompts whose texts are, word for word, what the hook's documentation says it answers."""

MAX_TEXT_BYTES: Final = 4096
"""Longest text from outside that is spoken: about five minutes."""

MAX_SENTENCE: Final = 240
"""Longest part of a text, in characters, that is spoken in one breath."""

_APOSTROPHES = str.maketrans(
    dict.fromkeys(
        "\N{RIGHT SINGLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}"
        "\N{MODIFIER LETTER APOSTROPHE}\N{ACUTE ACCENT}`",
        "'",
    )
)
_LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}")
_SENTENCE_END = re.compile(r"(?<=[.!?\N{HORIZONTAL ELLIPSIS}])\s+")
_BREATHS = (", ", "; ", ": ", " ")  # where a long sentence is parted, best first
_DIGIT = re.compile(r"(?<!\d)\d(?!\d)")


def clean(text: str) -> str:
    """Make a text from outside fit to be spoken: one line, no control characters, 4 KiB at most.

    A longer text is cut at the last space that fits.
    """
    plain = "".join(" " if unicodedata.category(c).startswith(("C", "Z")) else c for c in text)
    plain = " ".join(plain.split())
    if len(plain.encode()) <= MAX_TEXT_BYTES:
        return plain
    cut = plain.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")
    return cut.rpartition(" ")[0] or cut


def one_line(text: str) -> str:
    """Put a text that an editor wrapped into one line: where lines end is not spoken."""
    return " ".join(filter(None, map(str.strip, text.split("\n"))))


def sentences(text: str) -> list[str]:
    """Part a text into sentences, and a sentence longer than MAX_SENTENCE where one may breathe."""
    parts = []
    for sentence in _SENTENCE_END.split(text.strip()):
        rest = sentence
        while len(rest) > MAX_SENTENCE:
            place = _breath(rest)
            parts.append(rest[:place].rstrip())
            rest = rest[place:].lstrip()
        parts.append(rest)
    return [part for part in parts if part]


def comparable(text: str) -> str:
    """Bring texts that differ in apostrophes, case, spaces or a final stop into one form."""
    plain = unicodedata.normalize("NFKC", clean(text).translate(_APOSTROPHES))
    return plain.casefold().strip(" .!")


def language_tags(language: str) -> tuple[str, ...]:
    """Return the BCP 47 tags to try for a language, the given one first, its base last.

    `fr-CA` gives `fr-ca` and `fr`. What is no such tag gives nothing: it may come from outside
    and ends up in an engine's arguments.
    """
    tag = language.strip().replace("_", "-").lower()
    if not _LANGUAGE_TAG.fullmatch(tag):
        return ()
    return tuple(dict.fromkeys((tag, tag.partition("-")[0])))


def menu_key(text: str) -> str | None:
    """Return the key that a language's menu prompt asks for: the one digit in its text."""
    keys = _DIGIT.findall(text)
    return keys[0] if len(keys) == 1 else None


def _breath(sentence: str) -> int:
    """Where to part a long sentence: the last comma and the like that fits, else the last space."""
    for mark in _BREATHS:
        place = sentence.rfind(mark, MAX_SENTENCE // 2, MAX_SENTENCE)
        if place > 0:
            return place + len(mark)
    return MAX_SENTENCE
