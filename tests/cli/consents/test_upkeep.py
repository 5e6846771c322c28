"""`checkpoint`, `retain`, `rekey`, `upgrade`, and `verify` of the ledger itself."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent.ledger import clock_check
from agi_bridge.consent.signing import generate_keys, read_checkpoints, sign
from agi_bridge.evidence.verify import VERDICTS
from tests.support import consent_records
from tests.support.consents_commands import configured

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.sample_ledger import SampleLedger


def tamper(sample: SampleLedger, *statements: str, values: Iterable[object] = ()) -> None:
    """What somebody does who has the database file, but no key."""
    with sqlite3.connect(sample.folder / "state" / "consents.db") as database:
        for name in ("event_no_update", "event_no_delete"):
            database.execute(f"DROP TRIGGER IF EXISTS {name}")
        for statement in statements:
            assert database.execute(statement, tuple(values)).rowcount > 0
    database.close()


UNWITNESSED = 3
"""The status of `verify` where nothing is wrong, and no authority stamps the checkpoints."""


def failing(sample: SampleLedger, *options: object) -> set[str]:
    result = sample.shell("verify", "--json", *options)
    assert result.status == 1, result
    verdicts = result.json
    return {name for name in VERDICTS if verdicts[name]["value"] == "fails"}


def test_a_checkpoint_is_signed_and_goes_to_its_file(sample: SampleLedger) -> None:
    sample.shell("resolve", sample.unknown, "--as", "texted")
    result = sample.shell("checkpoint", "--json")
    assert result.status == 0
    [kept] = read_checkpoints(sample.folder / "state" / "checkpoints.jsonl")
    assert kept.is_genuine
    assert (kept.seq, kept.hash) == (result.json["seq"], result.json["hash"])
    assert sample.shell("checkpoint") == (
        0,
        "nothing is new since the last checkpoint\n",
        "",
    )
    assert sample.shell("checkpoint", "--json").json["seq"] is None


def test_a_checkpoint_that_cannot_be_delivered_is_a_failure(sample: SampleLedger) -> None:
    (sample.folder / "state" / "checkpoints.jsonl").mkdir()
    sample.shell("resolve", sample.unknown, "--as", "texted")
    result = sample.shell("checkpoint")
    assert result.status == 1
    assert json.loads(result.out.splitlines()[0])["seq"] > 0
    assert result.out.splitlines()[1].startswith("not sent: file")


def test_an_unchanged_ledger_verifies(sample: SampleLedger) -> None:
    result = sample.shell("verify")
    assert result.status == UNWITNESSED
    assert result.out.startswith("the ledger\nintegrity    holds  ")
    with_key = sample.shell(
        "verify",
        "--json",
        "--public-key",
        sample.shell("verify", "--json").json["chains"][0],
    )
    assert with_key.json["value"] == "trusting"
    assert with_key.json["anchored"]["ok"] is True


def test_a_changed_event_breaks_integrity(sample: SampleLedger) -> None:
    tamper(
        sample,
        "UPDATE event SET body = replace(body, '\"act\"', '\"cat\"') WHERE type = 'confirmed'",
    )
    assert "integrity" in failing(sample)


def test_a_checkpoint_detects_removed_last_events(sample: SampleLedger) -> None:
    tamper(sample, "DELETE FROM event WHERE type = 'revoked'")
    assert "completeness" in failing(sample)


def test_the_file_of_checkpoints_detects_removed_events_and_checkpoints(
    sample: SampleLedger,
) -> None:
    sample.shell("resolve", sample.unknown, "--as", "texted")
    sample.shell("checkpoint")
    tamper(
        sample,
        "DELETE FROM event WHERE type = 'resolved'",
        "DELETE FROM checkpoint WHERE seq = (SELECT max(seq) FROM checkpoint)",
    )
    assert failing(sample) == {"completeness"}
    (sample.folder / "state" / "checkpoints.jsonl").rename(sample.folder / "kept")
    assert sample.shell("verify").status == UNWITNESSED
    assert failing(sample, "--checkpoints", sample.folder / "kept") == {"completeness"}


def test_an_overwritten_checkpoint_is_detected(sample: SampleLedger) -> None:
    tamper(sample, "UPDATE checkpoint SET line = 'x'")
    assert failing(sample) == {"anchored"}


def test_the_ledgers_own_chain_is_trusted_whatever_other_keys_are_named(
    sample: SampleLedger,
) -> None:
    result = sample.shell("verify", "--json", "--public-key", "0" * 32)
    assert result.json["anchored"]["ok"] is True


def test_a_verification_goes_on_where_the_last_one_got_to(sample: SampleLedger) -> None:
    sample.shell("verify")
    noted = (sample.folder / "state" / "verified.json").read_text()
    sample.shell("resolve", sample.unknown, "--as", "texted")
    again = sample.shell("verify", "--since-last", "--json")
    assert again.status == UNWITNESSED
    assert again.json["integrity"]["text"].startswith("1 event as written")
    tamper(sample, "UPDATE event SET body = replace(body, 'texted', 'text3d')")
    (sample.folder / "state" / "verified.json").write_text(noted)
    assert "integrity" in failing(sample, "--since-last")


def test_a_verification_that_finds_nothing_new_says_so_and_is_gone_on_from(
    sample: SampleLedger,
) -> None:
    sample.shell("verify")
    note = sample.folder / "state" / "verified.json"
    noted = note.read_text()
    again = sample.shell("verify", "--since-last", "--json")
    assert "no event after 20" in again.json["completeness"]["text"]
    assert "1 to 20" in again.json["notes"][0]
    assert note.read_text() == noted


@pytest.mark.parametrize("hash_", ["0" * 64, "c0ffee" + "0" * 58])
def test_who_changes_the_ledger_cannot_hide_it_in_the_note_of_the_last_verification(
    sample: SampleLedger, hash_: str
) -> None:
    """The place that is gone on from has to be one that the bridge signed."""
    sample.shell("verify")
    note = sample.folder / "state" / "verified.json"
    [noted] = json.loads(note.read_text())
    note.write_text(json.dumps([{**noted, "hash": hash_}]))
    assert failing(sample, "--since-last")


@pytest.mark.parametrize("text", ["{}", "null", "[1]", '[{"seq": 1}]', "[" * 100_000, "no JSON"])
def test_a_note_of_the_last_verification_that_is_damaged_is_passed_over(
    sample: SampleLedger, text: str
) -> None:
    (sample.folder / "state" / "verified.json").write_text(text)
    read = sample.shell("verify", "--since-last", "--json")
    assert read.status == UNWITNESSED
    assert read.json["integrity"]["text"].startswith("20 events as written")


def test_a_changed_text_or_recording_breaks_integrity(sample: SampleLedger) -> None:
    tamper(sample, "UPDATE disclosure SET text = 'Nothing was said of texts.'")
    assert failing(sample) == {"integrity"}
    tamper(sample, "UPDATE audio SET wav = x'00'")
    result = sample.shell("verify")
    assert "the recording" in result.out
    assert "the text" in result.out


def test_a_missing_text_breaks_completeness(sample: SampleLedger) -> None:
    tamper(sample, "DELETE FROM disclosure")
    assert failing(sample) == {"completeness"}


def test_moved_personal_data_breaks_integrity(sample: SampleLedger) -> None:
    tamper(
        sample,
        "UPDATE pii SET sealed = (SELECT sealed FROM pii WHERE consent_id = ?) "
        "WHERE consent_id = ?",
        values=(sample.unknown, sample.revoked),
    )
    assert failing(sample) == {"integrity"}


def test_missing_personal_data_breaks_completeness_unless_it_was_erased(
    sample: SampleLedger,
) -> None:
    sample.shell("erase", "--consent", sample.other, "--basis", "request", "--yes")
    assert sample.shell("verify").status == UNWITNESSED
    tamper(sample, "DELETE FROM pii WHERE consent_id = ?", values=[sample.unknown])
    assert failing(sample) == {"completeness"}
    output = sample.shell("verify").out
    assert "is missing, and no erasure names it" in output


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM suppression",
        "INSERT INTO lifting SELECT revocation_id, 'example store' FROM suppression",
    ],
)
def test_a_revocation_that_is_no_longer_obeyed_breaks_completeness(
    sample: SampleLedger, statement: str
) -> None:
    tamper(sample, statement)
    assert failing(sample) == {"completeness"}
    output = sample.shell("verify").out
    assert "but nobody agreed since" in output


def test_a_body_that_is_not_json_breaks_integrity(sample: SampleLedger) -> None:
    tamper(sample, "UPDATE event SET body = 'x' WHERE type = 'disclosed'")
    assert "integrity" in failing(sample)


def test_a_lost_vault_key_is_not_reported_as_damage(sample: SampleLedger) -> None:
    (sample.folder / "state" / "keys" / "vault.key").write_text(f"{'A' * 43}=\n", encoding="ascii")
    result = sample.shell("verify")
    assert result.status == 1
    assert result.out == ""
    assert "key" in result.err
    assert result.err.count("\n") == 1


def test_retention_with_dry_run_erases_nothing(
    sample: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sample.shell("retain", "--dry-run", "--json").json == {
        "erase": 0,
        "trim": 0,
        "dry_run": True,
    }
    tamper(sample, "UPDATE pii SET at = '2001-01-01T00:00:00.000Z'")
    result = sample.shell("retain", "--dry-run")
    assert result.out.startswith("personal data of 4 records would be erased\n")
    assert sample.ledger(lambda ledger: ledger.personal_data(sample.unknown)) is not None
    with monkeypatch.context() as patched:
        patched.setattr(clock_check, "ask_kernel", lambda: False)
        result = sample.shell("retain")
        assert (result.status, result.out) == (1, "")
        assert result.err.startswith("agi-bridge: clock_unconfirmed: this machine's clock says ")
    result = sample.shell("retain")
    assert result.out.startswith("personal data of 4 records erased\n")
    assert sample.ledger(lambda ledger: ledger.personal_data(sample.unknown)) is None


def test_rekey_creates_a_vault_key_and_then_uses_it(sample: SampleLedger) -> None:
    key = sample.folder / "state" / "keys" / "vault.key"
    old = key.read_text(encoding="ascii").strip()
    result = sample.shell("rekey", "--new-key", "--json")
    assert result.json == {"new_key": True, "resealed": None}
    first, second = key.read_text(encoding="ascii").strip().split(",")
    assert (first != old, second) == (True, old)
    assert sample.shell("rekey", "--json").json == {"new_key": False, "resealed": 3}
    key.write_text(first, encoding="ascii")  # the old one is not needed any more
    document = sample.shell("show", sample.unknown, "--reveal", "--json").json
    assert document["personal"]["number"] == consent_records.OTHER
    assert "Sealed again under the first vault key: no records" in sample.shell("rekey").out


def test_rekey_prints_the_next_steps(sample: SampleLedger) -> None:
    result = sample.shell("rekey", "--new-key")
    assert "restart every bridge" in result.out
    assert (sample.folder / "state" / "keys" / "vault.key").read_text() not in result.out


def test_a_vault_key_is_renewed_in_the_file_it_comes_from(
    tmp_path: Path, sample: SampleLedger
) -> None:
    elsewhere = tmp_path / "elsewhere.key"
    (sample.folder / "state" / "keys" / "vault.key").rename(elsewhere)
    shell = configured(sample.folder, {"ledger": {"vault_key": {"file": str(elsewhere)}}})
    assert shell("rekey", "--new-key").status == 0
    assert elsewhere.read_text(encoding="ascii").count(",") == 1


def test_a_vault_key_from_the_environment_cannot_be_renewed(
    sample: SampleLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = (sample.folder / "state" / "keys" / "vault.key").read_text(encoding="ascii").strip()
    monkeypatch.setenv("VAULT_KEY", key)
    shell = configured(sample.folder, {"ledger": {"vault_key": {"env": "VAULT_KEY"}}})
    result = shell("rekey", "--new-key")
    assert result.status == 2
    assert "is in the environment" in result.err
    assert key not in result.err


def test_a_ledger_of_this_version_needs_no_upgrade(sample: SampleLedger) -> None:
    result = sample.shell("upgrade", "--json")
    assert result.json["before"] == result.json["after"]
    assert "nothing to do" in sample.shell("upgrade").out


def test_a_checkpoint_of_another_chain_does_not_belong_to_the_ledger(sample: SampleLedger) -> None:
    kept = sample.folder / "kept"
    stranger = sign(generate_keys().signing, 3, "0" * 64, "2026-11-23T00:00:00.000Z")
    kept.write_text(stranger.line + "\n", encoding="ascii")
    assert failing(sample, "--checkpoints", kept) == {"completeness"}
