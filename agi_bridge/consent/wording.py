"""Checks what a disclosure must say: the brand, and that the texts are marketing. Pure.

A caller who is to agree to advertising has to be told so, and by whom (47 CFR 64.1200(f)(9); CTIA
Messaging Principles 5.1.1). A lawyer judges a wording; this finds one that cannot do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_MARKETING: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("marketing", "advertis", "promotion"),
    "es": ("publicid", "publicit", "promoci", "marketing"),
    "fr": ("publicit", "promotion", "marketing"),
}
"""Beginnings of words, one of which a disclosure of marketing has, by language."""


def names_purpose(text: str, *, language: str, brand: str, purpose: str) -> bool:
    """Whether a disclosure says what it asks for.

    For `marketing` it names the brand, and says that texts will advertise; in a language without a
    list of words here, the brand is enough. For `info` any wording will do.
    """
    if purpose != "marketing":
        return True
    spoken = text.casefold()
    words = _MARKETING.get(language.partition("-")[0], ("",))
    return brand.strip().casefold() in spoken and any(word in spoken for word in words)
