"""Which messages say YES, and nothing besides."""

from __future__ import annotations

import pytest

from agi_bridge.web.stop_words import Intent, read_intent
from agi_bridge.web.yes_words import says_yes

YES = [
    "YES", "yes", "Yes!", " yes. ", "Yes please", "Y", "YES YES", "I agree", "Yes, I agree",
    "I consent", "Confirm", "yes\n\nSent from my iPhone", "“Yes”", "\uff39\uff25\uff33",
    "Sí", "si", "¡Sí!", "Sí, acepto", "Acepto, gracias", "De acuerdo", "sí por favor",
    "OUI", "Oui merci", "J'accepte", "J’accepte", "d'accord", "Je suis d’accord",
    "oui s'il vous plaît",
]  # fmt: skip
NO = [
    "", " ", "no", "ok", "sure, but who is this", "Yes?", "¿sí?", "yes but stop",
    "Yes, who is this?", "yes I would like to book a table", "YES to the blue one",
    "I do not agree", "don't agree", "\N{THUMBS UP SIGN}", "yes \N{THUMBS UP SIGN}", "1", "5i",
    "start", "unstop", "please", "gracias", "> Reply YES\nno thanks", "yesterday", "no yes",
    "Liked “Example Store: reply YES to get marketing texts, STOP to end.”", "no acepto",
    "je n'accepte pas", "yes " * 200,
]  # fmt: skip


@pytest.mark.parametrize("message", YES)
def test_a_clear_agreement_is_a_yes(message: str) -> None:
    assert says_yes(message)
    assert read_intent(message) is not Intent.STOP, "a request to stop comes first"


@pytest.mark.parametrize("message", NO)
def test_what_says_more_or_less_is_none(message: str) -> None:
    assert not says_yes(message)
