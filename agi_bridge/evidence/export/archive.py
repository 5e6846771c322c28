"""The files of an export: a folder or zip, the SHA-256 sums of its files, and their signature.

What the files say is in `reader` and `verify`. Files may come from anyone, so names and lengths in
them are not trusted. What systems leave behind (`.DS_Store`) is passed over, and where somebody
packed the export with its folder, the folder is entered.
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

from agi_bridge.evidence.errors import BadExport
from agi_bridge.evidence.verify import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SUMS: Final = "SHA256SUMS"
SIGNATURE: Final = "SHA256SUMS.sig"
SIGNER: Final = "signer.pem"

_LINE: Final = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9._/-]+)")
_MAX_LINE: Final = 1 << 22
"""Longest line: an import's evidence, a megabyte in base64, is one value of one (`imported`)."""
_MAX_FILE: Final = 1 << 26
_MAX_MEMBERS: Final = 200_000
_MAX_UNPACKED: Final = 1 << 38
_MAX_RATIO: Final = 1100
"""Deflate makes 1,032 bytes of one at most (zlib's technical details)."""
_LOCAL_HEADER: Final = 30
"""Bytes before a member's name (APPNOTE.TXT, section 4.3.7)."""
_LITTER: Final = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
_DAMAGED: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)
"""What `zipfile` raises for a damaged archive; the last two are for a compression that it does not
know, and for an encrypted member."""
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the zip format's; the same files give the same bytes


class Archive(Protocol):
    """Files by name, read one after the other."""

    def names(self) -> frozenset[str]:
        """The names of all files but litter, with `/` between folder and file."""

    def litter(self) -> frozenset[str]:
        """The names of files that a system left behind."""

    def size(self, name: str) -> int:
        """A file's length in bytes. BadExport if it is missing."""

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading. BadExport if it is missing."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_archive(path: Path) -> Archive:
    """Open the export at a path.

    Raises:
        BadExport: it is neither a folder nor a zip file.
    """
    if path.is_dir():
        return _Folder(_entered(path))
    try:
        return _Zip(path)
    except OSError as error:
        raise BadExport(f"{path}: cannot be read ({error.strerror})") from None
    except _DAMAGED:
        raise BadExport(f"{path}: not a folder or a readable zip file") from None


def lines(archive: Archive, name: str) -> Iterator[str]:
    """Read the lines of a text file, without their ends.

    Raises:
        BadExport: it is missing, is not UTF-8, or has a line of more than 4 MiB.
    """
    with archive.open(name) as file:
        number = 0
        while line := _readline(file, name):
            number += 1
            if len(line) > _MAX_LINE:
                raise BadExport(f"{name}, line {number}: longer than 4 MiB", code="too_long")
            try:
                yield line.decode().removesuffix("\n")
            except UnicodeDecodeError:
                raise BadExport(f"{name}, line {number}: not UTF-8", code="not_text") from None


def content(archive: Archive, name: str) -> bytes:
    """Read a whole file.

    Raises:
        BadExport: it is missing, or longer than 64 MiB.
    """
    with archive.open(name) as file:
        try:
            read = file.read(_MAX_FILE + 1)
        except _DAMAGED:
            raise BadExport(f"{name}: is damaged", code="file_damaged") from None
    if len(read) > _MAX_FILE:
        raise BadExport(f"{name}: longer than 64 MiB", code="too_long")
    return read


def _readline(file: IO[bytes], name: str) -> bytes:
    try:
        return file.readline(_MAX_LINE + 1)
    except _DAMAGED:
        raise BadExport(f"{name}: is damaged", code="file_damaged") from None


def file_faults(archive: Archive) -> Iterator[Fault]:
    """What is wrong with the files: changed, missing, added, or not signed by the signer.

    Raises:
        BadExport: the sums, the signature or the signer's key are missing or unreadable.
    """
    present = archive.names() - {SUMS, SIGNATURE}
    listed: dict[str, str] = {}
    for line in lines(archive, SUMS):
        found = _LINE.fullmatch(line)
        if found is None:
            yield Fault("sums_malformed", f"{SUMS} has a line that is not a sum")
        elif listed.setdefault(found[2], found[1]) != found[1]:
            yield Fault("sums_malformed", f"{SUMS} has two sums of {found[2]}")
    for name in sorted(present | listed.keys()):
        if name not in listed:
            yield Fault("file_added", f"{name} is not part of the export")
        elif name not in present:
            yield Fault("file_missing", f"{name} is missing")
        elif _changed(archive, name, listed[name]):
            yield Fault("file_changed", f"{name} was changed")
    try:
        signer(archive).verify(content(archive, SIGNATURE), content(archive, SUMS))
    except InvalidSignature:
        what = f"{SIGNATURE} is not a signature of {SUMS} by the key in {SIGNER}"
        yield Fault("signature_invalid", what)


def signer(archive: Archive) -> Ed25519PublicKey:
    """The public key of the export's signer.

    Raises:
        BadExport: it is missing or not an Ed25519 public key in PEM.
    """
    pem = content(archive, SIGNER)
    try:
        key = serialization.load_pem_public_key(pem)
    except ValueError:
        key = None
    if not isinstance(key, Ed25519PublicKey) or _pem(key) != pem:
        raise BadExport(f"{SIGNER}: not an Ed25519 public key in PEM", code="signer_malformed")
    return key


def sign_files(folder: Path, signing: Ed25519PrivateKey) -> None:
    """Add the signer's public key, the sums of all files, and the signature of the sums."""
    (folder / SIGNER).write_bytes(_pem(signing.public_key()))
    with _Folder(folder) as archive:
        text = "".join(f"{_sum(archive, name)}  {name}\n" for name in sorted(archive.names()))
    (folder / SUMS).write_text(text, encoding="ascii")
    (folder / SIGNATURE).write_bytes(signing.sign(text.encode()))


def _pem(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@contextmanager
def create_archive(out: Path) -> Iterator[Path]:
    """Yield a folder to fill; at the end it moves to `out`, as a zip if the name says so.

    Only this account can read it: it holds personal data. If the block raises, nothing is left.

    Raises:
        OSError: `out` cannot be written.
    """
    try:
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.absolute().parent))
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(out)) from None
    try:
        folder = staging / "export"
        folder.mkdir(mode=0o700)
        yield folder
        if out.suffix.lower() == ".zip":
            packed = staging / "export.zip"
            _pack(folder, packed)
            packed.replace(out)
        else:
            folder.rename(out)
    finally:
        shutil.rmtree(staging)


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
    except BadExport:  # a link in place of a file
        return True


def _sum(archive: Archive, name: str) -> str:
    with archive.open(name) as file:
        digest = hashlib.sha256()
        try:
            while part := file.read(1 << 16):
                digest.update(part)
        except _DAMAGED:
            raise BadExport(f"{name}: is damaged", code="file_damaged") from None
    return digest.hexdigest()


def _is_litter(name: str) -> bool:
    """Whether a system left a file behind: Finder, Explorer, macOS's archiver."""
    *folders, file = name.split("/")
    return file in _LITTER or file.startswith("._") or "__MACOSX" in folders


def _entered(path: Path) -> Path:
    """The folder with the export: this one, or the only one in it."""
    if (path / SUMS).exists():
        return path
    inner = [each for each in path.iterdir() if not _is_litter(each.name)]
    one = len(inner) == 1 and not inner[0].is_symlink() and (inner[0] / SUMS).is_file()
    return inner[0] if one else path


class _Folder:
    """A folder. A symbolic link in it is never a file of the export."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> frozenset[str]:
        return frozenset(name for name in self._all() if not _is_litter(name))

    def litter(self) -> frozenset[str]:
        return frozenset(filter(_is_litter, self._all()))

    def _all(self) -> Iterator[str]:
        for found in self._path.rglob("*"):
            if found.is_symlink() or not found.is_dir():
                yield found.relative_to(self._path).as_posix()

    def size(self, name: str) -> int:
        return self._found(name).stat().st_size

    def open(self, name: str) -> IO[bytes]:
        return self._found(name).open("rb")

    def _found(self, name: str) -> Path:
        path = self._path / name
        if path.is_symlink() or not path.is_file():
            raise BadExport(f"{name}: is missing", code="file_missing")
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _Zip:
    """A zip file. Nothing of it is unpacked to the disk.

    Its members are looked at before any is read: their names, what they say of their lengths, and
    that no two share bytes.
    """

    def __init__(self, path: Path) -> None:
        self._file = zipfile.ZipFile(path)
        with ExitStack() as undo:
            undo.callback(self._file.close)
            members = [entry for entry in self._file.infolist() if not entry.is_dir()]
            _inspect(members, path.stat().st_size)
            self._litter = frozenset(e.filename for e in members if _is_litter(e.filename))
            kept = [entry for entry in members if entry.filename not in self._litter]
            self._prefix = _top_folder([entry.filename for entry in kept])
            self._members = {entry.filename.removeprefix(self._prefix): entry for entry in kept}
            undo.pop_all()

    def names(self) -> frozenset[str]:
        return frozenset(self._members)

    def litter(self) -> frozenset[str]:
        return self._litter

    def size(self, name: str) -> int:
        return self._member(name).file_size

    def open(self, name: str) -> IO[bytes]:
        try:
            return self._file.open(self._member(name))
        except _DAMAGED:
            raise BadExport(f"{name}: is damaged", code="file_damaged") from None

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            raise BadExport(f"{name}: is missing", code="file_missing")
        return self._members[name]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _top_folder(names: list[str]) -> str:
    """The folder that all files are in, with its `/`, if the export's list is there."""
    if SUMS in names:
        return ""
    folders = {name.partition("/")[0] for name in names}
    if len(folders) == 1:
        folder = folders.pop()
        if f"{folder}/{SUMS}" in names:
            return f"{folder}/"
    return ""


def _inspect(members: list[zipfile.ZipInfo], length: int) -> None:
    """See that members are what they say: plain names, each once, lengths that can be, no overlap.

    Raises:
        BadZipFile: they are not.
    """
    names = [entry.filename for entry in members]
    if len(members) > _MAX_MEMBERS or len(set(names)) != len(names):
        raise zipfile.BadZipFile  # of two files with one name, readers may take either
    end = 0
    for entry in sorted(members, key=lambda entry: entry.header_offset):
        data = entry.header_offset + _LOCAL_HEADER + len(entry.filename.encode())
        if (
            entry.flag_bits & 1  # encrypted
            or entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
            or entry.file_size > entry.compress_size * _MAX_RATIO
            or entry.header_offset < end
            or data + entry.compress_size > length
            or entry.filename.startswith("/")
            or ".." in entry.filename.split("/")
        ):
            raise zipfile.BadZipFile
        end = data + entry.compress_size
    if sum(entry.file_size for entry in members) > _MAX_UNPACKED:
        raise zipfile.BadZipFile
