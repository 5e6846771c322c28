"""Which file is read, and the state directory where that is simple."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agi_bridge.config_file import MAX_FILE_BYTES, STATE_DIR, find_file, plain_state_dir
from agi_bridge.settings import SettingsError, find_state_dir

STATE = "AGI_BRIDGE_STATE_DIR"
TEXTS = {
    "nothing": b"",
    "a path": b'state_dir = "/srv/bridge"\n[lines]\n',
    "a path behind a BOM": b'\xef\xbb\xbfstate_dir = "/srv/bridge"\r\n',
    "a path below a table": b'[agi]\nstate_dir = "/srv/bridge"\n',
    "a relative path": b'state_dir = "bridge"\n',
    "a number": b"state_dir = 7\n",
    "a NUL": b'state_dir = "/srv/\\u0000"\n',
    "a broken file": b'state_dir = "/srv/bridge"\n[[[\n',
    "no text": b"\xff\xfe\x00",
    "deep brackets": b"a = " + b"[" * 5000,
    "too much": b'state_dir = "/srv/bridge"\n#' + b"x" * MAX_FILE_BYTES,
}
VARIABLES: tuple[dict[str, str], ...] = (
    {},
    {STATE: "/elsewhere"},
    {STATE: "elsewhere"},
    {STATE.lower(): "/elsewhere"},
    {"AGI_BRIDGE_State_Dir": "/elsewhere"},
    {f"{STATE}__X": "/elsewhere"},
)


def test_the_file_is_the_one_named_then_the_environments_then_the_default(tmp_path: Path) -> None:
    there = tmp_path / "there.toml"
    there.touch()
    named = {"AGI_BRIDGE_CONFIG": "/named.toml"}
    assert find_file(Path("/x.toml"), named, there) == Path("/x.toml")
    assert find_file(None, named, there) == Path("/named.toml")
    assert find_file(None, {}, there) == there
    assert find_file(None, {}, tmp_path / "gone.toml") is None


def test_a_default_file_that_may_not_be_looked_at_is_not_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def forbidden(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", forbidden)
    assert find_file(None, {}, Path("/etc/agi-bridge/agi-bridge.toml")) is not None


@pytest.mark.parametrize("environ", VARIABLES, ids=str)
@pytest.mark.parametrize("kind", TEXTS)
def test_a_plain_state_directory_is_the_one_that_the_settings_have(
    kind: str, environ: dict[str, str], tmp_path: Path
) -> None:
    file = tmp_path / "agi-bridge.toml"
    file.write_bytes(TEXTS[kind])
    found = plain_state_dir(file, environ)
    try:
        whole = find_state_dir(file, environ)
    except SettingsError:
        whole = None
    assert found in {whole, None}
    if kind in {"nothing", "a path", "a path behind a BOM"} and environ in VARIABLES[:2]:
        assert found is not None


def test_without_a_file_the_state_directory_is_the_default_or_a_variables() -> None:
    assert plain_state_dir(None, {}) == STATE_DIR
    assert plain_state_dir(None, {STATE: "/elsewhere"}) == Path("/elsewhere")


def test_a_file_that_cannot_be_read_at_once_is_left_to_the_settings(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for file in (pipe, tmp_path, tmp_path / "gone.toml"):
        assert plain_state_dir(file, {}) is None
