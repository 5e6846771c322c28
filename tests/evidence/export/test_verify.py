"""`consents verify EXPORT`: what it prints, what it needs, and how it ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.consents_commands import Shell

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sample_ledger import SampleLedger


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A stranger's: there is no configuration."""
    return Shell(tmp_path / "nowhere.toml")


def key(export: Path) -> str:
    line = (export / "checkpoints.jsonl").read_text().splitlines()[0]
    return str(json.loads(line)["ledger_id"])


def test_without_a_key_the_verdict_depends_on_the_exports_key(shell: Shell, export: Path) -> None:
    result = shell("verify", export)
    assert result.status == 3
    assert f"holds if the business confirms key {key(export)}" in result.out
    assert result.out.splitlines()[0] == f"export {export}"


def test_with_the_key_only_the_time_is_taken_on_trust(shell: Shell, export: Path) -> None:
    result = shell("verify", export, "--public-key", key(export), "--json")
    assert result.status == 3
    values = {name: result.json[name]["value"] for name in ("anchored", "time")}
    assert values == {"anchored": "holds", "time": "trusting"}
    assert result.json["value"] == "trusting"


def test_the_signers_file_names_the_key_as_well(shell: Shell, export: Path) -> None:
    result = shell("verify", export, "--public-key", export / "signer.pem", "--json")
    assert result.json["anchored"]["ok"] is True


def test_another_key_fails(shell: Shell, export: Path) -> None:
    result = shell("verify", export, "--public-key", "0" * 32)
    assert result.status == 1
    assert "not the business's" in result.out


def test_it_tells_the_story_of_a_record(shell: Shell, export: Path, original: SampleLedger) -> None:
    result = shell("verify", export, "--show", original.revoked[:-4])
    assert result.status == 3
    assert "read back whole, question heard, then 1 pressed" in result.out
    assert "another number than the one that was keyed" in result.out
    document = shell("verify", export, "--show", original.revoked, "--json").json
    assert document["records"][0]["consent_id"] == original.revoked
    assert document["records"][0]["dialogue"]


def test_a_record_that_is_not_in_it_is_misuse(shell: Shell, export: Path) -> None:
    result = shell("verify", export, "--show", "ffff")
    assert (result.status, result.out) == (2, "")
    assert "no record of the export begins with ffff" in result.err


def test_what_is_left_behind_is_named_and_no_fault(shell: Shell, export: Path) -> None:
    (export / ".DS_Store").write_bytes(b"x")
    result = shell("verify", export)
    assert result.status == 3
    assert "passed over: .DS_Store" in result.out


def test_what_is_not_an_export_is_one_line(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "missing"):
        result = shell("verify", path)
        assert (result.status, result.out) == (1, "")
        assert result.err.count("\n") == 1


@pytest.mark.parametrize("option", ["--checkpoints", "--tsa-ca"])
def test_a_file_of_another_kind_is_one_line(
    shell: Shell, export: Path, tmp_path: Path, option: str
) -> None:
    (tmp_path / "file").write_text("nothing of this kind")
    result = shell("verify", export, option, tmp_path / "file")
    assert (result.status, result.out) == (1, "")
    assert str(tmp_path / "file") in result.err


def test_a_key_that_is_none_is_misuse(shell: Shell, export: Path) -> None:
    result = shell("verify", export, "--public-key", "nothing")
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("agi-bridge: --public-key: nothing")


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("chain.jsonl", "no JSON", "not JSON"),
        ("chain.jsonl", "[[],{}]", "not an event"),
        ("chain.jsonl", '{"hash":"x","ledger_id":"x","seq":0}', "not the start of a chain"),
        ("checkpoints.jsonl", "{}", "not an object of"),
        ("opened.jsonl", '{"a":1}', "not an object of texts"),
        ("opened.jsonl", '{"a":"b"}', "no consent_id"),
        ("manifest.json", "{}", "not a manifest"),
    ],
)
def test_a_line_of_another_kind_is_named(
    shell: Shell, export: Path, name: str, line: str, problem: str
) -> None:
    kept = (export / name).read_text().splitlines()[:1] if name == "chain.jsonl" else []
    (export / name).write_text("\n".join([*kept, line]) + "\n")
    result = shell("verify", export)
    assert result.status == 1
    assert name in result.out
    assert problem in result.out
