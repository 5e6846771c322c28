"""`backup` and `restore` of a whole ledger, from SQLite and from PostgreSQL into either."""

from __future__ import annotations

import asyncio
import stat
from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.ledger import check_for_lost_events, open_ledger
from agi_bridge.backup import BackupFile
from agi_bridge.consent import ChainEnded, LedgerLost, State
from agi_bridge.consent.signing import FileSink, Keys, read_checkpoints
from agi_bridge.settings import Settings
from tests.support import consent_records
from tests.support.backups import cheap_tries, elsewhere, lose, passphrase, run
from tests.support.call_env import KEY
from tests.support.consents_commands import configured
from tests.support.error_codes import coded
from tests.support.external_db import execute
from tests.support.sample_ledger import fill, original, sample, synchronised

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sample_ledger import SampleLedger

__all__ = ["cheap_tries", "original", "sample", "synchronised"]

UNWITNESSED = 3


@pytest.fixture
def backup(sample: SampleLedger) -> Path:
    """A backup of the sample, with its keys."""
    path = sample.folder / "consents.backup"
    made = run(sample.folder, "backup", path, "--passphrase-file", passphrase(sample.folder))
    assert made.status == 0, made
    return path


def settings_of(folder: Path) -> Settings:
    return Settings.load(folder / "agi-bridge.toml", {"SHOP_KEY": KEY})


def test_a_backup_is_readable_by_its_owner_alone_and_names_the_heads(
    sample: SampleLedger, backup: Path
) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    made = run(sample.folder, "backup", sample.folder / "two", "--without-keys", "--json").json
    [chain] = sample.ledger(lambda ledger: ledger.chains())
    assert made["chains"] == [{"ledger_id": chain.ledger_id, "seq": chain.seq, "hash": chain.hash}]
    assert made["keys"] == "left_out"
    assert made["rows"]["event"] == chain.seq
    assert sorted(each.name for each in sample.folder.iterdir() if "backup" in each.name) == [
        "consents.backup"
    ]


def test_a_proof_has_the_verdicts_of_the_ledger_itself(sample: SampleLedger, backup: Path) -> None:
    proved = run(
        sample.folder, "restore", backup, "--prove", "--json", "--passphrase-file",
        sample.folder / "passphrase",
    )  # fmt: skip
    assert proved.status == UNWITNESSED, proved
    ledger = sample.shell("verify", "--json").json
    for name in ("integrity", "anchored", "completeness", "time"):
        assert proved.json[name] == ledger[name]
    assert proved.json["keys"] == "opened"
    assert proved.json["later"] == []


def test_a_proof_says_what_came_later_by_the_ledger_in_service(
    sample: SampleLedger, backup: Path
) -> None:
    assert sample.shell("resolve", sample.unknown, "--as", "texted").status == 0
    proved = run(sample.folder, "restore", backup, "--prove", "--json")
    [later] = proved.json["later"]
    assert (later["newest"] - later["seq"], later["source"]) == (1, "ledger")
    assert later["types"] == {"resolved": 1}
    assert proved.json["keys"] == "sealed"


def test_a_proof_elsewhere_says_what_came_later_by_checkpoints_alone(
    sample: SampleLedger, backup: Path, tmp_path: Path
) -> None:
    sample.shell("resolve", sample.unknown, "--as", "texted")
    sample.shell("checkpoint")
    there = elsewhere(tmp_path / "there")
    kept = sample.folder / "state" / "checkpoints.jsonl"
    given = ("--passphrase-file", sample.folder / "passphrase", "--checkpoints", kept)
    proved = run(there, "restore", backup, "--prove", "--json", *given)
    assert proved.status == UNWITNESSED
    [later] = proved.json["later"]
    assert (later["newest"] - later["seq"], later["source"]) == (1, "checkpoint")
    assert not (there / "state").exists()


def test_a_later_ledger_with_another_event_in_its_place_contradicts_the_backup(
    sample: SampleLedger, backup: Path
) -> None:
    file = sample.folder / "state" / "consents.db"
    execute(file, "DROP TRIGGER event_no_update")
    execute(file, "UPDATE event SET hash = 'x' WHERE seq = (SELECT max(seq) FROM event)")
    proved = run(sample.folder, "restore", backup, "--prove", "--json")
    assert proved.status == 1
    assert len(proved.json["contradicts"]) == 1


@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_a_restored_ledger_holds_the_records_and_goes_on_in_a_new_chain(
    sample: SampleLedger, backup: Path, tmp_path: Path, target: str, request: pytest.FixtureRequest
) -> None:
    url = request.getfixturevalue("postgresql_url") if target == "postgresql" else ""
    there = elsewhere(tmp_path / "there", url)
    before = sample.shell("list", "--json").json
    [old] = sample.ledger(lambda ledger: ledger.chains())
    result = run(
        there, "restore", backup, "--json", "--passphrase-file", sample.folder / "passphrase"
    )
    assert result.status == 0, result
    new = result.json["ledger_id"]
    shell = configured(there, {"ledger": {"url": url}} if url else None)
    assert shell("list", "--json").json == before
    verified = shell("verify", "--json", "--public-key", old.ledger_id)
    assert verified.status == UNWITNESSED, verified

    async def look() -> None:
        async with await open_ledger(settings_of(there)) as ledger:
            assert ledger.ledger_id == new
            [opened] = await ledger.events(  # the new chain's first event names the old chain
                (await ledger.rows(new, first=1, last=1))[0].consent_id
            )
            assert opened.body["previous"] == [old.ledger_id, old.seq, old.hash]
            assert "previous_signature" in opened.body
            wav = await ledger.audio(consent_records.heard(sample.folder / "state").audio_sha256)
            assert wav is not None

    asyncio.run(look())
    assert shell("revoke", "--number", consent_records.OTHER, "--line", "shop").status == 0
    keys = there / "state" / "keys"
    assert {path.name for path in keys.iterdir()} == {
        "vault.key", "lookup.key", "signing.key", f"signing.key.{old.ledger_id[:8]}",
    }  # fmt: skip
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys.iterdir())


def test_a_backup_of_postgresql_is_restored_into_sqlite(
    tmp_path: Path, postgresql_url: str
) -> None:
    (tmp_path / "here").mkdir()
    here = configured(tmp_path / "here", {"ledger": {"url": postgresql_url}})
    asyncio.run(fill(Settings.load(here.config, {"SHOP_KEY": KEY})))
    word = passphrase(tmp_path)
    path = tmp_path / "one.backup"
    assert run(tmp_path / "here", "backup", path, "--passphrase-file", word).status == 0
    there = elsewhere(tmp_path / "there")
    assert run(there, "restore", path, "--passphrase-file", word).status == 0
    moved = configured(there)
    assert moved("list", "--json").json == here("list", "--json").json
    assert moved("verify").status == UNWITNESSED


def test_after_a_restore_the_old_signing_key_is_refused(
    sample: SampleLedger, backup: Path, tmp_path: Path
) -> None:
    there = elsewhere(tmp_path / "there")
    run(there, "restore", backup, "--passphrase-file", sample.folder / "passphrase")
    keys = there / "state" / "keys"
    [old] = keys.glob("signing.key.*")
    (keys / "signing.key").write_text(old.read_text())
    with pytest.raises(ChainEnded, check=coded("chain_ended", "event")):
        asyncio.run(open_and_close(there))
    checked = run(there, "check", "--json")
    assert checked.status == 1
    assert "chain" in checked.out


async def open_and_close(folder: Path) -> None:
    async with await open_ledger(settings_of(folder)):
        pass


def test_a_restore_over_lost_events_says_so_first_and_then_takes_consents_again(
    sample: SampleLedger, backup: Path
) -> None:
    sample.shell("revoke", "--number", consent_records.THIRD, "--line", "shop")
    sample.shell("checkpoint")
    kept = (sample.folder / "state" / "checkpoints.jsonl").read_bytes()
    newest = read_checkpoints(sample.folder / "state" / "checkpoints.jsonl")[-1]
    lose(sample.folder)
    (sample.folder / "state").mkdir()
    (sample.folder / "state" / "checkpoints.jsonl").write_bytes(kept)
    given = ("restore", backup, "--passphrase-file", sample.folder / "passphrase")
    refused = run(sample.folder, *given)
    assert refused.status == 1
    assert "--accept-loss" in refused.err
    assert not (sample.folder / "state" / "consents.db").exists()
    assert run(sample.folder, *given, "--accept-loss").status == 0
    assert (sample.folder / "state" / "checkpoints.jsonl").read_bytes().startswith(kept)

    async def start() -> None:
        async with await open_ledger(sample.settings) as ledger:
            await check_for_lost_events(sample.settings, ledger)
            played = consent_records.heard(sample.folder / "state")
            await consent_records.accepted(ledger, played, "+14155550188")  # it is not refused

    asyncio.run(start())
    verified = sample.shell("verify", "--json", "--public-key", newest.ledger_id)
    assert verified.json["completeness"]["value"] == "fails"  # what is lost stays lost


def test_a_bridge_whose_database_was_replaced_by_a_backup_stores_nothing_more(
    sample: SampleLedger, backup: Path, tmp_path: Path
) -> None:
    """The other bridges on a PostgreSQL that one of them restored."""
    there = elsewhere(tmp_path / "there")
    run(there, "restore", backup, "--passphrase-file", sample.folder / "passphrase")

    async def go_on() -> None:
        async with await open_ledger(sample.settings) as ledger:
            ledger._database.close()
            for name in ("consents.db", "consents.db-wal", "consents.db-shm"):
                (sample.folder / "state" / name).unlink(missing_ok=True)
            restored = there / "state" / "consents.db"
            (sample.folder / "state" / "consents.db").write_bytes(restored.read_bytes())
            ledger._database._file = None  # it would notice the file itself
            await ledger.checkpoint()

    with pytest.raises(LedgerLost, check=coded("events_lost")):
        asyncio.run(go_on())


def test_consents_that_wait_to_be_sent_are_not_sent_after_a_restore(
    sample: SampleLedger, tmp_path: Path
) -> None:
    async def wait() -> str:
        async with await open_ledger(sample.settings) as ledger:
            record = consent_records.agreed(
                consent_records.heard(sample.folder / "state"), "+14155550188"
            )
            await ledger.append(record.take())
            record.submission_ended(
                State.NOT_SENT, reason="refused", status=None, attempts=1, answer=None
            )
            await ledger.append(record.take())
            return record.id

    waiting = asyncio.run(wait())
    path, word = tmp_path / "b", passphrase(tmp_path)
    run(sample.folder, "backup", path, "--passphrase-file", word)
    there = elsewhere(tmp_path / "there")
    restored = run(there, "restore", path, "--json", "--passphrase-file", word)
    assert restored.json["expired"] == 1
    shown = configured(there)("show", waiting, "--json").json
    assert shown["state"] == "expired"


@pytest.mark.parametrize(
    ("arguments", "status", "word"),
    [
        ((), 2, "--passphrase-file"),
        (("--without-keys", "--passphrase-file", "{word}"), 2, "--passphrase-file"),
        (("--passphrase-file", "{short}"), 1, "12 characters"),
        (("--passphrase-file", "/nonexistent"), 1, "/nonexistent"),
    ],
)
def test_keys_are_never_put_into_a_backup_but_sealed(
    sample: SampleLedger, arguments: tuple[str, ...], status: int, word: str
) -> None:
    names = {"word": passphrase(sample.folder), "short": sample.folder / "short"}
    names["short"].write_text("too short\n")
    path = sample.folder / "b"
    result = run(sample.folder, "backup", path, *(each.format_map(names) for each in arguments))
    assert (result.status, word in result.err) == (status, True), result
    assert not path.exists()


def test_a_ledger_in_service_that_cannot_be_read_is_not_taken_for_one_without_news(
    sample: SampleLedger, backup: Path
) -> None:
    (sample.folder / "state" / "consents.db").write_bytes(b"not a database" * 1000)
    proved = run(sample.folder, "restore", backup, "--prove", "--json")
    assert proved.status == UNWITNESSED
    assert "not a database" in proved.json["not_compared"]
    shown = run(sample.folder, "restore", backup, "--prove")
    assert "what came after this backup is not known" in shown.out


def test_a_backup_without_keys_is_proved_with_those_of_the_configuration_or_not_at_all(
    sample: SampleLedger, tmp_path: Path
) -> None:
    path = tmp_path / "b"
    run(sample.folder, "backup", path, "--without-keys")
    assert run(sample.folder, "restore", path, "--prove").status == UNWITNESSED
    word = passphrase(sample.folder)
    refused = run(sample.folder, "restore", path, "--prove", "--passphrase-file", word)
    assert (refused.status, "left out" in refused.err) == (1, True)
    there = elsewhere(tmp_path / "there")
    refused = run(there, "restore", path)
    assert (refused.status, "vault.key" in refused.err) == (1, True)
    assert not (there / "state").exists()
    keys = there / "state" / "keys"
    keys.mkdir(parents=True)
    for name in ("vault.key", "lookup.key"):
        (keys / name).write_text((sample.folder / "state" / "keys" / name).read_text())
    refused = run(there, "restore", path)
    assert (refused.status, "--public-key" in refused.err) == (1, True)
    key = BackupFile.open(path).manifest.ledger_id
    assert run(there, "restore", path, "--public-key", key).status == 0
    assert (keys / "signing.key").exists()


def test_another_passphrase_or_other_keys_do_not_open_it(
    sample: SampleLedger, backup: Path, tmp_path: Path
) -> None:
    there = elsewhere(tmp_path / "there")
    wrong = passphrase(there, "another passphrase")
    refused = run(there, "restore", backup, "--passphrase-file", wrong)
    assert (refused.status, "--passphrase-file" in refused.err) == (1, True)
    Keys.load(there / "state" / "keys", create=True)
    right = sample.folder / "passphrase"
    refused = run(there, "restore", backup, "--passphrase-file", right)
    assert refused.status == 1
    assert not (there / "state" / "consents.db").exists()


def test_nothing_is_overwritten(sample: SampleLedger, backup: Path) -> None:
    word = sample.folder / "passphrase"
    before = backup.read_bytes()
    assert run(sample.folder, "backup", backup, "--passphrase-file", word).status == 1
    assert backup.read_bytes() == before
    refused = run(sample.folder, "restore", backup, "--passphrase-file", word)
    assert (refused.status, "consents.db" in refused.err) == (1, True)


def test_a_ledger_is_not_restored_under_a_running_service(
    sample: SampleLedger, backup: Path
) -> None:
    import fcntl

    (sample.folder / "state" / "consents.db").unlink()
    with (sample.folder / "state" / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        given = ("--passphrase-file", sample.folder / "passphrase")
        refused = run(sample.folder, "restore", backup, *given)
    assert (refused.status, "running" in refused.err) == (1, True)


def test_a_tampered_ledger_is_restored_only_if_that_is_accepted(
    sample: SampleLedger, tmp_path: Path
) -> None:
    execute(sample.folder / "state" / "consents.db", "DELETE FROM suppression")
    path, word = tmp_path / "b", passphrase(tmp_path)
    assert run(sample.folder, "backup", path, "--passphrase-file", word).status == 0
    there = elsewhere(tmp_path / "there")
    given = ("restore", path, "--passphrase-file", word)
    assert run(there, *given, "--prove").status == 1
    refused = run(there, *given)
    assert (refused.status, "--accept-faults" in refused.err) == (1, True)
    assert run(there, *given, "--accept-faults").status == 0


def test_the_checkpoints_that_were_known_come_with_the_backup(
    sample: SampleLedger, tmp_path: Path
) -> None:
    sample.shell("resolve", sample.unknown, "--as", "texted")
    sample.shell("checkpoint")
    path, word = tmp_path / "b", passphrase(tmp_path)
    run(sample.folder, "backup", path, "--passphrase-file", word)
    there = elsewhere(tmp_path / "there")
    run(there, "restore", path, "--passphrase-file", word)
    kept = read_checkpoints(sample.folder / "state" / "checkpoints.jsonl")
    restored = read_checkpoints(there / "state" / "checkpoints.jsonl")
    assert restored[: len(kept)] == kept
    assert len(restored) == len(kept) + 1  # the first of the new chain


def test_a_checkpoint_of_a_chain_that_anybody_made_up_is_not_a_loss(
    sample: SampleLedger, backup: Path, tmp_path: Path
) -> None:
    from agi_bridge.consent.signing import generate_keys, sign

    [old] = sample.ledger(lambda ledger: ledger.chains())
    made_up = sign(
        generate_keys().signing, 5, "a" * 64, "2026-01-01T00:00:00.000Z",
        [(old.ledger_id, 999, "b" * 64)],
    )  # fmt: skip
    there = elsewhere(tmp_path / "there")
    file = FileSink(tmp_path / "made-up.jsonl")
    file.send(made_up.line)
    given = ("--passphrase-file", sample.folder / "passphrase", "--checkpoints", file.path)
    assert run(there, "restore", backup, *given).status == 0


def test_a_ledger_that_is_restored_twice_begins_another_chain_and_names_what_is_lost(
    sample: SampleLedger, backup: Path
) -> None:
    state = sample.folder / "state"
    given = ("--json", "--passphrase-file", sample.folder / "passphrase")

    def lost(name: str) -> Path:
        away = sample.folder / name
        away.mkdir()
        for path in [*state.glob("consents.db*"), *state.glob("checkpoints.jsonl")]:
            path.rename(away / path.name)
        return away / "checkpoints.jsonl"

    lost("first")
    first = run(sample.folder, "restore", backup, *given)
    assert first.status == 0, first
    sample.shell("revoke", "--number", consent_records.OTHER, "--line", "shop")
    sample.shell("checkpoint")
    kept = ("--checkpoints", lost("second"))
    assert run(sample.folder, "restore", backup, *given, *kept).status == 1  # a revocation is lost
    second = run(sample.folder, "restore", backup, *given, *kept, "--accept-loss")
    assert second.status == 0, second
    assert [each["ledger_id"] for each in second.json["proof"]["later"]] == [
        first.json["ledger_id"]
    ]
    assert second.json["ledger_id"] != first.json["ledger_id"]
    assert sample.shell("verify", "--json", *kept).json["integrity"]["value"] == "holds"


@pytest.mark.parametrize("end", ["-wal", "-shm", "-journal"])
def test_a_log_that_a_crash_left_keeps_a_restore_out(
    sample: SampleLedger, backup: Path, tmp_path: Path, end: str
) -> None:
    there = elsewhere(tmp_path / "there")
    (there / "state").mkdir()
    (there / "state" / f"consents.db{end}").write_bytes(b"of another ledger")
    given = ("--passphrase-file", sample.folder / "passphrase")
    result = run(there, "restore", backup, *given)
    assert result.status == 1
    assert f"consents.db{end}" in result.err
    assert not (there / "state" / "consents.db").exists()
    assert not (there / "state" / "keys").exists()
