"""A day in figures: what is counted, and that a plot is as high as its figures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.console.day import HEIGHT, bars, hours_of, last_day
from tests.support import call_env
from tests.support.console_serving import NOBODY, FakeService, serving, settings
from tests.support.history_calls import NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIDNIGHT = 1_795_737_600_000
HOUR = 3_600_000
TEXTED = {"number": NUMBER, "declined": None, "hook": "accepted", "result": "done",
          "ended": "far_end", "dials": [("forward", "ANSWER")],
          "events": [(5, "prompt", "disclosure", "en", 1, 1, "whole"), (100, "agreed"),
                     (130, "stored"), (140, "hook", "accepted", 200, "accepted", 250)]}  # fmt: skip


def test_calls_are_counted_in_their_hour_by_what_became_of_them(
    write: Callable[..., None], read: Callable[..., list[Any]]
) -> None:
    write(
        {"begun": MIDNIGHT - 1},
        {"begun": MIDNIGHT},
        {"begun": MIDNIGHT + HOUR, **TEXTED},
        {"begun": MIDNIGHT + HOUR + 1, **TEXTED, "hook": "unknown"},
        {"begun": MIDNIGHT + 24 * HOUR},
        days=7000,
    )
    hours = hours_of(read(), MIDNIGHT)
    assert [hour.outcomes for hour in hours[:3]] == [[0, 1, 0], [1, 0, 1], [0, 0, 0]]
    assert sum(hour.calls for hour in hours) == 3
    assert (hours[1].usual("stored"), hours[1].longest("hook")) == (30, 250)
    assert hours[1].usual("first sound") == 5
    assert hours[2].usual("hook") is None


@pytest.mark.parametrize("columns", [[[0, 0]] * 24, [[1, 2], [0, 0], [4, 2]]])
def test_the_highest_bar_fills_the_plot_and_parts_stand_on_each_other(
    columns: list[list[int]],
) -> None:
    found = bars(columns)
    assert len(found) == sum(count > 0 for each in columns for count in each)
    if found:
        assert min(each.y for each in found) == 0
        lowest = [each for each in found if each.kind == 0]
        assert all(round(each.y + each.height, 6) == HEIGHT for each in lowest)


def test_the_last_day_is_counted_by_what_became_of_calls(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    now = time.time_ns() // 1_000_000
    service = FakeService(settings(tmp_path))
    assert last_day(service) == [("texted", 0), ("not texted", 0), ("unclear or failed", 0)]
    write(
        {"begun": now - 25 * HOUR, **TEXTED},
        {"begun": now - 23 * HOUR, **TEXTED},
        {"begun": now - HOUR, **TEXTED, "hook": "unknown"},
        {"begun": now - 1000},
        {"begun": now, "lasts": True},
        days=7000,
    )
    assert [count for _, count in last_day(service)] == [1, 1, 1]


async def test_the_first_page_has_the_last_day_or_says_that_it_cannot_be_read(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    write({**TEXTED}, days=7000)
    async with serving(FakeService(settings(tmp_path))) as client:
        assert "<dt>Texted</dt><dd><b>1</b></dd>" in (await client.get("/")).text
        (tmp_path / "calls.db").write_bytes(b"x" * 8192)
        answer = await client.get("/")
        assert (answer.status_code, "cannot be read" in answer.text) == (200, True)


async def test_the_page_has_a_table_beside_each_plot(
    tmp_path: Path, write: Callable[..., None]
) -> None:
    write({"begun": MIDNIGHT + HOUR, **TEXTED}, days=7000)
    async with serving(FakeService(settings(tmp_path))) as client:
        text = (await client.get("/calls/day?day=2026-11-27&line=shop")).text
        assert text.count('<svg class="plot"') == 4
        assert "250, 250" in text
        assert (await client.get("/calls/day?line=none")).status_code == 400
        assert (await client.get("/calls/day")).status_code == 200


async def test_a_day_of_which_nothing_is_recorded_is_not_shown_as_one_without_calls(
    tmp_path: Path,
) -> None:
    given = call_env.settings(tmp_path, tables={"console": dict(NOBODY), "history": {"days": 0}})
    async with serving(FakeService(given)) as client:
        text = (await client.get("/")).text
    assert "history.days is 0" in text
    assert "<dt>Calls that ended</dt>" not in text
