"""Refusals in words that no list has: "do not use my number", "je m'oppose aux SMS". Pure.

A short sentence that refuses or removes, and names a number, a name, a list, texts, contact or
consent, is for a person to read. Negations are a closed class of words; verbs that remove are an
open one, of which the beginnings are listed. What people say every day with the same words, "I
didn't get your text", is taken out first. A question is none.
"""

from __future__ import annotations

import re
from typing import Final

from agi_bridge.web.stop_text import readings

_LONGEST: Final = 15
"""Words of a sentence that is about one thing."""

_SENTENCE: Final = re.compile(r"[^.!?;\n]+(?:[.!?;\n]|$)")

_NEGATION: Final = (
    r"no|not|never|none|dont|doesnt|didnt|wont|cant|cannot|couldnt|shouldnt|wouldnt|isnt|arent|"
    r"wasnt|havent|hasnt|mustnt|without|zero|nor|neither|nunca|jamas|sin|tampoco|ni|ne|pas|jamais|"
    r"sans|aucun|aucune|nobody|nadie|personne|n(?:utilis|appel|ecri|envoy|ai|avez|est|ont|accept|"
    r"autoris)\w*"
)
_REMOVAL: Final = (
    r"(?:refus|reject|declin|object|oppos|remov|delet|eras|wip|trash|discard|scrub|purg|expung|"
    r"unregist|unenrol|deregist|delist|unlist|unauthori|den[iy]|withdr|block|blacklist|revok|"
    r"forget|unlink|ban|banned|alone|prohibit|forbid|exclud|omit|destroy|shred|ditch|dump|toss|throw|cancel|"
    r"disconnect|detach|terminat|unsub|stop|ceas|borr|elimin|quit[ea]|saqu|sac[ao]|retir|rechaz|"
    r"opon|nieg|blowing|olvid|bloque|prohib|suprim|tire|bote|rejet|suppri|effac|enlev|oubli|bloqu|"
    r"interdi|vire|jete|moppos|dechir)\w*|drop|dropped|pull|pulled|scratch|strike|cross|rid|cut|"
    r"lose|gone|clear|limits|unwanted|unsolicited|dnc"
)
_NAMED: Final = (
    r"(?:number|phone|cell|mobile|text|txt|messag|msg|contact|consent|permission|authori[sz]|"
    r"detail|record|numero|telefon|celular|telephon|mensaj|permis|l?autori[sz]|coordonn|donnee|"
    r"joindre)\w*|name|names|list|lists|sms|info|data|database|nombre|lista|movil|datos|nom|"
    r"liste|portable|accord"
)
_REFUSED: Final = re.compile(rf"\b(?:{_NEGATION}|{_REMOVAL})\b")
_NAMES: Final = re.compile(rf"\b(?:{_NAMED})\b")

_PUT_OUT: Final = re.compile(
    r"\b(?:name|number|phone|cell|me|us)(?: \w+)? (?:out|off)\b(?! (?:at|in|with|to)\b)|"
    r"\b(?:out|off)(?: of)? (?:my|our|your|the|this) (?:phone|cell|number|list|lists|system)\b|"
    rf"\b(?:{_REMOVAL}) (?:me|us)(?: off| out| now| please| from .*)?$|"
    r"\bveux plus recevoir$|^(?:you are |youre |texts )?not welcome(?: here)?$|"
    r"^(?:i |we |je )?(?:hereby |do )?(?:refuse|reject|decline|object|oppose)d?"
    r"(?: it| this| that| these| those| them| all)?$|"
    r"^(?:no|non) (?:thanks|thank you|thx|ty|gracias|muchas gracias|merci|merci beaucoup)$"
)
"""What asks for it without another word: to be out or off, and a refusal of everything."""

_EVERYDAY: Final = re.compile(
    # Not received, not found, not known.
    r"(?<!you )(?<!u )\b(?:not|dont|didnt|havent|hasnt|never|cant|cannot|couldnt|doesnt|no|pas|"
    r"nai pas|nai jamais)(?: \w+)? (?:get|got|gotten|getting|receive|received|see|seen|saw|know|"
    r"find|found|hear|heard|remember|recall|have|understand|read|open|think|recognize|recibi|"
    r"recibido|llego|tengo|encuentro|veo|se|recu|trouve|vu)\b(?! (?:your |my |any )?(?:permission|"
    r"consent))|"
    r"\b(?:i|me|cant|cannot|wont) forget\b|\b(?:jai oublie|me olvido)\b|"
    r"\bnai pas (?:votre|vos|le|la|de)\b|\b(?:ny a pas|no hay|there (?:is|are|was) no)\b|"
    r"(?:^|\b(?:maybe|please|just|now|here|but) )text (?:me|instead)\b|"
    r"\bname(?: \w+){0,5} is \w+ not \w+|\b(?:has not|hasnt|have not|havent) changed\b|\bblock \d+|"
    r"\b(?:name|nom|nombre) (?:isnt|is not|nest pas|no es)\b(?! (?:for|your|to))|"
    r"\bno (?:texts?|messages?) (?:came|come|yet|arrived)\b|"
    r"\b(?:dont|not|never) (?:forget|worry|mind|hesitate|lose)\b|"
    r"\b(?:no|sans|pas de) (?:problem|problema|probleme|souci|worries|rush|hurry|idea|doubt|matter|"
    r"importa|se|tengo)\b|\bnot (?:yet|sure|only|bad|a problem)\b|\b(?:why|if|or|whether) not\b|"
    r"\b(?:pas|no) (?:encore|todavia|aun)\b|"
    r"^(?:no|non|nope) (?=(?:my|the|its|it|thats|this|mi|el|es|mon|cest|just|please|text|call)\b)|"
    r"\b(?:isnt|is not|not|wont|doesnt|does not|no) (?:working|work|correct|right|charging|"
    r"turn on|ring|funciona|marche)\b|\bne (?:marche|fonctionne) (?:pas|plus)\b|"
    r"\b(?:drop|dropped|cut|lose|lost|broke|forgot) (?:me |you |us )?(?:a |my |the |your )?"
    r"(?:text|line|message|msg|note|phone|cell|order number|name|call)\b(?<!lose my phone)|"
    r"\bdrop(?:ped)? (?:it|them|that|by|in|off)\b|\bphone (?:is |was |turned )*off\b|"
    r"\boff the phone\b|\b(?:get|got|gets) off (?:at|work)\b"
)


def may_refuse(message: str) -> bool:
    """Tell whether a sentence of it refuses or removes something that it names."""
    return any(
        not sentence[0].endswith("?") and _refuses(sentence[0])
        for sentence in _SENTENCE.finditer(message)
    )


def _refuses(sentence: str) -> bool:
    for reading in readings(sentence):
        words = list(reading.words)
        if 1 in reading.breaks and words[0] in {"no", "nope", "non", "yes", "si", "oui"}:
            del words[0]
        if not words or len(words) > _LONGEST:
            continue
        said = " ".join(words)
        if _PUT_OUT.search(said.replace("please ", "").removesuffix(" please")):
            return True
        left = _EVERYDAY.sub(" ", said)
        if _REFUSED.search(left) and _NAMES.search(left):
            return True
    return False
