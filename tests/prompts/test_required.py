"""Which prompts a line needs."""

from __future__ import annotations

from agi_bridge.prompts.required import required_names, required_prompts
from agi_bridge.speech import DIGIT_PROMPTS, REQUIRED_PROMPTS, Script
from tests.support.call_env import line


def test_they_begin_in_the_order_of_a_call() -> None:
    assert required_names(line())[:4] == (
        "language-menu-item",
        "disclosure",
        "enter-number",
        "you-entered",
    )


def test_all_that_any_call_needs_is_among_them_once() -> None:
    found = required_names(line())
    assert set(found) == {*REQUIRED_PROMPTS, "disclosure"}
    assert len(set(found)) == len(found)


def test_opting_out_has_prompts_only_where_there_is_a_key_for_it() -> None:
    assert "opted-out" not in required_names(line())
    with_key = required_names(line(consent={"opt_out_key": "9"}))
    assert with_key[:3] == ("language-menu-item", "opt-out-offer", "disclosure")
    assert {"opted-out", "no-more-texts"} <= set(with_key)


def test_digits_are_needed_where_they_are_not_the_pbxs() -> None:
    assert not set(DIGIT_PROMPTS) & set(required_names(line()))
    own = required_names(line().model_copy(update={"digits": "own"}))
    assert own[-10:] == DIGIT_PROMPTS


def test_the_prompt_of_a_say_default_is_required() -> None:
    say_default = {"kind": "say", "prompt": "caller-id-offer"}
    assert "caller-id-offer" in required_names(line(default=say_default))


def test_a_line_has_its_own_disclosure_instead_of_the_usual_one() -> None:
    found = required_names(line(disclosure="disclosure-example-store"))
    assert "disclosure" not in found
    assert "disclosure-example-store" in found


def test_texts_have_the_brand_and_the_address_in_them() -> None:
    cli = line(brand="Maple Books", policy_url="https://maple.example/text")
    (text,) = [each.text for each in required_prompts(cli, Script()) if each.is_disclosure]
    assert text is not None
    assert text.text.startswith("Thank you for calling Maple Books.")
    assert "maple dot example slash text" in text.text


def test_a_line_may_override_texts() -> None:
    cli = line(texts={"en": {"goodbye": "Thank you for calling {brand}."}})
    (goodbye,) = [each.text for each in required_prompts(cli, Script()) if each.name == "goodbye"]
    assert goodbye is not None
    assert (goodbye.text, goodbye.version) == ("Thank you for calling Example Store.", 0)


def test_a_text_that_cannot_be_made_says_why() -> None:
    (asking,) = [each for each in required_prompts(line(), Script()) if each.is_disclosure]
    assert asking.text is None
    assert asking.problem == "en: disclosure needs the line's policy_url, which is empty"


def test_languages_can_be_chosen_among_the_lines_own() -> None:
    cli = line(languages=["en", "es", "fr"])
    assert {each.language for each in required_prompts(cli, Script())} == {"en", "es", "fr"}
    assert {each.language for each in required_prompts(cli, Script(), ["fr"])} == {"fr"}
