"""What `check` says of speech: recordings within the PBX's reach, engines that can speak."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.findings import Level, Report
from agi_bridge.speech import SHIPPED
from tests.support.checking import found, one, printed

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


def test_without_an_engine_texts_are_skipped(checked: Callable[..., Report]) -> None:
    level, text = one(checked(), "speech.engines")
    assert level is Level.OK
    assert "are skipped" in text


def test_a_program_that_is_not_installed_is_a_fault(checked: Callable[..., Report]) -> None:
    assert one(checked(speech(SPEAK)), "speech.engines.1.command") == (
        Level.FAULT,
        "the program 'speak' is not found; install it or name its full path",
    )


def test_a_program_that_is_installed_is_named(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "speak").touch(mode=0o755)
    report = checked(speech(SPEAK, pbx_cache="/sounds"))
    assert one(report, "speech.engines.1.command") == (Level.OK, str(tmp_path / "bin" / "speak"))
    assert not found(report, "speech.pbx_cache")
    assert not found(report, "speech.engines")


def test_an_application_of_the_pbx_is_named_and_needs_no_cache(
    checked: Callable[..., Report],
) -> None:
    report = checked(speech('{kind = "pbx", command = ["Flite", "{text}"]}'))
    level, text = one(report, "speech.engines.1.command")
    assert level is Level.OK
    assert "asterisk -rx 'core show application Flite'" in text
    assert not found(report, "speech.pbx_cache")


def test_of_a_service_the_host_is_named_and_of_its_key_the_length(
    checked: Callable[..., Report],
) -> None:
    engine = (
        '{kind = "http", url = "https://speech.example/v1", model = "m", '
        'voices = {"*" = "x"}, key = {env = "VOICE"}}'
    )
    report = checked(speech(engine), VOICE="open-sesame")
    assert one(report, "speech.engines.1.url")[1].startswith("speech.example, not tried")
    assert one(report, "speech.engines.1.key") == (
        Level.OK,
        "11 characters from the environment variable VOICE",
    )
    assert "open-sesame" not in printed(report)
    without = checked(speech(engine.replace(', key = {env = "VOICE"}', "")))
    assert not found(without, "speech.engines.1.key")


def test_a_model_whose_files_are_missing_is_a_fault_by_its_key(
    checked: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agi_bridge.speech.engines.model_client.find_spec", lambda name: name)
    engine = f'{{kind = "piper", voices = {{en = "{tmp_path}/joe.onnx"}}}}'
    assert one(checked(speech(engine)), "speech.engines.1.voices") == (
        Level.FAULT,
        f"names {tmp_path}/joe.onnx, which is not there",
    )


def test_a_model_whose_package_is_missing_is_a_fault_that_names_the_extra(
    checked: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agi_bridge.speech.engines.model_client.find_spec", lambda _: None)
    report = checked(speech('{kind = "kokoro", voices_at = "/voices"}'))
    level, text = one(report, "speech.engines.1.kind")
    assert level is Level.FAULT
    assert "of the extra kokoro: in the source's folder, " in text


@pytest.fixture
def joe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A voice's files, and every package there."""
    monkeypatch.setattr("agi_bridge.speech.engines.model_client.find_spec", lambda name: name)
    (tmp_path / "joe.onnx.json").touch()
    (tmp_path / "joe.onnx").touch()
    return tmp_path / "joe.onnx"


def test_a_model_that_is_there_tells_its_languages(
    checked: Callable[..., Report], joe: Path
) -> None:
    engine = f'{{kind = "piper", voices = {{fr = "{joe}", en = "{joe}"}}}}'
    assert one(checked(speech(engine)), "speech.engines.1") == (
        Level.OK,
        "piper speaks en, fr: packages and files are there",
    )


def test_a_model_that_may_not_be_read_is_a_fault(
    checked: Callable[..., Report], joe: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Path) -> str:
        raise PermissionError(13, "Permission denied")  # root may read anything

    monkeypatch.setattr("agi_bridge.speech.engines.piper.sha256_of", refused)
    engine = f'{{kind = "piper", voices = {{en = "{joe}"}}}}'
    assert one(checked(speech(engine)), "speech.engines.1") == (
        Level.FAULT,
        "a file of its model cannot be read (Permission denied)",
    )


def test_a_cache_that_the_pbx_may_not_enter_is_noted(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    level, text = one(
        checked(f'state_dir = "{tmp_path}/state"\n{speech(SPEAK)}'), "speech.pbx_cache"
    )
    assert level is Level.NOTE
    assert "can the one that runs Asterisk read it?" in text


# -- recordings


@pytest.fixture
def prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of prompts; all that is above it counts as open, whatever this machine's is."""
    folder = tmp_path / "prompts"
    shutil.copytree(SHIPPED, folder)
    above = set(folder.parents)
    real = Path.stat

    def stat(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        return real(Path("/") if path in above else path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat)
    return folder


def test_prompts_that_every_account_can_read_are_in_order(
    checked: Callable[..., Report], prompts: Path
) -> None:
    report = checked(f'speech = {{prompts = "{prompts}"}}')
    assert one(report, "speech.prompts") == (
        Level.OK,
        f"{prompts} is open to the account that runs Asterisk",
    )


def test_a_prompt_that_the_pbx_may_not_read_is_noted(
    checked: Callable[..., Report], prompts: Path
) -> None:
    (prompts / "fr" / "busy.wav").chmod(0o600)
    level, text = one(checked(f'speech = {{prompts = "{prompts}"}}'), "speech.prompts")
    assert level is Level.NOTE
    assert text.startswith(f"{prompts}/fr/busy.wav is closed to other accounts")


def test_prompts_on_another_machine_are_only_named(
    checked: Callable[..., Report],
) -> None:
    report = checked('speech = {pbx_prompts = "/sounds"}')
    assert one(report, "speech.prompts") == (
        Level.OK,
        f"{SHIPPED}, which the PBX must see as /sounds",
    )


def test_recordings_are_looked_at_as_prompts_are(
    checked: Callable[..., Report], prompts: Path
) -> None:
    (prompts / "fr" / "busy.wav").chmod(0o600)
    level, text = one(checked(speech(recordings=str(prompts))), "speech.recordings")
    assert level is Level.NOTE
    assert text.startswith(f"{prompts}/fr/busy.wav is closed to other accounts")


def test_a_folder_of_recordings_that_is_not_there_yet_is_noted(
    checked: Callable[..., Report], tmp_path: Path
) -> None:
    assert one(checked(speech(recordings=f"{tmp_path}/mine")), "speech.recordings") == (
        Level.NOTE,
        f"{tmp_path}/mine is not there: nothing is played from it",
    )


# -- over HTTP


def test_over_http_it_is_said_where_the_address_must_lead(
    checked: Callable[..., Report], unused_tcp_port: int
) -> None:
    web = f'web = {{host = "0.0.0.0", port = {unused_tcp_port}}}'
    report = checked(speech(SPEAK, delivery="http", url=URL) + "\n" + web)
    address, release = found(report, "speech.delivery")
    assert address == (
        Level.OK,
        f"the PBX fetches recordings from {URL}, which must lead to 0.0.0.0 port {unused_tcp_port}",
    )
    assert release[0] is Level.NOTE
    assert "use 18.18, 20.3, 21 or later" in release[1]
    assert not found(report, "speech.url")
    assert not found(report, "speech.prompts")
    assert not found(report, "speech.pbx_cache")
    assert "listens for the PBX alone" in one(report, "web.token")[1]
    assert one(report, "web.port")[0] is Level.OK
    assert not found(report, "web.instaply_token")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:4580", "a PBX elsewhere cannot fetch from it"),
        ("http://[::1]:4580", "a PBX elsewhere cannot fetch from it"),
        (URL, "a reverse proxy at 192.0.2.20 hands on to it"),
    ],
)
def test_an_address_that_leads_nowhere_from_other_machines_is_noted(
    checked: Callable[..., Report], url: str, words: str
) -> None:
    level, text = one(checked(speech(delivery="http", url=url)), "speech.url")
    assert level is Level.NOTE
    assert words in text
