"""One daemon with the project's images for all tests, and the containers of one test."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.bridge_fixture import shorten
from tests.support.docker_engine import ROOT, DockerEngine, docker_engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OVERRIDE = """
services:
{bridge}
{more}
  hook:
    command: [fake-hook, --port, "8080", --scenario, "{scenario}"]
{secrets}
{network}
"""
NETWORK = """
networks:
  calls:
    driver_opts: {com.docker.network.bridge.name: br-agi-bridge}
"""
"""One name for the bridge: what a run that was killed left of it is used, and not routed to."""
PHONES = """
secrets:
  pjsip_local: {{file: "{accounts}"}}
"""
"""A trunk that leads to the telephones of the test, on the host. PJSIP asks DNS, not /etc/hosts."""
HOST = "172.30.45.1"
"""The host on the network of the containers."""
SHORT = """
  bridge:
    environment: {{AGI_BRIDGE_SPEECH__PROMPTS: /prompts, AGI_BRIDGE_LINES__SHOP__DIGITS: own}}
    volumes: ["{prompts}:/prompts:ro"]
"""
"""The beginnings of the prompts, so that a dialogue takes seconds."""


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerEngine]:
    with docker_engine() as running:
        subprocess.run([str(ROOT / "docker/make-secrets")], check=True)
        yield running


class Containers:
    """The containers of docker/compose.yaml; all gone at the end."""

    def __init__(self, engine: DockerEngine, folder: Path) -> None:
        self.engine = engine
        self._override = folder / "compose.test.yaml"
        self.prompts = folder / "prompts"

    def up(
        self,
        scenario: str = "dial",
        *,
        short: bool = True,
        more: str = "",
        also: tuple[str, ...] = (),
    ) -> None:
        """Start bridge, hook and PBX, and wait until all are healthy.

        Args:
            scenario: how the hook answers.
            short: with short prompts, and a trunk to the telephones of the test.
            more: further lines of the override's services.
            also: services to start beside them.
        """
        bridge = secrets = ""
        if short:
            if not self.prompts.exists():
                shorten(self.prompts)
            accounts = self._override.with_name("pjsip_local.conf")
            text = (ROOT / "docker/secrets/pjsip_local.conf").read_text(encoding="utf-8")
            accounts.write_text(text.replace("sip:caller:", f"sip:{HOST}:"), encoding="utf-8")
            bridge = SHORT.format(prompts=self.prompts)
            secrets = PHONES.format(accounts=accounts)
        text = OVERRIDE.format(
            bridge=bridge, more=more, scenario=scenario, secrets=secrets, network=NETWORK
        )
        self._override.write_text(text, encoding="utf-8")
        self.compose("up", "--detach", "--no-build", "--wait", "bridge", "hook", "pbx", *also)

    def up_postgresql(self) -> None:
        """Start what the profile `postgresql` starts, but for the bridge on SQLite and its PBX."""
        self._override.write_text(NETWORK, encoding="utf-8")
        services = [f"{name}-postgresql" for name in ("bridge", "hook", "pbx")]
        self.compose("--profile", "postgresql", "up", "--detach", "--no-build", "--wait", *services)

    def compose(self, *arguments: str) -> str:
        return self.engine.compose("-f", str(self._override), *arguments)

    def bridge(self, *command: str, service: str = "bridge") -> str:
        """Run a command of agi-bridge beside the service; return what it prints."""
        return self.engine.docker("exec", f"agi-bridge-{service}-1", "agi-bridge", *command)

    def verdicts(self) -> dict[str, str]:
        """What `consents verify` says of the ledger, by name."""
        script = "agi-bridge consents verify --json || true"  # short prompts do not say their texts
        said = self.engine.docker("exec", "agi-bridge-bridge-1", "sh", "-c", script)
        report = json.loads(said)
        return {name: report[name]["value"] for name in ("anchored", "completeness")}

    def down(self) -> None:
        if self._override.exists():
            self.compose("--profile", "*", "down", "--volumes", "--timeout", "5")


@pytest.fixture
def containers(engine: DockerEngine, tmp_path: Path) -> Iterator[Containers]:
    tmp_path.chmod(0o755)  # a container's account reads the recordings
    made = Containers(engine, tmp_path)
    try:
        yield made
    finally:
        made.down()
