"""Checks what a disclosure must say: the brand, and that the texts are marketing. Pure.

A caller who is to agree to advertising has to be told so, and by whom (47 CFR 64.1200(f)(9); CTIA
Messaging Principles 5.1.1). A lawyer judges a wording; this finds one that cannot do.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKETING: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("marketing", "advertis", "promotion"),
    "es": ("publicid", "publicit", "promoci", "marketing"),
    "fr": ("publicit", "promotion", "marketing"),
}
"""Beginnings of words, one of which a disclosure of marketing has, by language."""
_NEGATIONS: Final[Mapping[str, frozenset[str]]] = {
    "en": frozenset({"no", "not", "never", "without", "non"}),
    "es": frozenset({"no", "sin", "nunca", "ningun", "ninguna"}),
    "fr": frozenset({"ne", "n", "pas", "sans", "jamais", "aucun", "aucune"}),
}
"""A word before which the rest of its sentence says the opposite."""
_WITHDRAWAL: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("withdraw", "revoke"),
    "es": ("retirar", "revocar"),
    "fr": ("retirer", "revoquer"),
}
"""Beginnings of words, one of which says that consent can be withdrawn."""
_WORD: Final = re.compile(r"\w+")


def names_purpose(text: str, *, language: str, brand: str, purpose: str) -> bool:
    """Whether a disclosure says what it asks for.

    For `marketing` it names the brand, as separate words, and says in some sentence, not after a
    negation, that texts will advertise; a brand that is called so says nothing. In a language
    without a list of words here, the brand is enough. For `info` any wording will do.
    """
    if purpose != "marketing":
        return True
    name = _words(brand)
    sentences = [_words(part) for part in re.split(r"[.!?;:\n\u2026]+", text)]
    if not name or not any(_places(words, name) for words in (*sentences, _words(text))):
        return False
    tag = language.partition("-")[0].lower()
    stems, negations = _MARKETING.get(tag), _NEGATIONS.get(tag, frozenset[str]())
    return stems is None or any(
        _advertises(_without(words, name), stems, negations) for words in sentences
    )


def lacks_for_canada(text: str, *, language: str, address: str) -> tuple[str, ...]:
    """What a request for consent to advertising lacks in Canada: `address`, `withdrawal`.

    It gives the mailing address of who asks, and says that consent can be withdrawn (CASL, section
    10; SOR/2012-36, section 4). In a language without words here, the address is all that is looked
    for.
    """
    words, stems = _words(text), _WITHDRAWAL.get(language.partition("-")[0].lower(), ("",))
    place = _words(address)
    lacks = {
        "address": not place or not _places(words, place),
        "withdrawal": not any(word.startswith(stems) for word in words),
    }
    return tuple(name for name, is_lacking in lacks.items() if is_lacking)


def _advertises(words: list[str], stems: tuple[str, ...], negations: frozenset[str]) -> bool:
    """Whether a sentence says so, and no negation comes before it."""
    said = next((n for n, word in enumerate(words) if word.startswith(stems)), None)
    return said is not None and negations.isdisjoint(words[:said])


def _words(text: str) -> list[str]:
    """The words, without accents and case."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return _WORD.findall("".join(c for c in plain if not unicodedata.combining(c)))


def _places(words: list[str], name: list[str]) -> list[int]:
    """Where a name stands among words."""
    return [n for n in range(len(words)) if words[n : n + len(name)] == name]


def _without(words: list[str], name: list[str]) -> list[str]:
    """Words without a name."""
    gone = {n + k for n in _places(words, name) for k in range(len(name))}
    return [word for n, word in enumerate(words) if n not in gone]
