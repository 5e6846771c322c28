"""A backup that somebody made to do harm: refused in one line, or restored as rows and no more."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import random
import tarfile
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.backup import BackupDamaged, BackupError, BackupFile, Manifest
from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import fill
from tests.backup.test_backup_file import pack
from tests.support.error_codes import coded

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.consent.signing import Keys

REVISION = "0006"
EVENT = "ledger/event/000001.jsonl"
TABLES = ("event", "sqlite_sequence", "alembic_version", "compatibility", "nosuch", "sqlite_master")
COLUMNS = ("id", "ledger_id", "seq", "consent_id", "type", "at", "tags", "body", "hash", "name")


def signed(keys: Keys, files: dict[str, bytes], /, **changes: Any) -> dict[str, bytes]:
    """The files of a backup with a manifest that is signed, and says what it wants."""
    facts: dict[str, Any] = {
        "made": "2026-11-27T00:00:00.000Z",
        "software": "x",
        "database": "sqlite",
        "revision": REVISION,
        "ledger_id": keys.ledger_id,
        "public_key": base64.b64encode(keys.public_key).decode(),
        "chains": (),
        "checkpoint": "",
        "keys": False,
        "rows": {},
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    manifest = Manifest(**(facts | changes))
    return {**files, "manifest.json": manifest.signed(keys.signing)}


def restored(path: Path, into: Path) -> str:
    """The code of the refusal; empty if it was restored."""
    try:
        backup = BackupFile.open(path)
        fill(into, backup.manifest.revision, backup.tables(), end_chains=True)
    except (BackupError, LedgerUnavailable) as error:
        return error.code if str(error).isprintable() else "not one line"
    finally:
        for each in into.parent.glob(f"{into.name}*"):
            each.unlink()
    return ""


@pytest.mark.parametrize(
    "changes",
    [
        {"revision": ["x"]},
        {"revision": None},
        {"made": "\x1b[2J"},
        {"software": 5},
        {"keys": "yes"},
        {"rows": {"event": "many"}},
        {"rows": {"event": 1 << 70}},
        {"files": {"../../etc/passwd": "0" * 64}},
        {"files": {EVENT: 5}},
        {"checkpoint": None},
        {"database": {}},
    ],
)
def test_a_manifest_with_values_of_other_types_is_refused(
    keys: Keys, tmp_path: Path, changes: dict[str, Any]
) -> None:
    pack(tmp_path / "b", signed(keys, {}, **changes))
    with pytest.raises(BackupDamaged):
        BackupFile.open(tmp_path / "b")


@pytest.mark.parametrize("format_", ["1", [1], None, {"\x1b": 1}, 1.5])
def test_a_format_that_is_no_number_is_no_backup(
    keys: Keys, tmp_path: Path, format_: object
) -> None:
    files = signed(keys, {})
    facts = json.loads(files["manifest.json"]) | {"format": format_}
    pack(tmp_path / "b", {"manifest.json": json.dumps(facts).encode()})
    assert restored(tmp_path / "b", tmp_path / "db") == "not_a_backup"


@pytest.mark.parametrize("table", TABLES[1:])
def test_rows_of_tables_that_are_not_the_ledgers_are_refused(
    keys: Keys, tmp_path: Path, table: str
) -> None:
    name = f"ledger/{table}/000001.jsonl"
    rows = {"sqlite_sequence": b'["name","seq"]\n["event",5]\n'}
    pack(tmp_path / "b", signed(keys, {name: rows.get(table, b'["version_num"]\n["0001"]\n')}))
    assert restored(tmp_path / "b", tmp_path / "db") == "schema_unversioned"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"5\n",
        b"[[1],[2]]\n",
        b"[]\n[]\n",
        b'["id","id"]\n[1,1]\n',
        b'["id","seq"]\n[1]\n',
        b'["id","seq"]\n{"id":1,"seq":2}\n',
        b'["id","seq"]\n[1,[2]]\n',
        b'["id","seq"]\n[1,%d]\n' % (1 << 63),
        b'["id","seq"]\n[1,' + b"9" * 5000 + b"]\n",
        b'["id","hash"]\n[1,"\\ud800"]\n',
        b'["id","hash"]\n[1,{"base64":5}]\n',
        b'["id","hash"]\n[1,{"base64":"*"}]\n',
        b'["id","hash"]\n[1,' + b"[" * 100_000 + b"]\n",
        b'["id","hash"]\n[1,"\xff"]\n',
    ],
)
def test_a_file_that_does_not_hold_rows_is_refused(
    keys: Keys, tmp_path: Path, content: bytes
) -> None:
    pack(tmp_path / "b", signed(keys, {EVENT: content}))
    assert restored(tmp_path / "b", tmp_path / "db") == "backup_changed"


def test_a_name_that_would_steer_a_terminal_is_not_printed(keys: Keys, tmp_path: Path) -> None:
    pack(tmp_path / "b", {"\x1b[2J": b"", **signed(keys, {})})
    with pytest.raises(BackupDamaged) as caught:
        BackupFile.open(tmp_path / "b")
    assert str(caught.value).isprintable()


def value(chance: random.Random) -> str:
    return chance.choice(
        ["1", "-1", str(1 << 62), "1e400", "NaN", "null", "true", '""', '"a\\u0000b"', '"\\u202e"',
         '{"base64":""}', '{"base64":"AAAA"}', "[]", '"' + "x" * 100 + '"']
    )  # fmt: skip


def test_rows_at_random_are_restored_or_refused(keys: Keys, tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - a test's own dice
    codes = set()
    for _ in range(6):
        columns = chance.sample(COLUMNS, chance.randrange(1, 10))
        rows = [[value(chance) for _ in columns] for _ in range(3)]
        lines = [json.dumps(columns), *("[" + ",".join(row) + "]" for row in rows)]
        table = f"ledger/{chance.choice(TABLES)}/000001.jsonl"
        pack(tmp_path / "b", signed(keys, {table: "\n".join(lines).encode()}))
        codes.add(restored(tmp_path / "b", tmp_path / "db"))
    assert "not one line" not in codes
    assert "schema_unversioned" in codes


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_an_extension_of_a_header_takes_no_memory(tmp_path: Path, kind: bytes) -> None:
    about = tarfile.TarInfo("manifest.json")
    about.type, about.size = kind, 1 << 26
    with gzip.open(tmp_path / "b", "wb", 1) as packed:
        packed.write(about.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(64):
            packed.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(BackupDamaged, check=coded("backup_changed")):
            BackupFile.open(tmp_path / "b")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 22


def archive(format_: int, headers: dict[str, str] | None) -> bytearray:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=format_, pax_headers=headers) as made:
        for name, content in (("a" * 120, b"abc"), ("manifest.json", b"{}")):
            about = tarfile.TarInfo(name)
            about.size = len(content)
            about.pax_headers = {"comment": "hello", "mtime": "1.5"}
            made.addfile(about, io.BytesIO(content))
    return bytearray(raw.getvalue())


def test_headers_at_random_end_in_no_traceback(tmp_path: Path) -> None:
    chance = random.Random(6)  # noqa: S311 - a test's own dice
    seeds = [archive(tarfile.PAX_FORMAT, {"x": "y"}), archive(tarfile.GNU_FORMAT, None)]
    fields = ((0, 20), (100, 8), (124, 12), (136, 12), (156, 1), (329, 8), (345, 20))
    for _ in range(300):
        raw = chance.choice(seeds)[:]
        blocks = [at for at in range(0, len(raw), 512) if raw[at + 257 : at + 262] == b"ustar"]
        at, (begin, length) = chance.choice(blocks), chance.choice(fields)
        raw[at + begin : at + begin + length] = bytes(
            chance.choice(b"\x80\xff07\0LxS") for _ in range(length)
        )
        for block in blocks:
            header = raw[block : block + 512]
            header[148:156] = b" " * 8
            raw[block + 148 : block + 156] = b"%06o\0 " % sum(header)
        (tmp_path / "b").write_bytes(gzip.compress(raw, 1))
        with pytest.raises(BackupDamaged):
            BackupFile.open(tmp_path / "b")
