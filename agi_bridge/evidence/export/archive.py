"""An export as files: a folder or a zip, the sums of its files, and the signature under the sums.

What is read here may come from anybody: names and lengths are not believed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agi_bridge.consent import BadExport

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUMS: Final = "SHA256SUMS"
SIGNATURE: Final = "SHA256SUMS.sig"
SIGNER: Final = "signer.pem"

_LINE: Final = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9._/-]+)")
_MAX_LINE: Final = 1 << 20
_MAX_FILE: Final = 1 << 26
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # a zip's own; the same files give the same bytes


class Archive(Protocol):
    """Files by name, read one after the other."""

    def names(self) -> frozenset[str]:
        """The names of all files, with `/` between folder and file."""

    def open(self, name: str) -> IO[bytes]:
        """A file, to be read once. BadExport if it is not there."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_archive(path: Path) -> Archive:
    """The export at a path.

    Raises:
        BadExport: it is neither a folder nor a zip.
    """
    if path.is_dir():
        return _Folder(path)
    try:
        return _Zip(path)
    except OSError as error:
        raise BadExport(f"{path}: cannot be read ({error.strerror})") from None
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        raise BadExport(f"{path}: is neither a folder nor a zip that can be unpacked") from None


def lines(archive: Archive, name: str) -> Iterator[str]:
    """The lines of a text file, without their ends.

    Raises:
        BadExport: it is not there, is not UTF-8, or has a line of more than 1 MiB.
    """
    with archive.open(name) as file:
        number = 0
        while line := file.readline(_MAX_LINE + 1):
            number += 1
            if len(line) > _MAX_LINE:
                raise BadExport(f"{name}, line {number}: is longer than 1 MiB")
            try:
                yield line.decode().removesuffix("\n")
            except UnicodeDecodeError:
                raise BadExport(f"{name}, line {number}: is not UTF-8") from None


def content(archive: Archive, name: str) -> bytes:
    """A whole file.

    Raises:
        BadExport: it is not there, or longer than 64 MiB.
    """
    with archive.open(name) as file:
        read = file.read(_MAX_FILE + 1)
    if len(read) > _MAX_FILE:
        raise BadExport(f"{name}: is longer than 64 MiB")
    return read


def unsound(archive: Archive) -> Iterator[str]:
    """What is wrong with the files themselves: changed, missing, added, or signed by nobody."""
    there = archive.names() - {SUMS, SIGNATURE}
    listed: dict[str, str] = {}
    for line in lines(archive, SUMS):
        found = _LINE.fullmatch(line)
        if found is None:
            yield f"{SUMS} holds a line that is no sum"
        else:
            listed[found[2]] = found[1]
    for name in sorted(there | listed.keys()):
        if name not in listed:
            yield f"{name} is no part of the export"
        elif name not in there:
            yield f"{name} is missing"
        elif _changed(archive, name, listed[name]):
            yield f"{name} was changed"
    try:
        signer(archive).verify(content(archive, SIGNATURE), content(archive, SUMS))
    except InvalidSignature:
        yield f"{SIGNATURE} is not the signature of {SUMS} under {SIGNER}"


def signer(archive: Archive) -> Ed25519PublicKey:
    """The key that the export names as its signer's.

    Raises:
        BadExport: there is none.
    """
    try:
        key = serialization.load_pem_public_key(content(archive, SIGNER))
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise BadExport(f"{SIGNER}: is no Ed25519 public key in PEM")
    return key


def seal(folder: Path, signing: Ed25519PrivateKey) -> None:
    """Add the signer's public key, the sums of all files, and the signature under them."""
    pem = signing.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (folder / SIGNER).write_bytes(pem)
    with _Folder(folder) as archive:
        text = "".join(f"{_sum(archive, name)}  {name}\n" for name in sorted(archive.names()))
    (folder / SUMS).write_text(text, encoding="ascii")
    (folder / SIGNATURE).write_bytes(signing.sign(text.encode()))


@contextmanager
def written(out: Path) -> Iterator[Path]:
    """A folder to fill; at the end of the block it is at `out`, whole, as a zip if `out` is `.zip`.

    Only this account can read it: it holds personal data. If the block raises, nothing is left.

    Raises:
        OSError: it cannot be written there.
    """
    try:
        draft = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.absolute().parent))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from None
    try:
        folder = draft / "export"
        folder.mkdir(mode=0o700)
        yield folder
        if out.suffix.lower() == ".zip":
            packed = draft / "export.zip"
            _pack(folder, packed)
            packed.replace(out)
        else:
            folder.rename(out)
    finally:
        shutil.rmtree(draft)


def _pack(folder: Path, packed: Path) -> None:
    handle = os.open(packed, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with (
        _Folder(folder) as archive,
        os.fdopen(handle, "wb") as raw,
        zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as made,
    ):
        for name in sorted(archive.names()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            with archive.open(name) as source, made.open(entry, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target)


def _changed(archive: Archive, name: str, sum_: str) -> bool:
    try:
        return _sum(archive, name) != sum_
    except BadExport:  # a link in a file's place
        return True


def _sum(archive: Archive, name: str) -> str:
    with archive.open(name) as file:
        digest = hashlib.sha256()
        while part := file.read(1 << 16):
            digest.update(part)
    return digest.hexdigest()


class _Folder:
    """A folder; a link in it is no file of the export, wherever it leads."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> frozenset[str]:
        return frozenset(
            found.relative_to(self._path).as_posix()
            for found in self._path.rglob("*")
            if found.is_symlink() or not found.is_dir()
        )

    def open(self, name: str) -> IO[bytes]:
        path = self._path / name
        if path.is_symlink() or not path.is_file():
            raise BadExport(f"{name}: is missing")
        return path.open("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Zip:
    """A zip file; nothing of it is unpacked to the disk.

    It is read through once when it is opened, so that damage is found there and not later.
    """

    def __init__(self, path: Path) -> None:
        self._file = zipfile.ZipFile(path)
        with ExitStack() as undo:
            undo.callback(self._file.close)
            names = [entry.filename for entry in self._file.infolist() if not entry.is_dir()]
            self._names = frozenset(names)
            if self._file.testzip() is not None or len(names) != len(self._names):
                raise zipfile.BadZipFile  # of two files of one name, readers take either
            undo.pop_all()

    def names(self) -> frozenset[str]:
        return self._names

    def open(self, name: str) -> IO[bytes]:
        if name not in self._names:
            raise BadExport(f"{name}: is missing")
        return self._file.open(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
