"""The unit of packaging/ under a running systemd: rules, credentials, reload, watchdog, restart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.docker_engine import ROOT
from tests.support.systemd_machine import systemd_machine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.docker_engine import DockerEngine
    from tests.support.systemd_machine import SystemdMachine

pytestmark = [pytest.mark.docker, pytest.mark.timeout(300)]

NAME: Final = "agi-bridge-systemd-test"
CREDENTIALS: Final = "CREDENTIALS_DIRECTORY=/run/credentials/agi-bridge.service"
"""Lends root's command what systemd passes to the service."""
CONFIGURATION: Final = """
[hook]
url = "http://127.0.0.1:8080/v1/ivr"
[speech]
[[speech.engines]]
kind = "command"
command = ["espeak-ng", "-v", "{language}", "-w", "{output}", "--stdin"]
[lines.shop]
did = ["+14155550111"]
business_number = "+14155550111"
hook_key = {credential = "shop.key"}
brand = "Example Store"
dial_template = "PJSIP/{number}@trunk"
default = {kind = "dial", destination = "PJSIP/100"}
"""
KEY: Final = "a73d5034210f702515128ac61193cd21"
DROP_IN: Final = """
[Service]
LoadCredential=shop.key:/etc/agi-bridge/keys/shop.key
WatchdogSec=15
"""
LEDGER: Final = """
[ledger]
url = "postgresql://agi_bridge@127.0.0.1/agi_bridge"
password = {credential = "shop.key"}
"""
DATABASE: Final = f"""
su postgres -c 'psql -q' <<SQL
CREATE ROLE agi_bridge LOGIN PASSWORD '{KEY}';
CREATE DATABASE agi_bridge OWNER agi_bridge;
SQL
"""
HOOK: Final = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Hook(BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.end_headers()
        self.wfile.write(b"<Response><Say>We open at nine and close at noon.</Say></Response>")
HTTPServer(("127.0.0.1", 8080), Hook).serve_forever()
"""
"""A hook that answers with a text of which there is no recording."""
INSTALL: Final = f"""
set -e
cp /packaging/agi-bridge.sysusers /etc/sysusers.d/agi-bridge.conf
cp /packaging/agi-bridge.tmpfiles /etc/tmpfiles.d/agi-bridge.conf
cp /packaging/agi-bridge.service /etc/systemd/system/agi-bridge.service
systemd-sysusers
systemd-tmpfiles --create agi-bridge.conf
printf %s {KEY} >/etc/agi-bridge/keys/shop.key
chmod 600 /etc/agi-bridge/keys/shop.key
mkdir -p /etc/systemd/system/agi-bridge.service.d
printf '{DROP_IN}' >/etc/systemd/system/agi-bridge.service.d/site.conf
systemctl daemon-reload
systemctl enable --quiet --now agi-bridge
"""


@pytest.fixture(scope="module")
def machine(engine: DockerEngine) -> Iterator[SystemdMachine]:
    """systemd with the unit installed and started."""
    engine.docker("build", "--network", "host", "--tag", NAME, "tests/support/images/systemd")
    with systemd_machine(engine, NAME, f"{ROOT / 'packaging'}:/packaging:ro") as made:
        made.run("mkdir -p /etc/sysusers.d")
        made.configure(CONFIGURATION)
        made.run(INSTALL)
        yield made


def test_the_unit_starts_ready_and_says_how_it_is(machine: SystemdMachine) -> None:
    assert machine.shows("ActiveState") == "active"
    assert machine.shows("StatusText").startswith("0 calls, hook ok")
    assert machine.run("agi-bridge health").strip() == "ready"
    assert KEY not in machine.journal()


def test_the_process_is_under_every_rule(machine: SystemdMachine) -> None:
    status = dict(
        line.split(":\t", 1)
        for line in machine.run(f"cat /proc/{machine.shows('MainPID')}/status").splitlines()
        if ":\t" in line
    )
    assert {status[each] for each in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "0" * 16
    }
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert status["Uid"].split()[0] != "0"
    inside = f"nsenter --mount --target {machine.shows('MainPID')} "
    owner = machine.run("id --user agi-bridge").strip()
    as_service = f"{inside} setpriv --reuid={owner} --clear-groups sh -c"
    for place in ("/etc/agi-bridge", "/opt/agi-bridge", "/usr", "/var/lib", "/home"):
        assert machine.run(f"{as_service} 'test -w {place} || echo no'").strip() == "no", place
    assert machine.run(f"{as_service} 'test -w /var/lib/agi-bridge && echo yes'").strip() == "yes"
    assert machine.run(f"{inside} ls /var/lib/agi-bridge").split() != []


def test_the_exposure_is_as_the_page_says(machine: SystemdMachine) -> None:
    said = machine.run("systemd-analyze security agi-bridge --no-pager | tail -1")
    assert float(said.split("level for agi-bridge.service:")[1].split()[0]) <= 1.5


def test_asterisk_may_pass_through_the_state_directory(machine: SystemdMachine) -> None:
    found = machine.run("stat --format='%a %U' /var/lib/agi-bridge /run/agi-bridge")
    assert found.split("\n")[:2] == ["711 agi-bridge", "700 agi-bridge"]


def test_a_reload_answers_and_a_refused_one_fails_and_is_seen(machine: SystemdMachine) -> None:
    machine.run("systemctl reload agi-bridge")
    machine.configure(CONFIGURATION.replace("Example Store", "Another Store"))
    machine.run("systemctl reload agi-bridge")
    machine.configure("nonsense = 1")
    machine.run("! systemctl reload agi-bridge")
    machine.becomes("ActiveState", "active")
    assert json.loads(machine.run("agi-bridge status --json"))["config"]["stale"] is not None
    machine.configure(CONFIGURATION)
    machine.run("systemctl reload agi-bridge")
    assert json.loads(machine.run("agi-bridge status --json"))["config"]["stale"] is None


def test_a_loop_that_hangs_is_ended_by_the_watchdog_and_started_again(
    machine: SystemdMachine,
) -> None:
    before = machine.shows("MainPID")
    machine.run(f"kill -STOP {before}")
    machine.becomes("NRestarts", "1")
    machine.becomes("ActiveState", "active")
    assert machine.shows("MainPID") != before
    assert machine.run("agi-bridge health").strip() == "ready"


def test_a_restart_keeps_the_ledger_and_its_keys(machine: SystemdMachine) -> None:
    keys = machine.run("sha256sum /var/lib/agi-bridge/keys/*.key")
    machine.run("systemctl restart agi-bridge")
    assert machine.run("sha256sum /var/lib/agi-bridge/keys/*.key") == keys
    assert machine.shows("Result") == "success"


def consents(machine: SystemdMachine) -> list[str]:
    return [
        record["state"]
        for record in json.loads(machine.run(f"{CREDENTIALS} agi-bridge consents list --json"))
    ]


def call(machine: SystemdMachine) -> str:
    """One whole call without a PBX, which ends with a text that an engine speaks."""
    return machine.run("agi-bridge softphone +14155550111 --keys 4155550123,1 --fast")


def test_a_call_is_stored_and_its_text_spoken_under_the_rules(machine: SystemdMachine) -> None:
    machine.run(f"systemd-run --quiet --unit=hook python3 -c '{HOOK}'")
    machine.run("until (echo >/dev/tcp/127.0.0.1/8080) 2>/dev/null; do sleep 0.1; done")
    assert "AGI_BRIDGE_RESULT done" in call(machine)
    assert consents(machine) == ["accepted"]
    spoken = machine.run("find /var/lib/agi-bridge -name '*.wav'").split()
    assert spoken != []
    machine.run(f"setpriv --reuid=nobody --clear-groups head -c 44 {spoken[0]} >/dev/null")


def test_a_ledger_in_postgresql_is_written_under_the_rules(machine: SystemdMachine) -> None:
    machine.run("systemctl start postgresql")
    machine.run(DATABASE)
    machine.configure(LEDGER + CONFIGURATION)
    machine.run(
        "systemctl stop agi-bridge; rm -r /var/lib/agi-bridge/*; systemctl start agi-bridge"
    )
    assert "AGI_BRIDGE_RESULT done" in call(machine)
    assert consents(machine) == ["accepted"]
    query = "SELECT count(*) FROM event WHERE type = 'accepted'"
    counted = machine.run(f"su postgres -c 'psql -tA agi_bridge' <<<\"{query}\"")
    assert counted.strip() == "1"


def test_a_missing_credential_is_one_line_in_the_journal(machine: SystemdMachine) -> None:
    machine.run("systemctl stop agi-bridge")
    machine.run("sed -i /LoadCredential/d /etc/systemd/system/agi-bridge.service.d/site.conf")
    machine.run("systemctl daemon-reload; ! systemctl start agi-bridge")
    said = machine.journal()
    assert "lines.shop.hook_key: " in said
    assert "Traceback" not in said
    assert machine.run("systemctl show --value --property=ExecMainStatus agi-bridge").strip() == "2"
