"""Which messages ask for no more texts, which may, and which do not."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.web import Intent, read_intent

ALONE = [
    # 47 CFR 64.1200(a)(10), and what carriers add
    "stop", "quit", "end", "revoke", "opt out", "opt-out", "optout", "cancel", "unsubscribe",
    "stopall", "stop all", "remove", "td", "arret", "arrêt",
    # Spanish and French
    "parar", "alto", "cancelar", "baja", "detener", "pare", "basta", "desuscribir",
    "arrêter", "arrêtez", "désabonner", "désabonnez", "désinscription", "annuler", "fin",
]  # fmt: skip

SENTENCES = [
    "stop please",
    "Please stop texting me",
    "STOP. Thank you",
    "stop stop stop",
    "Please stop sending me messages",
    "stop texting this number",
    "I want to stop",
    "I would like to opt out",
    "can you stop texting me please",
    "opt me out",
    "No more texts",
    "no more messages please",
    "Do not text me",
    "Don't text me anymore",
    "don’t contact me again",
    "please unsubscribe this number from your list",
    "Remove me from your list",
    "take me off your list",
    "leave me alone",
    "I revoke my consent",
    "I do not want to receive texts from you",
    "cancel texts",
    "quit texting me",
    "stop sms",
    "S.T.O.P.",
    "STOOOOP!!!",
    "\N{FULLWIDTH LATIN CAPITAL LETTER S}top",
    "darme de baja",
    "dar de baja por favor",
    "No más mensajes",
    "No me manden más mensajes",
    "no me envíen mensajes",
    "dejen de enviarme mensajes",
    "deje de mandarme mensajes, por favor",
    "ya no quiero recibir mensajes",
    "no me escriban más",
    "Plus de SMS",
    "plus de messages svp",
    "Arrêtez de m'envoyer des messages",
    "ne m’envoyez plus de messages",
    "je veux me désabonner",
    "Je ne veux plus recevoir de SMS",
    "désabonnez-moi s'il vous plaît",
    "ne m'écrivez plus jamais",
]

UNCLEAR = [
    "Can I stop by at 5?",
    "don't stop",
    "please don't stop the texts",
    "please don't unsubscribe me",
    "cancel my appointment",
    "who is this? stop",
    "wrong number",
    "this is spam",
    "I'd rather be taken off your list",
    "I will call my lawyer",
    "not interested",
    "No thanks",
    "non merci",
    "me pueden dar de baja mi cita",
    "numero equivocado",
    "arrêtez-moi si je me trompe",
    "stpo",
    "sotp",
    "stopp",
    "unsuscribe",
    "unsubcribe",
    "\N{OCTAGONAL SIGN}",
    "\N{RAISED HAND}\N{RAISED HAND}",
]

OTHER = [
    "",
    "   ",
    "What time do you open?",
    "yes",
    "1",
    "Thank you!",
    "Until the end of the month",
    "I am on my way",
    "Is it quiet there?",
    "Do you have it in blue?",
    "No, the blue one",
    "Please text me the address",
    "top",
    "shop",
    "spend",
    "step",
    "no problem",
    "Envoyez-moi un SMS",
    "pas de problème",
    "la fin de semaine",
    "mándeme un mensaje",
    "¿alto o bajo?",
    "para mi hijo",
    "Where is my order 12345678901?",
]


@pytest.mark.parametrize("message", ALONE + SENTENCES)
def test_a_message_that_can_mean_nothing_else_is_a_stop(message: str) -> None:
    assert read_intent(message) is Intent.STOP


@pytest.mark.parametrize("message", UNCLEAR)
def test_a_message_that_may_mean_it_is_for_a_person(message: str) -> None:
    assert read_intent(message) is Intent.UNCLEAR


@pytest.mark.parametrize("message", OTHER)
def test_a_message_about_something_else_is_left_alone(message: str) -> None:
    assert read_intent(message) is Intent.OTHER


def corpus() -> dict[str, list[str]]:
    """The messages of `stop_corpus.txt` by what they are."""
    sections: dict[str, list[str]] = {}
    text = Path(__file__).with_name("stop_corpus.txt").read_text(encoding="utf-8")
    for line in filter(None, text.splitlines()):
        if line.startswith("["):
            sections[line.strip("[]")] = messages = []
        elif not line.startswith("#"):
            messages.append(line)
    return sections


CORPUS = corpus()


def test_the_corpus_has_all_kinds() -> None:
    assert {kind: len(messages) > 100 for kind, messages in CORPUS.items()} == {
        "stop": True,
        "stop?": True,
        "other": True,
        "read": False,
    }


def test_few_messages_about_something_else_are_for_a_person() -> None:
    """Those of the corpus are not everyday's: most have a negation beside "number" or "text"."""
    assert len(CORPUS["read"]) < 0.06 * len(CORPUS["other"])


@pytest.mark.parametrize(
    ("kind", "wishes"),
    [
        ("stop", {Intent.STOP}),
        ("stop?", {Intent.STOP, Intent.UNCLEAR}),
        ("other", {Intent.OTHER}),
        ("read", {Intent.UNCLEAR}),
    ],
)
def test_the_corpus_is_read_as_it_is_labelled(kind: str, wishes: set[Intent]) -> None:
    assert [message for message in CORPUS[kind] if read_intent(message) not in wishes] == []


PUNCTUATION = st.text(" \t\n.,;:!?…-*\"“”«»()¡¿'", max_size=6)
ACCENTS = st.sampled_from(["", "\N{COMBINING ACUTE ACCENT}", "\N{COMBINING CIRCUMFLEX ACCENT}"])


@given(st.sampled_from(ALONE), PUNCTUATION, PUNCTUATION, st.data())
def test_case_accents_and_punctuation_do_not_count(
    word: str, before: str, after: str, data: st.DataObject
) -> None:
    letters = [
        data.draw(st.sampled_from([letter.upper(), letter.lower()]))
        + (data.draw(ACCENTS) if letter.isalpha() else "")
        for letter in word
    ]
    message = before + unicodedata.normalize(
        data.draw(st.sampled_from(["NFC", "NFD", "NFKC"])), "".join(letters)
    )
    assert read_intent(message + after) is Intent.STOP


INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u202a\ufe0f\u3164\u2800"


@given(st.sampled_from(CORPUS["stop"]), st.data())
def test_case_blanks_punctuation_and_invisible_characters_never_hide_a_stop(
    message: str, data: st.DataObject
) -> None:
    between = st.text(' \t\n.,;:!?…-*"()\u00a0\u3000', max_size=3)
    words = [
        "".join(
            data.draw(st.sampled_from([letter.upper(), letter.lower()]))
            + data.draw(st.sampled_from(["", "", "", *INVISIBLE]))
            for letter in word
        )
        for word in message.split(" ")
    ]
    typed = "".join(f"{data.draw(between)} {word}{data.draw(between)}" for word in words)
    assert read_intent(typed) is not Intent.OTHER


@pytest.mark.parametrize(
    "message",
    [
        "STOP\n> Reply HELP for help, STOP to stop.",
        "> Example Store: Reply STOP to stop.\nstop please",
        "Stop\n\nSent from my iPhone",
        "STOP\n\nOn Mon, Jan 5, 2026 at 9:00 AM Example Store <1@example.com> wrote:\n> Hello",
        "ARRET\n\nLe lun. 5 janv. 2026, Example a écrit :\n> Bonjour",
    ],
)
def test_what_a_reply_quotes_and_its_signature_do_not_count(message: str) -> None:
    assert read_intent(message) is Intent.STOP


def test_a_quoted_stop_below_other_words_is_for_a_person() -> None:
    assert read_intent("see below\n> Please stop texting me") is Intent.UNCLEAR


def test_a_short_liked_text_may_be_the_customer_s_own() -> None:
    assert read_intent("Liked “Please stop”") is Intent.UNCLEAR


@given(
    st.sampled_from(["stop", "unsubscribe", "opt out", "désabonner", "darme de baja"]), st.data()
)
def test_a_word_that_asks_for_it_is_never_passed_over(word: str, data: st.DataObject) -> None:
    others = st.lists(st.text(st.characters(categories=("L", "N")), min_size=1, max_size=8))
    before, after = data.draw(others), data.draw(others)
    assert read_intent(" ".join([*before, word, *after])) is not Intent.OTHER


@given(st.text())
def test_any_text_is_read_and_its_case_does_not_count(text: str) -> None:
    assert read_intent(text) is read_intent(text.casefold())


@pytest.mark.parametrize(
    "message",
    [
        "stop " * 10_000,
        "don t " * 1000,
        "plus de " * 1000,
        "i want to stop my me the " * 400 + "x",
        "no quiero " * 1000,
        "a" * 100_000,
    ],
)
def test_a_long_message_is_read_like_a_short_one(message: str) -> None:
    assert read_intent(message) in Intent
