"""A backup has what was stored until now under a checkpoint, as far as that can be done."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agi_bridge.backup import BackupFile
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import SIGNING_KEY_FILE, Keys, generate_keys
from agi_bridge.settings import Settings
from tests.backup.test_backup_file import members, pack
from tests.support import consent_records
from tests.support.backups import cheap_tries, elsewhere, passphrase, run
from tests.support.call_env import KEY
from tests.support.consents_commands import configured
from tests.support.external_db import execute
from tests.support.sample_ledger import SampleLedger, original, sample, synchronised

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.command_output import CommandResult

__all__ = ["cheap_tries", "original", "sample", "synchronised"]

UNWITNESSED = 3
PENDING = 4


def test_a_backup_made_before_the_first_checkpoint_is_proved_and_restored(tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    configured(here)

    async def fill() -> None:
        settings = Settings.load(here / "agi-bridge.toml", {"SHOP_KEY": KEY})
        async with await consent_records.open_new(settings) as ledger:
            played = consent_records.heard(settings.state_dir)
            await consent_records.accepted(ledger, played)

    asyncio.run(fill())
    word = passphrase(tmp_path)
    made = run(here, "backup", tmp_path / "b", "--passphrase-file", word, "--json")
    assert (made.status, made.json["checkpoint_failures"]) == (0, [])
    assert made.json["checkpoint"] is not None
    there = elsewhere(tmp_path / "there")
    given = ("restore", tmp_path / "b", "--passphrase-file", word)
    proved = run(there, *given, "--prove", "--json")
    assert (proved.status, proved.json["anchored"]["value"]) == (UNWITNESSED, "holds"), proved
    assert run(there, *given).status == 0


def test_a_bridge_that_stopped_before_its_first_checkpoint_is_pending_and_no_fault(
    tmp_path: Path,
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    configured(here)
    settings = Settings.load(here / "agi-bridge.toml", {"SHOP_KEY": KEY})

    async def consent(ledger: Ledger) -> None:
        async with ledger:
            await consent_records.accepted(ledger, consent_records.heard(settings.state_dir))

    async def ours() -> None:
        await consent(await consent_records.open_new(settings))

    async def another() -> None:
        signing = generate_keys().texts()[SIGNING_KEY_FILE]
        keys, _ = Keys.load(settings.keys_dir, signing=signing, create=False)
        await consent(await Ledger.open(settings.ledger_place, keys))

    asyncio.run(ours())
    assert run(here, "consents", "checkpoint").status == 0
    asyncio.run(another())  # ours has nothing new to sign, and the other one is gone
    given = ("--passphrase-file", passphrase(tmp_path))
    assert run(here, "backup", tmp_path / "b", *given).status == 0
    there = elsewhere(tmp_path / "there")
    proved = run(there, "restore", tmp_path / "b", *given, "--prove", "--json")
    assert (proved.status, proved.json["anchored"]["value"]) == (PENDING, "pending"), proved
    restored = run(there, "restore", tmp_path / "b", *given)
    assert restored.status == 0, restored
    assert "anchored     wait" in restored.out


def test_tables_of_an_older_version_are_backed_up_without_a_checkpoint(
    sample: SampleLedger, tmp_path: Path
) -> None:
    """A backup is what one makes before an upgrade."""
    execute(
        sample.folder / "state" / "consents.db", "UPDATE alembic_version SET version_num='0003'"
    )
    for table in ("ended_chain", "gone_endpoint", "compatibility", "failing_endpoint"):
        execute(sample.folder / "state" / "consents.db", f"DROP TABLE {table}")
    given = ("--passphrase-file", passphrase(tmp_path))
    made = run(sample.folder, "backup", tmp_path / "b", *given, "--json")
    assert made.status == 0, made
    [failure] = made.json["checkpoint_failures"]
    assert "upgrade" in failure
    there = elsewhere(tmp_path / "there")
    assert run(there, "restore", tmp_path / "b", *given).status == 0


def forge(path: Path, into: Path) -> Keys:
    """Take the last events out of a backup and sign the rest with a new key, as anybody can."""
    keys = generate_keys()
    files = dict(members(path))
    name = next(each for each in files if each.startswith("ledger/event/"))
    files[name] = b"".join(files[name].splitlines(keepends=True)[:-1])
    before = BackupFile.open(path).manifest
    manifest = replace(
        before,
        software="agi-bridge 0\x1b[2J",
        ledger_id=keys.ledger_id,
        public_key=base64.b64encode(keys.public_key).decode(),
        files={**before.files, name: hashlib.sha256(files[name]).hexdigest()},
    )
    pack(into, {**files, "manifest.json": manifest.signed(keys.signing)})
    return keys


def test_a_manifest_that_somebody_else_signed_is_refused(
    sample: SampleLedger, tmp_path: Path
) -> None:
    given = ("--passphrase-file", passphrase(tmp_path))
    assert run(sample.folder, "backup", tmp_path / "b", *given).status == 0
    forge(tmp_path / "b", tmp_path / "forged")
    there = elsewhere(tmp_path / "there")
    for prove in (("--prove",), ()):
        result = run(there, "restore", tmp_path / "forged", *given, *prove)
        assert (result.status, "not signed" in result.err) == (1, True), result
    assert not (there / "state").exists()


def test_without_the_keys_a_signer_has_to_be_known_or_named(
    sample: SampleLedger, tmp_path: Path
) -> None:
    assert run(sample.folder, "backup", tmp_path / "b", "--without-keys").status == 0
    own = BackupFile.open(tmp_path / "b").manifest.ledger_id
    forger = forge(tmp_path / "b", tmp_path / "forged").ledger_id
    there = elsewhere(tmp_path / "there")
    keys = there / "state" / "keys"
    keys.mkdir(parents=True)
    for name in ("vault.key", "lookup.key"):
        (keys / name).write_text((sample.folder / "state" / "keys" / name).read_text())

    def prove(folder: Path, file: str, *given: object) -> CommandResult:
        return run(folder, "restore", tmp_path / file, "--prove", *given)

    assert prove(sample.folder, "b", "--json").json["signer"] == "own"
    assert prove(there, "b", "--json").json["signer"] == "unknown"
    assert prove(there, "b", "--json", "--public-key", own).json["signer"] == "given"
    shown = prove(sample.folder, "forged")
    assert (shown.status in {1, 3}, forger in shown.out, "\x1b" in shown.out) == (True, True, False)
    assert prove(sample.folder, "forged", "--public-key", own).status == 1
    for file, more in (("b", ()), ("forged", ()), ("forged", ("--public-key", own))):
        given = ("restore", tmp_path / file, "--accept-loss", "--accept-faults", *more)
        refused = run(there, *given)
        assert (refused.status, "--public-key" in refused.err) == (1, True), refused
        assert not (there / "state" / "consents.db").exists()
    assert run(there, "restore", tmp_path / "b", "--public-key", own).status == 0


def test_a_bridge_knows_the_backups_of_its_earlier_chains(
    sample: SampleLedger, tmp_path: Path
) -> None:
    given = ("--passphrase-file", passphrase(tmp_path))
    assert run(sample.folder, "backup", tmp_path / "b", *given).status == 0
    there = elsewhere(tmp_path / "there")
    assert run(there, "restore", tmp_path / "b", *given).status == 0  # a new signing key
    assert run(there, "restore", tmp_path / "b", "--prove", "--json").json["signer"] == "own"


@pytest.mark.programs
def test_a_place_that_takes_no_checkpoint_keeps_no_backup_from_being_made(
    sample: SampleLedger, tmp_path: Path
) -> None:
    sample.shell("resolve", sample.unknown, "--as", "texted")
    configured(sample.folder, {"ledger": {"checkpoints": {"command": ["/bin/false"]}}})
    made = run(sample.folder, "backup", tmp_path / "b", "--without-keys", "--json")
    assert made.status == 0
    [failure] = made.json["checkpoint_failures"]
    assert "/bin/false" in failure
    proved = run(sample.folder, "restore", tmp_path / "b", "--prove", "--json")
    assert proved.json["anchored"]["value"] == "holds"


def test_a_passphrase_that_everybody_may_read_is_warned_of(
    sample: SampleLedger, tmp_path: Path
) -> None:
    word = passphrase(tmp_path)
    for mode, warned in ((0o600, False), (0o644, True)):
        word.chmod(mode)
        made = run(sample.folder, "backup", tmp_path / f"b{mode}", "--passphrase-file", word)
        assert made.status == 0
        assert ("backup.passphrase_world_accessible" in made.err) is warned
