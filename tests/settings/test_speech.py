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
    ("table", "fault"),
    [
        ('command = ["a"]\n', 'speech.engines.1: has no kind; write it like {kind = "…"}'),
        ('kind = "festival"\n', "speech.engines.1: is of an unknown kind; write one of 'kokoro'"),
        ('kind = "command"\n', "speech.engines.1.command: is missing"),
        ('kind = "command"\ncommand = []\n', "speech.engines.1.command: is empty"),
        ('kind = "command"\ncommand = ["a"]\n', "speech.engines.1.command: must hold {output}"),
        (
            'kind = "command"\ncommand = ["a", "{text}", "{text}", "{output}"]\n',
            "speech.engines.1.command: must hold {output} once and {text} at most once",
        ),
        (
            'kind = "command"\ncommand = ["a", "{voice}", "{output}"]\n',
            "speech.engines.1.command: holds an unknown placeholder",
        ),
        (
            'kind = "command"\ncommand = ["{text}", "{output}"]\n',
            "speech.engines.1.command: has a placeholder in the program's name",
        ),
        (f'{ESPEAK}langauges = ["en"]\n', "did you mean speech.engines.1.languages?"),
        (f'{ESPEAK}languages = ["English"]\n', "speech.engines.1.languages: holds an unknown"),
        ('kind = "kokoro"\n', "speech.engines.1.voices_at: is missing"),
        ('kind = "kokoro"\nvoices_at = "voices"\n', "is not an absolute path"),
        ('kind = "piper"\nvoices = {}\n', "speech.engines.1.voices: is empty"),
        (
            'kind = "piper"\nvoices = {en = "joe.onnx"}\n',
            "speech.engines.1.voices: names a file that is no absolute path",
        ),
        (f'{SERVICE}voices = {{E = "x"}}\n', "speech.engines.1.voices.E: holds an unknown"),
        (
            'kind = "http"\nurl = "http://h/v1"\nmodel = "m"\nvoices = {"*" = "x"}\n',
            "speech.engines.1: url is http, but not on this machine; take https",
        ),
        (
            f'{SERVICE}voices = {{"*" = "x"}}\nkey = "open-sesame"\n',
            "speech.engines.1.key: must not stand in the configuration itself",
        ),
        (
            f'{SERVICE}voices = {{"*" = "x"}}\nkey = {{env = "GONE"}}\n',
            "speech.engines.1.key: the environment variable GONE is not set",
        ),
        (
            'kind = "pbx"\ncommand = ["Flite"]\n',
            "speech.engines.1: command must hold {text} once; compare with",
        ),
    ],
)
def test_an_engine_that_cannot_be_is_refused_by_its_place_in_the_list(
    faults: Callable[..., list[str]], table: str, fault: str
) -> None:
    (line,) = faults(engines(table))
    assert fault in line
    assert "open-sesame" not in line


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
    ("given", "fault"),
    [
        ('engine = ["espeak-ng"]', "speech.engine: is not a setting; write a table [[speech."),
        ('engines = {kind = "pbx"}', "speech.engines: is one table; begin each engine with [["),
        ('engines = ["flite"]', "speech.engines.1: is of the wrong type; write a table"),
        ("max_megabytes = 0", "speech.max_megabytes: is too small"),
        ('recordings = "mine"', "speech.recordings: is not an absolute path"),
        ('delivery = "ftp"', "speech.delivery: is none of the choices"),
        ('delivery = "http"', 'speech.url: is empty although speech.delivery is "http"'),
        (f'delivery = "http"\nurl = "{URL}/?a=1"', "speech.url: is no plain http or https address"),
        ('url = "ftp://h"', "speech.url: is no plain http or https address"),
        ('url = "http://u:p@h"', "speech.url: is no plain http or https address"),
        (f'url = "http://h/{"x" * 80}"', "speech.url: is too long; use at most 80 characters"),
        (
            f'delivery = "http"\nurl = "{URL}"\npbx_prompts = "/sounds"',
            'speech.pbx_prompts: is set although speech.delivery is "http"; leave it out',
        ),
    ],
)
def test_what_cannot_be_is_refused(
    faults: Callable[..., list[str]], given: str, fault: str
) -> None:
    (line,) = faults(f"[speech]\n{given}\n{SHOP}")
    assert line.startswith(fault)


def test_the_old_key_is_refused_in_the_environment_too(faults: Callable[..., list[str]]) -> None:
    (line,) = faults(AGI_BRIDGE_SPEECH__ENGINE="flite -o {output}")
    assert line.startswith("speech.engine: is not a setting; write a table [[speech.engines]]")


def test_a_pbx_that_fetches_makes_the_web_listen(load: Callable[..., Settings]) -> None:
    settings = load(f'speech = {{delivery = "http", url = "{URL}/bridge/"}}\n{SHOP}')
    assert settings.web_listens
    assert not settings.web.enabled
    assert settings.speech.url == f"{URL}/bridge"


@pytest.mark.parametrize("line", ["", 'purpose = "?"\n'])
def test_a_web_that_listens_for_the_pbx_alone_needs_a_port_of_its_own(
    faults: Callable[..., list[str]], line: str
) -> None:
    text = f'speech = {{delivery = "http", url = "{URL}"}}\nweb = {{port = 4573}}\n{SHOP}{line}'
    assert "web.port: is agi.port too; give each listener a port of its own" in faults(text)
    text = text.replace("4573", "0")
    assert "web.port: is any free one, but speech.url needs to know it; give a number" in faults(
        text
    )


def shelve(folder: Path, text: str) -> None:
    (folder / "en").mkdir(parents=True)
    shutil.copyfile(SHIPPED / "en" / "busy.wav", folder / "en" / "mine.wav")
    (folder / "en" / "mine.txt").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("place", ["recordings", "speech/lines/shop"])
def test_a_prompt_that_a_line_has_of_its_own_is_there(
    load: Callable[..., Settings], faults: Callable[..., list[str]], tmp_path: Path, place: str
) -> None:
    text = f'state_dir = "{tmp_path}"\nspeech = {{recordings = "{tmp_path}/recordings"}}\n' + shop(
        disclosure='"mine"'
    )
    assert faults(text)[0].startswith("lines.shop.disclosure: is not recorded in 'en'")
    shelve(tmp_path / place, "Mine.")
    assert load(text).lines["shop"].disclosure == "mine"
    # Nor is it missed if something else is wrong.
    assert faults(text.replace('"Example Store"', '""')) == [
        "lines.shop.brand: is empty; give it a value"
    ]


@pytest.mark.parametrize(
    ("place", "key", "fix"),
    [
        ("recordings", "speech.recordings", "agi-bridge prompts check"),
        ("speech/lines/shop", "lines.shop", "prompts render --line shop --force"),
    ],
)
def test_a_prompt_that_cannot_be_used_is_refused_by_who_made_it(
    faults: Callable[..., list[str]], tmp_path: Path, place: str, key: str, fix: str
) -> None:
    shelve(tmp_path / place, "")
    (line,) = faults(
        f'state_dir = "{tmp_path}"\nspeech = {{recordings = "{tmp_path}/recordings"}}\n{SHOP}'
    )
    assert line.startswith(f"{key}: {tmp_path / place}: en/mine.wav has no text")
    assert fix in line


def test_who_makes_prompts_need_not_have_them(tmp_path: Path) -> None:
    file = tmp_path / "agi-bridge.toml"
    file.write_text(shop(languages='["de"]'), encoding="utf-8")
    settings = Settings.load(file, {}, secrets="speech.", prompts=False)
    assert settings.lines["shop"].languages == ("de",)
