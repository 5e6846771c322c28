"""The names of the prompts, and helpers that prepare untrusted texts to be spoken."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
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
    "returning",
    "opt-out-offer",
    "opted-out",
    "no-more-texts",
    "no-answer",
    "busy",
    "goodbye",
    "please-wait",
)
"""All prompts that are shipped in each language; English also has DIGIT_PROMPTS."""

OPT_OUT_PROMPTS: Final = ("opt-out-offer", "opted-out", "no-more-texts")
"""Prompts of a line with an opt-out key. `opted-out` ends with "Connecting you"; `no-more-texts` is
for lines whose default destination connects nobody."""

RETURNING_PROMPTS: Final = ("returning",)
"""Prompts of a line that texts returning callers without asking them again."""

QUESTIONS: Final = ("confirm-number", "opt-out-offer")
"""Prompts that a key answers after a number was read back."""

LEAST_QUESTION_SECONDS: Final = 1.0
"""The shortest question: a key that comes sooner may have gone down before it, and is passed
over."""

DIALOGUE_PROMPTS: Final = (
    "language-menu-item",
    "returning",
    "opt-out-offer",
    "enter-number",
    "no-input",
    "invalid-number",
    "you-entered",
    "confirm-number",
)
"""Besides the disclosure, what callers hear before an agreement is stored. The record names it."""

REQUIRED_PROMPTS: Final = frozenset(PROMPTS) - {
    "disclosure",  # a line names its own
    "disclosure-example-store",
    "caller-id-offer",
    "caller-id-confirm",
    *OPT_OUT_PROMPTS,
    *RETURNING_PROMPTS,
}
"""The prompts that any line needs in each of its languages."""

DIGIT_PROMPTS: Final = tuple(f"digit-{digit}" for digit in range(10))
"""Prompts for reading numbers back if the PBX has no digits. Optional.

Shipped in English only; docs/speech.md explains why.
"""

DOCUMENTED: Final = ("no-forwarding", "not-linked")
"""Prompts with exactly the texts that the hook's documentation lists as answers."""

MAX_TEXT_BYTES: Final = 4096
"""Longest untrusted text that is spoken: about five minutes."""

MAX_SENTENCE: Final = 240
"""Longest part of a text, in characters, that is rendered at once."""

_APOSTROPHES = str.maketrans(
    dict.fromkeys(
        "\N{RIGHT SINGLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}"
        "\N{MODIFIER LETTER APOSTROPHE}\N{ACUTE ACCENT}`",
        "'",
    )
)
_LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8}){0,3}")
_SENTENCE_END = re.compile(r"(?<=[.!?\N{HORIZONTAL ELLIPSIS}])\s+")
_BREAKS = (", ", "; ", ": ", " ")  # where a long sentence is divided, best first
_DIGIT = re.compile(r"(?<!\d)\d(?!\d)")


def clean(text: str) -> str:
    """Prepare an untrusted text to be spoken: one line, no control characters, 4 KiB at most.

    A longer text is cut at the last space that fits.
    """
    plain = "".join(" " if unicodedata.category(c).startswith(("C", "Z")) else c for c in text)
    plain = " ".join(plain.split())
    if len(plain.encode()) <= MAX_TEXT_BYTES:
        return plain
    cut = plain.encode()[:MAX_TEXT_BYTES].decode(errors="ignore")
    return cut.rpartition(" ")[0] or cut


def one_line(text: str) -> str:
    """Join the lines of a text that an editor wrapped."""
    return " ".join(filter(None, map(str.strip, text.split("\n"))))


def sentences(text: str) -> list[str]:
    """Divide a text into sentences, and those longer than MAX_SENTENCE at commas or spaces."""
    parts = []
    for sentence in _SENTENCE_END.split(text.strip()):
        rest = sentence
        while len(rest) > MAX_SENTENCE:
            place = _break(rest)
            parts.append(rest[:place].rstrip())
            rest = rest[place:].lstrip()
        parts.append(rest)
    return [part for part in parts if part]


def comparable(text: str) -> str:
    """Normalise apostrophes, case, spaces and a final stop, so that texts can be compared."""
    plain = unicodedata.normalize("NFKC", clean(text).translate(_APOSTROPHES))
    return plain.casefold().strip(" .!")


@lru_cache(maxsize=256)
def language_tags(language: str) -> tuple[str, ...]:
    """Return the BCP 47 tags to try for a language, the given one first, its base last.

    `fr-CA` gives `fr-ca` and `fr`. An invalid tag gives nothing: it may be untrusted, and it
    becomes an argument of an engine.
    """
    tag = language.strip().replace("_", "-").lower()
    if not _LANGUAGE_TAG.fullmatch(tag):
        return ()
    return tuple(dict.fromkeys((tag, tag.partition("-")[0])))


def menu_key(text: str) -> str | None:
    """Return the key that a language menu prompt asks for: the only digit in its text."""
    keys = _DIGIT.findall(text)
    return keys[0] if len(keys) == 1 else None


def _break(sentence: str) -> int:
    """Return where to divide a long sentence: after the last comma or similar, or space."""
    for mark in _BREAKS:
        place = sentence.rfind(mark, MAX_SENTENCE // 2, MAX_SENTENCE)
        if place > 0:
            return place + len(mark)
    return MAX_SENTENCE
