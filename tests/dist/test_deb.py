"""The Debian package on Debian 12 and 13, each under a systemd of its own: from install to purge.

The tests of a release are one story, in this order. The upgrade is to a later version that this
test makes of the commit: its tables have one revision more. Before it, the ledger is given tables
of an earlier release, so that the service upgrades it over the revisions since.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from agi_bridge import __version__
from agi_bridge.consent.ledger import schema
from tests.support.docker_engine import ROOT, SUITES
from tests.support.systemd_machine import systemd_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.docker_engine import DockerEngine
    from tests.support.systemd_machine import SystemdMachine

pytestmark = [pytest.mark.packages, pytest.mark.timeout(1800)]

RELEASES: Final = {"bookworm": "12", "trixie": "13"}
LATER: Final = "99.0.0"
REVISION: Final = "9000"
MIGRATION: Final = f'''
"""A later revision."""

import sqlalchemy as sa
from alembic import op

revision = "{REVISION}"
down_revision = "{schema.VERSION}"


def upgrade():
    op.add_column("suppression", sa.Column("note", sa.Text))
'''
KEY: Final = "a73d5034210f702515128ac61193cd21"
CONFIG: Final = "/etc/agi-bridge/agi-bridge.toml"
LEDGER: Final = "/var/lib/agi-bridge/consents.db"
INIT: Final = (
    "agi-bridge init --did +14155550111 --brand 'Example Store' --default PJSIP/100 "
    "--hook-key-file /root/key --asterisk-dir /root/asterisk --yes"
)
DROP_IN: Final = """
[Service]
Environment=AGI_BRIDGE_HOOK__URL=http://127.0.0.1:8080/v1/ivr
"""
"""A hook that the package brings itself."""
POLICY: Final = "/usr/sbin/policy-rc.d"
FORBIDS: Final = """#!/bin/sh
test "$2" != {} || exit 101
"""
BYTECODE: Final = """
import pathlib, sys
for path in pathlib.Path("/opt/agi-bridge").rglob("*.pyc"):
    if path.read_bytes()[4:8] != bytes([3, 0, 0, 0]):
        sys.exit(f"{path}: not compared with its source by a hash")
"""
"""PEP 552: flags 3 are a hash that is checked."""
TABLES: Final = """
import sqlite3, sys
ledger = sqlite3.connect(f"file:{sys.argv[1]}?mode=ro", uri=True)
print(*ledger.execute("select version_num from alembic_version").fetchone())
"""


EARLIER: Final = "0005"
REWIND: Final = """
import sqlite3, sys
ledger = sqlite3.connect(sys.argv[1])
for added in ("compatibility", "failing_endpoint"):
    ledger.execute(f"drop table if exists {added}")
ledger.execute("update alembic_version set version_num = ?", [sys.argv[2]])
ledger.commit()
"""
"""Makes the tables those of an earlier revision: what followed it has added tables."""


@dataclass(frozen=True, slots=True)
class Packages:
    """The packages of one Debian release.

    Attributes:
        suite: the release.
        folder: where both are: `now.deb` of this commit, and `later.deb`.
    """

    suite: str
    folder: Path

    @property
    def release(self) -> str:
        return RELEASES[self.suite]


def build(engine: DockerEngine, checkout: Path, folder: str, *options: str) -> Path:
    """Build the packages of a checkout with its own script."""
    done = subprocess.run(
        [str(checkout / ".ci/deb"), folder, *options],
        cwd=checkout, env={**os.environ, **engine.environ}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return checkout / folder


def later(clone: Path, place: Path) -> Path:
    """A checkout of a version to come."""
    checkout = Path(
        shutil.copytree(clone, place, symlinks=True, ignore=shutil.ignore_patterns("*.deb"))
    )
    for file, old, new in (
        ("__init__.py", __version__, LATER),
        ("consent/ledger/schema.py", f'VERSION: Final = "{schema.VERSION}"',
         f'VERSION: Final = "{REVISION}"'),
    ):  # fmt: skip
        path = checkout / "agi_bridge" / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")
    versions = checkout / "agi_bridge/consent/ledger/migrations/versions"
    (versions / "v9000_later.py").write_text(MIGRATION, encoding="utf-8")
    return checkout


@pytest.fixture(scope="session")
def built(engine: DockerEngine, clone: Path) -> Path:
    """The packages of this commit."""
    return build(engine, clone, "debs")


@pytest.fixture(scope="session")
def built_later(
    engine: DockerEngine, clone: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The packages of a version to come."""
    return build(engine, later(clone, tmp_path_factory.mktemp("later") / "checkout"), "debs")


@pytest.fixture(scope="module", params=RELEASES)
def packages(
    request: pytest.FixtureRequest,
    built: Path,
    built_later: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Packages:
    suite = str(request.param)
    folder = tmp_path_factory.mktemp(suite)
    for source, name in ((built, "now.deb"), (built_later, "later.deb")):
        (package,) = source.glob(f"*~deb{RELEASES[suite]}_*.deb")
        shutil.copy(package, folder / name)
    return Packages(suite, folder)


def image(engine: DockerEngine, packages: Packages, target: str) -> str:
    """Build an image for a package; return its name."""
    control = packages.folder / "context" / "control"
    control.parent.mkdir(exist_ok=True)
    command = ["dpkg-deb", "--field", str(packages.folder / "now.deb")]
    control.write_text(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    name = f"agi-bridge-{target}-{packages.suite}"
    engine.docker(
        "build", "--network", "host", "--target", target, "--tag", name,
        "--file", str(ROOT / "tests/support/images/package/Dockerfile"),
        "--build-arg", f"BASE={SUITES[packages.suite]}", str(control.parent),
    )  # fmt: skip
    return name


@pytest.fixture(scope="module")
def machine(engine: DockerEngine, packages: Packages) -> Iterator[SystemdMachine]:
    """A machine without a network, with the packages in /debs."""
    with systemd_machine(
        engine, image(engine, packages, "machine"), f"{packages.folder}:/debs:ro"
    ) as made:
        made.write("/root/key", KEY)
        yield made


def install(machine: SystemdMachine, name: str, *options: str) -> str:
    return machine.run(
        f"DEBIAN_FRONTEND=noninteractive apt-get install -y {' '.join(options)} /debs/{name} 2>&1"
    )


def state(machine: SystemdMachine) -> str:
    return machine.run("systemctl is-active agi-bridge || true").strip()


def revision(machine: SystemdMachine) -> str:
    """The revision of the ledger's tables."""
    return machine.run(f"/opt/agi-bridge/bin/python -c '{TABLES}' {LEDGER}").strip()


def consents(machine: SystemdMachine) -> list[str]:
    records = json.loads(machine.run("agi-bridge consents list --json"))
    return [record["state"] for record in records]


def test_lintian_finds_nothing(engine: DockerEngine, packages: Packages) -> None:
    name = image(engine, packages, "lintian")
    engine.docker(
        "run", "--rm", "--network", "none", "--volume", f"{packages.folder}:/debs:ro", name,
        "--allow-root", "--fail-on", "error,warning", "/debs/now.deb",
    )  # fmt: skip


def test_it_installs_and_starts_nothing_without_a_configuration(
    machine: SystemdMachine, packages: Packages
) -> None:
    said = install(machine, "now.deb")
    assert "agi-bridge init" in said
    version = machine.run("dpkg-query --show --showformat='${Version}' agi-bridge")
    assert version == f"{__version__}-1~deb{packages.release}"
    machine.run("systemctl is-enabled agi-bridge")
    for _ in range(2):
        assert state(machine) == "inactive"
        machine.run("systemctl start agi-bridge")
    assert machine.shows("ConditionResult") == "no"
    machine.run("! test -e /var/lib/agi-bridge && ! pgrep -f agi_bridge")


def test_what_is_installed_is_whole(machine: SystemdMachine) -> None:
    machine.run("dpkg --verify agi-bridge && dpkg --audit")
    assert machine.run("agi-bridge --version").split()[-1] == __version__
    machine.run(f"/opt/agi-bridge/bin/python -c '{BYTECODE}'")
    missing = machine.run(
        "find /opt/agi-bridge -name '*.so*' -type f -exec ldd {} + 2>/dev/null "
        "| grep 'not found' || true"
    )
    assert missing == ""
    machine.run("gunzip --test /usr/share/man/man1/agi-bridge*.1.gz")
    machine.run("source /usr/share/bash-completion/completions/agi-bridge; complete -p agi-bridge")
    found = machine.run("stat --format='%a %U' /etc/agi-bridge /etc/agi-bridge/keys")
    assert found.split("\n")[:2] == ["755 root", "700 root"]
    machine.run("getent passwd agi-bridge && test -f /usr/share/doc/agi-bridge/operations.md")


def test_with_a_configuration_it_starts_and_takes_a_call(machine: SystemdMachine) -> None:
    machine.write("/etc/systemd/system/agi-bridge.service.d/site.conf", DROP_IN)
    machine.run("mkdir -p /root/asterisk && systemctl daemon-reload")
    machine.run("systemd-run --quiet --unit=hook agi-bridge fake-hook --port 8080")
    machine.run(INIT)
    machine.run("systemctl start agi-bridge")
    machine.run("until (echo >/dev/tcp/127.0.0.1/8080) 2>/dev/null; do sleep 0.1; done")
    said = machine.run("agi-bridge softphone +14155550111 --keys 4155550123,1 --fast")
    assert "AGI_BRIDGE_RESULT done" in said
    assert consents(machine) == ["accepted"]


def test_a_ledger_of_an_earlier_release_is_upgraded_at_the_start(machine: SystemdMachine) -> None:
    machine.run("systemctl stop agi-bridge")
    machine.write("/root/rewind", REWIND)
    machine.run(f"/opt/agi-bridge/bin/python /root/rewind {LEDGER} {EARLIER}")
    assert revision(machine) == EARLIER
    machine.run("systemctl start agi-bridge")
    assert revision(machine) == schema.VERSION
    assert consents(machine) == ["accepted"]


def test_an_upgrade_migrates_the_ledger_and_the_service_runs_again(machine: SystemdMachine) -> None:
    before = machine.shows("InvocationID")
    assert revision(machine) == schema.VERSION
    install(machine, "later.deb")
    assert state(machine) == "active"
    assert machine.shows("InvocationID") != before
    assert machine.shows("NRestarts") == "0"
    assert machine.run("agi-bridge --version").split()[-1] == LATER
    assert revision(machine) == REVISION
    assert machine.journal().count('"event": "ledger.upgraded"') == 2  # and at the start before
    assert "Traceback" not in machine.journal()
    assert consents(machine) == ["accepted"]
    machine.run('test -z "$(dpkg --verify agi-bridge)" && test ! -e /run/agi-bridge.start')


def test_an_upgrade_leaves_a_stopped_service_stopped(machine: SystemdMachine) -> None:
    machine.run("systemctl stop agi-bridge")
    install(machine, "later.deb", "--reinstall")
    assert state(machine) == "inactive"
    machine.run("systemctl start agi-bridge")


def test_a_disabled_service_that_was_running_runs_again(machine: SystemdMachine) -> None:
    machine.run("systemctl disable agi-bridge")
    install(machine, "later.deb", "--reinstall")
    assert state(machine) == "active"
    assert machine.run("systemctl is-enabled agi-bridge || true").strip() == "disabled"


@pytest.mark.parametrize("unit", ["disabled", "enabled"])
def test_a_machine_on_which_packages_start_nothing_is_obeyed(
    machine: SystemdMachine, unit: str
) -> None:
    machine.run(f"systemctl {unit.removesuffix('d')} agi-bridge && systemctl start agi-bridge")
    machine.write(POLICY, FORBIDS.format("start"))
    machine.run(f"chmod 755 {POLICY}")
    assert "not started again: policy-rc.d forbids it" in install(
        machine, "later.deb", "--reinstall"
    )
    assert state(machine) == "inactive"
    machine.run(f"rm {POLICY} && systemctl start agi-bridge")


def test_a_service_that_may_not_be_stopped_is_said_to_run_on(machine: SystemdMachine) -> None:
    """Debian's own tool stops nothing then, and reports success."""
    before = machine.shows("InvocationID")
    machine.write(POLICY, FORBIDS.format("stop"))
    machine.run(f"chmod 755 {POLICY}")
    said = install(machine, "later.deb", "--reinstall")
    assert "not stopped: policy-rc.d forbids it" in said
    assert "agi-bridge: stopping" not in said
    assert '"systemctl restart agi-bridge"' in said
    assert (state(machine), machine.shows("InvocationID")) == ("active", before)
    machine.run(f"rm {POLICY} && systemctl restart agi-bridge && test ! -e /run/agi-bridge.start")


def test_a_version_that_does_not_start_is_said_and_is_installed(machine: SystemdMachine) -> None:
    machine.run(f"cp {CONFIG} /root/kept && echo 'nonsense = 1' >>{CONFIG}")
    assert "journalctl --unit=agi-bridge" in install(machine, "later.deb", "--reinstall")
    assert machine.run("dpkg-query --show --showformat='${db:Status-Status}' agi-bridge") == (
        "installed"
    )
    machine.run(f"cp /root/kept {CONFIG}; systemctl reset-failed agi-bridge")
    machine.run("systemctl start agi-bridge")


def test_a_removal_keeps_the_data_and_a_new_installation_goes_on(machine: SystemdMachine) -> None:
    machine.run("apt-get remove -y agi-bridge")
    assert state(machine) == "inactive"
    machine.run(f"test ! -e /opt/agi-bridge && test -f {LEDGER} && test -f {CONFIG}")
    install(machine, "later.deb")
    machine.becomes("ActiveState", "active")
    assert consents(machine) == ["accepted"]


def test_a_purge_keeps_ledger_and_keys(machine: SystemdMachine) -> None:
    keys = machine.run("sha256sum /var/lib/agi-bridge/keys/*.key")
    said = machine.run("apt-get purge -y agi-bridge 2>&1")
    assert "kept /var/lib/agi-bridge" in said
    assert machine.run("sha256sum /var/lib/agi-bridge/keys/*.key") == keys
    machine.run(f"test -f {LEDGER} && test -f {CONFIG} && ! dpkg-query --show agi-bridge")
    install(machine, "later.deb")
    assert consents(machine) == ["accepted"]


def test_a_purge_that_is_asked_to_leaves_nothing(machine: SystemdMachine) -> None:
    machine.run("AGI_BRIDGE_PURGE_DATA=yes apt-get purge -y agi-bridge")
    left = machine.run("find / -xdev -name '*agi-bridge*'").split()
    assert left == [
        "/root/asterisk/agi-bridge.conf"
    ]  # the PBX's file, which `init` was told to write
    machine.run("! pgrep -f agi_bridge")


def test_the_same_commit_makes_the_same_bytes(
    engine: DockerEngine, clone: Path, built: Path
) -> None:
    again = build(engine, clone, "again", "--no-cache")
    sums = [
        {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.glob("*_*.deb")
        }
        for folder in (built, again)
    ]
    assert sums[0] == sums[1]
    assert len(sums[0]) == len(RELEASES)
