"""Recognises opt-outs in free words: "do not use my number", "je m'oppose aux SMS". Pure.

A short sentence that refuses or removes, and names a number, a name, a list, texts, contact or
consent, goes to a person. Negations are a closed class of words. Verbs that remove are an open
one: the list has their beginnings. Everyday sentences with the same words, "I didn't get your
text", are removed first. Questions count too: "could you drop my number?" is a request. In a
question, a phone or a name is more likely its topic.
"""

from __future__ import annotations

import re
from typing import Final

from agi_bridge.web.stop_text import readings

_LONGEST: Final = 15
"""Maximum number of words in a sentence with one topic."""

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
    r"\b(?:name|number|digits|phone|cell|me|us)(?: \w+)? (?:out|off)\b(?! (?:at|in|with|to)\b)|"
    r"\b(?:out|off)(?: of)? (?:my|our|your|the|this) (?:phone|cell|number|list|lists|system)\b|"
    rf"\b(?:{_REMOVAL}) (?:me|us)(?: off| out| now| please| from .*)?$|"
    r"\bveux plus recevoir$|^(?:you are |youre |texts )?not welcome(?: here)?$|"
    r"^(?:i |we |je )?(?:hereby |do )?(?:refuse|reject|decline|object|oppose)d?"
    r"(?: it| this| that| these| those| them| all)?$|"
    r"^(?:no|non) (?:thanks|thank you|thx|ty|gracias|muchas gracias|merci|merci beaucoup)$"
)
"""Complete requests: to be out or off, and a refusal of everything."""

_NAMED_IN_QUESTION: Final = re.compile(
    r"\b(?:numbers?|numeros?|lists?|listas?|listes?|systems?|sistemas?|systeme|database|texts?|"
    r"texting|txts?|sms|messag\w*|msgs?|mensaj\w*|notif\w*|alerts?|contact\w*|consent\w*|"
    r"permi\w*|subscri\w*|suscrip\w*|abonn\w*|mecri\w*|menvoy\w*)\b"
)

_TEXTS: Final = (
    r"(?:text|txt|messag|msg|mensaj|notific|alert|subscri|suscrip|abonnement|promo|advert|"
    r"newsletter|anuncio|publicid|publicit)\w*|sms|ads|pub"
)
_SENDING: Final = (
    r"(?:text|txt|messag|contact|send|writ|bother|call|mand|envi|escrib|contact|llam|habl|molest|"
    r"busq|ecri|envoy|mecri|menvoy|mappel|sollicit)\w*"
)
_REMOVED: Final = (
    r"(?:removed|deleted|erased|forgotten|excluded|unsubscribed|taken (?:off|out)|opted out|"
    r"left alone|let out|out)"
)
_OF_OURS: Final = r"(?:(?:of|on|with|up|off|the|your|these|those|this|that|all|any|my) ){0,4}"

_IN_OTHER_WORDS: Final = re.compile(
    # To refrain from texts, hold them, turn them off, have had too many of them.
    rf"\b(?:avoid|refrain from|abstain from|desist from|quit it with) (?:\w+ )?(?:{_SENDING})|"
    r"\b(?:avoid|refrain from|hold|hold off|lay off|ease off|ease up|cool it|give it a rest|rest|"
    r"spare (?:me|us)|skip|keep|save|kill|end|ending|turn off|turned off|switch off|shut off|"
    r"shut down|disable|deactivate|suspend|pause|mute|silence|limit|quit it|cut it|knock it off|"
    rf"rid|had it|fed up|done|too many|so many|enough|cancel|undo) {_OF_OURS}(?:{_TEXTS})\b|"
    rf"\b(?:hold|lay|ease) (?:off|up) (?:on )?(?:{_SENDING})|"
    rf"\b(?:{_TEXTS}) (?:turned |switched |shut )?off\b|\b(?:{_TEXTS}) go away\b|"
    rf"\b(?:stay|keep|lay|get) (?:off|out of|away from) (?:my|our|this) (?:phone|cell|number)\b|"
    r"\b(?:lay off|losing|lose|clean|wipe|clear) (?:my|our) (?:number|name)\b|"
    r"\bclean (?:me|us|my \w+) (?:out|off|from)\b|"
    rf"\bwhy (?:am i|are you|do you|do i|did i)(?: \w+){{0,3}} (?:{_TEXTS})\b|"
    r"\b(?:can i|do i|to|so i dont|changed my mind) (?:not |about )?(?:get |receive )?"
    rf"(?:these |those |the |any |any more |more )(?:{_TEXTS})\b|"
    r"^how (?:do i |can i |do you |to |would i )(?:leave|end|quit|get out|get off|"
    r"turn (?:this|these|those|it|them))(?: \w+){0,3}"
    rf"(?:$| lists?$| off$)|\bkeep getting(?: \w+)? (?:{_TEXTS})\b|\btake back my \w+$|"
    r"\btake my \w+ back$|^avoid this number$|^comment (?:sortir|partir) de\b|"
    # To be out.
    r"\b(?:i|id|we|wed|number|name|want|wish|like|need|something|ask|asking|demand|request)"
    rf"(?: to)?(?: please)? be {_REMOVED}\b|"
    r"^(?:this is )?(?:an? |my |your |the |data |number )?(?:removal|deletion|erasure|"
    r"opt ?out|unsubscri\w+) request\b|^request(?:ing)?(?: for| of)?(?: my)? "
    r"(?:removal|deletion|erasure|opt ?out)\b|"
    r"\bque (?:me|nos) (?:borren?|quiten?|saquen?|eliminen?|dejen?|olviden?|retiren?|remuevan?)"
    r"(?:$| (?:de|del|ya|por|mi)\b)|\b(?:me|nos) (?:pued|podri)\w+ "
    r"(?:sacar|quitar|borrar|eliminar|retirar)(?:$| (?:de|del|mi)\b)|"
    r"\b(?:me salgo|salirme|salgo|salir) de (?:esta|la|su|esto)\b|"
    r"\betre (?:supprim|retir|desabon|enlev|effac|ray|desinscri|radi)\w*|"
    r"\bvirez (?:moi|nous|mon)\b|"
    # To get nothing more.
    rf"\bno (?:me |nos )?(?:vuelv|sig)\w+ (?:a )?(?:{_SENDING})|\bno (?:me|nos) (?:habl|busq)\w*|"
    rf"\b(?:evit\w+|abst\w+)(?: vous)?(?: de)?(?: me| nous)? (?:{_SENDING})|\bno recibir\b|"
    r"\b(?:plus|pas|veux|souhaite|desire) (?:rien )?recevoir (?:de |ces |vos |des )?\w*|"
    r"\brien recevoir\b|\b(?:ya no|no) quiero(?: nada)?$"
)
"""Other words for an opt-out, in sentences and questions."""

_UNNAMED: Final = re.compile(
    # A removal at the end, a person to be taken off, a refusal with nothing behind it.
    r"(?<!to )\b(?:remove|delete|erase|unlist|delist|borrar|eliminar|quitar|supprimer|"
    r"enlever|effacer)$|"
    r"\btak(?:e|ing) (?:him|her|them) (?:off|out)\b|"
    r"^(?:(?:pls|plz|can you|could you|would you|just|kindly) )*(?:dont|do not|not)$|"
    r"\b(?:rather|prefer)(?: you| that you)? (?:not|didnt|dont|did not|do not)\b|"
    r"^(?:out|off|opt)$|"
    # Words that only a demand has.
    r"\b(?:cease|desist|halt|discontinue)\b|\b(?:gdpr|rgpd|ccpa|tcpa|casl|lopd)\b|"
    r"\bright (?:to|of) (?:object\w*|erasure|deletion|opposition|be forgotten)\b|"
    r"\bdroit (?:d |d|a |a l|de )(?:opposition|oubli|effacement|retrait|suppression)\b|"
    r"\bderecho (?:de|a la|al) (?:oposicion|supresion|olvido|cancelacion)\b|"
    # Somebody else has the number now.
    r"\b(?:deceased|passed away|has died|(?:he|she) (?:is |has )?(?:dead|died)|fallecio|"
    r"fallecid[oa]|murio|decede\w*)\b|"
    r"^(?:(?:this|that|it|im|its|thats|i|am|is|isnt) ){0,3}(?:not )?(?:not|isnt) "
    r"(?:me|him|her|(?:that|this|the) (?:person|man|woman|guy))\b|"
    r"\bno soy (?:yo|es[ae] persona)\b|\bcest? ?(?:nest )?pas moi\b|\bnest pas moi\b|"
    r"\bne suis pas cette personne\b|"
    # Not to send, as Spanish and French command it.
    r"\bno (?:me |nos |le |les )?(?:mande|envie|escriba|contacte|llame|texte)[ns]?\b|"
    r"\b(?:par[ae]n?|dej[ae]n?|dejar|basta|cesen?) de (?:mand|envi|escrib|contact|llam|molest)\w*|"
    r"\bn(?:e )?(?:me |nous |m)?(?:envoyez|envoie|ecrivez|ecris|contactez|contacte|appelez|"
    r"textez)\b"
)
"""What refuses without naming what: the text before it did."""

_UNWANTED: Final = re.compile(
    r"\b(?:no|not|zero|dont want|without|sin|cero|no quiero|no deseo|recibir|pas de|plus de|sans)"
    r"(?: more| further| additional| other| mas| any| your| the| vos| de vos)? "
    r"(?:marketing|promos?|promotions?|ads?|"
    r"advert\w*|offers?|solicit\w*|newsletters?|communications?|correspondence|publicidad|"
    r"anuncios|ofertas|promociones|propaganda|pubs?|publicites?|offres)"
    r"(?: please| thanks| thank you| anymore| more| svp| merci| from you| mas| por favor)*$"
)
"""A refusal of something that is sent by text, by its name, with nothing else in the message."""

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
    r"\bpull up\b|\bcontact lens\w*|"
    r"\b(?:drop|dropped|cut|lose|lost|broke|forgot) (?:me |you |us )?(?:a |my |the |your )?"
    r"(?:text|line|message|msg|note|phone|cell|order number|name|call)\b(?<!lose my phone)|"
    r"\bdrop(?:ped)? (?:it|them|that|by|in|off)\b|\bphone (?:is |was |turned )*off\b|"
    r"\boff the phone\b|\b(?:get|got|gets) off (?:at|work)\b"
)


def may_refuse(message: str) -> bool:
    """Whether a sentence of it refuses or removes something that it names."""
    return any(
        _refuses(sentence[0], question=sentence[0].endswith("?"))
        for sentence in _SENTENCE.finditer(message)
    )


def _refuses(sentence: str, *, question: bool) -> bool:
    for reading in readings(sentence):
        words = list(reading.words)
        if 1 in reading.breaks and words[0] in {"no", "nope", "non", "yes", "si", "oui"}:
            del words[0]
        if not words or len(words) > _LONGEST:
            continue
        joined = " ".join(words)
        bare = joined.replace("please ", "").removesuffix(" please")
        if any(asks.search(bare) for asks in (_PUT_OUT, _UNNAMED, _IN_OTHER_WORDS)):
            return True
        if not question and _UNWANTED.search(bare):
            return True
        left = _EVERYDAY.sub(" ", joined)
        names = _NAMED_IN_QUESTION if question else _NAMES
        if _REFUSED.search(left) and names.search(left):
            return True
    return False
