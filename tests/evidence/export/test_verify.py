"""An export is verified from its files alone, and whatever is changed in it is found.

A stranger can make the sums anew and sign them with a key of their own; so most of these tests let
them, and look at what the events themselves say.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agi_bridge.consent import canonical
from agi_bridge.consent.signing import read_checkpoints, sign
from agi_bridge.evidence.export import archive
from agi_bridge.evidence.export.verify import verify_export
from tests.support import consent_records
from tests.support.consents_commands import configured

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agi_bridge.evidence.verify import Report

STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def failing(report: Report) -> set[str]:
    """The verdicts that do not hold."""
    assert not report.ok
    return {name for name, verdict in report.verdicts if not verdict.ok}


def codes(report: Report) -> set[str]:
    return {fault.code for _, verdict in report.verdicts for fault in verdict.faults}


def faults(report: Report) -> str:
    return "\n".join(str(fault) for _, verdict in report.verdicts for fault in verdict.faults)


def edit(export: Path, name: str, change: Callable[[list[str]], list[str]]) -> Report:
    """Change the lines of a file, make the sums anew, and verify."""
    file = export / name
    lines = file.read_text(encoding="utf-8").splitlines()
    changed = change(list(lines))
    assert changed != lines
    file.write_text("".join(f"{line}\n" for line in changed), encoding="utf-8")
    return resigned(export)


def resigned(export: Path) -> Report:
    """What a stranger can do about sums and signature; then verify."""
    for name in (archive.SUMS, archive.SIGNATURE, archive.SIGNER):
        (export / name).unlink()
    archive.sign_files(export, STRANGER)
    report = verify_export(export)
    assert "foreign_signer" in codes(report)
    return report


def test_an_untouched_export_holds(export: Path) -> None:
    report = verify_export(export)
    assert report.ok
    assert report.integrity.text == "8 events as written, 11 more by their hashes"
    assert report.anchored.text == "checkpoints before and after every event that is shown"
    assert "none missing" in report.completeness.text
    assert len(report.chains) == 1


def test_it_needs_no_configuration_database_key_or_network(export: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    copy = shutil.copytree(export, elsewhere / "proof")
    done = subprocess.run(
        [sys.executable, "-m", "agi_bridge", "consents", "verify", "proof", "--json"],
        cwd=elsewhere,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"] is True
    assert os.listdir(elsewhere) == [copy.name]  # noqa: PTH208 - and it left nothing


@pytest.mark.parametrize(
    "name",
    [
        "events.jsonl",
        "chain.jsonl",
        "checkpoints.jsonl",
        "opened.json",
        "index.html",
        "VERIFY.txt",
        "check.py",
        "signer.pem",
        "SHA256SUMS",
        "SHA256SUMS.sig",
        "audio",
        "disclosures",
    ],
)
def test_a_byte_changed_in_any_file_is_found(export: Path, name: str) -> None:
    file = next((export / name).iterdir()) if (export / name).is_dir() else export / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    told = configured(export.parent)("verify", export)
    assert told.status == 1, told


@pytest.mark.parametrize("name", ["events.jsonl", "index.html", "opened.json", "chain.jsonl"])
def test_a_file_that_is_missing_is_found(export: Path, name: str) -> None:
    (export / name).unlink()
    report = verify_export(export)
    assert "integrity" in failing(report)
    assert f"{name} is missing" in faults(report)


def test_a_summary_of_a_strangers_making_is_found(export: Path) -> None:
    report = edit(export, "index.html", lambda lines: ["<p>consent was never given</p>", *lines])
    assert failing(report) == {"integrity"}


def test_an_event_that_was_changed_contradicts_the_checkpoint(export: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        return [line.replace('"act":"number_then_1"', '"act":"number"') for line in lines]

    report = edit(export, "events.jsonl", change)
    assert "integrity" in failing(report)
    assert "chain_rebuilt" in codes(report)


def test_an_event_not_in_canonical_form_is_found(export: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        return [*lines[:-1], json.dumps(json.loads(lines[-1]))]

    assert "body_not_canonical" in codes(edit(export, "events.jsonl", change))


def test_an_event_that_was_taken_out_leaves_a_gap(export: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        return [line for line in lines if '"type":"entered"' not in line]

    report = edit(export, "events.jsonl", change)
    assert {"completeness", "integrity"} <= failing(report)


def test_an_event_in_no_part_of_a_chain_is_refused(export: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        other = json.loads(lines[0])
        other["body"]["ledger_id"] = "0" * 32
        return [*lines, canonical(other)]

    assert "export_malformed" in codes(edit(export, "events.jsonl", change))


def test_events_of_the_end_that_were_cut_off_are_missed_by_the_checkpoint(export: Path) -> None:
    report = edit(export, "events.jsonl", lambda lines: lines[:-1])
    assert "completeness" in failing(report)
    assert "though a checkpoint is of its event" in faults(report)


def test_a_hash_of_anothers_event_that_was_changed_contradicts_the_checkpoint(
    export: Path,
) -> None:
    def change(lines: list[str]) -> list[str]:
        place = next(n for n, line in enumerate(lines) if '"body_sha256"' in line)
        entry = json.loads(lines[place]) | {"body_sha256": "0" * 64}
        return [*lines[:place], canonical(entry), *lines[place + 1 :]]

    assert "chain_rebuilt" in codes(edit(export, "chain.jsonl", change))


def test_a_part_that_begins_with_another_hash_is_found(export: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        place = max(n for n, line in enumerate(lines) if '"hash"' in line)
        entry = json.loads(lines[place]) | {"hash": "0" * 64}
        return [*lines[:place], canonical(entry), *lines[place + 1 :]]

    report = edit(export, "chain.jsonl", change)
    assert {"completeness", "integrity"} <= failing(report)


def test_a_chain_that_begins_with_another_hash_than_zeros_is_found(export: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        entry = json.loads(lines[0]) | {"hash": "1" * 64}
        return [canonical(entry), *lines[1:]]

    assert "start_hash_wrong" in codes(edit(export, "chain.jsonl", change))


@pytest.mark.parametrize(
    ("name", "line", "problem"),
    [
        ("chain.jsonl", '{"ledger_id":"x","seq":1}', "not a chain, event and hash"),
        ("chain.jsonl", '{"ledger_id":"x","seq":1,"leaf":"ff"}', "not a chain"),
        ("chain.jsonl", "[]", "not a JSON object"),
        ("chain.jsonl", "no JSON", "not a JSON object"),
        ("events.jsonl", '{"ledger_id":"x"}', "not an event"),
        ("events.jsonl", "{", "not a JSON object"),
        ("checkpoints.jsonl", "{}", "not an object of"),
    ],
)
def test_a_line_of_another_kind_is_named(export: Path, name: str, line: str, problem: str) -> None:
    report = edit(export, name, lambda lines: [*lines, line])
    assert "integrity" in failing(report)
    assert problem in faults(report)


def test_checkpoints_of_another_key_anchor_nothing(export: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        said = [json.loads(line) for line in lines]
        return [sign(STRANGER, each["seq"], each["hash"], each["at"]).line for each in said]

    report = edit(export, "checkpoints.jsonl", change)
    assert "export_malformed" in codes(report)


def test_checkpoints_whose_signature_is_another_anchor_nothing(export: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        signature = base64.b64encode(bytes(64)).decode()
        return [canonical(json.loads(line) | {"signature": signature}) for line in lines]

    report = edit(export, "checkpoints.jsonl", change)
    assert "anchored" in failing(report)
    assert "checkpoint_forged" in codes(report)


def test_without_the_last_checkpoint_the_last_events_are_anchored_by_nothing(
    export: Path,
) -> None:
    report = edit(export, "checkpoints.jsonl", lambda lines: lines[:-1])
    assert "anchored" in failing(report)
    assert "not_anchored" in codes(report)


def test_another_persons_number_does_not_open_the_commitment(export: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        return [line.replace(consent_records.NUMBER, consent_records.OTHER) for line in lines]

    report = edit(export, "opened.json", change)
    assert "integrity" in failing(report)
    assert "number_c" in faults(report)


@pytest.mark.parametrize("text", ["[]", "{", '{"a": {"number": 1}}', '{"a": []}'])
def test_personal_data_of_another_shape_is_named(export: Path, text: str) -> None:
    report = edit(export, "opened.json", lambda _: [text])
    assert "opened.json: not an object of personal data" in faults(report)


def test_another_text_under_the_same_name_is_found(export: Path) -> None:
    file = next((export / "disclosures").iterdir())
    file.write_text("Nothing was said of texts.", encoding="utf-8")
    assert "was changed" in faults(resigned(export))


def test_another_recording_under_the_same_name_is_found(export: Path) -> None:
    file = next((export / "audio").iterdir())
    file.write_bytes(file.read_bytes()[:-2])
    assert "recording" in faults(resigned(export))


def test_a_text_that_was_taken_out_is_missed(export: Path) -> None:
    next((export / "disclosures").iterdir()).unlink()
    assert "completeness" in failing(resigned(export))


def test_an_export_that_shows_nothing_proves_nothing(export: Path) -> None:
    for name in ("events.jsonl", "chain.jsonl", "checkpoints.jsonl"):
        (export / name).write_text("", encoding="utf-8")
    assert "no_event" in codes(resigned(export))


def test_a_whole_export_of_a_strangers_making_is_told_by_the_key(export: Path) -> None:
    honest = verify_export(export).chains[0]
    assert verify_export(export, trusted={honest}).ok
    report = verify_export(export, trusted={"0" * 32})
    assert failing(report) == {"anchored"}
    assert "key_not_trusted" in codes(report)


def test_checkpoints_kept_elsewhere_are_compared(export: Path, tmp_path: Path) -> None:
    shell = configured(tmp_path)
    kept = tmp_path / "kept.jsonl"
    shutil.copy(export / "checkpoints.jsonl", kept)
    assert shell("verify", export, "--checkpoints", kept).status == 0
    checkpoint = read_checkpoints(kept)[-1]
    other = sign(STRANGER, checkpoint.seq, "0" * 64, checkpoint.at)
    kept.write_text(other.line + "\n", encoding="ascii")
    told = shell("verify", export, "--checkpoints", kept)
    assert told.status == 1
    assert "none of the checkpoints kept elsewhere is of this chain" in told.out


def test_the_answer_names_three_verdicts_and_the_key(export: Path, tmp_path: Path) -> None:
    told = configured(tmp_path)("verify", export)
    lines = told.out.splitlines()
    assert lines[0] == f"export {export}"
    assert [line.split()[:2] for line in lines[1:4]] == [
        ["integrity", "holds"],
        ["anchored", "holds"],
        ["completeness", "holds"],
    ]
    assert lines[4].startswith("signed by    key ")


def test_of_many_faults_the_first_are_shown_and_the_rest_counted(
    export: Path, tmp_path: Path
) -> None:
    for number in range(30):
        (export / f"added-{number}").touch()
    told = configured(tmp_path)("verify", export)
    assert "added-0 is not part of the export" in told.out
    assert "and 10 more" in told.out
    said = configured(tmp_path)("verify", export, "--json").json
    assert said["ok"] is False
    assert said["integrity"]["count"] == 30
    assert said["anchored"]["ok"] is True


def test_what_is_no_export_is_one_line(tmp_path: Path) -> None:
    shell = configured(tmp_path)
    told = shell("verify", tmp_path)
    assert told == (1, "", "agi-bridge: SHA256SUMS: is missing\n")
    told = shell("verify", tmp_path / "nothing")
    assert told.status == 1
    assert told.err.count("\n") == 1


def test_a_checkpoint_file_that_is_none_is_one_line(export: Path, tmp_path: Path) -> None:
    told = configured(tmp_path)("verify", export, "--checkpoints", tmp_path / "nothing")
    assert told.status == 1
    assert "cannot be read" in told.err


def test_a_key_that_is_none_is_misuse(export: Path, tmp_path: Path) -> None:
    told = configured(tmp_path)("verify", export, "--public-key", "x")
    assert told.status == 2
    assert told.err.startswith("agi-bridge: --public-key: x cannot be read")
