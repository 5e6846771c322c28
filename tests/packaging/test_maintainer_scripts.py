"""The maintainer scripts of the Debian package, as dpkg calls them, in a folder.

`make dist-test` has the real dpkg and the real systemd; here an order of calls takes milliseconds.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.programs

SCRIPTS: Final = Path(__file__).parents[2] / "packaging" / "deb"
CONFIG: Final = "etc/agi-bridge/agi-bridge.toml"
SYSTEMCTL: Final = """#!/bin/sh
echo "systemctl $*" >>"$DPKG_ROOT/log"
[ "$1" != is-active ] || cat "$DPKG_ROOT/state"
[ "$1 $2" != "--system start" ] || AS_SYSTEMCTL=1 deb-systemd-invoke start "$3"
"""
INVOKE: Final = """#!/bin/sh
policy=$DPKG_ROOT/usr/sbin/policy-rc.d
if [ -x "$policy" ] && [ -z "$AS_SYSTEMCTL" ]; then
  "$policy" "$2" "$1" || [ $? -ne 101 ] || exit 0
fi
echo "$1 $2" >>"$DPKG_ROOT/log"
case "$1" in
  start)
    [ ! -e "$DPKG_ROOT/broken" ] || exit 1
    [ ! -e "$DPKG_ROOT/disabled" ] || [ -n "$AS_SYSTEMCTL" ] || exit 0
    if [ -e "$DPKG_ROOT/etc/agi-bridge/agi-bridge.toml" ]; then echo active >"$DPKG_ROOT/state"; fi
    ;;
  stop) echo inactive >"$DPKG_ROOT/state" ;;
esac
"""
"""As systemd does by the unit's ConditionPathExists=: without a configuration nothing starts."""
POLICY: Final = "usr/sbin/policy-rc.d"
OTHERS: Final = ("deb-systemd-helper", "systemd-sysusers", "systemd-tmpfiles")
UNIT: Final = "agi-bridge.service"


class Machine:
    """A folder with a fake systemd; its methods are what a person does with the package.

    Attributes:
        root: the folder.
    """

    def __init__(self, folder: Path, *, systemd: bool = True) -> None:
        self.root = folder / "root"
        self._programs = folder / "programs"
        self._programs.mkdir()
        self.root.mkdir()
        if systemd:
            self.write("run/systemd/system/.keep")
        self.write("state", "inactive\n")
        self.write("log")
        self._program("systemctl", SYSTEMCTL)
        self._program("deb-systemd-invoke", INVOKE)
        for name in OTHERS:
            self._program(name, f'#!/bin/sh\necho "{name} $*" >>"$DPKG_ROOT/log"\n')

    def _program(self, name: str, text: str) -> None:
        (self._programs / name).write_text(text, encoding="utf-8")
        (self._programs / name).chmod(0o755)

    def write(self, name: str, text: str = "") -> None:
        """Put a file into the folder."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def forbid(self, *actions: str, code: int = 101) -> None:
        """Let policy-rc.d answer to these actions with a status: 101 forbids them."""
        self.write(POLICY, f"#!/bin/sh\ncase $2 in {'|'.join(actions)}) exit {code} ;; esac\n")
        (self.root / POLICY).chmod(0o755)

    def call(
        self, script: str, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Call a script as dpkg does."""
        return subprocess.run(  # noqa: S603 - our own script
            ["/bin/sh", str(SCRIPTS / script), *arguments],
            env={
                "PATH": f"{self._programs}:{os.defpath}",
                "DPKG_ROOT": str(self.root),
                **(environ or {}),
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    def _calls(self, *calls: tuple[str, ...]) -> str:
        output = ""
        for script, *arguments in calls:
            done = self.call(script, *arguments)
            assert done.returncode == 0, done.stderr
            output += done.stdout + done.stderr
        return output

    def install(self, before: str = "") -> str:
        """`before` is the version whose configuration is left, if it was removed."""
        return self._calls(
            ("preinst", "install", *([before] if before else [])), ("postinst", "configure", before)
        )

    def upgrade(self) -> str:
        return self._calls(
            ("prerm", "upgrade", "2"),
            ("preinst", "upgrade", "1", "2"),
            ("postrm", "upgrade", "2"),
            ("postinst", "configure", "1"),
        )

    def remove(self) -> str:
        return self._calls(("prerm", "remove"), ("postrm", "remove"))

    def purge(self, **environ: str) -> str:
        done = self.call("postrm", "purge", environ=environ)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def running(self) -> bool:
        return (self.root / "state").read_text(encoding="utf-8") == "active\n"

    def log(self) -> list[str]:
        """What was called since the last time."""
        lines = (self.root / "log").read_text(encoding="utf-8").splitlines()
        self.write("log")
        return lines

    def acts(self) -> list[str]:
        """What was done with the service since the last time."""
        return [line for line in self.log() if line in {f"start {UNIT}", f"stop {UNIT}"}]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def configured(machine: Machine) -> Machine:
    """With the package installed and the service running."""
    machine.write(CONFIG)
    machine.install()
    machine.log()
    return machine


def test_a_new_package_makes_its_account_first_and_starts_nothing_without_a_configuration(
    machine: Machine,
) -> None:
    said = machine.install()
    assert not machine.running
    assert "agi-bridge init" in said
    log = [line.split()[0] for line in machine.log()]
    assert log.index("systemd-sysusers") < log.index("systemd-tmpfiles")
    assert log.index("systemd-tmpfiles") < log.index("start")


def test_a_new_package_starts_where_a_configuration_is(machine: Machine) -> None:
    machine.write(CONFIG)
    assert machine.install() == ""
    assert machine.running


def test_an_upgrade_stops_before_and_starts_after(configured: Machine) -> None:
    said = configured.upgrade()
    assert configured.acts() == [f"stop {UNIT}", f"start {UNIT}"]
    assert configured.running
    assert "stopping" in said


def test_an_upgrade_starts_what_runs_although_it_is_disabled(configured: Machine) -> None:
    configured.write("disabled")
    configured.upgrade()
    assert configured.running


@pytest.mark.parametrize("state", ["inactive", "failed", "deactivating"])
def test_an_upgrade_starts_nothing_that_was_not_running(configured: Machine, state: str) -> None:
    configured.write("state", f"{state}\n")
    configured.upgrade()
    assert f"start {UNIT}" not in configured.acts()


def test_an_upgrade_starts_what_systemd_was_about_to_start_again(configured: Machine) -> None:
    configured.write("state", "activating\n")
    configured.upgrade()
    assert configured.running


@pytest.mark.parametrize("event", ["upgrade", "remove"])
def test_what_is_broken_off_runs_again(configured: Machine, event: str) -> None:
    assert configured.call("prerm", event).returncode == 0
    assert not configured.running
    assert configured.call("postinst", f"abort-{event}").returncode == 0
    assert configured.running


def test_what_was_stopped_by_hand_stays_stopped_when_an_upgrade_is_broken_off(
    configured: Machine,
) -> None:
    configured.write("state", "inactive\n")
    configured.call("prerm", "upgrade")
    configured.call("postinst", "abort-upgrade")
    assert not configured.running


def test_what_was_removed_and_is_installed_again_starts(configured: Machine) -> None:
    configured.remove()
    assert not configured.running
    configured.install(before="1")
    assert configured.running


def test_a_package_that_is_configured_twice_is_started_once(configured: Machine) -> None:
    configured.upgrade()
    configured.acts()
    configured.write("state", "inactive\n")
    configured.call("postinst", "configure", "1")
    assert configured.acts() == []


def test_a_service_that_does_not_start_is_said_and_leaves_the_package_installed(
    machine: Machine,
) -> None:
    machine.write(CONFIG)
    machine.write("broken")
    assert "journalctl --unit=agi-bridge" in machine.install()
    (machine.root / "broken").unlink()
    machine.call("postinst", "abort-deconfigure")
    assert not machine.running


@pytest.mark.parametrize("disabled", [False, True])
def test_what_policy_rc_d_forbids_to_start_is_not_started(
    configured: Machine, *, disabled: bool
) -> None:
    if disabled:
        configured.write("disabled")
    configured.forbid("start")
    said = configured.upgrade()
    assert not configured.running
    assert "not started again: policy-rc.d forbids it" in said
    assert "journalctl" not in said


def test_a_new_package_is_not_started_where_policy_rc_d_forbids_it(machine: Machine) -> None:
    machine.write(CONFIG)
    machine.forbid("start", "stop")
    machine.install()
    assert not machine.running


def test_what_policy_rc_d_forbids_to_stop_is_said_to_run_on_above_the_new_files(
    configured: Machine,
) -> None:
    configured.forbid("start", "stop")
    said = configured.upgrade()
    assert (configured.running, configured.acts()) == (True, [])
    assert "not stopped: policy-rc.d forbids it" in said
    assert '"systemctl restart agi-bridge"' in said
    assert "stopping" not in said
    assert "not started" not in said


def test_what_may_not_be_stopped_is_said_to_run_on_without_its_files(configured: Machine) -> None:
    configured.forbid("stop")
    assert '"systemctl stop agi-bridge"' in configured.remove()
    assert configured.running


def test_another_answer_of_policy_rc_d_forbids_nothing(configured: Machine) -> None:
    configured.forbid("start", "stop", code=104)
    configured.upgrade()
    assert configured.acts() == [f"stop {UNIT}", f"start {UNIT}"]


def test_without_a_running_systemd_nothing_asks_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path, systemd=False)
    machine.write(CONFIG)
    machine.install()
    machine.upgrade()
    machine.remove()
    machine.purge()
    called = {line.split()[0] for line in machine.log()}
    assert called == {"systemd-sysusers", "systemd-tmpfiles", "deb-systemd-helper"}


def data(machine: Machine) -> None:
    for name in (CONFIG, "etc/agi-bridge/keys/shop.key", "var/lib/agi-bridge/consents.db"):
        machine.write(name, "kept")


@pytest.mark.parametrize("asked", [None, "", "no", "YES", "1"])
def test_a_purge_keeps_ledger_keys_and_configuration(machine: Machine, asked: str | None) -> None:
    data(machine)
    machine.remove()
    said = machine.purge(**({} if asked is None else {"AGI_BRIDGE_PURGE_DATA": asked}))
    assert (machine.root / "var/lib/agi-bridge/consents.db").read_text() == "kept"
    assert (machine.root / "etc/agi-bridge/keys/shop.key").read_text() == "kept"
    for folder in ("/etc/agi-bridge", "/var/lib/agi-bridge"):
        assert f"kept {folder};" in said


def test_a_purge_deletes_them_if_it_is_asked_to(machine: Machine) -> None:
    data(machine)
    machine.write("var/lib/other/file")
    machine.write("etc/systemd/system/agi-bridge.service.d/site.conf")
    machine.remove()
    assert machine.purge(AGI_BRIDGE_PURGE_DATA="yes") == ""
    left = {str(path.relative_to(machine.root)) for path in machine.root.rglob("*")}
    assert not [name for name in left if "agi-bridge" in name]
    assert "var/lib/other/file" in left


def test_a_purge_leaves_no_empty_folder(machine: Machine) -> None:
    (machine.root / "etc/agi-bridge/keys").mkdir(parents=True)
    (machine.root / "var/lib/agi-bridge").mkdir(parents=True)
    assert machine.purge() == ""
    assert not (machine.root / "etc/agi-bridge").exists()
    assert not (machine.root / "var/lib/agi-bridge").exists()


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_an_argument_that_no_policy_names_is_refused(machine: Machine, script: str) -> None:
    done = machine.call(script, "nonsense")
    assert done.returncode == 1
    assert "nonsense" in done.stderr
