"""A history in a state directory, and calls that are told rather than placed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.history import CallFilter, HistoryReader, open_history
from agi_bridge.history.writer import HistoryWriter
from tests.support.history_calls import drafted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agi_bridge.history import Call


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[HistoryWriter]:
    made = HistoryWriter(tmp_path, 14)
    yield made
    made.close()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    """Write calls as a service does that starts, and ends."""

    def write(*calls: dict[str, Any], days: int = 14) -> None:
        made = HistoryWriter(tmp_path, days)
        for each in calls:
            made.put(drafted(**each))
        assert made.close(60)
        assert made.failure is None

    return write


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., list[Call]]:
    """Read the calls, the oldest first."""

    def read(*, running: bool = True, **wanted: Any) -> list[Call]:
        with open_history(tmp_path, running=running) as reader:
            return reader.find(CallFilter(**wanted))[::-1]

    return read


@pytest.fixture
def reader(tmp_path: Path, write: Callable[..., None]) -> Iterator[HistoryReader]:
    """A reader that stays open."""
    write({})
    with open_history(tmp_path, running=True) as made:
        yield made
