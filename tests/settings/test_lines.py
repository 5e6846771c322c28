"""Lines: their prompts, and which one a called number belongs to."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from agi_bridge import phone
from agi_bridge.speech import SHIPPED, TEXTS
from agi_bridge.speech.wav import HEADER_BYTES, header
from tests.support.settings_texts import SHOP, shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.settings import Settings


def test_a_language_whose_prompts_are_not_recorded_is_refused(
    codes: Callable[..., list[str]],
) -> None:
    assert codes(shop(languages='["en", "de"]')) == ["line.languages.missing_prompts"]


def test_prompts_that_a_line_names_must_be_recorded_in_each_language(
    codes: Callable[..., list[str]],
) -> None:
    found = codes(
        shop(languages='["en", "fr"]', disclosure='"mine"', default='{kind="say", prompt="closed"}')
    )
    assert found == [
        *["line.default.prompt.missing_prompts"] * 2,
        *["line.disclosure.missing_prompts"] * 2,
    ]


def test_two_languages_of_a_menu_may_not_ask_for_the_same_key(
    codes: Callable[..., list[str]], load: Callable[..., Settings]
) -> None:
    assert load(shop(languages='["fr", "en", "es"]')).lines["shop"].languages[0] == "fr"
    assert codes(shop(languages='["en", "en-US"]')) == ["line.languages.menu_key"]


TWO = shop() + SHOP.replace("shop", "paris").replace('["+14155550111"]', '["+33142685300", "200"]')


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("+14155550111", "shop"),
        ("14155550111", "shop"),
        (" 14155550111", "shop"),  # a + that a URL turned into a space
        ("4155550111", "shop"),
        ("(415) 555-0111", "shop"),
        ("+33142685300", "paris"),
        ("33142685300", "paris"),
        ("0142685300", "paris"),
        ("200", "paris"),
        ("+14155550112", None),
        ("s", None),
        ("unknown", None),
    ],
)
def test_several_forms_of_a_number_find_its_line(
    load: Callable[..., Settings], called: str, name: str | None
) -> None:
    text = TWO.replace("[lines.paris]", '[lines.paris]\nregions = ["FR"]')
    line = load(text).line_for([called])
    assert (line and line.name) == name


def test_the_first_candidate_that_is_a_lines_number_decides(
    load: Callable[..., Settings],
) -> None:
    settings = load(TWO)
    found = settings.line_for([None, "", "unknown", "200", "4155550111"])
    assert found is settings.lines["paris"]


def test_the_fallback_line_takes_calls_to_unknown_numbers(load: Callable[..., Settings]) -> None:
    settings = load('fallback_line = "shop"\n' + TWO)
    assert settings.line_for(["999", None]) is settings.lines["shop"]
    assert load(TWO).line_for(["999"]) is None


def test_a_national_number_that_two_lines_could_mean_is_neithers(
    load: Callable[..., Settings],
) -> None:
    berlin = SHOP.replace("shop", "berlin").replace('["+14155550111"]', '["+494155550111"]')
    settings = load(SHOP + berlin + 'regions = ["DE"]\n')
    assert settings.line_for(["4155550111"]) is None
    assert settings.line_for(["+494155550111"]) is settings.lines["berlin"]


@pytest.mark.parametrize("form", ["+14155550111", "4155550111", "(415) 555-0111", "14155550111"])
def test_two_lines_may_not_share_a_number_in_any_form(
    codes: Callable[..., list[str]], form: str
) -> None:
    second = SHOP.replace("shop", "second").replace('["+14155550111"]', f'["{form}"]')
    assert phone.same_number(form, "+14155550111", region="US")
    assert codes(SHOP + second) == ["line.did.taken"]


def test_one_line_may_have_a_number_in_two_forms(load: Callable[..., Settings]) -> None:
    settings = load(shop(did='["+14155550111", "4155550111"]'))
    assert settings.line_for(["14155550111"]) is settings.lines["shop"]


def test_an_opt_out_key_needs_the_prompts_that_offer_it(
    codes: Callable[..., list[str]], load: Callable[..., Settings], tmp_path: Path
) -> None:
    assert load(shop(consent='{opt_out_key = "9"}')).lines["shop"].consent.opt_out_key == "9"
    folder = tmp_path / "prompts"
    shutil.copytree(SHIPPED, folder)
    (folder / "en" / "opted-out.wav").unlink()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    del manifest["en"]["opted-out"]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    own = f'speech = {{prompts = "{folder}"}}\n'
    load(own + SHOP)
    found = codes(own + shop(consent='{opt_out_key = "9"}'))
    assert found == ["line.consent.opt_out_key.missing_prompts"]


def test_a_disclosure_in_hd_voice_is_refused_for_half_of_it_would_count_as_heard(
    codes: Callable[..., list[str]], load: Callable[..., Settings], tmp_path: Path
) -> None:
    folder = tmp_path / "prompts"
    shutil.copytree(SHIPPED, folder)

    def widened(name: str) -> None:
        samples = (folder / "en" / f"{name}.wav").read_bytes()[HEADER_BYTES:]
        content = header(2 * len(samples), 16_000) + 2 * samples
        (folder / "en" / f"{name}.wav16").write_bytes(content)

    own = f'speech = {{prompts = "{folder}"}}\n'
    widened("busy")
    load(own + SHOP)
    widened("disclosure")
    assert codes(own + SHOP) == ["line.disclosure.wide"]


@pytest.mark.parametrize(
    ("texts", "code"),
    [
        ("{de = {goodbye = 'Tschau.'}}", "line.texts.language"),
        ("{en = {goodbye = 'Bye, {name}.'}}", "line.texts.unusable"),
        ("{en = {goodbye = ''}}", "line.texts.goodbye.empty"),
        ("{en = {'../goodbye' = 'Bye.'}}", "configuration.invalid"),
        ("{en = {goodbye = '{policy_url}'}}", "line.texts.unusable"),
    ],
)
def test_a_text_of_a_lines_own_that_cannot_be_spoken_is_refused(
    codes: Callable[..., list[str]], texts: str, code: str
) -> None:
    assert codes(shop(texts=texts)) == [code]


def test_a_custom_script_adds_a_language_and_is_checked_at_the_start(
    codes: Callable[..., list[str]], load: Callable[..., Settings], tmp_path: Path
) -> None:
    script = (TEXTS / "en.toml").read_text(encoding="utf-8")
    folder = tmp_path / "script"
    folder.mkdir()
    (folder / "de.toml").write_text(script, encoding="utf-8")
    own = f'speech = {{script = "{folder}"}}\n'
    assert load(own + SHOP).speech.script == folder
    (folder / "de.toml").write_text(script.replace("{brand}", "{band}"), encoding="utf-8")
    assert codes(own + SHOP)[0] == "speech.script.unusable"


def test_lines_of_one_business_have_one_brand(
    codes: Callable[..., list[str]], load: Callable[..., Settings]
) -> None:
    first, second = shop(business_id='"77"'), shop(business_id='"77"', did='["200"]')
    second = second.replace("lines.shop", "lines.other")
    other_seller = second + 'legal_name = "Another Ltd"\n'
    assert load(first + other_seller).lines["other"].business_id == "77"
    found = codes(first + second.replace("Example Store", "Corner Shop"))
    assert found == ["line.business_id.taken"]


WEB = '[web]\ninstaply_token = {env = "SHOP_KEY"}\ncustomers = "/etc/agi-bridge/customers.csv"\n'
ASKS = '{sample = "{brand}: reply YES to agree to marketing texts, STOP to stop."}'


@pytest.mark.parametrize(
    ("web", "sample", "found"),
    [
        (WEB, ASKS.replace("YES", "yesterday"), ["line.workflow.sample.reply"]),
        (WEB, "{}", ["line.workflow.sample.reply"]),
        (WEB.replace("customers", "#"), ASKS, ["web.customers.missing"]),
        ("", ASKS, ["web.customers.missing", "web.instaply_token.missing"]),
    ],
)
def test_a_yes_that_a_line_waits_for_is_asked_for_and_can_arrive(
    codes: Callable[..., list[str]],
    load: Callable[..., Settings],
    web: str,
    sample: str,
    found: list[str],
) -> None:
    assert codes(web + shop(consent="{confirm_by_reply = true}", workflow=sample)) == found
    by_api = WEB.replace("customers =", 'instaply_api_token = {env = "SHOP_KEY"} #')
    for given, asks in ((WEB, ASKS), (WEB, ASKS.replace("YES", "S\u00cd")), (by_api, ASKS)):
        asked = load(given + shop(consent="{confirm_by_reply = true}", workflow=asks))
        assert asked.lines["shop"].consent.confirm_by_reply


def test_texts_of_the_opt_in_page_are_filled_from_the_line(load: Callable[..., Settings]) -> None:
    line = load(shop(policy_url='"example.com/p"', workflow='{help = "{brand}: {policy_url}"}'))
    shop_line = line.lines["shop"]
    assert shop_line.filled(shop_line.workflow.help) == "Example Store: example.com/p"
    assert shop_line.filled(shop_line.workflow.sample).startswith("Example Store: Thank you")


def test_every_line_knows_the_numbers_of_all(load: Callable[..., Settings]) -> None:
    settings = load(TWO.replace("[lines.paris]", '[lines.paris]\nregions = ["FR"]'))
    own = frozenset({"+14155550111", "+33142685300"})  # 200 is an extension
    assert [line.own_numbers for line in settings.lines.values()] == [own, own]


@pytest.mark.parametrize(
    "did",
    [
        "\u202a+14155550111\u202c",
        "+1 (415) 555-0111",
        "\uff0b\uff11\uff14\uff11\uff15\uff15\uff15\uff15\uff10\uff11\uff11\uff11",
        "415\u2011555\u20110111",
    ],
)
def test_a_number_is_configured_as_it_was_copied(load: Callable[..., Settings], did: str) -> None:
    settings = load(shop(did=f'["{did}"]', business_number='"\u202a+14155550111\u202c"'))
    line = settings.lines["shop"]
    assert line.business_number == "+14155550111"
    assert settings.line_for(["4155550111"]) is line
    assert line.own_numbers == {"+14155550111"}


@pytest.mark.parametrize("did", ["100", "*97", "s", "0142"])
def test_an_extension_that_calls_come_in_on_is_a_did(
    load: Callable[..., Settings], did: str
) -> None:
    settings = load(shop(did=f'["{did}"]'))
    assert settings.line_for([did]) is settings.lines["shop"]
