"""The keys in a backup: opened by their passphrase alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.backup import BackupDamaged, WrongPassphrase, open_keys, read_passphrase, seal_keys
from agi_bridge.consent.signing import Keys, generate_keys
from tests.support.error_codes import coded

if TYPE_CHECKING:
    from pathlib import Path

WORD = "correct horse battery staple"


def test_the_passphrase_opens_what_it_sealed(keys: Keys) -> None:
    several = Keys((*generate_keys().vault, *keys.vault), keys.lookup, keys.signing)
    assert open_keys(seal_keys(several, WORD), WORD).texts() == several.texts()


def test_no_key_can_be_read_in_what_is_sealed(keys: Keys) -> None:
    sealed = seal_keys(keys, WORD)
    assert not any(text.encode() in sealed for text in keys.texts().values())
    assert sealed != seal_keys(keys, WORD)


def test_another_passphrase_does_not_open_it(keys: Keys) -> None:
    with pytest.raises(WrongPassphrase, check=coded("passphrase_wrong")):
        open_keys(seal_keys(keys, WORD), f"{WORD}.")


@pytest.mark.parametrize(
    "change",
    [
        {"kdf": "none"},
        {"n": 1 << 30},
        {"n": 3},
        {"n": 1 << 20},
        {"p": 2},
        {"r": "x"},
        {"salt": "?"},
        {"sealed": None},
    ],
)
def test_a_changed_file_is_refused(keys: Keys, change: dict[str, Any]) -> None:
    facts = {**json.loads(seal_keys(keys, WORD)), **change}
    with pytest.raises(BackupDamaged):
        open_keys(json.dumps(facts).encode(), WORD)


@pytest.mark.parametrize("raw", [b"", b"x", b"[]", b"{}"])
def test_what_is_not_a_file_of_keys_is_refused(raw: bytes) -> None:
    with pytest.raises(BackupDamaged):
        open_keys(raw, WORD)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "passphrase_short"),
        (b"too short\nthe second line does not count\n", "passphrase_short"),
        (b"\xff\xfe\n", "passphrase_unreadable"),
        (None, "passphrase_unreadable"),
    ],
)
def test_a_passphrase_that_is_none_is_refused(
    tmp_path: Path, content: bytes | None, code: str
) -> None:
    path = tmp_path / "passphrase"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WrongPassphrase, check=coded(code, str(path))):
        read_passphrase(path)


def test_the_end_of_the_line_is_not_part_of_the_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(f"{WORD}\r\n".encode())
    assert read_passphrase(path) == WORD
