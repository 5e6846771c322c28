"""Tomorrow's package registry changes nothing of what the documented commands install.

A registry on the loopback address offers a later release of everything. The packages are as small
as can be, but for those that build the project; what they say they need is what the real ones say.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import io
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = [
    pytest.mark.programs,
    pytest.mark.xdist_group("install"),
    pytest.mark.timeout(300),
]

ROOT: Final = Path(__file__).parents[1]
LATER: Final = "9999.0"
LISTS: Final = ("requirements.txt", "requirements-dev.txt")
BUILD: Final = frozenset(
    {"hatchling", "editables", "packaging", "pathspec", "pluggy", "tomlkit", "trove-classifiers"}
)
"""What builds the project: these packages are the real ones, packed again."""
_TOLD: Final = ("*.md", "docs/**/*.md", "docs/**/*.py", "bench/*.*", "agi_bridge/**/*.md")
_PURE: Final = b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_MADE_BY_PIP: Final = re.compile(r"\.dist-info/(METADATA|WHEEL|RECORD|INSTALLER|REQUESTED)$")


def locked(name: str) -> dict[str, str]:
    """The versions that a list names for this Python."""
    text = re.sub(r"\\\n\s*--hash=\S+", "", (ROOT / name).read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found: dict[str, str] = {}
    for line in lines:
        requirement = Requirement(line.strip().removesuffix("\\"))
        if requirement.marker is None or requirement.marker.evaluate():
            (exactly,) = requirement.specifier
            assert exactly.operator == "=="
            found[canonicalize_name(requirement.name)] = exactly.version
    return found


def wheel(name: str, version: str, files: Mapping[str, bytes], needs: list[str]) -> bytes:
    """A wheel with these files."""
    about = f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}"]
    metadata += [f"Requires-Dist: {need}" for need in needs]
    files = {
        **files,
        f"{about}/METADATA": ("\n".join(metadata) + "\n").encode(),
        f"{about}/WHEEL": _PURE,
    }
    record = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(content)}")
    record.append(f"{about}/RECORD,,")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{about}/RECORD", "\n".join(record) + "\n")
    return packed.getvalue()


def of_today(name: str, version: str) -> bytes:
    """What is installed here as a wheel: small, or whole if the project is built with it."""
    about = importlib.metadata.distribution(name)
    assert about.version == version, "make .venv again: the list has changed"
    files = {}
    if name in BUILD:
        files = {
            str(path): path.read_binary()
            for path in about.files or ()
            if path.suffix != ".pyc" and not str(path).startswith("..")
            and not _MADE_BY_PIP.search(str(path))
        }  # fmt: skip
    return wheel(name, version, files, about.requires or [])


class Registry:
    """A package index, and lists that name what is in it.

    Attributes:
        url: its address.
        asked: the paths that were asked for.
    """

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self._folder = folder
        self._hashes: dict[tuple[str, str], str] = {}
        for name, version in {**locked(LISTS[0]), **locked(LISTS[1])}.items():
            self._offer(name, version, of_today(name, version))
            self._offer(name, LATER, wheel(name, LATER, {}, []))

    def _offer(self, name: str, version: str, packed: bytes) -> None:
        place = self._folder / "simple" / name
        place.mkdir(parents=True, exist_ok=True)
        file = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        (place / file).write_bytes(packed)
        self._hashes[name, version] = hashlib.sha256(packed).hexdigest()
        with (place / "index.html").open("a", encoding="utf-8") as index:
            index.write(f'<a href="{file}">{file}</a>\n')

    def list_of(self, name: str) -> str:
        """A list of the project with the hashes of these packages."""
        return "".join(
            f"{package}=={version} --hash=sha256:{self._hashes[package, version]}\n"
            for package, version in locked(name).items()
        )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, str]]:
    """A running registry and its address."""
    folder = tmp_path_factory.mktemp("registry")
    offered = Registry(folder)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            offered.asked.append(self.path)

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield offered, f"http://127.0.0.1:{server.server_address[1]}/simple"
        finally:
            server.shutdown()
            thread.join()


class Machine:
    """A checkout, and a virtual environment, on a machine that knows no registry but one."""

    def __init__(self, folder: Path, registry: Registry, url: str) -> None:
        self.checkout, self.venv = folder / "checkout", folder / "venv"
        self.checkout.mkdir()
        for file in ROOT.iterdir():
            if not file.name.startswith(".") and file.name not in {*LISTS, "build", "dist"}:
                (self.checkout / file.name).symlink_to(file)
        (self.checkout / ".ci").symlink_to(ROOT / ".ci")
        for name in LISTS:
            (self.checkout / name).write_text(registry.list_of(name), encoding="utf-8")
        self._run(sys.executable, "-m", "venv", "--without-pip", str(self.venv))
        pip = self.venv / "bin" / "pip"  # the one of the tests' Python, as none may be fetched
        python = shlex.join([sys.executable, "-m", "pip", "--python", f"{self.venv}/bin/python"])
        pip.write_text(f'#!/bin/sh\nexec {python} "$@"\n', encoding="utf-8")
        pip.chmod(0o755)
        self._environ = {
            "PATH": os.defpath,
            "HOME": str(folder),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": url,
            "PIP_NO_CACHE_DIR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def _run(self, *command: str, environ: Mapping[str, str] | None = None) -> str:
        ran = subprocess.run(  # noqa: S603 - the commands of the page
            command,
            cwd=self.checkout,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def run(self, *command: str) -> str:
        """What a command says; it has to succeed."""
        return self._run(*command, environ=self._environ)

    def installed(self) -> dict[str, str]:
        """Packages and versions."""
        found = json.loads(self.run(f"{self.venv}/bin/pip", "list", "--format", "json"))
        return {canonicalize_name(each["name"]): each["version"] for each in found}


@pytest.fixture
def machine(tmp_path: Path, registry: tuple[Registry, str]) -> Machine:
    return Machine(tmp_path, *registry)


def documented() -> list[str]:
    """The commands of docs/install.md that install agi-bridge from a checkout."""
    text = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    found = re.search(r"^## From source\n.*?```sh\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    assert found
    return found[1].splitlines()


def test_the_registry_offers_later_releases(machine: Machine) -> None:
    machine.run(f"{machine.venv}/bin/pip", "install", "coverage")
    assert machine.installed() == {"coverage": LATER}


def test_the_pages_commands_install_what_the_list_names(machine: Machine) -> None:
    make, *commands = documented()
    assert make == "python3 -m venv /opt/agi-bridge"  # done already
    assert len(commands) == 3
    for command in commands:
        machine.run(*shlex.split(command.replace("/opt/agi-bridge", str(machine.venv))))
    version = importlib.metadata.version("agi-bridge")
    assert machine.installed() == {**locked("requirements.txt"), "agi-bridge": version}


def test_the_makefile_installs_what_the_lists_name(
    machine: Machine, registry: tuple[Registry, str]
) -> None:
    machine.run(".ci/install", str(machine.venv), "requirements.txt", "-e")
    machine.run(".ci/install", str(machine.venv), "requirements-dev.txt")
    version = importlib.metadata.version("agi-bridge")
    assert machine.installed() == {**locked("requirements-dev.txt"), "agi-bridge": version}
    assert not [path for path in registry[0].asked if LATER in path and "coverage" not in path]


def test_a_list_that_is_not_complete_is_refused(machine: Machine) -> None:
    path = machine.checkout / "requirements-dev.txt"
    kept = [line for line in path.read_text().splitlines() if not line.startswith("mako==")]
    path.write_text("\n".join(kept), encoding="utf-8")
    with pytest.raises(AssertionError, match=r"alembic .* requires mako"):
        machine.run(".ci/install", str(machine.venv), "requirements-dev.txt")


def test_one_version_of_everything_stands_in_all_lists() -> None:
    bridge, tests = (locked(name) for name in LISTS)
    engines = locked("requirements-engines.txt")
    postgresql = locked("requirements-postgresql.txt")
    assert bridge.items() <= postgresql.items() <= tests.items()
    assert "psycopg" not in bridge
    assert "psycopg" in postgresql
    assert bridge.items() <= engines.items()


def test_nothing_is_installed_but_from_locked_lists() -> None:
    """Every `pip install` that the project runs or tells somebody to run."""
    places = [
        ROOT / "Makefile",
        *(file for file in ROOT.glob(".ci/*") if file.suffix != ".txt"),
        *(file for pattern in _TOLD for file in ROOT.glob(pattern)),
    ]
    commands = [
        (place.name, line)
        for place in places
        for line in place.read_text(encoding="utf-8").splitlines()
        if re.search(r"pip\"? install\b", line)
    ]
    assert len(commands) >= 4
    for place, line in commands:
        assert "--no-deps" in line, (place, line)
        assert "--require-hashes" in line or "--no-index" in line, (place, line)
