"""Help, version, misuse, exit codes, and answers whose reader closes the pipe."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from typing import TYPE_CHECKING, get_args

import pytest
from typer.testing import CliRunner

from agi_bridge import __version__
from agi_bridge.cli.fake_hook import Scenario as Choice
from agi_bridge.cli.main import app
from agi_bridge.hook.testing import Scenario

if TYPE_CHECKING:
    from pathlib import Path
from tests.support.commands import DID, KEY, config, invoke

COMMANDS = ("serve", "agi", "check", "doctor", "softphone", "fake-hook", "demo")


def test_version_prints_the_version_only() -> None:
    assert invoke("--version") == (0, f"agi-bridge {__version__}\n", "")


def test_help_names_every_command_and_the_exit_codes() -> None:
    code, out, _ = invoke("--help", COLUMNS="120")
    assert code == 0
    assert all(re.search(rf"\b{command}\b", out) for command in COMMANDS)
    assert "Exit codes: 0 success" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    code, out, _ = invoke(command, "--help", COLUMNS="120")
    assert code == 0
    assert len(out.splitlines()) > 5


def test_stand_in_is_a_hidden_name_of_fake_hook() -> None:
    assert "stand-in" not in invoke("--help", COLUMNS="120")[1]
    assert invoke("stand-in", "--help")[0] == 0


def test_no_command_shows_the_help() -> None:
    _, out, err = invoke(COLUMNS="120")
    assert "Usage" in out + err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["serve", "--nonsense"], "No such option: --nonsense; see agi-bridge serve --help"),
        (["fake-hook", "--port", "x"], "Invalid value for '--port'"),
        (["fake-hook", "--port", "65536"], "Invalid value for '--port'"),
        (["consents", "show"], "Missing argument 'ID'; see agi-bridge consents show --help"),
        (["serve", "--config"], "Option '--config' requires an argument"),
        (["demo", "extra"], "Got unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(
    arguments: list[str], problem: str
) -> None:
    result = CliRunner().invoke(app, arguments, prog_name="agi-bridge")
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"agi-bridge: {problem}")


def test_the_help_of_demo_names_its_folders() -> None:
    _, out, _ = invoke("demo", "--help", COLUMNS="200")
    assert "~/.cache/agi-bridge/asterisk-22" in out
    assert "agi-bridge-demo-" in out


@pytest.mark.parametrize("command", ["serve", "agi"])
def test_a_wrong_configuration_is_exit_code_2_with_a_line_for_each_fault(
    command: str, tmp_path: Path
) -> None:
    path = config(tmp_path)
    path.write_text(path.read_text().replace("port = 0", "port = 99999\nprot = 1"))
    code, out, err = invoke(command, "--config", path, SHOP_KEY="")
    first, *faults = err.splitlines()
    assert code == 2
    assert out == ""
    assert first == "agi-bridge: the configuration is wrong:"
    assert [fault.split(":")[0] for fault in faults] == [
        "agi.port",
        "agi.prot",
        "lines.shop.hook_key",
    ]


def test_a_missing_configuration_is_exit_code_2(tmp_path: Path) -> None:
    code, _, err = invoke("serve", "--config", tmp_path / "none.toml")
    assert code == 2
    assert "none.toml" in err


def test_check_reports_whether_the_configuration_is_valid(tmp_path: Path) -> None:
    path = config(tmp_path)
    code, out, _ = invoke("check", "--config", path, COLUMNS="200")
    assert code == 0
    assert "no fault" in out
    path.write_text("")
    assert invoke("check", "--config", path)[0] == 1


@pytest.mark.parametrize("command", ["demo", "fake-hook"])
def test_an_unknown_scenario_is_exit_code_2(command: str) -> None:
    code, _, err = invoke(command, "--scenario", "nonsense")
    assert code == 2
    assert "'nonsense' is not one of" in err


def test_a_softphone_without_terminal_is_exit_code_2() -> None:
    code, _, err = invoke("softphone", DID)
    assert code == 2
    assert "--keys" in err


def test_the_scenario_option_has_every_scenario_of_the_fake_hook() -> None:
    assert set(get_args(Choice)) == set(Scenario)


@pytest.mark.programs
@pytest.mark.parametrize(
    ("arguments", "state", "status"),
    [
        (("check",), "state", 0),
        (("check",), "agi-bridge.toml/x", 1),
        (("consents", "optin-page", "--line", "shop"), "state", 0),
        (("prompts", "list"), "state", 0),
    ],
)
async def test_a_closed_pipe_does_not_turn_success_into_failure(
    tmp_path: Path, arguments: tuple[str, ...], state: str, status: int
) -> None:
    file = config(tmp_path)
    file.write_text(file.read_text().replace(f"{tmp_path}/state", f"{tmp_path}/{state}"))
    read, write = os.pipe()
    os.close(read)
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agi_bridge", *arguments, "--config", str(file),
            stdout=write, stderr=asyncio.subprocess.PIPE, env={**os.environ, "SHOP_KEY": KEY},
        )  # fmt: skip
    finally:
        os.close(write)
    _, err = await process.communicate()
    assert (process.returncode, err) == (status, b"")
