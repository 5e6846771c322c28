from __future__ import annotations

import base64
import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.consent import BadCheckpoint
from agi_bridge.consent.signing import Checkpoint, generate_keys, read_checkpoints, sign
from tests.support.error_codes import coded

if TYPE_CHECKING:
    from pathlib import Path

KEYS = generate_keys()
AT = "2026-11-23T05:07:08.009Z"
CHECKPOINT = sign(KEYS.signing, 100, "ab" * 32, AT)


def test_a_checkpoint_says_what_was_signed_and_by_whom() -> None:
    assert CHECKPOINT.ledger_id == KEYS.ledger_id
    assert CHECKPOINT.public_key == base64.b64encode(KEYS.public_key).decode()
    assert (CHECKPOINT.seq, CHECKPOINT.hash, CHECKPOINT.at) == (100, "ab" * 32, AT)
    assert CHECKPOINT.is_genuine


def test_a_checkpoint_is_one_line_and_is_read_back_the_same() -> None:
    assert "\n" not in CHECKPOINT.line
    assert Checkpoint.parse(CHECKPOINT.line) == CHECKPOINT
    assert Checkpoint.parse(CHECKPOINT.line + "\n").line == CHECKPOINT.line


def test_what_a_syslog_daemon_puts_before_it_does_not_count() -> None:
    line = f"Nov 23 05:07:08 pbx agi-bridge[7]: checkpoint {CHECKPOINT.line}"
    assert Checkpoint.parse(line) == CHECKPOINT


def test_the_signature_can_be_checked_by_hand_as_documented() -> None:
    facts = json.loads(CHECKPOINT.line)
    signature = base64.b64decode(facts.pop("signature"))
    signed = json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
    public_key = base64.b64decode(facts["public_key"])
    Ed25519PublicKey.from_public_bytes(public_key).verify(signature, signed)


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 101},
        {"hash": "ac" * 32},
        {"at": "2026-11-23T05:07:08.010Z"},
        {"signature": sign(KEYS.signing, 101, "ab" * 32, AT).signature},
    ],
)
def test_a_changed_checkpoint_is_not_genuine(change: dict[str, Any]) -> None:
    assert not replace(CHECKPOINT, **change).is_genuine


def test_another_keys_checkpoint_of_our_chain_is_not_genuine() -> None:
    forged = sign(generate_keys().signing, 100, "cd" * 32, AT)
    assert forged.is_genuine
    assert not replace(forged, ledger_id=KEYS.ledger_id).is_genuine
    assert not replace(forged, public_key=CHECKPOINT.public_key).is_genuine


def test_every_changed_character_of_a_line_is_noticed() -> None:
    line = CHECKPOINT.line
    for place, character in enumerate(line):
        changed = line[:place] + ("0" if character != "0" else "1") + line[place + 1 :]
        try:
            read = Checkpoint.parse(changed)
        except BadCheckpoint:
            continue
        # The last characters of base64 have bits that stand for nothing.
        assert not read.is_genuine or read == replace(CHECKPOINT, signature=read.signature)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seq", 0),
        ("seq", True),
        ("seq", "100"),
        ("seq", 1.5),
        ("hash", "AB" * 32),
        ("hash", "ab" * 31),
        ("ledger_id", None),
        ("at", "2026-11-23T05:07:08Z"),
        ("at", "٢026-11-23T05:07:08.009Z"),
        ("public_key", "AAAA"),
        ("signature", ["A"]),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not(field: str, value: object) -> None:
    facts = {**json.loads(CHECKPOINT.line), field: value}
    with pytest.raises(BadCheckpoint) as caught:
        Checkpoint.parse(json.dumps(facts))
    assert str(caught.value) == f"its {field} is not valid"


@pytest.mark.parametrize("line", ["", "hello", "[]", "7", "{}", "{" * 100_000, '{"seq":1'])
def test_what_is_not_a_checkpoint_is_refused(line: str) -> None:
    with pytest.raises(BadCheckpoint, check=coded("checkpoint_invalid")):
        Checkpoint.parse(line)


def test_a_field_too_many_is_refused() -> None:
    facts = {**json.loads(CHECKPOINT.line), "note": "mine"}
    with pytest.raises(BadCheckpoint, check=coded("checkpoint_invalid")):
        Checkpoint.parse(json.dumps(facts))


@given(st.text())
def test_no_text_makes_the_reader_fail_otherwise(text: str) -> None:
    with pytest.raises(BadCheckpoint):
        Checkpoint.parse(text)


def test_a_file_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.jsonl"
    later = sign(KEYS.signing, 200, "cd" * 32, AT)
    path.write_text(f"{CHECKPOINT.line}\n\n{later.line}")
    assert read_checkpoints(path) == [CHECKPOINT, later]


@pytest.mark.parametrize("length", range(1, len(CHECKPOINT.line), 7))
def test_a_line_that_a_crash_cut_short_is_passed_over(tmp_path: Path, length: int) -> None:
    path = tmp_path / "checkpoints.jsonl"
    path.write_text(f"{CHECKPOINT.line[:length]}\n{CHECKPOINT.line}\n{CHECKPOINT.line[:length]}")
    assert read_checkpoints(path) == [CHECKPOINT]


@pytest.mark.parametrize(
    "line", ["hello", "{}", CHECKPOINT.line.replace("seq", "sea")], ids=["text", "empty", "key"]
)
def test_a_line_that_is_none_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "checkpoints.jsonl"
    path.write_text(f"{CHECKPOINT.line}\n{line}\n")
    with pytest.raises(
        BadCheckpoint, check=coded("checkpoint_invalid", "checkpoints.jsonl, line 2")
    ):
        read_checkpoints(path)


def test_a_file_that_is_not_a_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoints.jsonl"
    path.write_bytes(os.urandom(64).replace(b"{", b"") + b"\xff}")
    with pytest.raises(BadCheckpoint, check=coded("checkpoint_invalid", "line")):
        read_checkpoints(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, check=coded("checkpoints_unreadable", "gone")):
        read_checkpoints(tmp_path / "gone")
