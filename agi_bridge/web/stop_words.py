"""Does a text message ask for no more texts? In English, Spanish and French. Pure.

"Any reasonable means" of revoking count, and the words stop, quit, end, revoke, opt out, cancel and
unsubscribe always do (47 CFR 64.1200(a)(10)). Carriers and aggregators add STOPALL, REMOVE, TD, and
for Canada ARRET.

A message that is such a word, or a short sentence that can mean nothing else, is a STOP. One that
may mean it is for a person to read: revoking too much costs a conversation, but a request that is
overlooked is texted again.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from enum import StrEnum
from typing import Final


class Wish(StrEnum):
    """What a message asks for."""

    STOP = "stop"
    UNCLEAR = "unclear"
    """Perhaps no more texts: a person has to read it."""
    OTHER = "other"


def read_wish(message: str) -> Wish:
    """Tell whether a message asks for no more texts. Case, accents and punctuation do not count."""
    text = _plain(message[:_LONGEST])
    if _SENTENCE.fullmatch(_COURTESY.sub("", text)):
        return Wish.STOP
    if _HINT.search(text) or _SIGN.search(message) or _is_misspelt(text):
        return Wish.UNCLEAR
    return Wish.OTHER


def _plain(message: str) -> str:
    """The words in small letters of the Latin alphabet and digits, each followed by a space."""
    folded = unicodedata.normalize("NFKD", message).casefold()
    letters = "".join(c for c in folded if not unicodedata.combining(c))
    # "stoooop": none of the three languages says a letter three times.
    once = re.sub(r"(.)\1{2,}", r"\1", _APOSTROPHE.sub("", letters))
    words = re.findall(r"[a-z0-9]+", once)
    if words and all(len(word) == 1 for word in words):
        words = ["".join(words)]  # "S.T.O.P."
    return "".join(f"{word} " for word in words)


def _is_misspelt(text: str) -> bool:
    """One word alone with letters swapped or doubled ("stpo"), or nearly a long one."""
    word = re.sub(r"(.)\1", r"\1", text.strip())
    swapped = any(word[:1] == one[0] and sorted(word) == sorted(one) for one in _ALONE)
    long_ones = [one for one in _ALONE if len(one) >= _LONG_WORD]
    return swapped or bool(difflib.get_close_matches(word, long_ones, n=1, cutoff=0.85))


_LONGEST: Final = 2000
"""Characters that are read. Ten joined text messages, the most that networks carry, have fewer."""

_LONG_WORD: Final = 6

_APOSTROPHE: Final = re.compile("['\N{RIGHT SINGLE QUOTATION MARK}\N{LEFT SINGLE QUOTATION MARK}]")
"""Written inside words, and as often left out: "don't", "n'envoyez" lose theirs."""

_SIGN: Final = re.compile("[\N{OCTAGONAL SIGN}\N{NO ENTRY}\N{NO ENTRY SIGN}\N{RAISED HAND}]")
"""People also stop with a picture."""


def _any_of(*languages: str) -> str:
    """An alternative of phrases, each with the space after it; the longer ones are tried first."""
    phrases = {phrase.strip() for language in languages for phrase in language.split(",")}
    return "|".join(f"{phrase} " for phrase in sorted(phrases, key=lambda p: (-len(p), p)))


# English, Spanish, French; as `_plain` leaves them.

_REQUESTS: Final = _any_of(
    "stop, stopall, stop2end, unsubscribe, unsub, optout, opt out, opt me out, opting out, revoke,"
    " remove me, take me off, delete me, leave me alone, quit texting, quit messaging,"
    " quit sending, end texts, end messages",
    "parar, detener, dejar de, deje de, dejen de, deja de, dar de baja, darme de baja,"
    " deme de baja, denme de baja, dame de baja, desuscribir, desuscribirme, desinscribir,"
    " no quiero mas, no quiero recibir",
    "arret, arrete, arreter, arretez, cessez, resilier, desabonner, desabonnez, desabonnement,"
    " desinscrire, desinscrivez, desinscription, ne menvoyez plus, ne plus recevoir",
)
"""Mean it wherever they stand, as long as nothing else is spoken of."""

_EVERYDAY: Final = _any_of(
    "cancel, cancel all, end, end all, quit, remove, td, no more",
    "alto, baja, cancelar, cancela, cancele, anular, basta, pare, paren, no mas, fin, eliminar,"
    " borrar, salir",
    "annuler, annulez, fin, supprimer, assez",
)
"""Mean it only alone."""

_REFUSALS: Final = _any_of(
    "do not text, dont text, never text, do not message, dont message, do not contact,"
    " dont contact, do not send, dont send, do not want, dont want, no more, no further,"
    " cancel, cancel all",
    "no me manden, no me mande, no me mandes, no me envien, no me envie, no me envies, no envien,"
    " no enviar, no manden, no mandar, no quiero, ya no quiero, no mas, cancelar, cancele, pare,"
    " paren",
    "nenvoyez plus, nenvoyez pas, ne menvoyez pas, je ne veux plus, je ne veux pas, plus de,"
    " plus aucun, pas de, annuler, annulez, supprimer",
)
"""Mean it of texts."""

_OF_TEXTS: Final = _any_of(
    "text, texts, texting, message, messages, messaging, msg, msgs, sms, alerts",
    "texto, textos, mensaje, mensajes, alertas",
    "texte, textes, textos, message, messages, alertes",
)

_CONTACT: Final = _any_of(
    "do not text, dont text, never text, do not message, dont message, do not contact,"
    " dont contact, never contact, do not write, dont write",
    "no me escriba, no me escriban, no me contacte, no me contacten, no contactar",
    "ne mecrivez, ne me contactez, ne mecris, ne me contacte",
)
_AT_ALL: Final = _any_of(
    "me, us, this number, again, anymore, any more, ever", "mas, nunca, ya", "plus, jamais"
)

_AROUND: Final = _any_of(
    "i, im, id, me, my, you, your, us, it, the, this, these, those, all, any, more, anymore, again,"
    " ever, of, off, from, to, at, and, want, would, like, wish, need, can, could,"
    " will, send, sending, get, getting, receive, receiving, contacting, number, phone, cell, list,"
    " service, program, subscription, consent, permission, automated, marketing, promotional,"
    " unwanted, immediately",
    "me, mi, mis, su, sus, el, la, lo, los, las, de, del, a, al, por, y, se, ya, este, esta, estos,"
    " estas, mas, todo, todos, todas, quiero, quisiera, deseo, enviar, enviarme, mandar, mandarme,"
    " recibir, escribirme, contactarme, numero, telefono, celular, lista, servicio, suscripcion,"
    " consentimiento, inmediatamente",
    "je, me, moi, se, mon, ma, mes, vos, votre, le, la, les, de, du, des, d, l, ce, ces, et, a, au,"
    " aux, par, sur, tout, tous, toutes, plus, veux, voudrais, souhaite, menvoyer, envoyer, envoi,"
    " envois, mecrire, contacter, recevoir, numero, telephone, liste, service, abonnement,"
    " consentement, immediatement",
)
"""What may stand around a request without making it another one."""

_COURTESIES: Final = _any_of(
    "please, pls, plz, kindly, thanks, thank you, thank u, thx, ty, sorry, hi, hello, hey, ok,"
    " okay, sir, madam, just, now, right now, asap",
    "por favor, porfavor, porfa, gracias, hola, buenos dias, buenas tardes, ahora, ahora mismo",
    "s il vous plait, sil vous plait, s il te plait, sil te plait, svp, stp, merci, bonjour,"
    " maintenant",
)

_COURTESY: Final = re.compile(rf"(?<!\S)(?:{_COURTESIES})")

_SENTENCE: Final = re.compile(
    rf"(?:{_AROUND})*(?:{_REQUESTS})(?:{_REQUESTS}|{_AROUND}|{_OF_TEXTS})*"
    rf"|(?:{_EVERYDAY})+"
    rf"|(?:{_AROUND})*(?:{_REFUSALS})(?:{_AROUND})*(?:{_OF_TEXTS})(?:{_OF_TEXTS}|{_AROUND})*"
    rf"|(?:{_CONTACT})(?:{_AT_ALL})+"
)

_HINT: Final = re.compile(
    rf"(?<!\S)(?:{_REQUESTS}"
    rf"|(?:{_REFUSALS})(?:\S+ ){{0,4}}(?:{_OF_TEXTS})"
    rf"|(?:{_CONTACT})"
    r"|(?:unsub|cancel|revok|revoc|revoq|desabon|desinscri|desuscri|spam|harass|acos|harcel)\S* "
    r"|(?:off|from) \S+ list |wrong (?:number|person) |numero equivocado |(?:mauvais|faux) numero "
    r"|lawyer |attorney |abogado |avocat |not interested |no me interesa |pas interesse)"
)
"""What a person should look at, wherever it stands."""

_ALONE: Final = sorted(
    phrase
    for phrase in (p.strip() for p in f"{_REQUESTS}|{_EVERYDAY}".split("|"))
    if " " not in phrase and len(phrase) >= 4  # noqa: PLR2004 - shorter ones are near anything
)
