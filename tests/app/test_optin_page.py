"""The opt-in page: it says what the configuration and the recordings say, and nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.app.optin_page import OptinPage, describe_optin
from agi_bridge.settings import UnknownLineError
from agi_bridge.speech import SHIPPED, MissingPrompt
from tests.support.call_env import settings
from tests.support.consents_commands import configured

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.settings import Settings

DAY = "2026-11-23"


def described(known: Settings) -> OptinPage:
    return describe_optin(known, known.lines["shop"], date=DAY)


def page(**line: Any) -> str:
    return described(settings(**line)).html()


def text(**line: Any) -> str:
    """The page as it is read: no tags, no line breaks."""
    body = re.sub(r"<style>.*?</style>", "", page(**line), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_page_contains_the_disclosure_word_for_word_in_every_language() -> None:
    shown = described(settings(languages=["en", "es", "fr"]))
    words = text(languages=["en", "es", "fr"])
    assert [each.language for each in shown.calls_to_action] == ["en", "es", "fr"]
    for each in shown.calls_to_action:
        assert each.text in words
        assert each.text_sha256 in words
        assert each.audio_sha256 in words


def test_the_page_plays_the_disclosure_in_every_language_and_loads_nothing() -> None:
    known = settings(languages=["en", "es", "fr"])
    shown = described(known)
    sources = re.findall(r'<audio [^>]*src="([^"]+)"', shown.html())
    assert len(sources) == 3
    for source, each in zip(sources, shown.calls_to_action, strict=True):
        kind, _, content = source.partition(",")
        assert kind == "data:audio/wav;base64"
        assert hashlib.sha256(base64.b64decode(content)).hexdigest() == each.audio_sha256
    links = re.findall(r'(?:src|href|url)[=(]"?([^")>\s]+)', shown.html())
    assert [link for link in links if not link.startswith("data:")] == []
    assert shown.html().count("aria-label=") == 3


def test_the_page_shows_a_sample_call_in_every_language() -> None:
    words = text(languages=["en", "es"])
    assert "Caller keys a mobile number" in words
    assert '<dd lang="es">Para español' in page(languages=["en", "es"])
    for call in described(settings(languages=["en", "es"])).samples:
        for turn in call.turns:
            assert turn.words in words


def test_a_recording_of_the_business_comes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    shutil.copy(SHIPPED / "en" / "goodbye.wav", tmp_path / "en" / "disclosure.wav")
    (tmp_path / "en" / "disclosure.txt").write_text("We text you if you agree.", encoding="utf-8")
    own = settings(tables={"speech": {"recordings": str(tmp_path)}})
    [shown] = described(own).calls_to_action
    assert shown.text == "We text you if you agree."
    assert (
        shown.audio_sha256
        == hashlib.sha256((tmp_path / "en" / "disclosure.wav").read_bytes()).hexdigest()
    )


def test_it_names_brand_seller_number_and_terms() -> None:
    words = text(legal_name="Example Store, Inc.", policy_url="example.com/text")
    for part in ("Example Store, Inc.", "+14155550111", "example.com/text", DAY):
        assert part in words


def test_the_line_is_found_by_name_and_by_any_form_of_its_number() -> None:
    known = settings()
    pages = {
        describe_optin(known, known.find_line(name), date=DAY).html()
        for name in ("shop", "+14155550111", "4155550111")
    }
    assert len(pages) == 1


def test_another_number_names_no_line_even_if_a_fallback_line_takes_its_calls() -> None:
    with pytest.raises(UnknownLineError):
        settings().find_line("+14155550112")


def test_nothing_from_the_configuration_becomes_markup() -> None:
    shown = page(brand="<script>alert(1)</script>", workflow={"sample": "{brand} & <b>more</b>"})
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;more&lt;/b&gt;" in shown


def test_texts_of_the_configuration_get_brand_and_address() -> None:
    words = text(workflow={"help": "{brand}: see {policy_url}."}, policy_url="example.com/text")
    assert "Example Store: see example.com/text." in words


def test_tries_and_keys_are_those_in_force() -> None:
    words = text(consent={"entry_tries": 1, "confirm_tries": 4})
    assert "with 1 try at most" in words
    assert "asked 4 times at most" in words
    assert "press 1 to agree" not in text(consent={"act": "number"})
    assert "Keying the number after the disclosure is the agreement" in text(
        consent={"act": "number"}
    )


def test_a_language_menu_is_a_step_only_where_there_is_one() -> None:
    assert "by pressing 1 or 2." in text(languages=["en", "es"])
    assert "chooses a language" not in text()


def test_the_opt_out_key_is_described_only_where_it_is_enabled() -> None:
    words = text(consent={"opt_out_key": "9"})
    assert "Pressing 9 now withdraws an earlier consent" in words
    assert "By calling the number above and pressing 9." in words
    assert "You will get no more texts from us" in words
    assert "withdraws an earlier" not in text()


def test_returning_callers_and_quiet_hours_are_described_as_configured() -> None:
    strict = {"returning": "skip", "opt_out_key": "9", "quiet_hours": "strict"}
    assert "has a consent for this brand, purpose and wording on record" in text(consent=strict)
    assert "Outside 09:00 to 18:30" in text(
        consent=strict, hours={"opens": "09:00", "closes": "18:30"}
    )
    assert "Outside" not in text()


def test_a_text_back_yes_is_a_step_and_a_turn_only_where_it_is_asked_for() -> None:
    tokens = {"instaply_token": {"env": "SIGNING"}, "instaply_api_token": {"env": "SHOP_KEY"}}
    asks: dict[str, Any] = {
        "consent": {"confirm_by_reply": True},
        "workflow": {"sample": "{brand}: reply YES to agree."},
        "tables": {"web": tokens},
    }
    words = text(**asks)
    assert "Only with that answer, within seven days, is the agreement complete" in words
    assert described(settings(**asks)).samples[0].turns[-1].words == "answers YES by text"
    assert "asks for a YES" not in text()
    assert "answers YES" not in text()


@pytest.mark.parametrize(
    ("scope", "reach"),
    [
        ("brand", "the number and this brand, and takes effect"),
        ("seller", "the number and every brand of Example Store Inc., and"),
        ("all", "the number and every brand that texts from this system, and"),
    ],
)
def test_a_revocation_reaches_as_far_as_the_line_says(scope: str, reach: str) -> None:
    assert reach in text(revocation_scope=scope, legal_name="Example Store Inc.")


def test_limits_stand_on_it_where_there_are_any() -> None:
    assert (
        "3 per mobile number in 24 hours, 5 per caller ID in 24 hours, "
        "20 in 24 hours by callers without a caller ID, together, 60 on"
    ) in text()
    names = ("number_per_day", "caller_id_per_day", "unidentified_per_day", "line_per_hour")
    none = dict.fromkeys(names, 0)
    assert "Against misuse" not in text(limits=none)


def test_the_same_configuration_and_day_give_the_same_bytes(tmp_path: Path) -> None:
    known = settings(tmp_path)
    assert described(known).html() == described(known).html()
    assert known.sha256 in described(known).html()


def test_a_prompt_that_is_not_recorded_is_an_error_not_a_gap() -> None:
    with pytest.raises(MissingPrompt):
        described(settings(disclosure="disclosure").model_copy(update={"lines": _german()}))


def test_it_is_written_to_a_file_or_printed(tmp_path: Path) -> None:
    shell = configured(tmp_path)
    file = tmp_path / "opt-in.html"
    result = shell("optin-page", "--line", "shop", "--date", DAY, "--out", file)
    assert result == (0, f"written: {file}\n", "")
    printed = shell("optin-page", "--line", "shop", "--date", DAY)
    assert printed.out == file.read_text(encoding="utf-8")
    assert not (tmp_path / "state").exists()


def test_as_json_it_has_the_same_facts(tmp_path: Path) -> None:
    document = configured(tmp_path)("optin-page", "--line", "shop", "--date", DAY, "--json").json
    assert document["brand"] == "Example Store"
    assert document["numbers"] == ["+14155550111"]
    assert document["calls_to_action"][0]["language"] == "en"
    assert document["steps"][0]["says"] == []
    assert document["out"] is None


def test_misuse_is_one_line_and_exit_status_2(tmp_path: Path) -> None:
    shell = configured(tmp_path)
    for arguments in (("--line", "nobody"), ("--line", "shop", "--date", "today")):
        result = shell("optin-page", *arguments)
        assert result.status == 2
        assert result.err.startswith("agi-bridge: --")
        assert result.err.count("\n") == 1


def test_a_file_that_cannot_be_written_is_one_line_and_exit_status_1(tmp_path: Path) -> None:
    result = configured(tmp_path)("optin-page", "--line", "shop", "--out", tmp_path / "no" / "page")
    assert result == (1, "", f"agi-bridge: {tmp_path}/no/page: No such file or directory\n")


def _german() -> dict[str, Any]:
    line = settings().lines["shop"]
    return {"shop": line.model_copy(update={"languages": ("de",)})}


@pytest.mark.parametrize(
    ("default", "connected"),
    [
        ({"kind": "dial", "destination": "PJSIP/100"}, True),
        ({"kind": "dialplan", "context": "shop", "extension": "s"}, True),
        ({"kind": "say", "prompt": "busy"}, False),
        ({"kind": "hangup"}, False),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_the_page_promises_a_connection_only_where_the_default_destination_connects(
    default: dict[str, Any], *, connected: bool
) -> None:
    shown = described(settings(default=default))
    (without_text,) = [step for step in shown.steps if "no text is sent. " in step.text]
    prompts = {prompt.name for prompt in shown.prompts["en"]}
    assert ("declined" in prompts) is connected
    assert ("Connecting you" in without_text.says[0]) is connected
    assert (
        "the call ends" in without_text.text.lower() or "call then ends" in without_text.text
    ) is not connected
