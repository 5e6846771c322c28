"""Which wordings can ask for a consent to advertising."""

from __future__ import annotations

from unicodedata import normalize

import pytest

from agi_bridge.consent import names_purpose
from agi_bridge.speech import LineVariables, Script

BRAND = "Example Store"
ASKS = f"Thank you for calling {BRAND}. You agree to automated marketing texts from {BRAND}."


def fits(text: str, language: str = "en", brand: str = BRAND) -> bool:
    return names_purpose(text, language=language, brand=brand, purpose="marketing")


@pytest.mark.parametrize("name", ["disclosure-marketing", "disclosure-canada"])
@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_the_shipped_wordings_for_advertising_fit(language: str, name: str) -> None:
    line = LineVariables(BRAND, "example.com/text", mailing_address="1 Main Street, Ottawa")
    [text] = Script().texts(line, [language], [name])
    assert fits(text.text, language)


@pytest.mark.parametrize("language", ["en", "es", "fr"])
def test_the_shipped_wording_for_a_request_does_not(language: str) -> None:
    [text] = Script().texts(LineVariables(BRAND, "example.com/text"), [language], ["disclosure"])
    assert not fits(text.text, language)
    line = {"language": language, "brand": BRAND}
    assert names_purpose(text.text, purpose="info", **line)


@pytest.mark.parametrize(
    ("text", "language", "brand"),
    [
        (ASKS, "en", "Other Store"),
        (ASKS, "en", "Store Example"),
        (ASKS, "en", "Exam"),  # a part of a word
        (ASKS, "en", ""),
        (ASKS.replace("marketing", "telemarketed"), "en", BRAND),
        ("Thank you for calling Marketing Pros. You agree to texts.", "en", "Marketing Pros"),
        (f"{BRAND}: you agree to texts. We never send any marketing.", "en", BRAND),
        (f"{BRAND}. Acepta mensajes, sin publicidad.", "es", BRAND),
        (f"{BRAND}. Vous acceptez des SMS, jamais publicitaires.", "fr", BRAND),
        (ASKS, "es", BRAND.replace("Store", "Tienda")),
    ],
)
def test_a_wording_that_does_not_name_both_does_not_fit(
    text: str, language: str, brand: str
) -> None:
    assert not fits(text, language, brand)


@pytest.mark.parametrize(
    ("text", "language", "brand"),
    [
        (ASKS.upper(), "en", BRAND),
        (ASKS.replace(" ", "\u00a0"), "en-US", BRAND),
        ("Café Zoé: agree to our advertising.", "en", normalize("NFD", "Café Zoé")),
        ("Dr. Smith & Co. sends promotions. Agree?", "en", "Dr. Smith & Co."),
        (ASKS, "de", BRAND),  # no words are known: the brand is enough
    ],
)
def test_spelling_and_case_do_not_count(text: str, language: str, brand: str) -> None:
    assert fits(text, language, brand)
