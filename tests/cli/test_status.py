"""`agi-bridge status` and `health`: the answer of a running service, or one line that none runs."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from agi_bridge import control_client
from agi_bridge.cli.main import app
from agi_bridge.cli.status import StatusAnswer
from agi_bridge.control_client import ControlError
from tests.support.settings_texts import SHOP
from tests.support.statuses import START, Pretended

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command against a service whose status the test gives, or which fails."""
    file = tmp_path / "agi-bridge.toml"
    file.write_text(f'state_dir = "{tmp_path}"\n{SHOP}', encoding="utf-8")

    def command(name: str, *options: str, service: Pretended | ControlError) -> Result:
        def ask(state_dir: Path, request: str, **_: object) -> dict[str, Any]:
            assert (state_dir, request) == (tmp_path, "status")
            if isinstance(service, ControlError):
                raise service
            return dict(json.loads(json.dumps(service.status.document())))

        monkeypatch.setattr(control_client, "ask", ask)
        return CliRunner().invoke(app, [name, "--config", str(file), *options])

    return command


def busy() -> Pretended:
    """A service in the middle of the night, with a hook that is down."""
    service = Pretended(calls=2, hook_open=True, now=START + 9 * 3600 + 200)
    service.metrics.recent.ended("done")
    service.metrics.calls.add("shop", "done")
    service.metrics.hook_answered("shop", "unknown", None, "timeout", 8)
    service.metrics.checkpoint_published([])
    service.state.unsent, service.state.waiting = 1, {"message": 2, "consent": 0}
    service.state.free_bytes = 12_341_000_000
    return service


def test_one_screen_says_what_is_wrong_and_the_cure(run: Callable[..., Result]) -> None:
    result = run("status", service=busy())
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 120
    assert "degraded" in lines[0]
    assert "hook circuit_open" in lines[0]
    for word in ("2 now", "9 h 3 min", "timeout", "12,341 MB", "2 message", "1 consent to be sent"):
        assert word in result.stdout
    assert "HookDown" in result.stdout
    assert "WaitingForPerson" in result.stdout
    assert "consents list --open" in result.stdout


def test_with_everything_on_it_is_one_screen_of_80_columns() -> None:
    document = json.loads(json.dumps(busy().status.document()))
    since = document["service"]["started_at"]
    document["push"] = {"pending": 12_345, "failing": 1234, "oldest_at": since, "gone": 1}
    results = ("done", "declined", "hangup", "failure", "ledger", "hook")
    document["calls"]["last_hour"] = dict.fromkeys(results, 123)
    console = Console(width=80, markup=False, highlight=False, file=io.StringIO())
    StatusAnswer(document).show(console)
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(document["problems"]) == 2
    # A terminal breaks what is longer; a pipe gets whole lines.
    assert sum(max(-(-len(line) // 80), 1) for line in lines) <= 24


def test_a_service_that_has_just_begun_is_shown_too(run: Callable[..., Result]) -> None:
    result = run("status", service=Pretended())
    assert result.exit_code == 0
    assert "ready" in result.stdout.splitlines()[0]
    assert "none yet" in result.stdout
    assert "no checkpoint yet" in result.stdout
    assert "unknown" in result.stdout


def test_json_is_the_services_own_document(run: Callable[..., Result]) -> None:
    service = busy()
    result = run("status", "--json", service=service)
    assert json.loads(result.stdout) == service.status.document()


def test_a_reason_that_a_stranger_could_have_written_cannot_steer_the_terminal(
    run: Callable[..., Result],
) -> None:
    service = busy()
    service.state.stale = "lines.shop: \x1b[2Jgone"
    result = run("status", service=service)
    assert "\x1b" not in result.stdout
    assert "not in force" in result.stdout


@pytest.mark.parametrize("command", ["status", "health"])
def test_a_service_that_is_not_ready_is_exit_code_1(
    run: Callable[..., Result], command: str
) -> None:
    service = Pretended()
    service.state.draining = True
    assert run(command, service=service).exit_code == 1


@pytest.mark.parametrize("command", ["status", "health"])
def test_no_service_is_one_line_and_exit_code_1(run: Callable[..., Result], command: str) -> None:
    result = run(command, service=ControlError("not_running", "no agi-bridge is running"))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == "agi-bridge: no agi-bridge is running\n"


def test_health_is_one_word(run: Callable[..., Result]) -> None:
    assert run("health", service=Pretended()).stdout == "ready\n"
    degraded = run("health", service=busy())
    assert (degraded.stdout, degraded.exit_code) == ("degraded\n", 0)


def test_calls_in_progress_are_a_line_each_that_fits_a_terminal() -> None:
    live = {
        "id": "1a21a590e63000",
        "line": "shop",
        "caller": "+1***00",
        "step": "opt_out_offer",
        "step_seconds": 3.4,
        "seconds": 12.2,
    }
    unknown = {**live, "line": None, "caller": None, "step": "\x1b[2J"}
    document = {**busy().status.document(), "in_progress": [live, unknown]}
    console = Console(width=80, markup=False, highlight=False, file=io.StringIO())
    StatusAnswer(document).show(console)
    assert isinstance(console.file, io.StringIO)
    shown = [line for line in console.file.getvalue().splitlines() if "1a21a590e63000" in line]
    assert len(shown) == 2
    assert "shop, +1***00: opt out offer for 3 s, 12 s in all" in shown[0]
    assert max(map(len, shown)) <= 80
    assert "\x1b" not in shown[1]
