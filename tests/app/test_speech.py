"""From the configuration to the library and its engines."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING, cast

import pytest

from agi_bridge.app import build
from agi_bridge.app.optin_page import describe_optin
from agi_bridge.app.registration import register_content
from agi_bridge.app.speech import (
    build_engines,
    build_library,
    inspect_lines,
    line_libraries,
    line_library,
    outdated_prompts,
)
from agi_bridge.cli.prompts import play
from agi_bridge.lab.softphone.sounds import Sounds
from agi_bridge.speech import (
    SHIPPED,
    BadEngine,
    BadPrompts,
    CommandEngine,
    Engine,
    LineVariables,
    PbxEngine,
    Script,
    render_line,
    text_hash,
)
from agi_bridge.speech.wav import header
from tests.support.call_env import settings

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from agi_bridge.consent.ledger import Ledger

ESPEAK = {"kind": "command", "command": ["espeak-ng", "-w", "{output}"]}
FLITE = {"kind": "pbx", "command": ["Flite", "{text}"]}


def speech(**given: Any) -> dict[str, dict[str, Any]]:
    return {"speech": given}


def test_engines_come_in_the_order_of_the_file() -> None:
    made = build_engines(settings(tables=speech(engines=[FLITE, ESPEAK])))
    assert [(type(engine), engine.name) for engine in made] == [
        (PbxEngine, "flite"),
        (CommandEngine, "espeak-ng"),
    ]


def test_an_engine_that_cannot_be_built_is_named_by_position_and_setting(tmp_path: Path) -> None:
    kokoro = {"kind": "kokoro", "voices_at": str(tmp_path / "gone"), "model": "/gone.onnx"}
    with pytest.raises(BadEngine, match=r"^speech\.engines\.2\.\w+ ") as caught:
        build_engines(settings(tables=speech(engines=[ESPEAK, kokoro])))
    assert caught.value.field.startswith("speech.engines.2.")


def test_the_shipped_prompts_are_played_from_where_they_lie() -> None:
    recording = build_library(settings()).prompt("goodbye", "en")
    assert recording.path == str(SHIPPED / "en" / "goodbye")
    assert recording.wav == SHIPPED / "en" / "goodbye.wav"


def shelve(folder: Path, name: str, text: str) -> None:
    """Add an own prompt, in English."""
    (folder / "en").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SHIPPED / "en" / "busy.wav", folder / "en" / f"{name}.wav")
    (folder / "en" / f"{name}.txt").write_text(text, encoding="utf-8")


def test_recordings_win_over_what_was_rendered_for_the_line_and_that_over_the_rest(
    tmp_path: Path,
) -> None:
    shelve(tmp_path / "own", "goodbye", "Recorded.")
    rendered = tmp_path / "speech" / "lines" / "shop"
    shelve(rendered, "goodbye", "Rendered.")
    shelve(rendered, "accepted", "Rendered.")
    configured = settings(tmp_path, tables=speech(recordings=str(tmp_path / "own")))
    shop = line_libraries(configured, build_library(configured))["shop"]
    assert shop.prompt("goodbye", "en").text == "Recorded."
    assert shop.prompt("accepted", "en").text == "Rendered."
    assert shop.prompt("busy", "en").wav == SHIPPED / "en" / "busy.wav"
    assert build_library(configured).prompt("accepted", "en").text != "Rendered."


def test_prompts_rendered_with_another_brand_are_outdated_and_shipped_ones_are_not(
    tmp_path: Path,
) -> None:
    shelve(tmp_path / "speech" / "lines" / "shop", "disclosure", "Thank you for calling Old Store.")
    configured = settings(tmp_path, policy_url="example.com/sms")
    line, shared = configured.lines["shop"], build_library(configured)
    assert outdated_prompts(configured, line, line_libraries(configured, shared)["shop"]) == [
        "en/disclosure"
    ]
    assert outdated_prompts(configured, line, shared) == []


def test_each_folder_is_named_as_the_pbx_sees_it(tmp_path: Path) -> None:
    shelve(tmp_path / "own", "goodbye", "Recorded.")
    shelve(tmp_path / "speech" / "lines" / "shop", "accepted", "Rendered.")
    given = speech(
        recordings=str(tmp_path / "own"),
        pbx_recordings="/own",
        pbx_cache="/cache",
        pbx_prompts="/shipped",
    )
    configured = settings(tmp_path, tables=given)
    shop = line_libraries(configured, build_library(configured))["shop"]
    assert [shop.prompt(name, "en").path for name in ("goodbye", "accepted", "busy")] == [
        "/own/en/goodbye",
        "/cache/lines/shop/en/accepted",
        "/shipped/en/busy",
    ]


async def test_the_cap_is_what_the_configuration_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr("agi_bridge.app.speech.Library", lambda *_, **words: given.update(words))
    build_library(settings(tmp_path, tables=speech(max_megabytes=3, budget_seconds=4)))
    assert (given["max_bytes"], given["budget"]) == (3 << 20, 4)
    assert given["cache"] == tmp_path / "speech"


def test_every_recording_handed_out_is_under_its_address() -> None:
    made = build_library(settings(), lambda recording: f"http://h/{recording.wav.name}")
    assert made.prompt("goodbye", "en").path == "http://h/goodbye.wav"


# -- one place says what a line plays


class Registered:
    """Stands in for the ledger: the disclosures that it was given, by language."""

    def __init__(self) -> None:
        self.sounds: dict[str, str] = {}
        self.contents: dict[str, str | bytes] = {}

    async def register_disclosure(
        self, language: str, text: str, audio_sha256: str, wav: bytes
    ) -> None:
        assert hashlib.sha256(wav).hexdigest() == audio_sha256
        self.sounds[language] = audio_sha256 + text_hash(text)

    async def register(self, texts: dict[str, str], recordings: dict[str, bytes]) -> None:
        assert all(text_hash(text) == sha256 for sha256, text in texts.items())
        for sha256, wav in recordings.items():
            assert hashlib.sha256(wav).hexdigest() == sha256
        self.contents = {**texts, **recordings}


async def test_all_name_the_same_disclosure(tmp_path: Path) -> None:
    """English is rendered, Spanish recorded over what was rendered, French the package's own."""
    own = settings(
        tmp_path,
        tables=speech(recordings=str(tmp_path / "own")),
        languages=["en", "es", "fr"],
        policy_url="example.com",
    )
    line = own.lines["shop"]
    texts = Script().texts(
        LineVariables(line.brand, line.policy_url), ["en", "es"], ["disclosure", "goodbye"]
    )
    await render_line(texts, [Buzz()], tmp_path / "speech" / "lines" / "shop")
    (tmp_path / "own" / "es").mkdir(parents=True)
    recorded = tmp_path / "own" / "es" / "disclosure.wav"
    shutil.copyfile(SHIPPED / "es" / "busy.wav", recorded)
    recorded.with_suffix(".txt").write_text(texts[2].text, encoding="utf-8-sig")

    heard = line_libraries(own, build_library(own))["shop"]
    wanted = {
        each: heard.prompt("disclosure", each).sha256 + heard.prompt("disclosure", each).text_sha256
        for each in line.languages
    }
    assert len(set(wanted.values())) == 3
    assert heard.prompt("disclosure", "es").wav == recorded
    assert heard.prompt("disclosure", "fr").wav.is_relative_to(SHIPPED)
    assert not heard.prompt("disclosure", "en").wav.is_relative_to(SHIPPED)

    registered = Registered()
    async with build.build_services(own, cast("Ledger", registered)) as services:
        assert registered.sounds == wanted  # `serve`, and `agi`, which builds the same services
        served = services.line_libraries["shop"]
        for each in line.languages:
            path = served.prompt("disclosure", each).path
            assert Sounds().find(path).text == served.prompt("disclosure", each).text  # type: ignore[union-attr]  # it is there

    page = describe_optin(own, own.lines["shop"], date="2026-11-26").calls_to_action
    assert {each.language: each.audio_sha256 + each.text_sha256 for each in page} == wanted

    (looked,) = inspect_lines(own, own.lines.values())  # `prompts list`, `check` and `export`
    asking = [each for each in looked.prompts if each.wanted.is_disclosure]
    assert {
        each.wanted.language: file_hash(each.found.file) + text_hash(each.words)
        for each in asking
        if each.found
    } == wanted

    for each in line.languages:
        to = tmp_path / "played.wav"
        played = await play.run(own, "disclosure", "shop", language=each, to=to)
        assert file_hash(to) + text_hash(played.found.text or "") == wanted[each]

    assert {
        each: line_library(own, line).prompt("disclosure", each).sha256 for each in line.languages
    } == {each: sums[:64] for each, sums in wanted.items()}  # what `check` asks


async def test_a_disclosure_that_changed_while_it_was_read_is_not_kept_under_another_hash(
    tmp_path: Path,
) -> None:
    shelve(tmp_path / "own", "disclosure", "Recorded.")
    own = settings(tmp_path, tables=speech(recordings=str(tmp_path / "own")))
    heard = line_libraries(own, build_library(own))
    shutil.copyfile(SHIPPED / "en" / "goodbye.wav", tmp_path / "own" / "en" / "disclosure.wav")
    registered = Registered()
    with pytest.raises(BadPrompts, match=r"disclosure\.wav has just changed: start again"):
        await register_content(own, heard, cast("Ledger", registered))
    assert registered.sounds == {}


def file_hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


class Buzz(Engine):
    """Says everything alike, but as long as it takes."""

    def __init__(self) -> None:
        super().__init__("buzz", "buzz", ())

    async def render(self, text: str, language: str, output: Path) -> None:
        samples = b"\0\x10" * 10 + b"\0\xf0" * 10
        content = samples * (20 * len(text) + (language == "es"))
        output.write_bytes(header(len(content), 8000) + content)
