"""Reads a backup: whole and as it was signed, or not at all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tarfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from agi_bridge.backup.errors import BackupDamaged, BackupError
from agi_bridge.backup.manifest import CHECKPOINTS, KEYS, MANIFEST, ROWS, Manifest, is_member

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from agi_bridge.consent.ledger import Value

_LARGEST: Final = 1 << 28
"""Bytes of one file in a backup."""
_AT_ONCE: Final = 1 << 16
_INTEGERS: Final = range(-(1 << 63), 1 << 63)
"""What both databases hold."""

_END: Final = bytes(tarfile.BLOCKSIZE)
"""The block after the last file."""
_PLAIN: Final = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE})
_UNREADABLE: Final = (EOFError, tarfile.TarError, zlib.error, gzip.BadGzipFile, ValueError)
"""What the libraries raise for an archive that is cut, changed or something else."""


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A backup whose files are all there and as they were written.

    Attributes:
        path: where it is.
        manifest: what it says of itself.
        keys: the sealed keys; None if they were left out.
        checkpoints: the file of checkpoints.
    """

    path: Path
    manifest: Manifest
    keys: bytes | None
    checkpoints: bytes

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read a whole backup and compare each file in it with the signed manifest. Blocks.

        Raises:
            BackupDamaged: the file is cut or changed; the text names the part.
            BackupError: a later version of agi-bridge made it.
            OSError: it cannot be read.
        """
        sums: dict[str, str] = {}
        kept = {MANIFEST: b"", KEYS: b"", CHECKPOINTS: b""}
        for name, content in _members(path):
            if MANIFEST in sums or name in sums:
                raise BackupDamaged(f"{path}: {name} stands where no file should")
            sums[name] = hashlib.sha256(content).hexdigest()
            if name in kept:
                kept[name] = content
        if MANIFEST not in sums:
            raise BackupDamaged(f"{path}: ends early, the copy is cut short", code="backup_cut")
        with _naming(path):
            manifest = Manifest.parse(kept[MANIFEST])
            del sums[MANIFEST]
            for name in sorted(sums.keys() | manifest.files.keys()):
                if name not in sums:
                    raise BackupDamaged(f"{name} is missing")
                if sums[name] != manifest.files.get(name):
                    raise BackupDamaged(f"{name} is not as it was written")
        return cls(path, manifest, kept[KEYS] if manifest.keys else None, kept[CHECKPOINTS])

    def tables(self) -> Iterator[tuple[str, Sequence[str], list[tuple[Value, ...]]]]:
        """Each piece of a table: its name, columns and rows. Reads the file again.

        Raises:
            BackupDamaged: the file was changed since it was opened.
        """
        for name, content in _members(self.path):
            named = ROWS.fullmatch(name)
            if named is None:
                continue
            with _naming(self.path):
                if hashlib.sha256(content).hexdigest() != self.manifest.files.get(name):
                    raise BackupDamaged(f"{name} is not as it was written")
                try:
                    columns, *rows = map(json.loads, content.splitlines())
                    read = _columns(columns), [_row(row, len(columns)) for row in rows]
                except (ValueError, TypeError, KeyError, RecursionError):
                    raise BackupDamaged(f"{name} does not hold rows") from None
            yield named[1], *read


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """The files in the archive, in their order.

    Each has a plain header, as `write_backup` makes it. Extensions of headers (pax, long names,
    sparse files) are refused: tarfile would read them into memory whole, however large they are.
    """
    with path.open("rb") as raw:
        try:
            with gzip.GzipFile(fileobj=raw, mode="rb") as unpacked, _naming(path):
                while (block := _exactly(unpacked, tarfile.BLOCKSIZE)) != _END:
                    about = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
                    name, size = about.name, about.size
                    plain = about.type in _PLAIN and 0 <= size <= _LARGEST
                    if not plain or not is_member(name):
                        raise BackupDamaged(f"{name!r} is not a file of a backup")
                    yield name, _exactly(unpacked, size)
                    _exactly(unpacked, -size % tarfile.BLOCKSIZE)
                # The archive ends before the file does: its rest has the sum of all.
                while unpacked.read(_AT_ONCE):
                    pass
        except _UNREADABLE as error:
            if raw.tell() and _begins_as_gzip(path):
                raise BackupDamaged(
                    f"{path}: is cut short, or was changed ({_reason(error)})", code="backup_cut"
                ) from None
            raise BackupDamaged(f"{path}: is not a backup", code="not_a_backup") from None


def _exactly(file: gzip.GzipFile, size: int) -> bytes:
    """So many bytes; EOFError if there are fewer."""
    content = file.read(size)
    if len(content) < size:
        raise EOFError
    return content


def _begins_as_gzip(path: Path) -> bool:
    with path.open("rb") as raw:
        return raw.read(2) == b"\x1f\x8b"


def _reason(error: Exception) -> str:
    return "its end is missing" if isinstance(error, EOFError) else "its compression is damaged"


def _columns(names: Any) -> tuple[str, ...]:  # noqa: ANN401 - a value of JSON
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("not the names of columns")
    if not names or len(set(names)) < len(names):
        raise ValueError("no columns, or one twice")
    return tuple(names)


def _row(values: Any, columns: int) -> tuple[Value, ...]:  # noqa: ANN401 - a value of JSON
    if not isinstance(values, list) or len(values) != columns:
        raise ValueError("not a row of these columns")
    return tuple(map(_value, values))


def _value(value: Any) -> Value:  # noqa: ANN401 - a value of JSON
    """A value that a database can hold; ValueError, TypeError or KeyError if it is not one."""
    if isinstance(value, dict):
        return base64.b64decode(value["base64"], validate=True)
    if isinstance(value, str):
        value.encode()  # a lone surrogate cannot be stored
    elif isinstance(value, int):
        if value not in _INTEGERS:
            raise ValueError("has more than 64 bits")
    elif not isinstance(value, float | None):
        raise TypeError("not a value of a row")
    plain: Value = value
    return plain


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put the file before what is wrong with it."""
    try:
        yield
    except BackupDamaged as error:
        raise BackupDamaged(f"{path}: {error}", code=error.code) from None
    except BackupError as error:
        raise BackupError(f"{path}: {error}", code=error.code) from None
