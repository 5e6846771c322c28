"""`agi-bridge check`: its findings about recordings and speech engines."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.findings import Level, Report
from agi_bridge.speech import SHIPPED
from tests.support.checking import found, one, outcome, outcomes, printed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

URL = "http://192.0.2.20:4580"


def speech(*engines: str, **values: str) -> str:
    """The table: texts, and engines given as inline tables."""
    given = "".join(f'{key} = "{value}", ' for key, value in values.items())
    return f"speech = {{{given}engines = [{', '.join(engines)}]}}"


SPEAK = '{kind = "command", command = ["speak", "{output}"]}'


# -- engines


def test_no_engine_is_fine(checked: Callable[..., Report]) -> None:
    assert outcome(checked(), "speech.engines") == (Level.OK, "speech.engines.ok")


def test_a_program_that_is_not_installed_is_a_fault(checked: Callable[..., Report]) -> None:
    finding = one(checked(speech(SPEAK)), "speech.engines.1.command")
    assert (finding.level, finding.code) == (Level.FAULT, "speech.engine.command.not_found")
    assert "'speak'" in finding.problem


def test_a_program_that_is_installed_is_named(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "speak").touch(mode=0o755)
    report = checked(speech(SPEAK, pbx_cache="/sounds"))
    finding = one(report, "speech.engines.1.command")
    assert (finding.level, finding.problem) == (Level.OK, str(tmp_path / "bin" / "speak"))
    assert not found(report, "speech.pbx_cache")
    assert not found(report, "speech.engines")


def test_an_application_of_the_pbx_is_named_and_needs_no_cache(
    checked: Callable[..., Report],
) -> None:
    report = checked(speech('{kind = "pbx", command = ["Flite", "{text}"]}'))
    finding = one(report, "speech.engines.1.command")
    assert finding.level is Level.OK
    assert "asterisk -rx 'core show application Flite'" in finding.problem
    assert not found(report, "speech.pbx_cache")


def test_a_service_is_shown_by_its_host_and_its_key_by_the_length(
    checked: Callable[..., Report],
) -> None:
    engine = (
        '{kind = "http", url = "https://speech.example/v1", model = "m", '
        'voices = {"*" = "x"}, key = {env = "VOICE"}}'
    )
    report = checked(speech(engine), VOICE="open-sesame")
    assert one(report, "speech.engines.1.url").level is Level.OK
    assert "speech.example" in one(report, "speech.engines.1.url").problem
    assert one(report, "speech.engines.1.key").level is Level.OK
    assert "11 characters" in one(report, "speech.engines.1.key").problem
    assert "open-sesame" not in printed(report)
    without = checked(speech(engine.replace(', key = {env = "VOICE"}', "")))
    assert not found(without, "speech.engines.1.key")


def test_a_model_whose_files_are_missing_is_a_fault_by_its_key(
    checked: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agi_bridge.speech.engines.model_client.find_spec", lambda name: name)
    engine = f'{{kind = "piper", voices = {{en = "{tmp_path}/joe.onnx"}}}}'
    finding = one(checked(speech(engine)), "speech.engines.1.voices")
    assert (finding.level, finding.code) == (Level.FAULT, "speech.engine.voices.unusable")
    assert f"{tmp_path}/joe.onnx" in finding.problem


def test_a_model_whose_package_is_missing_is_a_fault_that_names_the_extra(
    checked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agi_bridge.speech.engines.model_client.find_spec", lambda _: None)
    report = checked(speech('{kind = "kokoro", voices_at = "/voices"}'))
    finding = one(report, "speech.engines.1.kind")
    assert (finding.level, finding.code) == (Level.FAULT, "speech.engine.kind.unusable")
    assert "kokoro" in finding.text


@pytest.fixture
def joe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of a voice, with every package installed."""
    monkeypatch.setattr("agi_bridge.speech.engines.model_client.find_spec", lambda name: name)
    (tmp_path / "joe.onnx.json").touch()
    (tmp_path / "joe.onnx").touch()
    return tmp_path / "joe.onnx"


def test_a_model_that_can_be_used_is_shown_with_its_languages(
    checked: Callable[..., Report], joe: Path
) -> None:
    engine = f'{{kind = "piper", voices = {{fr = "{joe}", en = "{joe}"}}}}'
    finding = one(checked(speech(engine)), "speech.engines.1")
    assert finding.level is Level.OK
    assert "piper speaks en, fr" in finding.problem


def test_a_model_that_may_not_be_read_is_a_fault(
    checked: Callable[..., Report], joe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Path) -> str:
        raise PermissionError(13, "Permission denied")  # root may read anything

    monkeypatch.setattr("agi_bridge.speech.engines.piper.sha256_of", refused)
    engine = f'{{kind = "piper", voices = {{en = "{joe}"}}}}'
    finding = one(checked(speech(engine)), "speech.engines.1")
    assert (finding.level, finding.code) == (Level.FAULT, "speech.engine.unreadable")
    assert "Permission denied" in finding.problem


def test_a_cache_that_the_pbx_may_not_enter_is_noted(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    report = checked(f'state_dir = "{tmp_path}/state"\n{speech(SPEAK)}')
    assert outcome(report, "speech.pbx_cache") == (Level.NOTE, "speech.pbx_cache.closed")


# -- recordings


@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of prompts whose parents count as open, whatever they are on this machine."""
    folder = tmp_path / "prompts"
    shutil.copytree(SHIPPED, folder)
    above = set(folder.parents)
    real = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        return real(Path("/") if path in above else path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    return folder


def test_prompts_that_every_account_can_read_are_fine(
    checked: Callable[..., Report], prompts: Path
) -> None:
    report = checked(f'speech = {{prompts = "{prompts}"}}')
    assert outcome(report, "speech.prompts") == (Level.OK, "speech.prompts.ok")
    assert str(prompts) in one(report, "speech.prompts").problem


def test_a_prompt_that_the_pbx_may_not_read_is_noted(
    checked: Callable[..., Report], prompts: Path
) -> None:
    (prompts / "fr" / "busy.wav").chmod(0o600)
    finding = one(checked(f'speech = {{prompts = "{prompts}"}}'), "speech.prompts")
    assert (finding.level, finding.code) == (Level.NOTE, "speech.prompts.closed")
    assert f"{prompts}/fr/busy.wav" in finding.problem


def test_prompts_on_another_machine_are_not_checked(checked: Callable[..., Report]) -> None:
    report = checked('speech = {pbx_prompts = "/sounds"}')
    finding = one(report, "speech.prompts")
    assert finding.level is Level.OK
    assert str(SHIPPED) in finding.problem
    assert "/sounds" in finding.problem


def test_recordings_are_checked_like_prompts(checked: Callable[..., Report], prompts: Path) -> None:
    (prompts / "fr" / "busy.wav").chmod(0o600)
    finding = one(checked(speech(recordings=str(prompts))), "speech.recordings")
    assert (finding.level, finding.code) == (Level.NOTE, "speech.recordings.closed")
    assert f"{prompts}/fr/busy.wav" in finding.problem


def test_a_folder_of_recordings_that_does_not_exist_is_noted(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    finding = one(checked(speech(recordings=f"{tmp_path}/mine")), "speech.recordings")
    assert (finding.level, finding.code) == (Level.NOTE, "speech.recordings.missing")
    assert f"{tmp_path}/mine" in finding.problem


# -- over HTTP


def test_over_http_the_url_and_the_release_of_the_pbx_are_shown(
    checked: Callable[..., Report], unused_tcp_port: int
) -> None:
    web = f'web = {{host = "0.0.0.0", port = {unused_tcp_port}}}'
    report = checked(speech(SPEAK, delivery="http", url=URL) + "\n" + web)
    assert outcomes(report, "speech.delivery") == [
        (Level.OK, "speech.delivery.ok"),
        (Level.NOTE, "speech.delivery.pbx_version"),
    ]
    address, _ = found(report, "speech.delivery")
    assert URL in address.problem
    assert f"0.0.0.0 port {unused_tcp_port}" in address.problem
    assert not found(report, "speech.url")
    assert not found(report, "speech.prompts")
    assert not found(report, "speech.pbx_cache")
    assert outcome(report, "web.token") == (Level.OK, "web.token.ok")
    assert outcome(report, "web.port") == (Level.OK, "web.port.ok")
    assert not found(report, "web.instaply_token")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1:4580", "speech.url.loopback"),
        ("http://[::1]:4580", "speech.url.loopback"),
        (URL, "speech.url.proxy"),
    ],
)
def test_a_url_that_another_machine_cannot_use_is_noted(
    checked: Callable[..., Report], url: str, code: str
) -> None:
    report = checked(speech(delivery="http", url=url))
    assert outcome(report, "speech.url") == (Level.NOTE, code)
