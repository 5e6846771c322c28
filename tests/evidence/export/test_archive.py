"""Folders and zips, their sums and their signature; what comes from strangers is not believed."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agi_bridge.evidence.errors import BadExport
from agi_bridge.evidence.export import archive
from tests.support.error_codes import coded

if TYPE_CHECKING:
    from pathlib import Path

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def fill(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("one\ntwo", encoding="utf-8")
    (folder / "sub" / "b.bin").write_bytes(b"\xff\0" * 50_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with archive.create_archive(tmp_path / "out") as made:
        fill(made)
        archive.sign_files(made, KEY)
    return tmp_path / "out"


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    with archive.create_archive(tmp_path / "out.zip") as made:
        fill(made)
        archive.sign_files(made, KEY)
    return tmp_path / "out.zip"


def faults(path: Path) -> list[tuple[str, str]]:
    """The codes of the faults, and the file that each names first."""
    with archive.open_archive(path) as opened:
        return [(fault.code, fault.what.split()[0]) for fault in archive.file_faults(opened)]


def test_a_zip_holds_what_the_folder_holds(folder: Path, zipped: Path) -> None:
    with archive.open_archive(folder) as one, archive.open_archive(zipped) as other:
        assert one.names() == other.names()
        assert "sub/b.bin" in one.names()
        for name in one.names():
            assert archive.content(one, name) == archive.content(other, name)


def test_the_same_files_give_the_same_zip(zipped: Path, tmp_path: Path) -> None:
    with archive.create_archive(tmp_path / "again.zip") as made:
        fill(made)
        archive.sign_files(made, KEY)
    assert (tmp_path / "again.zip").read_bytes() == zipped.read_bytes()


def test_only_this_account_can_read_it(folder: Path, zipped: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert zipped.stat().st_mode & 0o777 == 0o600


def test_what_breaks_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        _break_off(tmp_path / "out.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_untouched_one_is_sound(folder: Path, zipped: Path) -> None:
    assert faults(folder) == faults(zipped) == []


def test_a_changed_a_missing_and_an_added_file_are_named(folder: Path) -> None:
    (folder / "a.txt").write_text("one\ntwo ", encoding="utf-8")
    (folder / "sub" / "b.bin").unlink()
    (folder / "sub" / "c").touch()
    assert faults(folder) == [
        ("file_changed", "a.txt"),
        ("file_missing", "sub/b.bin"),
        ("file_added", "sub/c"),
    ]


def test_a_link_is_not_a_file_of_it_wherever_it_leads(folder: Path) -> None:
    (folder / "a.txt").rename(folder.parent / "a.txt")
    (folder / "a.txt").symlink_to(folder.parent / "a.txt")
    assert faults(folder) == [("file_changed", "a.txt")]


def test_sums_made_anew_do_not_fit_the_signature(folder: Path) -> None:
    (folder / "a.txt").write_text("three", encoding="utf-8")
    sums = (folder / "SHA256SUMS").read_text(encoding="ascii")
    old, new = hashlib.sha256(b"one\ntwo").hexdigest(), hashlib.sha256(b"three").hexdigest()
    assert old in sums
    (folder / "SHA256SUMS").write_text(sums.replace(old, new), encoding="ascii")
    assert faults(folder) == [("signature_invalid", "SHA256SUMS.sig")]


def test_a_line_that_is_not_a_sum_is_named(folder: Path) -> None:
    with (folder / "SHA256SUMS").open("a", encoding="ascii") as sums:
        sums.write("x\n")
    assert ("sums_malformed", "SHA256SUMS") in faults(folder)


def test_a_listed_name_that_leads_outside_is_only_missing(folder: Path) -> None:
    (folder.parent / "secret").write_text("x", encoding="ascii")
    with (folder / "SHA256SUMS").open("a", encoding="ascii") as sums:
        sums.write(f"{'0' * 64}  ../secret\n")
    assert ("file_missing", "../secret") in faults(folder)


@pytest.mark.parametrize("name", ["SHA256SUMS", "SHA256SUMS.sig", "signer.pem"])
def test_without_sums_signature_or_signer_it_is_none(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BadExport, check=coded("file_missing", name)):
        faults(folder)


def test_another_kind_of_key_signs_nothing(folder: Path) -> None:
    other = x25519.X25519PrivateKey.generate().public_key()
    pem = other.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for text in (pem, b"no key"):
        (folder / "signer.pem").write_bytes(text)
        with pytest.raises(BadExport, check=coded("signer_malformed")):
            faults(folder)


def test_what_is_neither_folder_nor_zip_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no zip", encoding="ascii")
    with pytest.raises(BadExport, check=coded("export_unreadable")):
        archive.open_archive(tmp_path / "text")
    with pytest.raises(BadExport, check=coded("export_unreadable", "nothing")):
        archive.open_archive(tmp_path / "nothing")


def test_a_damaged_member_of_a_zip_is_a_fault(zipped: Path) -> None:
    raw = bytearray(zipped.read_bytes())
    header = raw.index(b"a.txt") - 30
    extra = int.from_bytes(raw[header + 28 : header + 30], "little")
    raw[header + 30 + len("a.txt") + extra + 1] ^= 1  # in its content
    zipped.write_bytes(raw)
    assert ("file_changed", "a.txt") in faults(zipped)
    with (
        archive.open_archive(zipped) as opened,
        pytest.raises(BadExport, check=coded("file_damaged", "a.txt")),
    ):
        list(archive.lines(opened, "a.txt"))
    with (
        archive.open_archive(zipped) as opened,
        pytest.raises(BadExport, check=coded("file_damaged", "a.txt")),
    ):
        archive.content(opened, "a.txt")


def test_what_systems_leave_behind_is_passed_over(folder: Path) -> None:
    for name in (".DS_Store", "sub/Thumbs.db", "sub/._b.bin", "__MACOSX/a.txt", "desktop.ini"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    assert faults(folder) == []
    with archive.open_archive(folder) as opened:
        assert len(opened.litter()) == 5


def test_a_folder_around_the_files_is_entered(folder: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / ".DS_Store").write_bytes(b"x")
    shutil.move(folder, outer / "export")
    assert faults(outer) == []
    packed = tmp_path / "again.zip"
    with zipfile.ZipFile(packed, "w") as made:
        for path in sorted(outer.rglob("*")):
            made.write(path, path.relative_to(outer).as_posix())
    assert faults(packed) == []


def test_two_folders_are_not_one(folder: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    (outer / "other").mkdir()
    shutil.move(folder, outer / "export")
    with pytest.raises(BadExport, check=coded("file_missing", "SHA256SUMS")):
        faults(outer)


def central(raw: bytearray, name: bytes) -> int:
    """Where the central directory's entry of a member begins."""
    return raw.rindex(name) - 46


def test_members_that_share_bytes_are_refused_before_anything_is_read(zipped: Path) -> None:
    raw = bytearray(zipped.read_bytes())
    first, second = central(raw, b"SHA256SUMS.sig"), central(raw, b"a.txt")
    raw[second + 42 : second + 46] = raw[first + 42 : first + 46]  # the offset of its header
    zipped.write_bytes(raw)
    with pytest.raises(BadExport, check=coded("export_unreadable")):
        archive.open_archive(zipped)


def test_a_member_that_unpacks_to_more_than_deflate_can_is_refused(zipped: Path) -> None:
    raw = bytearray(zipped.read_bytes())
    entry = central(raw, b"a.txt")
    raw[entry + 24 : entry + 28] = (1 << 30).to_bytes(4, "little")  # its unpacked length
    zipped.write_bytes(raw)
    with pytest.raises(BadExport, check=coded("export_unreadable")):
        archive.open_archive(zipped)


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "sub/../../up"])
def test_names_that_lead_elsewhere_are_refused(zipped: Path, name: str) -> None:
    with zipfile.ZipFile(zipped, "a") as made:
        made.writestr(name, "x")
    with pytest.raises(BadExport, check=coded("export_unreadable")):
        archive.open_archive(zipped)


def test_two_files_of_one_name_are_refused(zipped: Path) -> None:
    with zipfile.ZipFile(zipped, "a") as made, pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("a.txt", "another")
    with pytest.raises(BadExport, check=coded("export_unreadable")):
        archive.open_archive(zipped)


def test_a_file_that_a_zip_does_not_have_is_missing(zipped: Path) -> None:
    with (
        archive.open_archive(zipped) as opened,
        pytest.raises(BadExport, check=coded("file_missing")),
    ):
        archive.content(opened, "no")


def test_lines_come_without_their_ends_and_are_utf_8(folder: Path) -> None:
    with archive.open_archive(folder) as opened:
        assert list(archive.lines(opened, "a.txt")) == ["one", "two"]
        with pytest.raises(BadExport, check=coded("not_text", "sub/b.bin, line 1")):
            list(archive.lines(opened, "sub/b.bin"))


def test_a_line_without_end_is_refused(folder: Path) -> None:
    (folder / "long").write_bytes(b"x" * ((1 << 22) + 2))
    with archive.open_archive(folder) as opened, pytest.raises(BadExport, check=coded("too_long")):
        list(archive.lines(opened, "long"))


def test_a_file_without_end_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MAX_FILE", 10)
    with archive.open_archive(folder) as opened:
        assert archive.content(opened, "a.txt") == b"one\ntwo"
        with pytest.raises(BadExport, check=coded("too_long", "sub/b.bin")):
            archive.content(opened, "sub/b.bin")


def test_a_zip_made_of_the_folder_by_others_is_read_too(folder: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "other"), "zip", folder)
    assert faults(tmp_path / "other.zip") == []


def _break_off(out: Path) -> None:
    with archive.create_archive(out) as made:
        fill(made)
        raise KeyError
