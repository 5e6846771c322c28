"""How recordings get to the PBX, and the engines for what only a call brings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.settings import Settings
from agi_bridge.speech import SHIPPED, EngineSpec
from tests.support.settings_texts import SHOP, shop

if TYPE_CHECKING:
    from collections.abc import Callable

ESPEAK = 'kind = "command"\ncommand = ["espeak-ng", "-w", "{output}"]\n'
SERVICE = 'kind = "http"\nurl = "https://h/v1"\nmodel = "m"\n'
URL = "http://192.0.2.20:4580"


def engines(*tables: str) -> str:
    return "".join(f"[[speech.engines]]\n{table}" for table in tables) + SHOP


def test_recordings_are_files_and_nobody_speaks_unless_told_otherwise(
    load: Callable[..., Settings],
) -> None:
    settings = load()
    speech = settings.speech
    assert (speech.delivery, speech.url, speech.engines) == ("files", "", ())
    assert (speech.recordings, speech.max_megabytes) == (None, 256)
    assert not settings.web_listens


def test_engines_keep_their_order_and_become_what_the_speech_room_takes(
    load: Callable[..., Settings],
) -> None:
    settings = load(
        engines(
            'kind = "kokoro"\nvoices_at = "/voices"\nvoices = {en = "af_sky"}\n'
            'model = "/model.onnx"\nvocabulary = "/vocab.json"\n',
            'kind = "kokoro"\nvoices_at = "/voices"\n',
            'kind = "piper"\nvoices = {en-US = "/joe.onnx", fr = "some-voice"}\n',
            f'{ESPEAK}languages = ["en", "fr-CA"]\n',
            f'{SERVICE}voices = {{"*" = "x", fr = "y"}}\nkey = {{env = "SHOP_KEY"}}\n',
            f'{SERVICE}voices = {{fr = "y"}}\nlanguages = ["fr"]\n',
            'kind = "pbx"\ncommand = ["Espeak", "{text}", "", "{language}"]\nlanguages = ["en"]\n',
        )
    )
    key = settings.lines["shop"].secret()
    assert [engine.spec() for engine in settings.speech.engines] == [
        EngineSpec(
            "kokoro",
            voices={"en": "af_sky"},
            model="/model.onnx",
            vocabulary=Path("/vocab.json"),
            voices_at=Path("/voices"),
        ),
        EngineSpec("kokoro", voices_at=Path("/voices")),
        EngineSpec("piper", voices={"en-us": "/joe.onnx", "fr": "some-voice"}),
        EngineSpec("command", command=("espeak-ng", "-w", "{output}"), languages=("en", "fr-ca")),
        EngineSpec("http", url="https://h/v1", model="m", voices={"*": "x", "fr": "y"}, key=key),
        EngineSpec("http", url="https://h/v1", model="m", voices={"fr": "y"}, languages=("fr",)),
        EngineSpec("pbx", command=("Espeak", "{text}", "", "{language}"), languages=("en",)),
    ]


def test_engines_in_the_environment_are_a_json_list(load: Callable[..., Settings]) -> None:
    settings = load(
        engines(ESPEAK, ESPEAK),
        AGI_BRIDGE_SPEECH__ENGINES='[{"kind": "command", "command": "flite -o \'{output}\'"}]',
    )
    assert [engine.spec().command for engine in settings.speech.engines] == [
        ("flite", "-o", "{output}")
    ]


def test_a_key_of_an_engine_may_come_from_a_variable_with_our_prefix(
    load: Callable[..., Settings],
) -> None:
    table = f'{SERVICE}voices = {{"*" = "x"}}\nkey = {{env = "AGI_BRIDGE_SPEECH_KEY"}}\n'
    settings = load(engines(ESPEAK, table), AGI_BRIDGE_SPEECH_KEY="open-sesame")
    assert settings.speech.engines[1].spec().key == "open-sesame"
    assert "open-sesame" not in repr(settings)


@pytest.mark.parametrize(
    ("table", "code"),
    [
        ('command = ["a"]\n', "choice"),
        ('kind = "festival"\n', "choice"),
        ('kind = "command"\n', "command.missing"),
        ('kind = "command"\ncommand = []\n', "command.empty"),
        ('kind = "command"\ncommand = ["a"]\n', "command.placeholder"),
        (
            'kind = "command"\ncommand = ["a", "{text}", "{text}", "{output}"]\n',
            "command.placeholder",
        ),
        ('kind = "command"\ncommand = ["a", "{voice}", "{output}"]\n', "command.placeholder"),
        ('kind = "command"\ncommand = ["{text}", "{output}"]\n', "command.placeholder"),
        (f'{ESPEAK}langauges = ["en"]\n', "langauges.unknown"),
        (f'{ESPEAK}languages = ["English"]\n', "languages.invalid"),
        ('kind = "kokoro"\n', "voices_at.missing"),
        ('kind = "kokoro"\nvoices_at = "voices"\n', "voices_at.invalid"),
        ('kind = "piper"\nvoices = {}\n', "voices.empty"),
        ('kind = "piper"\nvoices = {en = "joe.onnx"}\n', "voices.invalid"),
        ('kind = "http"\nurl = "http://h/v1"\nmodel = "m"\nvoices = {"*" = "x"}\n', "invalid"),
        (f'{SERVICE}voices = {{"*" = "x"}}\nkey = "open-sesame"\n', "key.plain_secret"),
        (f'{SERVICE}voices = {{"*" = "x"}}\nkey = {{env = "GONE"}}\n', "key.unavailable"),
        ('kind = "pbx"\ncommand = ["Flite"]\n', "invalid"),
    ],
)
def test_an_invalid_engine_is_refused_by_its_place_in_the_list(
    codes: Callable[..., list[str]], faults: Callable[..., list[str]], table: str, code: str
) -> None:
    assert codes(engines(table)) == [f"speech.engine.{code}"]
    (line,) = faults(engines(table))
    assert line.startswith("speech.engines.1")
    assert "open-sesame" not in line


def test_a_voice_of_an_invalid_language_is_refused(codes: Callable[..., list[str]]) -> None:
    table = f'{SERVICE}voices = {{E = "x"}}\n'
    assert codes(engines(table)) == ["configuration.invalid"]


def test_two_faults_are_told_at_once_the_missing_secret_of_an_engine_among_them(
    faults: Callable[..., list[str]],
) -> None:
    lines = faults(
        engines(ESPEAK, f'{SERVICE}voices = {{"*" = "x"}}\nkey = {{env = "GONE"}}\n').replace(
            '"Example Store"', '""'
        )
    )
    assert [line.partition(":")[0] for line in lines] == [
        "lines.shop.brand",
        "speech.engines.2.key",
    ]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ('engine = ["espeak-ng"]', "engine.unknown"),
        ('engines = {kind = "pbx"}', "engines.type"),
        ('engines = ["flite"]', "engine.type"),
        ("max_megabytes = 0", "max_megabytes.too_small"),
        ('recordings = "mine"', "recordings.invalid"),
        ('delivery = "ftp"', "delivery.choice"),
        ('delivery = "http"', "url.missing"),
        (f'delivery = "http"\nurl = "{URL}/?a=1"', "url.invalid"),
        ('url = "ftp://h"', "url.invalid"),
        ('url = "http://u:p@h"', "url.invalid"),
        (f'url = "http://h/{"x" * 80}"', "url.too_long"),
        (f'delivery = "http"\nurl = "{URL}"\npbx_prompts = "/sounds"', "pbx_prompts.unused"),
    ],
)
def test_an_invalid_setting_of_speech_is_refused(
    codes: Callable[..., list[str]], given: str, code: str
) -> None:
    assert codes(f"[speech]\n{given}\n{SHOP}") == [f"speech.{code}"]


def test_the_old_key_is_refused_in_the_environment_too(codes: Callable[..., list[str]]) -> None:
    assert codes(AGI_BRIDGE_SPEECH__ENGINE="flite -o {output}") == ["speech.engine.unknown"]


def test_a_pbx_that_fetches_makes_the_web_listen(load: Callable[..., Settings]) -> None:
    settings = load(f'speech = {{delivery = "http", url = "{URL}/bridge/"}}\n{SHOP}')
    assert settings.web_listens
    assert not settings.web.enabled
    assert settings.speech.url == f"{URL}/bridge"


@pytest.mark.parametrize("line", ["", 'purpose = "?"\n'])
def test_a_web_that_listens_for_the_pbx_alone_needs_a_port_of_its_own(
    codes: Callable[..., list[str]], line: str
) -> None:
    text = f'speech = {{delivery = "http", url = "{URL}"}}\nweb = {{port = 4573}}\n{SHOP}{line}'
    assert "web.port.taken" in codes(text)
    assert "web.port.missing" in codes(text.replace("4573", "0"))


def write_recording(folder: Path, text: str) -> None:
    (folder / "en").mkdir(parents=True)
    shutil.copyfile(SHIPPED / "en" / "busy.wav", folder / "en" / "mine.wav")
    (folder / "en" / "mine.txt").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("place", ["recordings", "speech/lines/shop"])
def test_a_prompt_that_a_line_has_of_its_own_is_there(
    load: Callable[..., Settings], codes: Callable[..., list[str]], tmp_path: Path, place: str
) -> None:
    text = f'state_dir = "{tmp_path}"\nspeech = {{recordings = "{tmp_path}/recordings"}}\n' + shop(
        disclosure='"mine"'
    )
    assert codes(text)[0] == "line.disclosure.missing_prompts"
    write_recording(tmp_path / place, "Mine.")
    assert load(text).lines["shop"].disclosure == "mine"
    # Nor is it missed if something else is wrong.
    assert codes(text.replace('"Example Store"', '""')) == ["line.brand.empty"]


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("recordings", "speech.recordings.unusable"),
        ("speech/lines/shop", "line.prompts"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_by_who_made_it(
    codes: Callable[..., list[str]], tmp_path: Path, place: str, code: str
) -> None:
    write_recording(tmp_path / place, "")
    found = codes(
        f'state_dir = "{tmp_path}"\nspeech = {{recordings = "{tmp_path}/recordings"}}\n{SHOP}'
    )
    assert found == [code]


def test_who_makes_prompts_need_not_have_them(tmp_path: Path) -> None:
    file = tmp_path / "agi-bridge.toml"
    file.write_text(shop(languages='["de"]'), encoding="utf-8")
    settings = Settings.load(file, {}, secrets="speech.", prompts=False)
    assert settings.lines["shop"].languages == ("de",)
