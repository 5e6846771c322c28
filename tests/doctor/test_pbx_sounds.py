"""The PBX's recordings and what its account may read, on this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from agi_bridge.doctor.line_sounds import LineSounds, TestSound
from agi_bridge.doctor.pbx_sounds import (
    Account,
    find_data_folder,
    has_sound,
    process_account,
    readable_by,
)

STRANGER = Account(4_242, frozenset({4_242}))


def test_a_language_has_its_own_sounds_or_those_of_its_main_language(tmp_path: Path) -> None:
    (tmp_path / "sounds" / "fr" / "digits").mkdir(parents=True)
    (tmp_path / "sounds" / "fr" / "digits" / "1.gsm").touch()
    (tmp_path / "sounds" / "en" / "digits").mkdir(parents=True)
    (tmp_path / "sounds" / "en" / "digits" / "2.wav").touch()
    assert has_sound(tmp_path, "fr", "digits/1")
    assert has_sound(tmp_path, "fr-CA", "digits/1")
    assert not has_sound(tmp_path, "fr", "digits/2")  # English is no substitute
    assert not has_sound(tmp_path, "fr", "digits/11")


def test_the_data_folder_is_known_only_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    conf = {"directories": [("astdatadir", str(tmp_path))]}
    assert find_data_folder("127.0.0.1", conf) == tmp_path
    assert find_data_folder("192.0.2.9", conf) is None
    assert find_data_folder("::1", {"directories": [("astdatadir", "/nowhere")]}) is None


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    folder = tmp_path / "prompts" / "en"
    folder.mkdir(parents=True)
    file = folder / "goodbye.wav"
    file.touch()
    root = Path(tempfile.gettempdir())
    for path in file.parents:
        if path.is_relative_to(root) and path != root:
            path.chmod(0o755)
    file.chmod(0o644)
    return file


def test_a_file_is_readable_if_the_whole_way_to_it_is_open(prompt: Path) -> None:
    assert readable_by(STRANGER, prompt)
    prompt.parent.chmod(0o750)
    assert not readable_by(STRANGER, prompt)
    assert readable_by(Account(4_242, frozenset({os.getgid()})), prompt)
    prompt.parent.chmod(0o755)
    prompt.chmod(0o600)
    assert not readable_by(STRANGER, prompt)
    assert readable_by(Account(0, frozenset()), prompt)
    assert not readable_by(STRANGER, prompt.with_name("missing.wav"))


def test_a_line_names_the_first_file_that_cannot_be_read(prompt: Path) -> None:
    line = LineSounds("shop", (), ("en",), frozenset(), (prompt,), TestSound("x", 1.0, 8000))
    assert line.unreadable(lambda _: True) is None
    assert line.unreadable(lambda path: path.is_dir()) == prompt
    assert line.unreadable(lambda path: path.is_file()) == prompt.parent


def process(proc: Path, pid: int, name: str, uid: int, groups: str = "") -> None:
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "comm").write_text(f"{name}\n")
    ids = "\t".join([str(uid)] * 4)
    (folder / "status").write_text(f"Name:\t{name}\nUid:\t{ids}\nGid:\t{ids}\nGroups:\t{groups}\n")


def test_the_account_is_that_of_the_running_asterisk(tmp_path: Path) -> None:
    process(tmp_path, 1, "init", 0)
    assert process_account(tmp_path) is None
    process(tmp_path, 7, "asterisk", 110, "44 110")
    assert process_account(tmp_path) == Account(110, frozenset({44, 110}))
    process(tmp_path, 8, "asterisk", 0)
    assert process_account(tmp_path) is None  # which of the two it is, is not known
