"""`agi-bridge rehearse`: every ending of a line's calls, with its own configuration and prompts."""

from __future__ import annotations

import json
import re
import shutil
import wave
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.speech import SHIPPED
from tests.support.commands import DID, KEY, invoke, names

if TYPE_CHECKING:
    from pathlib import Path

TO_DEFAULT = {
    "hook_say": "accepted",
    "hook_not_linked": "refused",
    "hook_403": "refused",
    "hook_400": "refused",
    "hook_500": "unknown",
    "hook_slow": "unknown",
    "hook_reset": "unknown",
    "hook_garbage": "unknown",
    "hook_refuse": "not_sent",
    "far_end_busy": "accepted",
    "star": "declined",
    "silence": "declined",
    "wrong_numbers": "declined",
    "not_confirmed": "declined",
    "revoked": "declined",
    "limit": "declined",
    "ledger_gone": None,
}
"""The endings of a plain line that reach its default destination, and what is stored."""
OTHERS = {
    "hook_dial": ("forward", "accepted"),
    "star_unreached": ("fallback", "declined"),
    "hung_up_before": ("caller", "abandoned"),
    "hung_up_after": ("caller", "accepted"),
    "killed_in_dialogue": ("dialplan", None),
    "killed_in_submission": ("dialplan", "unknown"),
}


class Rehearsed:
    """The answer of the command."""

    def __init__(
        self,
        folder: Path,
        line: str = "",
        *,
        top: str = "",
        hook: str = "",
        arguments: str = "",
    ) -> None:
        self.config = folder / "agi-bridge.toml"
        given = f"""
did = ["{DID}"]
business_number = "{DID}"
hook_key = {{env = "SHOP_KEY"}}
brand = "Example Store"
dial_template = "PJSIP/{{number}}@trunk"
default = {{kind = "dial", destination = "PJSIP/100"}}
"""
        for setting in re.findall(r"^(\w+) = ", line.partition("[lines")[0], flags=re.MULTILINE):
            given = re.sub(rf"^{setting} = .*\n", "", given, flags=re.MULTILINE)
        self.config.write_text(
            f"state_dir = {json.dumps(str(folder / 'state'))}\n{top}\n"
            f'[hook]\n{hook}url = "https://hook.invalid/v1"\n'
            f"[lines.shop]{given}{line}\n"
        )
        command = ["rehearse", "--config", self.config, *arguments.split()]
        self.status, self.out, self.err = invoke(*command, "--json")
        self.document: Any = json.loads(self.out) if self.out else None

    def endings(self, language: str = "en", line: int = 0) -> dict[str, Any]:
        return {
            each["ending"]: each
            for each in self.document["lines"][line]["endings"]
            if each["language"] == language
        }

    def kind(self, ending: str, language: str = "en") -> str:
        kind: str = self.endings(language)[ending]["goes_to"]["kind"]
        return kind

    def heard(self, ending: str, language: str = "en") -> list[str]:
        return [each["prompt"] for each in self.endings(language)[ending]["heard"]]


def test_every_ending_of_a_plain_line_reaches_somebody(tmp_path: Path) -> None:
    done = Rehearsed(tmp_path)
    assert (done.status, done.document["ok"], done.err) == (0, True, "")
    found = {
        code: (each["goes_to"]["kind"], each["stored"][-1] if each["stored"] else None)
        for code, each in done.endings().items()
    }
    assert found == {code: ("default", state) for code, state in TO_DEFAULT.items()} | OTHERS
    assert names(tmp_path) == ["agi-bridge.toml"]  # no ledger, no key, no rendered speech


def test_what_the_caller_hears_says_what_is_true(tmp_path: Path) -> None:
    done = Rehearsed(tmp_path)
    dialogue = ["disclosure", "enter-number", "you-entered"]
    for code, each in done.endings().items():
        heard = [name for name in done.heard(code) if name != "digits"]
        if not each["requests"]:
            assert "accepted" not in heard
        if code.startswith("hook_"):
            assert heard[:3] == dialogue
        # Who hangs up at the first prompt after the agreement may hear a hold prompt as that.
        if each["stored"] and each["stored"][-1] == "accepted" and code != "hung_up_after":
            assert "accepted" in heard
    assert "please-hold" in done.heard("hook_slow")
    assert done.heard("hook_say")[-1] == "no-forwarding"
    words = done.endings()["star"]["heard"][0]["text"]
    assert "press star" in words


def test_requests_of_the_hook_are_those_of_callers_who_agreed(tmp_path: Path) -> None:
    endings = Rehearsed(tmp_path).endings()
    sent = {code for code, each in endings.items() if each["requests"]}
    assert sent == {code for code in endings if code.startswith("hook_")} - {"hook_refuse"} | {
        "far_end_busy",
        "hung_up_after",
        "killed_in_submission",
    }
    assert {each["requests"] for each in endings.values()} == {0, 1}


def test_every_language_is_rehearsed_in_its_own_words(tmp_path: Path) -> None:
    done = Rehearsed(tmp_path, 'languages = ["en", "es", "fr"]')
    assert done.status == 0
    for language, word in (("en", "Thank you"), ("es", "Gracias"), ("fr", "Merci")):
        endings = done.endings(language)
        assert set(endings) == {*TO_DEFAULT, *OTHERS}
        star = endings["star"]["heard"]
        (disclosure,) = [each["text"] for each in star if each["prompt"] == "disclosure"]
        assert disclosure.startswith(word)
        assert done.kind("hook_dial", language) == "forward"


@pytest.mark.parametrize(
    ("line", "code", "kind", "state"),
    [
        ('consent = {act = "number"}', "hook_dial", "forward", "accepted"),
        ('consent = {opt_out_key = "9"}', "opted_out", "default", None),
        ('consent = {quiet_hours = "strict"}', "quiet_hours", "default", "declined"),
        ('consent = {quiet_hours = "strict"}', "hook_dial", "forward", "accepted"),
        ('consent = {returning = "skip", opt_out_key = "9"}', "returning", "forward", "accepted"),
        ('dial = "dialplan"', "hook_dial", "dialplan", "accepted"),
        ('dial = "dialplan"', "star", "dialplan", "declined"),
        ('default = {kind = "dialplan", context = "main"}', "star", "dialplan", "declined"),
        ('default = {kind = "say", prompt = "goodbye"}', "star", "announcement", "declined"),
        ('after_say = "hangup"', "hook_say", "announcement", "accepted"),
        ("limits = {number_per_day = 0}", "limit", "default", "declined"),
        ('regions = ["FR"]\nforward_regions = ["FR"]', "hook_dial", "forward", "accepted"),
        ('regions = ["DE"]\nforward_regions = ["GB"]', "hook_dial", "forward", "accepted"),
    ],
)
def test_the_lines_own_settings_are_in_force(
    tmp_path: Path, line: str, code: str, kind: str, state: str | None
) -> None:
    done = Rehearsed(tmp_path, line)
    assert (done.status, done.err) == (0, "")
    assert done.kind(code) == kind
    stored = done.endings()[code]["stored"]
    assert (stored[-1] if stored else None) == state


def test_a_place_in_the_dialplan_is_named(tmp_path: Path) -> None:
    done = Rehearsed(tmp_path, 'default = {kind = "dialplan", context = "main", priority = 2}')
    for code in ("star", "killed_in_dialogue"):
        assert done.endings()[code]["goes_to"]["place"] == "main,s,2"


# What is wrong


def test_a_line_that_hangs_up_on_callers_connects_them_to_nobody(tmp_path: Path) -> None:
    done = Rehearsed(tmp_path, 'default = {kind = "hangup"}')
    assert (done.status, done.document["ok"]) == (1, False)
    wrong = {code for code, each in done.endings().items() if each["problem"]}
    assert {each["problem"] for each in done.endings().values()} == {"", "nobody"}
    # The hook's text is something; without a bridge, the dialplan has its fallback.
    assert wrong == {*TO_DEFAULT, "star_unreached"} - {"hook_say", "hook_not_linked"}
    assert done.kind("killed_in_dialogue") == "fallback"


def own_prompts(folder: Path) -> Path:
    prompts = folder / "prompts"
    shutil.copytree(SHIPPED, prompts)
    return prompts


def test_a_silent_recording_is_found(tmp_path: Path) -> None:
    prompts = own_prompts(tmp_path)
    with wave.open(str(prompts / "en" / "declined.wav"), "rb") as sound:
        shape, length = sound.getparams(), sound.getnframes()
    with wave.open(str(prompts / "en" / "declined.wav"), "wb") as sound:
        sound.setparams(shape)
        sound.writeframes(bytes(2 * length))
    done = Rehearsed(tmp_path, top=f'[speech]\nprompts = "{prompts}"')
    assert done.status == 2
    (line,) = done.err.splitlines()
    assert line.startswith("agi-bridge: [speech]: ")
    assert "declined.wav" in line
    assert "prompts check" in line


def test_a_recording_that_is_missing_leaves_silence(tmp_path: Path) -> None:
    prompts = own_prompts(tmp_path)
    (prompts / "en" / "declined.wav").unlink()
    manifest = json.loads((prompts / "manifest.json").read_text())
    del manifest["en"]["declined"]
    (prompts / "manifest.json").write_text(json.dumps(manifest))
    done = Rehearsed(tmp_path, top=f'[speech]\nprompts = "{prompts}"')
    assert done.status == 1
    assert done.endings()["star"]["problem"] == "silence"
    assert done.endings()["star"]["unplayed"] == ["declined"]
    assert done.endings()["hook_dial"]["problem"] == ""


def test_the_silence_between_prompts_is_measured(tmp_path: Path) -> None:
    endings = Rehearsed(tmp_path).endings()
    silence = {code: each["silence_milliseconds"] for code, each in endings.items()}
    assert silence["star"] == 0
    patient = "[lines.shop.consent]\nfirst_digit_seconds = 25"
    longer = Rehearsed(tmp_path, patient).endings()["silence"]["silence_milliseconds"]
    assert longer - silence["silence"] == 15_000


# The command


def test_the_table_names_each_ending_and_no_number(tmp_path: Path) -> None:
    line = 'default = {kind = "dial", destination = "PJSIP/+14155550177@trunk"}'
    config = Rehearsed(tmp_path, line).config
    status, out, err = invoke("rehearse", "--config", config)
    assert (status, err) == (0, "")
    assert "presses star" in out
    assert out.splitlines()[-1] == "23 endings played, no problems"
    assert not re.search(r"\d{7,}", out)
    assert KEY not in out


def test_what_is_wrong_is_said_below_the_table(tmp_path: Path) -> None:
    config = Rehearsed(tmp_path, 'default = {kind = "hangup"}').config
    status, out, _ = invoke("rehearse", "--config", config)
    assert status == 1
    assert "shop, en: presses star: the caller is hung up on" in out


def test_one_line_or_all(tmp_path: Path) -> None:
    other = f"""[lines.other]
did = ["2000"]
business_number = "{DID}"
hook_key = {{env = "SHOP_KEY"}}
brand = "Other"
dial_template = "PJSIP/{{number}}@trunk"
default = {{kind = "dial", destination = "PJSIP/200"}}
"""
    every = Rehearsed(tmp_path, other)
    assert [each["line"] for each in every.document["lines"]] == ["shop", "other"]
    one = Rehearsed(tmp_path, other, arguments="--line 2000")
    assert [each["line"] for each in one.document["lines"]] == ["other"]
    assert one.endings()["star"]["goes_to"] == {"kind": "default", "place": "PJSIP/200"}
    none = Rehearsed(tmp_path, other, arguments="--line nothing")
    assert (none.status, none.out) == (2, "")


def test_the_keys_of_the_document_are_those_that_are_documented(tmp_path: Path) -> None:
    document = Rehearsed(tmp_path).document
    assert set(document) == {"ok", "lines"}
    (line,) = document["lines"]
    assert set(line) == {"line", "endings"}
    for each in line["endings"]:
        assert set(each) == {
            *("ending", "language", "what", "heard", "goes_to", "stored"),
            *("requests", "silence_milliseconds", "unplayed", "problem"),
        }
        assert set(each["goes_to"]) == {"kind", "place"}
        assert all(set(heard) == {"prompt", "text", "milliseconds"} for heard in each["heard"])
