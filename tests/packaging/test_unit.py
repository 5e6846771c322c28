"""The systemd unit agrees with the program; systemd's own judgement is in `make packaging-test`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from agi_bridge.app.background import ANCHOR_SECONDS, LEDGER_SECONDS, OUTCOMES_SECONDS
from agi_bridge.app.console import STOP_SECONDS as CONSOLE_SECONDS
from agi_bridge.app.descriptors import required_shares
from agi_bridge.app.lifecycle import NOTIFY_SECONDS
from agi_bridge.config_file import DEFAULT_PATH
from agi_bridge.settings import AgiSettings, HookSettings, Settings

ROOT: Final = Path(__file__).parents[2]
UNIT: Final = (ROOT / "packaging" / "agi-bridge.service").read_text(encoding="utf-8")


def values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)


def value(name: str) -> str:
    (found,) = values(name)
    return found


def longest_stop() -> float:
    """Seconds that a stop takes with all that may hold it up, one after another."""
    drain = AgiSettings().drain_seconds + HookSettings().total_seconds + LEDGER_SECONDS
    return drain + CONSOLE_SECONDS + OUTCOMES_SECONDS + ANCHOR_SECONDS


def test_a_stop_has_time_for_the_longest_dialogue_and_what_follows_it() -> None:
    assert float(value("TimeoutStopSec")) >= longest_stop() + 20


def test_the_watchdog_ends_a_frozen_bridge_within_seconds_but_not_for_a_short_hitch() -> None:
    """Its callers hear nothing until then; signs of life come three times as often."""
    assert NOTIFY_SECONDS <= float(value("WatchdogSec")) <= 20


def test_descriptors_suffice_for_every_call_that_is_taken() -> None:
    assert int(value("LimitNOFILE")) >= required_shares(Settings()).total


def test_the_service_says_when_it_is_ready_and_reloads_by_its_own_command() -> None:
    assert value("Type") == "notify"
    assert value("ExecStart").endswith("/agi-bridge serve --upgrade")
    assert value("ExecReload").endswith("/agi-bridge reload")
    assert value("Restart") == "on-failure"


def test_the_only_places_it_writes_to_are_its_own() -> None:
    assert value("ProtectSystem") == "strict"
    assert value("StateDirectory") == value("RuntimeDirectory") == "agi-bridge"
    assert str(Settings().state_dir) == f"/var/lib/{value('StateDirectory')}"
    assert "ReadWritePaths" not in UNIT


def test_nothing_starts_without_a_configuration() -> None:
    assert value("ConditionPathExists") == str(DEFAULT_PATH)


def test_asterisk_may_pass_through_the_state_directory_and_not_list_it() -> None:
    assert value("StateDirectoryMode") == "0711"


def test_the_clock_may_be_asked_whether_it_is_kept_right() -> None:
    assert value("ProtectClock") == "no"
    assert any("adjtimex" in each.split() for each in values("SystemCallFilter"))


@pytest.mark.parametrize("file", ["agi-bridge.sysusers", "agi-bridge.tmpfiles"])
def test_the_account_is_the_units(file: str) -> None:
    lines = [
        line.split()
        for line in (ROOT / "packaging" / file).read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    if file.endswith("sysusers"):
        assert [line[1] for line in lines] == [value("User")]
    else:
        assert ["d", "/etc/agi-bridge/keys", "0700", "root", "root", "-"] in lines
