"""The vocabulary of opt-out requests in English, Spanish and French. Data, no logic.

A small grammar for each language: verbs that refuse or remove, and their objects. `stop_words`
combines them, and `stop_text` brings messages to this form (lower-case letters without accents,
apostrophes or punctuation). Commas separate phrases. A phrase that ends in `*` matches every word
with that beginning.

The words stop, quit, end, revoke, opt out, cancel and unsubscribe always revoke (47 CFR
64.1200(a)(10)). Carriers and aggregators add STOPALL, REMOVE, TD, and for Canada ARRET.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


def several(*lists: str) -> str:
    """Return each phrase of the first list followed by each of the next, and so on."""
    made = [""]
    for phrases in lists:
        made = [f"{one} {phrase.strip()}" for one in made for phrase in phrases.split(",")]
    return ",".join(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The phrases of one language.

    Attributes:
        requests: opt-outs anywhere in a message, if it has no other topic.
        alone: opt-outs only if the message has nothing else: "cancel".
        contact: refuse any contact: "do not text".
        refusals: refuse texts, if texts are named after them: "do not want".
        soft: weaker refusals: "do not need".
        nothing: refuses texts that are named directly after it.
        removals: remove a person, if `records` or `permissions` are named after them.
        texts: messages, and sending them.
        records: a person's entries at the business: number, name, list.
        details: other entries; their removal goes to a person, as it may concern an order.
        permissions: consent. Removing it needs no "my".
        own: words that refer to the sender.
        at_all: may follow a refusal: "again".
        around: may surround a request without changing it.
        courtesies: ignored.
        perhaps: unclear, if the message has nothing else.
        hints: make a message unclear, anywhere in it.
    """

    requests: str
    alone: str
    contact: str
    refusals: str
    soft: str
    nothing: str
    removals: str
    texts: str
    records: str
    details: str
    permissions: str
    own: str
    at_all: str
    around: str
    courtesies: str
    perhaps: str
    hints: str


_DO_NOT: Final = (
    "do not, dont, do not ever, dont ever, dont you ever, dont you dare, never, never ever,"
    " never again, do not again, you may not, you cannot, you cant, must not"
)
_DID_NOT: Final = (
    "do not, dont, did not, didnt, never, not, no longer, have not, havent, cannot, cant"
)
_FROM_LIST: Final = several(
    "off, from", "your, the, this, that, my, all, any", "list, lists, mailing list, contact list"
)

ENGLISH: Final = Vocabulary(
    requests="stop, stopall, stop2end, stop2quit, stopquit, stopsms, stoptext, stoptexts, stopmsg,"
    " unsubscribe, unsub, optout, opt out, opt me out, opting out, opted out, revoke,"
    " remove me, take me off, get me off, get this number off, delete me, erase me,"
    " leave me alone, leave us alone, unlist me, do not disturb, take me out, stop at once,"
    " stop it, quit texting, quit messaging, quit sending, quit contacting, quit bothering,"
    " cease texting, cease messaging, cease sending, cease contacting, cease and desist,"
    " end texts, end messages,"
    f" {several('lose, forget', 'my, this, our', 'number, contact, digits, name')},"
    f" {several('take, get', 'my, this, our', 'number, name, phone, cell', 'off')}",
    alone="cancel, cancel all, end, end all, quit, remove, td, no more, revoked, unsubscribed",
    contact=several(_DO_NOT, "text, txt, message, msg, sms, contact, write, text message"),
    refusals=f"{several(_DO_NOT, 'send, want, wish, consent to, authorize, authorise, allow')},"
    " no longer want, no longer wish, no more, no further, cancel, cancel all, end all, cease,"
    " halt, discontinue, terminate",
    soft=f"{several(_DO_NOT, 'need, like, use, accept')},"
    " rather not, would rather not, no need for, tired of, sick of, enough of, enough with,"
    " enough, without, refrain from",
    nothing="no, no other, zero",
    removals="take off, take it off, remove, delete, erase, withdraw, withdrawing, revoke,"
    " revoking, rescind, retract, terminate, purge, scratch, strike, unlist, removing, deleting,"
    " erasing",
    texts="text, texts, texting, txt, txts, txting, message, messages, messaging, msg, msgs, sms,"
    " alerts, text messages, notifications, texted, messaged, contacted",
    records="this number, my number, number, phone number, cell number, name, contact, list,"
    " lists, mailing list, contact list, database, contacts, records, subscription, system,"
    f" {_FROM_LIST}",
    details="contact info, contact information, info, information, data, details, account, phone,"
    " cell, profile",
    permissions="consent, permission, authorization, authorisation",
    own="my, me, mine, this, our, us, this number, my number",
    at_all="me, us, this number, my number, this phone, again, anymore, any more, ever, ever again,"
    " in the future, from you, to me, to this number, at this number, on this number, already, now,"
    " at all, at all",
    around="i, im, id, me, my, mine, you, your, us, our, it, the, this, these, those, that, all,"
    " any, more, anymore, again, already, ever, of, off, from, to, at, on, and, a, no, u, ur,"
    " want, wants, would, like, wish, need, can, could, will, must, have, asked, asking, said,"
    " told, send, sending, get, getting, receive, receiving, contacting, number, phone, cell,"
    " list, service, program, subscription, consent, permission, automated, marketing,"
    " promotional, unwanted, immediately, both, hereby, being, be, time, last, second, third,"
    " am, been",
    courtesies="please, pls, plz, plse, pleas, kindly, thanks, thank you, thank u, thx, ty, tks,"
    " sorry, hi, hello, hey, ok, okay, yes, sir, madam, just, now, right now, asap, lol, omg, wow,"
    " seriously, good morning, good afternoon, good evening, sent from my iphone",
    perhaps="exit, delete, withdraw, junk, halt, discontinue, cease, desist, block, blocked,"
    " blocking, enough, quit it, end this, end it, cancel this, cancel it, cancel that,"
    " dont bother, do not bother, unfollow, mute, go, no contact, do not want this, dont want this,"
    " dont want it, never",
    hints=f"{several(_DO_NOT, 'send anything, send me anything')},"
    " unsub*, revok*, revoc*, cancel*, spam, spamming, spammer*, harass*, stalk*, consent*,"
    " lawyer*, attorney*, lawsuit, sue you, sue u, will sue, tcpa, fcc, ftc, stp text,"
    " stp texting, stp sending, scam*, illegal*, want out, let me out, anything from you,"
    " send anything, belongs to someone else, not my number, new owner, changed owner, wrong guy,"
    " wrong man, wrong woman, wrong number, wrong person, wrong phone, not interested,"
    " no longer interested, uninterested, go away, get lost, leave me be, let me be, fuck off,"
    " f off, piss off, buzz off, screw off, shut up, bother me, bothering me, bother us,"
    " annoying me, pestering, bugging me, reported, report you, report u, reporting you,"
    " report this number, reporting this, as junk, is junk, junk mail, junk text, junk texts,"
    " block you, blocking you, blocked you, block this number, blocking this number, block u,"
    " blocking u, blocked u, do not call, dont call, stop calling, quit calling, opt me,"
    " sign me off, unwanted, unsolicited, who gave you, get my number, got my number,"
    " got this number, have my number, stop at, stop by, stop in, stop over, stopping, stopped,"
    " stops, discontinu*,"
    f" {several(_DID_NOT, 'consent, consented, agree, agreed, authorize, authorized, subscribe')},"
    f" {several(_DID_NOT, 'subscribed, sign up, signed up, opt in, opted in, give permission')},"
    f" {several(_DID_NOT, 'gave permission, ask for this, asked for this, ask for these')},"
    f" {several(_DID_NOT, 'text, texting, message, contact')},"
    f" {_FROM_LIST}, dnc, gdpr, right to be forgotten, stahp, stawp, opt outt, unregister*,"
    " unenrol*, deregister*, delist*, you are blocked, youre blocked, your blocked, ur blocked,"
    " not wanted, cut me off,"
    f" {several('do not want, dont want', 'these, those, any of these, any of this')}",
)

_ES_BAJA: Final = "dar, darme, darse, darnos, deme, denme, dame, dese, dar me, demen, quiero"

_ES_STOP: Final = (
    "parar, detener, dejar de, deje de, dejen de, deja de, dejes de, desuscribir, desuscribirme,"
    " desuscribanme, desuscribeme, desinscribir, desinscribirme, cancelar suscripcion"
)

SPANISH: Final = Vocabulary(
    requests=f"{_ES_STOP}, no molestar,"
    " no molesten, no moleste, no me molesten, no me moleste, no me molestes,"
    " borrenme, borreme, borrame, borrarme, quitenme, quiteme, quitame, quitarme, saquenme,"
    " saqueme, sacame, sacarme, eliminenme, elimineme, eliminame, eliminarme, retirenme, retireme,"
    " bajenme, dejenme en paz, dejeme en paz, dejame en paz, dejenme tranquilo,"
    " dejenme tranquila, no quiero mas, no quiero recibir, ya no quiero recibir,"
    f" {several(_ES_BAJA, 'de baja')}, {several('dar, dar me, darme', 'baja')}",
    alone="alto, baja, de baja, cancelar, cancela, cancele, cancelen, anular, anulen, basta, pare,"
    " paren, para ya, no mas, ya no mas, fin, eliminar, borrar, salir, suficiente",
    contact="no me escriba, no me escriban, no me escribas, no me contacte, no me contacten,"
    " no me contactes, no contactar, no contacten, no escriban, no escribir, no me textee,"
    " no me texteen, no me mande nada, no me manden nada, no me envien nada,"
    " no me vuelvan a escribir, no me vuelva a escribir, no me vuelvan a contactar,"
    " no vuelvan a escribirme, no vuelva a escribirme, no vuelvan a contactarme",
    refusals="no me manden, no me mande, no me mandes, no me envien, no me envie, no me envies,"
    " no envien, no envie, no envies, no enviar, no manden, no mandar, no quiero, ya no quiero,"
    " ya no me manden, ya no me envien, no deseo, no mas, ningun, ni un, cancelar, cancele,"
    " cancelen, pare, paren, basta de, alto a, eliminar, no autorizo",
    soft="no necesito, no me gustan, no me gusta, no uso, no acepto, harto de, harta de,"
    " cansado de",
    nothing="no, cero",
    removals="borre, borren, borra, borrar, elimine, eliminen, elimina, eliminar, quite, quiten,"
    " quita, quitar, saque, saquen, saca, sacar, retire, retiren, retira, retirar, retiro, suprima,"
    " suprimir, supriman, revoco, revocar, revoque, cancelo, olvide, olviden",
    texts="texto, textos, mensaje, mensajes, mensajito, mensajitos, alertas, mensajes de texto,"
    " notificaciones, avisos, que me escriban, que me contacten, que me manden",
    records="numero, nombre, telefono, celular, lista, listas, contacto, contactos, suscripcion,"
    " base de datos",
    details="datos, informacion, cuenta, movil, registro, perfil",
    permissions="consentimiento, permiso, autorizacion",
    own="mi, mis, me, este, esta, nuestro, nuestra",
    at_all="mas, nunca, ya, nunca mas, jamas, por favor, a este numero",
    around="me, mi, mis, tu, tus, te, su, sus, el, la, lo, los, las, de, del, a, al, por, y, se,"
    " ya, este, esta, estos, estas, mas, todo, todos, todas, quiero, quisiera, deseo, puede,"
    " pueden, enviar, enviarme, mandar, mandarme, recibir, escribirme, contactarme, numero,"
    " telefono, celular, lista, servicio, suscripcion, consentimiento, inmediatamente, un, una,"
    " con, yo, que, en, nunca, estar",
    courtesies="por favor, porfavor, porfa, xfa, xfavor, gracias, muchas gracias, hola,"
    " buenos dias, buenas tardes, buenas noches, buenas, ahora, ahora mismo, si, disculpe, perdon",
    perhaps="bloquear, bloqueado, bloqueada, bloqueo, bloqueados, dejenme, dejeme, ya basta, nunca,"
    " fuera, olvidenlo",
    hints="anul*, desuscri*, desinscri*, revoq*, acos*, molest*, denunci*, demanda, demandar,"
    " demandare, abogado, abogada, estafa, estafador*, fraude, equivocado, equivocada,"
    " persona equivocada, no me interesa, no estoy interesado, no estoy interesada, no consiento,"
    " no consenti, no autorice, no autorizo, no autoricen, no he autorizado, no he dado,"
    " no di mi, no solicite, no pedi esto, en paz, quien les dio, quien le dio, quien te dio,"
    " los voy a bloquear, lo voy a bloquear, te voy a bloquear, no me llame, no me llamen,"
    " no me llames, no pares, no paren, no llame, no llamen, no llamar, no doy, derecho al olvido,"
    f" {several('no', _ES_STOP)}",
)

_FR_REMOVE: Final = (
    "retirez, retire, retirer, enlevez, enleve, enlever, supprimez, supprime, supprimer, effacez,"
    " efface, effacer, rayez, raye, rayer, otez, ote, radiez, radier, sortez, sors"
)

FRENCH: Final = Vocabulary(
    requests="arret, arrete, arreter, arretez, arretez de, cessez, cesse, cesser, resilier,"
    " resiliez, desabonner, desabonnez, desabonne, desabonnement, desinscrire, desinscrivez,"
    " desinscription, desinscris, ne menvoyez plus, ne menvoie plus, ne menvoyer plus,"
    " ne plus recevoir, ne plus menvoyer, ne plus envoyer, ne plus me contacter, ne plus mecrire,"
    " ne me contactez plus, ne me contacte plus, ne me derangez plus, ne me derangez pas,"
    " ne pas deranger, ne me sollicitez plus, laissez moi tranquille, laisse moi tranquille,"
    " laissez moi en paix, laisse moi en paix, fichez moi la paix, foutez moi la paix,"
    " foutez la paix, fous moi la paix, lachez moi, oubliez moi, stop pub, oubliez mon numero,"
    " oublie mon numero,"
    f" {several(_FR_REMOVE, 'moi, nous')}",
    alone="annuler, annulez, fin, supprimer, supprimez, assez, stoppez, stopper, ca suffit,"
    " terminer",
    contact="ne mecrivez, ne mecrivez plus, ne mecrivez pas, ne me contactez, ne mecris,"
    " ne mecris plus, ne mecris pas, ne me contacte, ne me contactez pas, mecrivez plus,"
    " me contactez plus, ne me texte, ne me textez, ne me textez plus, plus de contact",
    refusals="nenvoyez plus, nenvoyez pas, nenvoie plus, ne menvoyez pas, ne menvoie pas,"
    " menvoyez plus, menvoie plus, je ne veux plus, je ne veux pas, je veux plus, je veux pas,"
    " je ne souhaite plus, je ne souhaite pas, ne veux plus, ne souhaite plus, plus de, plus aucun,"
    " plus aucune, pas de, pas dautres, aucun, annuler, annulez, supprimer, supprimez, stoppez,"
    " assez de, marre de, jen ai marre de",
    soft="je nai pas besoin de, nai pas besoin de, pas besoin de, naime pas, naccepte pas",
    nothing="zero",
    removals=f"{_FR_REMOVE}, revoque, revoquer, je revoque, annule, oubliez, oublie",
    texts="texte, textes, textos, message, messages, alertes, sms, texto, messages texte, pub,"
    " pubs, publicite, publicites, notifications, contactee, etre contacte, sollicite, sollicitee",
    records="numero, nom, telephone, liste, listes, fichier, fichiers, contact, contacts,"
    " abonnement",
    details="coordonnees, donnees, informations, compte, portable, mobile, base, profil",
    permissions="consentement, accord, autorisation",
    own="mon, mes, ma, me, moi, ce, cette, notre",
    at_all="plus, rien, jamais, plus jamais, svp, du tout, sur ce numero, a ce numero",
    around="je, me, moi, se, mon, ma, mes, vos, votre, le, la, les, de, du, des, d, l, ce, ces,"
    " cette, et, a, au, aux, par, sur, tout, tous, toutes, plus, veux, voudrais, souhaite, demande,"
    " menvoyer, denvoyer, envoyer, envoi, envois, mecrire, contacter, recevoir, numero, telephone,"
    " liste, service, abonnement, consentement, immediatement, en, vous, nous, jamais, pouvez,"
    " peux",
    courtesies="s il vous plait, sil vous plait, s il te plait, sil te plait, sil vous plais,"
    " svp, stp, merci, merci beaucoup, bonjour, bonsoir, salut, maintenant, oui, pardon, de grace",
    perhaps="bloquer, bloque, bloquez, bloquee, degagez, degage, quittez, quitter, jamais,"
    " ras le bol",
    hints="annul*, desabon*, desinscri*, revoq*, harcel*, avocat, avocate, plainte, cnil, arnaque*,"
    " mauvais numero, faux numero, erreur de numero, trompe de numero, trompez de numero,"
    " mauvaise personne, pas interesse, pas interessee, ne consens, pas consenti, pas donne mon,"
    " jamais donne mon, jamais accepte, nai pas accepte, nai jamais, indesirable, indesirables,"
    " je vous bloque, je te bloque, vous ai bloque, vais vous bloquer, signale comme,"
    " rgpd, droit a loubli, nappelez plus, nappelez pas, nappelle plus, ne plus me,"
    " ne plus mappeler, je refuse, vais vous signaler, ne mappelez, marre, qui vous a donne,"
    " narretez pas, narrete pas",
)

LANGUAGES: Final = (ENGLISH, SPANISH, FRENCH)

OPPOSITE: Final = frozenset(
    {
        *("start", "unstop", "subscribe", "subscribed", "optin", "top", "shop", "step"),
        *("suscribir", "suscribirme", "inscribir", "abonner", "inscrire"),
    }
)
"""Single words that look like a misspelt request but are not one."""

SIGNS: Final = (
    "\N{OCTAGONAL SIGN}\N{NO ENTRY}\N{NO ENTRY SIGN}\N{RAISED HAND}\N{RAISED BACK OF HAND}"
    "\N{RAISED HAND WITH FINGERS SPLAYED}\N{THUMBS DOWN SIGN}\N{FACE WITH NO GOOD GESTURE}"
    "\N{CROSS MARK}"
    "\N{BELL WITH CANCELLATION STROKE}\N{NO MOBILE PHONES}\N{SPEAKER WITH CANCELLATION STROKE}"
    "\N{REVERSED HAND WITH MIDDLE FINGER EXTENDED}\N{SERIOUS FACE WITH SYMBOLS COVERING MOUTH}"
)
"""Emoji that mean STOP."""
