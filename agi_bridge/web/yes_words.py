"""Recognises text messages that say YES and nothing else, in English, Spanish and French. Pure.

A YES completes a consent that waits for one, so only a message that cannot mean anything else
counts: words of agreement, perhaps with a courtesy. "Yes, who is this?", "yes?", "ok" and a thumb
up are not a YES: a consent to advertising has to be given in clear words (47 CFR 64.1200(f)(9)).
"""

from __future__ import annotations

from typing import Final

from agi_bridge.web.stop_text import is_liking, plain_words, unquoted

_YES: Final = frozenset(
    {
        *("yes", "y", "yep", "yup", "yeah", "yes i do", "yes i am", "yes you may", "yes you can"),
        *("i agree", "agree", "agreed", "i accept", "accept", "accepted", "i consent", "consent"),
        *("i confirm", "confirm", "confirmed", "i do agree", "i do"),
        *("si", "si acepto", "acepto", "si quiero", "de acuerdo", "estoy de acuerdo"),
        *("confirmo", "si confirmo", "autorizo", "consiento"),
        *("oui", "j accepte", "jaccepte", "je suis d accord", "je suis daccord", "d accord"),
        *("daccord", "je confirme", "je consens", "j autorise", "jautorise", "oui j accepte"),
    }
)
"""What says YES."""
_COURTESIES: Final = frozenset(
    {
        *("please", "thanks", "thank you", "thx", "ty", "hi", "hello", "pls"),
        *("por favor", "gracias", "hola", "claro"),
        *("merci", "s il vous plait", "svp", "sil vous plait", "bonjour"),
    }
)
"""What may stand beside it."""
_LONGEST: Final = max(len(phrase.split()) for phrase in (*_YES, *_COURTESIES))
_MOST: Final = 100
"""Characters of a YES; a longer message says more."""
_DOUBTS: Final = "?\N{INVERTED QUESTION MARK}\N{FULLWIDTH QUESTION MARK}"


def says_yes(message: str) -> bool:
    """Tell whether a message agrees, and says nothing besides.

    What a reply quotes, signatures, case, accents and punctuation do not count; a question mark
    does: "yes?" asks.
    """
    own = unquoted(message[: 20 * _MOST]).strip()
    if is_liking(message) or len(own) > _MOST or any(mark in own for mark in _DOUBTS):
        return False
    words, place, agrees = plain_words(own), 0, False
    while place < len(words):
        for length in range(_LONGEST, 0, -1):
            phrase = " ".join(words[place : place + length])
            if phrase in _YES or phrase in _COURTESIES:
                agrees = agrees or phrase in _YES
                place += length
                break
        else:
            return False
    return agrees
