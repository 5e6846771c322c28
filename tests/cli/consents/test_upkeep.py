"""`checkpoint`, `retain`, `rekey`, `upgrade`, and `verify` of the ledger itself."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import text_sha256
from agi_bridge.consent.ledger import erasure
from agi_bridge.consent.signing import generate_keys, read_checkpoints, sign
from tests.support import consent_records
from tests.support.consents_commands import configured

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.support.consents_shop import Shop


def tamper(shop: Shop, *statements: str, values: Iterable[object] = ()) -> None:
    """What somebody does who has the database file, but no key."""
    with sqlite3.connect(shop.folder / "state" / "consents.db") as database:
        for name in ("event_no_update", "event_no_delete"):
            database.execute(f"DROP TRIGGER IF EXISTS {name}")
        for statement in statements:
            assert database.execute(statement, tuple(values)).rowcount > 0
    database.close()


def failing(shop: Shop, *options: object) -> set[str]:
    told = shop.shell("verify", "--json", *options)
    assert told.status == 1, told
    said = told.json
    return {name for name in ("integrity", "anchored", "completeness") if not said[name]["ok"]}


def test_a_checkpoint_is_signed_and_goes_to_its_file(shop: Shop) -> None:
    shop.shell("resolve", shop.unknown, "--as", "texted")
    told = shop.shell("checkpoint", "--json")
    assert told.status == 0
    [kept] = read_checkpoints(shop.folder / "state" / "checkpoints.jsonl")
    assert kept.is_genuine
    assert (kept.seq, kept.hash) == (told.json["seq"], told.json["hash"])
    assert shop.shell("checkpoint") == (0, "nothing is new since the last checkpoint\n", "")
    assert shop.shell("checkpoint", "--json").json["seq"] is None


def test_a_checkpoint_that_does_not_arrive_fails(shop: Shop) -> None:
    (shop.folder / "state" / "checkpoints.jsonl").mkdir()
    shop.shell("resolve", shop.unknown, "--as", "texted")
    told = shop.shell("checkpoint")
    assert told.status == 1
    assert json.loads(told.out.splitlines()[0])["seq"] > 0
    assert told.out.splitlines()[1].startswith("not sent: file")


def test_the_ledger_holds(shop: Shop) -> None:
    told = shop.shell("verify")
    assert told.status == 0
    assert told.out.startswith("the ledger\nintegrity    holds  ")
    with_key = shop.shell(
        "verify", "--json", "--public-key", shop.shell("verify", "--json").json["chains"][0]
    )
    assert with_key.json["ok"] is True


def test_a_changed_event_breaks_integrity(shop: Shop) -> None:
    tamper(
        shop, "UPDATE event SET body = replace(body, '\"act\"', '\"cat\"') WHERE type = 'confirmed'"
    )
    assert "integrity" in failing(shop)


def test_a_tail_cut_off_is_missed_by_the_checkpoint(shop: Shop) -> None:
    tamper(shop, "DELETE FROM event WHERE type = 'revoked'")
    assert "completeness" in failing(shop)


def test_with_its_copies_removed_the_file_of_checkpoints_still_tells(shop: Shop) -> None:
    shop.shell("resolve", shop.unknown, "--as", "texted")
    shop.shell("checkpoint")
    tamper(
        shop,
        "DELETE FROM event WHERE type = 'resolved'",
        "DELETE FROM checkpoint WHERE seq = (SELECT max(seq) FROM checkpoint)",
    )
    assert failing(shop) == {"completeness"}
    (shop.folder / "state" / "checkpoints.jsonl").rename(shop.folder / "kept")
    assert shop.shell("verify").status == 0
    assert failing(shop, "--checkpoints", shop.folder / "kept") == {"completeness"}


def test_a_copy_of_a_checkpoint_that_was_overwritten_is_told(shop: Shop) -> None:
    tamper(shop, "UPDATE checkpoint SET line = 'x'")
    assert failing(shop) == {"anchored"}


def test_another_keys_chain_is_not_trusted(shop: Shop) -> None:
    assert failing(shop, "--public-key", "0" * 32) == {"anchored"}


def test_a_changed_text_or_recording_breaks_integrity(shop: Shop) -> None:
    tamper(shop, "UPDATE disclosure SET text = 'Nothing was said of texts.'")
    assert failing(shop) == {"integrity"}
    tamper(shop, "UPDATE audio SET wav = x'00'")
    told = shop.shell("verify")
    assert "the recording" in told.out
    assert "the text" in told.out


def test_a_text_that_is_gone_breaks_completeness(shop: Shop) -> None:
    tamper(shop, "DELETE FROM disclosure")
    assert failing(shop) == {"completeness"}


def test_personal_data_that_was_moved_breaks_integrity(shop: Shop) -> None:
    tamper(
        shop,
        "UPDATE pii SET sealed = (SELECT sealed FROM pii WHERE consent_id = ?) "
        "WHERE consent_id = ?",
        values=(shop.unknown, shop.revoked),
    )
    assert failing(shop) == {"integrity"}


def test_personal_data_that_is_gone_breaks_completeness_unless_it_was_erased(shop: Shop) -> None:
    shop.shell("erase", "--consent", shop.other, "--basis", "request", "--yes")
    assert shop.shell("verify").status == 0
    tamper(shop, "DELETE FROM pii WHERE consent_id = ?", values=[shop.unknown])
    assert failing(shop) == {"completeness"}
    told = shop.shell("verify").out
    assert "its personal data is gone, though no erasure is on record" in told


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM suppression", "UPDATE suppression SET lifted_at = '2999-01-01T00:00:00.000Z'"],
)
def test_a_revocation_that_is_no_longer_obeyed_breaks_completeness(
    shop: Shop, statement: str
) -> None:
    tamper(shop, statement)
    assert failing(shop) == {"completeness"}
    told = shop.shell("verify").out
    assert "the number that was revoked may be texted again, though nobody agreed since" in told


def test_a_body_that_is_no_json_breaks_integrity(shop: Shop) -> None:
    tamper(shop, "UPDATE event SET body = 'x' WHERE type = 'disclosed'")
    assert "integrity" in failing(shop)


def test_a_lost_vault_key_is_told_as_such_not_as_damage(shop: Shop) -> None:
    (shop.folder / "state" / "keys" / "vault.key").write_text(f"{'A' * 43}=\n", encoding="ascii")
    told = shop.shell("verify")
    assert told.status == 1
    assert told.out == ""
    assert "key" in told.err
    assert told.err.count("\n") == 1


def test_retention_only_says_what_it_would_do_when_asked(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.shell("retain", "--dry-run", "--json").json == {
        "erase": 0,
        "trim": 0,
        "dry_run": True,
    }
    tamper(shop, "UPDATE pii SET at = '2001-01-01T00:00:00.000Z'")
    told = shop.shell("retain", "--dry-run")
    assert told.out.startswith("personal data of 4 records would be erased\n")
    assert shop.ledger(lambda ledger: ledger.personal_data(shop.unknown)) is not None
    with monkeypatch.context() as patched:
        patched.setattr(erasure, "ask_kernel", lambda: False)
        told = shop.shell("retain")
        assert (told.status, told.out) == (1, "")
        assert told.err.startswith("agi-bridge: clock_unconfirmed: this machine's clock says ")
    told = shop.shell("retain")
    assert told.out.startswith("personal data of 4 records erased\n")
    assert shop.ledger(lambda ledger: ledger.personal_data(shop.unknown)) is None


def test_a_new_vault_key_is_made_first_and_used_after(shop: Shop) -> None:
    key = shop.folder / "state" / "keys" / "vault.key"
    old = key.read_text(encoding="ascii").strip()
    told = shop.shell("rekey", "--new-key", "--json")
    assert told.json == {"new_key": True, "resealed": None}
    first, second = key.read_text(encoding="ascii").strip().split(",")
    assert (first != old, second) == (True, old)
    assert shop.shell("rekey", "--json").json == {"new_key": False, "resealed": 4}
    key.write_text(first, encoding="ascii")  # the old one is not needed any more
    said = shop.shell("show", shop.unknown, "--reveal", "--json").json
    assert said["personal"]["number"] == consent_records.OTHER
    assert "Sealed again under the first vault key: 0 records" in shop.shell("rekey").out


def test_what_a_new_key_asks_for_is_said(shop: Shop) -> None:
    told = shop.shell("rekey", "--new-key")
    assert "restart every bridge" in told.out
    assert (shop.folder / "state" / "keys" / "vault.key").read_text() not in told.out


def test_a_vault_key_elsewhere_is_renewed_there(tmp_path: Path, shop: Shop) -> None:
    elsewhere = tmp_path / "elsewhere.key"
    (shop.folder / "state" / "keys" / "vault.key").rename(elsewhere)
    shell = configured(shop.folder, {"ledger": {"vault_key": {"file": str(elsewhere)}}})
    assert shell("rekey", "--new-key").status == 0
    assert elsewhere.read_text(encoding="ascii").count(",") == 1


def test_a_vault_key_in_the_environment_cannot_be_renewed_by_us(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = (shop.folder / "state" / "keys" / "vault.key").read_text(encoding="ascii").strip()
    monkeypatch.setenv("VAULT_KEY", key)
    shell = configured(shop.folder, {"ledger": {"vault_key": {"env": "VAULT_KEY"}}})
    told = shell("rekey", "--new-key")
    assert told.status == 2
    assert "is in the environment" in told.err
    assert key not in told.err


def test_a_ledger_of_this_version_needs_no_upgrade(shop: Shop) -> None:
    told = shop.shell("upgrade", "--json")
    assert told.json["before"] == told.json["after"]
    assert "nothing to do" in shop.shell("upgrade").out


def test_an_old_ledger_is_refused_with_the_command_that_upgrades_it(tmp_path: Path) -> None:
    shell = configured(tmp_path)
    _first_release(tmp_path / "state")
    told = shell("list")
    assert told.status == 1
    assert "agi-bridge consents upgrade" in told.err
    told = shell("upgrade")
    assert told.status == 0, told
    assert told.out == "upgraded from version 0001 to 0002\n"
    listed = shell("list", "--json").json
    assert [each["consent_id"] for each in listed] == ["consent-1"]
    shell("checkpoint")
    assert shell("verify").status == 0
    assert shell("export", "--all", "--out", tmp_path / "proof").status == 0
    assert shell("verify", tmp_path / "proof").status == 0


def test_a_checkpoint_of_another_chain_is_not_this_ledgers(shop: Shop) -> None:
    kept = shop.folder / "kept"
    stranger = sign(generate_keys().signing, 3, "0" * 64, "2026-11-23T00:00:00.000Z")
    kept.write_text(stranger.line + "\n", encoding="ascii")
    assert failing(shop, "--checkpoints", kept) == {"completeness"}


def _first_release(state: Path) -> None:
    """A ledger as the first release of agi-bridge left it, with one call that was declined."""
    state.mkdir()
    with sqlite3.connect(state / "consents.db") as database:
        database.executescript(
            """
            CREATE TABLE disclosure (sha256 VARCHAR(64) NOT NULL PRIMARY KEY,
                lang VARCHAR(35) NOT NULL, text TEXT NOT NULL);
            CREATE TABLE event (seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
                event_id VARCHAR(36) NOT NULL, consent_id VARCHAR(36) NOT NULL,
                type VARCHAR(16) NOT NULL, at VARCHAR(24) NOT NULL, body TEXT NOT NULL);
            CREATE INDEX event_by_consent ON event (consent_id, seq);
            CREATE TABLE pii (consent_id VARCHAR(36) NOT NULL PRIMARY KEY, salt BLOB NOT NULL,
                number VARCHAR(16) NOT NULL, caller_id VARCHAR(64), digits VARCHAR(32) NOT NULL,
                disclosure_sha256 VARCHAR(64) NOT NULL REFERENCES disclosure (sha256));
            CREATE TRIGGER event_no_update BEFORE UPDATE ON event
                BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
            CREATE TRIGGER event_no_delete BEFORE DELETE ON event
                BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
            """
        )
        text = "You agree to receive texts."
        database.execute("INSERT INTO disclosure VALUES (?, 'en', ?)", (text_sha256(text), text))
        body = {
            "schema": 1, "line_id": "shop", "brand": "Example Store", "lang": "en",
            "disclosure_sha256": text_sha256(text), "audio_sha256": "1" * 64,
            "samples": 8000, "endpos": 100, "complete": False,
        }  # fmt: skip
        events = (("disclosed", body), ("declined", {"schema": 1, "reason": "star", "keys": []}))
        for number, (type_, said) in enumerate(events):
            database.execute(
                "INSERT INTO event (event_id, consent_id, type, at, body) VALUES (?, ?, ?, ?, ?)",
                (f"event-{number}", "consent-1", type_, "2026-11-01T00:00:00.000Z",
                 json.dumps(said, sort_keys=True, separators=(",", ":"))),
            )  # fmt: skip
    database.close()
