"""Calls that a stop did not wait for: counted over restarts, and news for a quarter of an hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.status import ForcedCalls
from agi_bridge.status.forced_calls import FILE, RECENT_SECONDS
from tests.support.statuses import START

if TYPE_CHECKING:
    from pathlib import Path


def test_a_first_start_has_none(tmp_path: Path) -> None:
    assert ForcedCalls.read(tmp_path) == ForcedCalls()


def test_the_next_process_reads_what_this_one_wrote(tmp_path: Path) -> None:
    ForcedCalls().more(2, START).write(tmp_path)
    ForcedCalls.read(tmp_path).more(3, START + RECENT_SECONDS).write(tmp_path)
    assert ForcedCalls.read(tmp_path) == ForcedCalls(5, 3, int(START + RECENT_SECONDS))
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_two_stops_in_a_row_are_both_news(tmp_path: Path) -> None:
    ForcedCalls().more(2, START).more(3, START + 60).write(tmp_path)
    assert ForcedCalls.read(tmp_path).recent(START + 120) == 5


@pytest.mark.parametrize(
    ("after", "news"), [(0, 2), (RECENT_SECONDS - 1, 2), (RECENT_SECONDS, 0), (-60, 0)]
)
def test_they_are_news_for_a_quarter_of_an_hour(after: float, news: int) -> None:
    assert ForcedCalls().more(2, START).recent(START + after) == news


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1, 2]", b"{}", b'{"total": -1, "last": 0, "at": 0}', b"\xff",
     b'{"total": 1, "last": true, "at": 0}', b'{"total": 1, "last": 1, "at": "now"}',
     b"[" * 4000],
)  # fmt: skip
def test_a_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        ForcedCalls.read(tmp_path)
