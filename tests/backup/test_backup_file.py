"""A backup's file: whole and as it was signed, or not at all."""

from __future__ import annotations

import asyncio
import errno
import gzip
import io
import json
import os
import signal
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.backup import (
    BackupDamaged,
    BackupError,
    BackupFile,
    Manifest,
    seal_keys,
    write_backup,
    writer,
)
from agi_bridge.consent.ledger import Ledger, open_snapshot
from tests.support.consent_builders import confirmed
from tests.support.error_codes import coded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.consent.signing import Keys


def write(path: Path, where: Path | str, keys: Keys, *, sealed: bool = False) -> Manifest:
    with open_snapshot(where) as snapshot:
        return write_backup(
            path,
            snapshot,
            keys,
            made="2026-11-26T12:00:00.000Z",
            software="agi-bridge 0",
            database="sqlite",
            checkpoint="",
            checkpoints=b"{}\n",
            sealed_keys=seal_keys(keys, "a passphrase") if sealed else None,
        )


@pytest.fixture
async def stored(ledger: Ledger) -> Ledger:
    """A ledger with a few events and a recording."""
    await ledger.append(confirmed().take())
    await ledger.register_disclosure("en", "Hello.", "a" * 64, bytes(range(256)) * 100)
    return ledger


@pytest.fixture
def backup(stored: Ledger, where: Path | str, keys: Keys, tmp_path: Path) -> Path:
    """A backup with keys."""
    assert stored.ledger_id == keys.ledger_id
    write(tmp_path / "backup", where, keys, sealed=True)
    return tmp_path / "backup"


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(path) as archive:
        for about in archive:
            file = archive.extractfile(about)
            assert file is not None
            yield about.name, file.read()


def pack(path: Path, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            archive.addfile(about, io.BytesIO(content))


async def test_every_row_comes_back_as_it_was(
    stored: Ledger, where: Path | str, keys: Keys, tmp_path: Path
) -> None:
    path = tmp_path / "backup"
    manifest = write(path, where, keys)
    assert BackupFile.open(path).manifest == manifest
    with open_snapshot(where) as snapshot:
        for table in snapshot.tables:
            rows = [row for some in snapshot.rows(table) for row in some]
            read = [
                row for name, _, some in BackupFile.open(path).tables() if name == table
                for row in some
            ]  # fmt: skip
            assert read == rows
            assert manifest.rows[table] == len(rows)
    assert manifest.rows["event"] == len(await stored.rows())


def test_a_table_that_is_large_comes_in_pieces(
    stored: Ledger, where: Path | str, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stored.ledger_id == keys.ledger_id
    monkeypatch.setattr(writer, "_PIECE_BYTES", 1)
    monkeypatch.setattr("agi_bridge.consent.ledger.snapshot.ROWS_AT_ONCE", 1)
    manifest = write(tmp_path / "backup", where, keys)
    assert len([each for each in manifest.files if "/event/" in each]) == manifest.rows["event"] > 1
    assert {name for name, _, _ in BackupFile.open(tmp_path / "backup").tables()} == {
        *manifest.rows
    }


@pytest.mark.parametrize("part", [0, 1, 20, 0.3, 0.7, 0.99])
def test_a_file_that_is_cut_is_refused(backup: Path, part: float) -> None:
    raw = backup.read_bytes()
    backup.write_bytes(raw[: int(part * len(raw)) if part < 1 else int(part)])
    with pytest.raises(BackupDamaged, match=str(backup)):
        BackupFile.open(backup)


@pytest.mark.parametrize("missing", [1, 4, 8, 12, 200])
def test_a_file_that_lacks_its_last_bytes_is_refused(backup: Path, missing: int) -> None:
    backup.write_bytes(backup.read_bytes()[:-missing])
    with pytest.raises(BackupDamaged, check=coded("backup_cut", str(backup))):
        BackupFile.open(backup)


def test_a_file_with_more_behind_its_end_is_refused(backup: Path) -> None:
    backup.write_bytes(backup.read_bytes() + b"more")
    with pytest.raises(BackupDamaged, check=coded("backup_cut", str(backup))):
        BackupFile.open(backup)


def test_what_is_not_a_backup_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"SQLite format 3\0" * 100)
    with pytest.raises(BackupDamaged, check=coded("not_a_backup", str(path))):
        BackupFile.open(path)
    with gzip.open(path, "wb") as file:
        file.write(b"text")
    with pytest.raises(BackupDamaged, match=str(path)):
        BackupFile.open(path)


def test_every_file_in_it_is_named_if_it_was_changed(backup: Path, tmp_path: Path) -> None:
    files = dict(members(backup))
    assert list(files)[-1] == "manifest.json"
    for name in [*files][:-1]:
        pack(tmp_path / "changed", {**files, name: files[name] + b" "})
        with pytest.raises(BackupDamaged, check=coded("backup_changed", name)):
            BackupFile.open(tmp_path / "changed")


def test_a_file_that_is_missing_or_does_not_belong_is_named(backup: Path, tmp_path: Path) -> None:
    files = dict(members(backup))
    manifest = files.pop("manifest.json")
    path = tmp_path / "changed"
    for name in files:
        rest = {each: files[each] for each in files if each != name}
        pack(path, {**rest, "manifest.json": manifest})
        with pytest.raises(BackupDamaged, check=coded("backup_changed", name, "missing")):
            BackupFile.open(path)
    pack(path, {**files, "ledger/event/000009.jsonl": b"[]\n", "manifest.json": manifest})
    with pytest.raises(BackupDamaged, match="000009"):
        BackupFile.open(path)
    pack(path, {**files, "manifest.json": manifest, "ledger/event/000009.jsonl": b"[]\n"})
    with pytest.raises(BackupDamaged, match="000009"):
        BackupFile.open(path)
    pack(path, files)
    with pytest.raises(BackupDamaged, check=coded("backup_cut")):
        BackupFile.open(path)


def test_hashes_that_were_made_to_fit_are_not_signed(
    backup: Path, tmp_path: Path, other_keys: Keys
) -> None:
    files = dict(members(backup))
    facts = json.loads(files["manifest.json"])
    facts["made"] = "2027-01-01T00:00:00.000Z"
    pack(tmp_path / "changed", {**files, "manifest.json": json.dumps(facts).encode()})
    with pytest.raises(BackupDamaged, check=coded("backup_changed", "manifest.json")):
        BackupFile.open(tmp_path / "changed")
    manifest = BackupFile.open(backup).manifest  # signed again, with a key of somebody's own
    pack(tmp_path / "changed", {**files, "manifest.json": manifest.signed(other_keys.signing)})
    with pytest.raises(BackupDamaged, check=coded("backup_changed", "manifest.json")):
        BackupFile.open(tmp_path / "changed")


def test_a_later_format_is_refused(backup: Path, tmp_path: Path) -> None:
    files = dict(members(backup))
    facts = {**json.loads(files["manifest.json"]), "format": 2}
    pack(tmp_path / "later", {**files, "manifest.json": json.dumps(facts).encode()})
    with pytest.raises(BackupError, check=coded("format_newer", str(tmp_path / "later"))):
        BackupFile.open(tmp_path / "later")


def test_a_full_disk_leaves_nothing(
    stored: Ledger, where: Path | str, keys: Keys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stored.ledger_id == keys.ledger_id
    folder = tmp_path / "disk"
    folder.mkdir()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writer._Archive, "add", full)
    with pytest.raises(BackupError, check=coded("not_written", str(folder), "No space left")):
        write(folder / "backup", where, keys)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("unnamed", [True, False])
def test_an_existing_file_stays_as_it_was(
    stored: Ledger,
    where: Path | str,
    keys: Keys,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    unnamed: bool,
) -> None:
    assert stored.ledger_id == keys.ledger_id
    if not unnamed:  # as on a file system that has only files with names
        opened = os.open

        def refuse(path: Path, flags: int, *more: int) -> int:
            if flags & os.O_TMPFILE == os.O_TMPFILE:
                raise OSError(errno.EOPNOTSUPP, "")
            return opened(path, flags, *more)

        monkeypatch.setattr(os, "open", refuse)
    path = tmp_path / "disk" / "backup"
    path.parent.mkdir()
    write(path, where, keys)
    raw = path.read_bytes()
    with pytest.raises(BackupError, check=coded("file_exists", str(path))):
        write(path, where, keys)
    monkeypatch.setattr(os.path, "lexists", lambda _: False)  # it came while we wrote
    with pytest.raises(BackupError, check=coded("file_exists", str(path))):
        write(path, where, keys)
    assert path.read_bytes() == raw
    assert list(path.parent.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
from agi_bridge.backup import writer
from agi_bridge.consent.signing import generate_keys
from tests.backup.test_backup_file import write
add = writer._Archive.add
def killed(self, name, content):
    add(self, name, content)
    if "/event/" in name:
        os.kill(os.getpid(), signal.SIGKILL)
writer._Archive.add = killed
write(Path(sys.argv[1]), Path(sys.argv[2]), generate_keys())
"""


@pytest.mark.programs
async def test_a_process_that_is_killed_leaves_nothing(
    file: Path, keys: Keys, tmp_path: Path
) -> None:
    async with await Ledger.open(file, keys) as ledger:
        await ledger.append(confirmed().take())
    folder = tmp_path / "disk"
    folder.mkdir()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, folder / "backup", file, cwd=Path(__file__).parents[2]
    )
    assert await process.wait() == -signal.SIGKILL
    assert list(folder.iterdir()) == []
