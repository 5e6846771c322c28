"""`agi-bridge replay`: the same configuration gives the same endings; another one shows itself."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from agi_bridge.cli.main import app
from agi_bridge.cli.rehearse.endings import Caller, endings
from agi_bridge.cli.rehearse.numbers import forward_number, keyed_number
from agi_bridge.cli.rehearse.stage import Stage
from agi_bridge.cli.replay.script import LEFT_OUT, NotReplayable, ending_of
from agi_bridge.history.writer import HistoryWriter
from tests.support.call_env import KEY, settings, toml
from tests.support.history_calls import drafted, recorded

if TYPE_CHECKING:
    from pathlib import Path

LINES: tuple[dict[str, Any], ...] = (
    {},
    {
        "languages": ["en", "fr"],
        "consent": {"opt_out_key": "9", "returning": "skip", "quiet_hours": "strict"},
    },
    {"consent": {"act": "number"}, "default": {"kind": "hangup"}},
)


@pytest.mark.parametrize("line", LINES)
async def test_with_the_same_configuration_every_ending_is_the_same(
    tmp_path: Path, line: dict[str, Any]
) -> None:
    """What makes a difference mean something: a replay of a call is that call."""
    configured = settings(tmp_path / "state", "http://127.0.0.1:9/x", **line)
    async with Stage(configured, tmp_path) as stage:
        shop = configured.lines["shop"]
        digits, number = keyed_number(shop)
        forward = forward_number(shop, number)
        caller = Caller(shop, shop.languages[-1], digits, stage.libraries["shop"])
        replayed = []
        for ending in endings(caller):
            first = (await stage.play(ending, number, forward)).recorded
            if ending.kill or first is None:
                continue
            assert first.why is not None
            again = (await stage.play(ending_of(first, caller), number, forward)).recorded
            assert again is not None
            assert (ending.code, again.why) == (ending.code, first.why)
            replayed.append(ending.code)
    assert len(replayed) >= 15


@pytest.mark.parametrize("code", ["cut_off", "cancelled", "drain_forced", "fault", "left_to_pbx"])
def test_an_ending_that_neither_caller_nor_configuration_decided_is_left_out(code: str) -> None:
    ended = recorded().ended()
    with pytest.raises(NotReplayable, check=lambda error: error.code == code) as error:
        ending_of(replace(ended, why=f"unasked.{code}"), None)  # type: ignore[arg-type] # not asked
    assert error.value.code in LEFT_OUT


def test_a_call_that_had_no_line_is_not_blamed_on_the_configuration_of_now(tmp_path: Path) -> None:
    write(tmp_path, {**STAR, "line": None, "declined": None, "ended": "no_line"})
    assert json.loads(run(tmp_path, "--json")[1])["left_out"] == {"no_line": 1}


def run(tmp_path: Path, *options: str, **line: Any) -> Any:
    file = tmp_path / "agi-bridge.toml"
    file.write_text(toml(tmp_path / "state", None, None, **line), encoding="utf-8")
    result = CliRunner().invoke(
        app, ["replay", "--config", str(file), *options], env={"SHOP_KEY": KEY}
    )
    return result.exit_code, result.stdout


def write(tmp_path: Path, *calls: dict[str, Any]) -> None:
    (tmp_path / "state").mkdir()
    made = HistoryWriter(tmp_path / "state", 7000)
    for number, call in enumerate(calls):
        made.put(drafted(**{"begun": 1_795_413_525_000 + number, **call}))
    assert made.close(60)


STAR: dict[str, Any] = {
    "dials": [("default", "ANSWER")],
    "ended": "far_end",
    "result": "done",
    "language": "en",
    "events": [
        (0, "answered"),
        (1, "language", "en"),
        (12, "prompt", "disclosure", "en", 9000, 23_200, "key"),
        (9012, "key"),
        (9020, "declined"),
        (9030, "default", "star"),
        (9040, "dial", "default"),
        (70_000, "dialled", "default", "ANSWER"),
    ],
}
CUT_OFF = {"lasts": True}


def test_another_default_destination_is_another_ending_and_who_reaches_nobody_is_exit_code_1(
    tmp_path: Path,
) -> None:
    write(tmp_path, STAR, STAR, CUT_OFF)
    code, out = run(tmp_path, "--json")
    document = json.loads(out)
    assert (code, document["ok"], document["differ"]) == (0, True, 0)
    assert document["left_out"] == {"cut_off": 1}
    (group,) = document["groups"]
    assert (len(group["calls"]), group["now"]) == (2, "star.default")
    code, out = run(tmp_path, "--json", default={"kind": "hangup"})
    document = json.loads(out)
    assert (code, document["ok"], document["differ"]) == (1, False, 2)
    (group,) = document["groups"]
    assert (group["recorded"], group["now"], group["problem"]) == (
        "star.default",
        "star.announced",
        "nobody",
    )


def test_the_table_shows_what_would_end_otherwise_and_counts(tmp_path: Path) -> None:
    write(tmp_path, STAR)
    code, out = run(tmp_path, default={"kind": "dialplan", "context": "front-desk"})
    assert code == 0
    assert "star, dialplan default" in out
    assert out.splitlines()[-1] == "1 call replayed, 1 would end otherwise"


def test_without_a_history_nothing_is_replayed(tmp_path: Path) -> None:
    code, out = run(tmp_path, "--json")
    assert (code, json.loads(out)["replayed"]) == (0, 0)


def test_a_call_in_progress_and_an_answer_that_cannot_be_repeated_are_left_out(
    tmp_path: Path,
) -> None:
    answered = [*STAR["events"][:2], (5, "hook", "accepted", 200, "other", 12)]
    write(tmp_path, {**STAR, "declined": None, "hook": "accepted", "events": answered})
    assert json.loads(run(tmp_path, "--json")[1])["left_out"] == {"answer": 1}
