"""The files and packages that an engine needs: found, or missed in words."""

from __future__ import annotations

import hashlib
import sys
from importlib.util import find_spec
from pathlib import Path

from agi_bridge.speech.errors import BadEngine

# Into the environment that this very command runs from; docs/speech.md says the same.
_INSTALL = (
    f"in the source's folder, {sys.executable} -m pip install --no-deps --only-binary :all: "
    "--require-hashes -r requirements-engines.txt"
)


def require_packages(extra: str, *packages: str) -> None:
    """Raise BadEngine unless all packages of an extra are installed. Loads none of them."""
    for package in packages:
        if find_spec(package) is None:
            told = f"needs the package {package}, of the extra {extra}: {_INSTALL}"
            raise BadEngine("kind", told)


def require_file(field: str, file: Path) -> None:
    """Raise BadEngine, naming the setting, unless there is such a file."""
    if not file.is_file():
        raise BadEngine(field, f"names {file}, which is not there")


def in_package(package: str, *parts: str) -> Path:
    """Return the path of a file of an installed package, without loading the package.

    Raises BadEngine if it is not installed.
    """
    return package_folder(package, "model").joinpath(*parts)


def package_folder(package: str, field: str) -> Path:
    """Return the folder of an installed package. Raises BadEngine, naming the setting, if none."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise BadEngine(field, f"needs the package {package.replace('_', '-')}, or a file's path")
    return Path(found.submodule_search_locations[0])


def sha256_of(*files: Path) -> str:
    """Return one hash over several files, in hex. Blocks: a model takes a tenth of a second."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()
