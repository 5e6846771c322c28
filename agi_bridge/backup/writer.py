"""Writes a backup: into a file that has no name until it is whole and on disk.

A process that is killed, or a disk that is full, leaves nothing behind.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import tarfile
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

import orjson

from agi_bridge.backup.errors import BackupError
from agi_bridge.backup.manifest import CHECKPOINTS, KEYS, MANIFEST, Head, Manifest, rows_name
from agi_bridge.temporary import link_unnamed, unnamed_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from agi_bridge.consent.ledger import Snapshot, Value
    from agi_bridge.consent.signing import Keys

_PIECE_BYTES: Final = 4 << 20
"""From here on a file of rows is full."""
_COMPRESSION: Final = 6
_MODE: Final = 0o600
"""What a file system says that has no files without a name."""


class _Archive:
    """A tar archive that is written from front to end.

    Attributes:
        sums: the SHA-256 of each file so far, by name.
    """

    def __init__(self, out: gzip.GzipFile) -> None:
        self._tar = tarfile.TarFile(fileobj=out, mode="w", format=tarfile.PAX_FORMAT)
        self.sums: dict[str, str] = {}

    def add(self, name: str, content: bytes) -> None:
        """Write one file."""
        about = tarfile.TarInfo(name)
        about.size, about.mode = len(content), _MODE
        self._tar.addfile(about, io.BytesIO(content))
        self.sums[name] = hashlib.sha256(content).hexdigest()

    def close(self) -> None:
        """Write the end of the archive."""
        self._tar.close()


def write_backup(
    path: Path,
    snapshot: Snapshot,
    keys: Keys,
    *,
    made: str,
    software: str,
    database: str,
    checkpoint: str,
    checkpoints: bytes,
    sealed_keys: bytes | None,
    progress: Callable[[int, int | None], None] = lambda _done, _of: None,
) -> Manifest:
    """Write a backup of a snapshot, signed with a bridge's key. Blocks.

    Args:
        path: a new file, of mode 0600.
        snapshot: the ledger.
        keys: the bridge's.
        made: when the snapshot was taken (RFC 3339).
        software: what takes it.
        database: `sqlite` or `postgresql`.
        checkpoint: the newest one of the bridge's chain, as a line; empty for none.
        checkpoints: the content of the file of checkpoints.
        sealed_keys: `seal_keys`; None leaves the keys out.
        progress: is told how many rows are written.

    Raises:
        BackupError: the file exists (`file_exists`) or cannot be written (`not_written`).
        LedgerUnavailable: the database failed.
    """
    counts: dict[str, int] = {}
    with (
        _new_file(path) as file,
        gzip.GzipFile(
            filename="", mode="wb", compresslevel=_COMPRESSION, fileobj=file, mtime=0
        ) as packed,
    ):
        archive = _Archive(packed)
        for table, columns in snapshot.tables.items():
            counts[table] = 0
            for number, (content, count) in enumerate(_pieces(snapshot, table, columns), 1):
                archive.add(rows_name(table, number), content)
                counts[table] += count
                progress(sum(counts.values()), None)
        if checkpoints:
            archive.add(CHECKPOINTS, checkpoints)
        if sealed_keys is not None:
            archive.add(KEYS, sealed_keys)
        manifest = Manifest(
            made=made,
            software=software,
            database=database,
            revision=snapshot.revision,
            ledger_id=keys.ledger_id,
            public_key=base64.b64encode(keys.public_key).decode(),
            chains=tuple(Head(each.ledger_id, each.seq, each.hash) for each in snapshot.chains()),
            checkpoint=checkpoint,
            keys=sealed_keys is not None,
            rows=counts,
            files=dict(archive.sums),
        )
        archive.add(MANIFEST, manifest.signed(keys.signing))
        archive.close()
    return manifest


def _pieces(snapshot: Snapshot, table: str, columns: Sequence[str]) -> Iterator[tuple[bytes, int]]:
    """The rows of a table as files, and how many are in each; a table without rows has one."""
    head = orjson.dumps(columns) + b"\n"
    lines, size, begun = [head], len(head), False
    for rows in snapshot.rows(table):
        for row in rows:
            line = orjson.dumps(row, default=_binary, option=orjson.OPT_APPEND_NEWLINE)
            lines.append(line)
            size += len(line)
        if size >= _PIECE_BYTES:
            begun = True
            yield b"".join(lines), len(lines) - 1
            lines, size = [head], len(head)
    if len(lines) > 1 or not begun:
        yield b"".join(lines), len(lines) - 1


def _binary(value: Value) -> dict[str, str]:
    if not isinstance(value, bytes):
        raise TypeError
    return {"base64": base64.b64encode(value).decode()}


def require_new(path: Path) -> None:
    """See that nothing has the name of a backup that is to be made.

    Raises:
        BackupError: something has (`file_exists`).
    """
    if os.path.lexists(path):
        raise BackupError(f"{path}: exists; a backup never overwrites a file", code="file_exists")


@contextmanager
def _new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears at its path, never in place of another, when the block ends well."""
    require_new(path)
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _not_written(path, error) from error
    try:
        with unnamed_file(path) as (file, name):
            yield file
            file.flush()
            os.fsync(file.fileno())
            try:
                link_unnamed(name, path)
            except FileExistsError:
                raise BackupError(f"{path}: exists", code="file_exists") from None
        os.fsync(folder)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        os.close(folder)


def _not_written(path: Path, error: OSError) -> BackupError:
    return BackupError(f"{path}: {error.strerror}; no backup was made", code="not_written")
