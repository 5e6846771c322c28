"""Wheel and sdist: the same bytes from the same commit, and a program that works by itself."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Final

import pytest

from agi_bridge import __version__
from tests.dist.conftest import cloned
from tests.support.docker_engine import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = [pytest.mark.packages, pytest.mark.timeout(900)]

LOCKED: Final = ROOT / "requirements-postgresql.txt"
QUIET: Final = ("--quiet", "--disable-pip-version-check")
ALONE: Final = ("--no-index", "--no-deps", "--no-build-isolation")
"""From the file alone: nothing else is fetched, and built with what is installed."""


def run(*command: object, cwd: Path, environ: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd, env={**os.environ, **(environ or {})}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def built(checkout: Path, **environ: str) -> Path:
    """Build the packages of a checkout; return their folder."""
    python = {"PYTHON": sys.executable}
    run(checkout / ".ci/dist", cwd=checkout, environ={**python, **environ})
    return checkout / "dist"


@pytest.fixture(scope="module")
def packages(clone: Path) -> Path:
    return built(clone)


def environment(folder: Path, version: str) -> Path:
    """An empty environment of a Python, with what the locked list names."""
    python = run(ROOT / ".ci/python", version, cwd=ROOT).strip()
    run(ROOT / ".ci/venv", folder, python, cwd=ROOT)
    run(ROOT / ".ci/install", folder, ROOT / "requirements.txt", cwd=ROOT)
    return folder


def files(environment: Path) -> dict[str, str]:
    """What is installed of agi-bridge: the SHA-256 of each file by its name."""
    (place,) = environment.glob("lib/python*/site-packages/agi_bridge")
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in place.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def test_another_folder_clock_and_account_make_the_same_bytes(
    packages: Path, clone: Path, tmp_path: Path
) -> None:
    other = cloned(tmp_path / "elsewhere", clone)  # the checkout may be at another commit by now
    again = built(other, TZ="Asia/Tokyo", LC_ALL="C", HOME=str(tmp_path), PYTHONHASHSEED="1")
    sums = (packages / "SHA256SUMS").read_text(encoding="utf-8")
    assert (again / "SHA256SUMS").read_text(encoding="utf-8") == sums
    kinds = {line.rpartition(".")[2] for line in sums.splitlines()}
    assert kinds == {"whl", "gz", "json"}


def test_the_wheel_has_no_time_of_its_building(packages: Path, clone: Path) -> None:
    (wheel,) = packages.glob("*.whl")
    committed = run("git", "log", "-1", "--format=%cd", "--date=format:%Y", cwd=clone).strip()
    with zipfile.ZipFile(wheel) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {int(committed)}


def documented() -> list[str]:
    """The commands of the page for an installation with pip."""
    page = (ROOT / "docs/install.md").read_text(encoding="utf-8")
    block = page.partition("\n## pip\n")[2].partition("```sh\n")[2].partition("```")[0]
    return [line for line in block.splitlines() if line]


def test_the_sbom_names_every_library_that_is_installed(packages: Path) -> None:
    """With its version, and the hashes of the archives that are taken."""
    sbom = json.loads((packages / "agi-bridge.cdx.json").read_text(encoding="utf-8"))
    own = sbom["metadata"]["component"]
    assert (own["name"], own["version"]) == ("agi-bridge", __version__)
    named = {
        f"{each['name']}=={each['version']}": {
            hashed["content"]
            for reference in each["externalReferences"]
            for hashed in reference["hashes"]
        }
        for each in sbom["components"]
    }
    blocks = re.split(r"\n(?=[a-z0-9])", LOCKED.read_text(encoding="utf-8"))[1:]
    assert named == {
        re.split(r"[ ;]", block)[0]: set(re.findall(r"sha256:([0-9a-f]{64})", block))
        for block in blocks
    }


def test_the_documented_commands_place_a_call_from_an_empty_environment_of_the_newest_python(
    packages: Path, tmp_path: Path
) -> None:
    venv = tmp_path / "venv"
    python = run(ROOT / ".ci/python", "3.14", cwd=ROOT).strip()
    make, *commands, demo = documented()
    assert make == "python3 -m venv /opt/agi-bridge"  # the same, on a Debian without python3-venv
    run(ROOT / ".ci/venv", venv, python, cwd=ROOT)
    for command in commands:
        run(*shlex.split(command.replace("/opt/agi-bridge", str(venv))), cwd=packages.parent)
    own = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "c")}
    environ = [f"{name}={value}" for name, value in own.items()]
    words = shlex.split(demo.replace("/opt/agi-bridge", str(venv)))
    said = run("env", "-u", "AGI_BRIDGE_ASTERISK", *environ, *words, cwd=tmp_path)
    assert "through Asterisk" in said
    assert "proof  integrity holds" in said
    assert said.strip().splitlines()[-1].lstrip().startswith("worked")
    assert (tmp_path / "c/agi-bridge/asterisk-22/.provisioned").exists()


def test_the_sdist_becomes_what_the_wheel_is(packages: Path, tmp_path: Path) -> None:
    venv = environment(tmp_path / "venv", "3.13")
    (wheel,), (sdist,) = packages.glob("*.whl"), packages.glob("*.tar.gz")
    pip = venv / "bin/pip"
    run(pip, "install", *QUIET, *ALONE, wheel, cwd=tmp_path)
    from_wheel = files(venv)
    run(pip, "uninstall", *QUIET, "--yes", "agi-bridge", cwd=tmp_path)
    run(pip, "install", *QUIET, *ALONE, sdist, cwd=tmp_path)
    run(pip, "check", cwd=tmp_path)
    assert files(venv) == from_wheel
    assert "share/agi-bridge.example.toml" in from_wheel
    version = run(venv / "bin/agi-bridge", "--version", cwd=tmp_path)
    assert sdist.name == f"agi_bridge-{version.split()[-1]}.tar.gz"
