"""`[alerts] command`: what is told, to whom, and how seldom."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agi_bridge.consent.signing import CommandSink
from agi_bridge.status import Alerts
from tests.support.statuses import START, Pretended

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Program:
    """Keeps what it was told; fails if it is to."""

    name: str = "command pager"
    lines: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None

    def send(self, line: str) -> None:
        if self.error is not None:
            raise self.error
        self.lines.append(json.loads(line))

    @property
    def alerts(self) -> list[tuple[str, str]]:
        return [(line["alert"], line["state"]) for line in self.lines]


class Watched:
    """Alerts of a pretended service, with a running time that the test moves."""

    def __init__(self, state_dir: Path | None = None) -> None:
        self.service = Pretended()
        self.program = Program()
        self.running = 0.0
        self.alerts = Alerts(
            self.service.status, self.program, "pbx1", lambda: self.running, state_dir
        )

    async def after(self, seconds: float) -> list[tuple[str, str]]:
        """What the program is told some seconds later."""
        self.running += seconds
        self.program.lines.clear()
        await self.alerts.look()
        return self.program.alerts


async def test_a_problem_is_told_once_and_its_end_once() -> None:
    watched = Watched()
    assert await watched.after(0) == []
    watched.service.hook_open = True
    assert await watched.after(60) == [("HookDown", "firing")]
    assert await watched.after(3600) == []
    watched.service.hook_open = False
    assert await watched.after(60) == [("HookDown", "resolved")]
    assert await watched.after(3600) == []


async def test_an_alert_that_fired_before_a_restart_is_sent_as_over(tmp_path: Path) -> None:
    before = Watched(tmp_path)
    before.service.hook_open = True
    assert await before.after(60) == [("HookDown", "firing")]
    after = Watched(tmp_path)
    await after.alerts.resume()
    after.service.hook_open = True
    assert await after.after(60) == []  # the program has it
    after.service.hook_open = False
    assert await after.after(60) == []
    assert await after.after(900) == [("HookDown", "resolved")]
    assert after.program.lines[0]["since"] == "2026-11-27T04:52:03Z"
    last = Watched(tmp_path)
    await last.alerts.resume()
    assert await last.after(3600) == []


async def test_an_alert_that_outlasts_a_restart_is_sent_once_more(tmp_path: Path) -> None:
    """Somebody may have closed the page while the service was stopped."""
    before = Watched(tmp_path)
    before.service.hook_open = True
    assert await before.after(60) == [("HookDown", "firing")]
    after = Watched(tmp_path)
    await after.alerts.resume()
    after.service.hook_open = True
    assert await after.after(60) == []
    assert await after.after(900) == [("HookDown", "firing")]
    assert await after.after(3600) == []


@pytest.mark.parametrize(
    "content", ["", "no table", "[]", '{"HookDown": "x"}', '{"HookDown": -1}', "[" * 9000, "\u00ff"]
)
async def test_a_damaged_file_of_alerts_is_a_warning_and_no_more(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "open-alerts.json").write_text(content, encoding="latin-1")
    watched = Watched(tmp_path)
    with capture_logs() as logs:
        await watched.alerts.resume()
    assert [line["event"] for line in logs] == ["alerts.not_kept"]
    watched.service.hook_open = True
    assert await watched.after(60) == [("HookDown", "firing")]


async def test_a_kind_that_this_version_does_not_know_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "open-alerts.json").write_text('{"Former": 1, "HookDown": 1795755123}')
    watched = Watched(tmp_path)
    await watched.alerts.resume()
    assert await watched.after(900) == [("HookDown", "resolved")]


async def test_a_problem_that_comes_and_goes_is_told_at_most_once_in_a_quarter_of_an_hour() -> None:
    watched = Watched()
    alerts = []
    for minute in range(60):
        watched.service.hook_open = minute % 2 == 0
        alerts += await watched.after(60)
    assert len(alerts) <= 5
    assert alerts[0] == ("HookDown", "firing")


async def test_an_alert_says_what_callers_notice_what_to_do_and_names_no_caller() -> None:
    watched = Watched()
    watched.service.metrics.hook_answered("shop", "refused", 403, "+14155550123", 0.1)
    await watched.after(60)
    (alert,) = watched.program.lines
    assert set(alert) == {
        "alert", "state", "severity", "notice", "cure", "since", "at", "host", "version",
    }  # fmt: skip
    assert (alert["severity"], alert["host"]) == ("page", "pbx1")
    assert alert["since"] == "2026-11-27T04:52:03Z"
    assert "4155550123" not in json.dumps(alert)
    assert watched.service.now == START


async def test_a_program_that_fails_is_an_error_in_the_log_and_no_more() -> None:
    watched = Watched()
    watched.program.error = FileNotFoundError(2, "No such file or directory")
    watched.service.hook_open = True
    with capture_logs() as logs:
        await watched.after(60)
    assert [line["event"] for line in logs] == ["alerts.command_failed"]
    assert "pager" in logs[0]["reason"]


async def test_what_a_program_did_not_take_is_sent_again_as_long_as_it_is_true() -> None:
    """A pager that cannot be reached for a moment must not lose the only alert of the night."""
    watched = Watched()
    watched.program.error = OSError(113, "No route to host")
    watched.service.hook_open = True
    assert await watched.after(60) == []
    watched.program.error = None
    watched.service.now += 60
    assert await watched.after(60) == [("HookDown", "firing")]
    assert watched.program.lines[0]["since"] == "2026-11-27T04:52:03Z"
    assert await watched.after(60) == []
    watched.program.error = OSError(113, "No route to host")
    watched.service.hook_open = False
    assert await watched.after(900) == []
    watched.program.error = None
    assert await watched.after(60) == [("HookDown", "resolved")]


async def test_what_is_over_before_the_program_takes_it_is_not_sent() -> None:
    watched = Watched()
    watched.program.error = OSError(113, "No route to host")
    watched.service.hook_open = True
    await watched.after(60)
    watched.service.hook_open = False
    watched.program.error = None
    assert await watched.after(60) == []
    watched.service.hook_open = True
    watched.service.now += 120
    assert await watched.after(60) == [("HookDown", "firing")]
    assert watched.program.lines[0]["since"] == "2026-11-27T04:54:03Z"


async def test_without_a_program_nobody_is_told() -> None:
    service = Pretended(hook_open=True)
    await Alerts(service.status, None, "pbx1", lambda: 0.0).look()
    assert service.kinds == ["HookDown"]


@pytest.mark.programs
async def test_a_real_program_gets_one_line_on_its_standard_input(tmp_path: Path) -> None:
    out = tmp_path / "told"
    script = f"import sys; open({str(out)!r}, 'a').write(sys.stdin.read())"
    sink = CommandSink((sys.executable, "-c", script))
    service = Pretended(hook_open=True)
    await Alerts(service.status, sink, "pbx1", lambda: 0.0).look()
    (line,) = out.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["alert"] == "HookDown"
