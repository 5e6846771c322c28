"""A clone of this commit, as packages are built from commits; a Docker daemon for the .debs."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.docker_engine import ROOT, DockerEngine, docker_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def cloned(place: Path, source: Path = ROOT) -> Path:
    """A clone of the commit that is checked out, with this checkout's tools for building."""
    subprocess.run(["git", "clone", "--quiet", str(source), str(place)], check=True)
    subprocess.run([str(ROOT / ".ci/venv"), str(ROOT / ".venv-dist"), sys.executable], check=True)
    (place / ".venv-dist").symlink_to(ROOT / ".venv-dist")
    return place


@pytest.fixture(scope="session")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = cloned(tmp_path_factory.mktemp("clones") / "clone")
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    with docker_engine({"bookworm": {}, "trixie": {}}) as running:
        yield running
