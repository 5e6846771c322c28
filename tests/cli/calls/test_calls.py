"""`agi-bridge calls`: the table, one call, the options, and what an administrator mistypes."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from agi_bridge.cli.calls.find import call_list, one_call
from agi_bridge.history import CallFilter, database
from tests.support.history_calls import CALLER, NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typer.testing import Result

    from agi_bridge.cli.output import Answer
    from agi_bridge.settings import Settings

STAR: dict[str, Any] = {"uniqueid": "pbx-1.1"}
AGREED: dict[str, Any] = {
    "number": NUMBER,
    "caller": "+14155550177",
    "declined": None,
    "hook": "accepted",
    "result": "done",
    "ended": "far_end",
    "dials": [("forward", "ANSWER")],
}


def narrow(answer: Answer) -> list[str]:
    """The lines of an answer on a terminal of 80 columns."""
    console = Console(width=80, markup=False, highlight=False, file=io.StringIO())
    answer.show(console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def found(result: Result) -> list[str]:
    assert result.exit_code == 0, result.stderr
    return [call["why"] for call in json.loads(result.stdout)]


def test_the_table_is_newest_first_and_fits_a_terminal(
    run: Callable[..., Result], write: Callable[..., None], configured: Settings
) -> None:
    write(STAR, AGREED, {"lasts": True})
    assert run().exit_code == 0
    lines = narrow(call_list(configured, CallFilter()))
    assert ["cut off" in lines[2], "accepted, forward" in lines[3]] == [True, True]
    assert "star, dialplan default" in lines[4]
    assert max(map(len, lines)) <= 80
    assert "+1***77" in lines[3]


def test_one_call_is_its_timeline_and_one_sentence(
    run: Callable[..., Result], write: Callable[..., None], configured: Settings
) -> None:
    write(STAR)
    lines = narrow(one_call(configured, "pbx-1.1"))
    assert any("disclosure (en), 19.0 of 23.2 s" in line for line in lines)
    assert max(map(len, lines)) <= 80
    result = run("pbx-1.1")
    assert result.exit_code == 0
    last = result.stdout.splitlines()[-1]
    assert last.startswith("The caller pressed *")
    document = json.loads(run("pbx-1.1", "--json").stdout)
    assert [each["event"] for each in document["timeline"]][:3] == ["answered", "prompt", "key"]
    assert (document["why"], document["sentence"]) == ("star.dialplan_default", last)


def test_options_find_calls(run: Callable[..., Result], write: Callable[..., None]) -> None:
    write(STAR, AGREED)
    assert found(run("--json", "--result", "star")) == ["star.dialplan_default"]
    assert found(run("--json", "--result", "done", "--line", "shop")) == ["accepted.forward"]
    assert found(run("--json", "--since", "2026-11-23T00:00:00Z", "--limit", "1")) == [
        "accepted.forward"
    ]
    assert found(run("--json", "--until", "2026-11-01")) == []


def test_a_number_is_read_from_standard_input_in_any_spelling(
    run: Callable[..., Result], write: Callable[..., None]
) -> None:
    write(STAR, AGREED)
    assert found(run("--json", "--number", "-", typed="(415) 555-0123\n")) == ["accepted.forward"]
    assert found(run("--json", "--number", "-", typed=f"{CALLER}\n")) == ["star.dialplan_default"]


@pytest.mark.parametrize(
    ("options", "typed", "named"),
    [
        (("--number", "+14155550166"), "", "--number"),
        (("--number", "-"), "nobody\n", "--number"),
        (("--number", "-"), "", "--number"),
        (("--result", "exploded"), "", "--result"),
        (("--since", "yesterday"), "", "--since"),
        (("--until", "2026-13-01"), "", "--until"),
        (("--line", "nobody"), "", "--line"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it_and_no_number(
    run: Callable[..., Result],
    write: Callable[..., None],
    options: tuple[str, ...],
    typed: str,
    named: str,
) -> None:
    write(STAR)
    result = run(*options, typed=typed)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"agi-bridge: {named}")
    assert "0166" not in line


def test_a_call_that_is_not_there_is_exit_code_1(
    run: Callable[..., Result], write: Callable[..., None]
) -> None:
    assert run("pbx-1.1").exit_code == 1
    write(STAR)
    result = run("pbx-2.2")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


def test_no_calls_are_an_empty_answer_and_make_no_file(
    run: Callable[..., Result], state: Path
) -> None:
    assert run().exit_code == 0
    assert json.loads(run("--json").stdout) == []
    assert list(state.iterdir()) == []


def test_a_damaged_file_is_one_line(run: Callable[..., Result], state: Path) -> None:
    (state / database.FILE).write_bytes(b"no database" * 1000)
    result = run()
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


def test_control_sequences_of_a_pbx_do_not_reach_the_terminal(
    run: Callable[..., Result], write: Callable[..., None]
) -> None:
    hostile = "\x1b]0;owned\x07[red]"
    write(
        {
            "uniqueid": hostile,
            "language": hostile,
            "events": [(0, "prompt", hostile, "en", 1, 2, "whole"), (5, hostile, hostile)],
        }
    )
    call = json.loads(run("--json").stdout)[0]["id"]
    for options in ((), (call,)):
        shown = run(*options).stdout
        assert "\x1b" not in shown
        assert "\x07" not in shown
    assert "[red]" in run(call).stdout
