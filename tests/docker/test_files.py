"""The files of docker/: in order by themselves, hardened, and with nothing secret in them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

pytestmark = pytest.mark.programs

ROOT: Final = Path(__file__).parents[2]
DOCKER: Final = ROOT / "docker"
PROGRAMS: Final = Path(sys.executable).parent
OVERRIDES: Final = ((), ("compose.host.yaml",), ("compose.desktop.yaml",))
FOREIGN: Final = {"postgresql", "prometheus"}
"""Services whose images are others'."""


def compose(*overrides: str) -> dict[str, Any]:
    """The configuration as docker compose reads it, all profiles included."""
    files = [argument for name in ("compose.yaml", *overrides) for argument in ("-f", name)]
    done = subprocess.run(
        [str(PROGRAMS / "docker-compose"), *files, "--profile", "*", "config", "--format", "json"],
        cwd=DOCKER, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("overrides", OVERRIDES)
def test_compose_reads_the_files(overrides: tuple[str, ...]) -> None:
    assert {"bridge", "hook", "pbx", "caller", *FOREIGN} <= set(compose(*overrides)["services"])


def test_every_container_of_ours_is_read_only_and_has_no_capability() -> None:
    for name, service in compose()["services"].items():
        if name == "postgresql":
            continue
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_the_network_is_internal_and_nothing_is_published() -> None:
    read = compose()
    assert read["networks"]["calls"]["internal"] is True
    assert [name for name, service in read["services"].items() if service.get("ports")] == []


def test_a_stop_may_take_as_long_as_the_longest_dialogue() -> None:
    assert compose()["services"]["bridge"]["stop_grace_period"] == "5m30s"


def test_secrets_are_files_and_never_in_the_environment() -> None:
    read = compose()
    for name, service in read["services"].items():
        for variable, value in (service.get("environment") or {}).items():
            if "PASSWORD" in variable or "KEY" in variable or "TOKEN" in variable:
                assert "/run/secrets/" in value, name
    assert all(secret["file"] for secret in read["secrets"].values())


def test_the_hosts_network_replaces_the_internal_one() -> None:
    services = compose("compose.host.yaml")["services"]
    for name in ("bridge", "pbx"):
        assert services[name]["network_mode"] == "host"
        assert not services[name].get("networks")


def test_docker_desktop_publishes_the_ports_that_the_pbx_uses() -> None:
    read = compose("compose.desktop.yaml")
    published = {port["target"] for port in read["services"]["pbx"]["ports"]}
    assert published == {5060, *range(10000, 10100)}
    assert "rtpend = 10099" in read["configs"]["rtp_local"]["content"]


def test_hadolint_finds_nothing() -> None:
    files = [str(path) for path in DOCKER.glob("*/Dockerfile")]
    assert len(files) == 2
    done = subprocess.run(
        [str(PROGRAMS / "hadolint"), *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_secrets_are_made_once_and_kept_from_others(tmp_path: Path) -> None:
    script = tmp_path / "make-secrets"
    script.write_bytes((DOCKER / "make-secrets").read_bytes())
    for _ in range(2):
        subprocess.run(["bash", str(script)], check=True)
        texts = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
        if _ == 0:
            first = texts
    assert texts == first
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    words = [text for name, text in texts.items() if "." not in name]
    assert len({*words}) == len(words) == 5
    assert all(len(word) == 32 for word in words)
    assert texts["shop_password"] in texts["pjsip_local.conf"]
    assert texts["agi_token"] in texts["extensions_bridge.conf"]
    assert texts["agi_token"] in texts["extensions_bridge-postgresql.conf"]


def test_images_get_what_they_copy_and_git_gets_no_secret() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[2:3] == ["*"] or "*" in ignored
    assert not any("secrets" in line or ".git" in line for line in ignored if line.startswith("!"))
    assert "docker/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8")
