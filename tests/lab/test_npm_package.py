"""A package of npm: pinned, fetched once, and nothing of it is run."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from agi_bridge.lab import PackageUnavailableError, npm_package
from agi_bridge.lab.npm_package import NpmPackage

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.programs


def archive(text: str) -> bytes:
    """What `npm pack` writes of a package with one module."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as made:
        member = tarfile.TarInfo("package/lib/index.js")
        member.size = len(text)
        made.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


ARCHIVE = archive("export {};")
PINNED = NpmPackage("thing", "1.2.3", base64.b64encode(hashlib.sha512(ARCHIVE).digest()).decode())
FILES = {"lib/index.js": b"export {};"}
KEPT = "thing-1.2.3.tgz"


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm that notes what it is asked, and packs `served`."""
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    asked, served = tmp_path / "asked", tmp_path / "served"
    program.write_text(f'#!/bin/sh\necho "$@" >>"{asked}"\ncp "{served}" {KEPT}\n')
    program.chmod(0o755)
    served.write_bytes(ARCHIVE)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return program


async def test_a_package_is_fetched_once_by_name_and_version(npm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    assert await PINNED.fetch(folder) == FILES
    npm.unlink()
    assert await PINNED.fetch(folder) == FILES
    assert (tmp_path / "asked").read_text() == "pack thing@1.2.3 --ignore-scripts --silent\n"
    assert [each.name for each in folder.iterdir()] == [KEPT]


async def test_the_npm_beside_this_python_is_used_where_the_machine_has_none(
    npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cp", "sh"):
        (tmp_path / name).symlink_to(f"/bin/{name}")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(npm.with_name("python")))
    assert await PINNED.fetch(tmp_path / "folder") == FILES


@pytest.mark.usefixtures("npm")
async def test_a_kept_archive_that_was_changed_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / KEPT).write_bytes(archive("alert(1)"))
    assert await PINNED.fetch(tmp_path) == FILES
    assert (tmp_path / KEPT).read_bytes() == ARCHIVE


@pytest.mark.usefixtures("npm")
async def test_another_package_under_the_name_is_refused_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / "served").write_bytes(archive("alert(1)"))
    with pytest.raises(PackageUnavailableError) as caught:
        await PINNED.fetch(tmp_path / "folder")
    assert caught.value.code == "other_hash"
    assert [*(tmp_path / "folder").iterdir()] == []


@pytest.mark.parametrize(
    ("script", "code"), [("exit 1", "npm_failed"), ("exit 0", "npm_failed"), (None, "no_npm")]
)
async def test_without_npm_or_registry_it_is_one_line(
    npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, code: str
) -> None:
    monkeypatch.setenv("PATH", f"{npm.parent}:/bin" if script else str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))  # it has none beside it
    npm.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(PackageUnavailableError) as caught:
        await PINNED.fetch(tmp_path / "folder")
    assert caught.value.code == code
    assert "thing 1.2.3" in str(caught.value)


async def test_an_npm_that_hangs_is_ended(
    npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm.write_text("#!/bin/sh\nexec sleep 600\n")
    monkeypatch.setattr(npm_package, "_SECONDS", 0.1)
    with pytest.raises(PackageUnavailableError) as caught:
        await asyncio.wait_for(PINNED.fetch(tmp_path / "folder"), 60)
    assert caught.value.code == "npm_slow"
