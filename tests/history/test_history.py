"""What calls in progress leave in the file, and what is reported when they do not get there."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from structlog.testing import capture_logs

from agi_bridge.history import History, database
from agi_bridge.history import history as module
from agi_bridge.history.writer import HistoryWriter
from agi_bridge.observe import CallLogEntry, Metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from agi_bridge.history import Call
    from agi_bridge.history.call import Draft


async def test_a_call_is_live_until_it_ends_and_then_in_the_file(
    tmp_path: Path, read: Callable[..., list[Call]]
) -> None:
    async with History(tmp_path, 14) as history:
        entry = CallLogEntry("1.1")
        call = history.begin(entry, "1.1")
        call.caller = "+14155550100"
        entry.note(line="shop")
        entry.step("disclosure")
        (live,) = history.live()
        assert (live["line"], live["step"], live["caller"]) == ("shop", "disclosure", "+1***00")
        entry.record("answered")
        shown = history.live_timeline(live["id"])
        assert shown is not None
        assert [each["event"] for each in shown["timeline"]] == ["answered"]
        assert history.live_timeline("0" * 14) is None
        entry.note(result="default", declined="star", ended="dialplan")
        history.end(call)
        assert history.live() == []
    (kept,) = read()
    assert (kept.id, kept.uniqueid, kept.why) == (live["id"], "1.1", "star.dialplan_default")


async def test_a_call_in_progress_is_written_when_due_and_only_if_it_has_gone_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_SECONDS", 3600)
    drafts: list[Draft] = []
    monkeypatch.setattr(HistoryWriter, "put", lambda _, draft: drafts.append(draft))
    async with History(tmp_path, 14) as history:
        call = history.begin(CallLogEntry("1.1"), "1.1")

        def written(*, due: bool) -> int:
            call.save_at = 0.0 if due else float("inf")
            history.tick()
            return len(drafts)

        assert [written(due=due) for due in (False, True, True)] == [0, 1, 1]
        call.entry.record("answered")
        assert [written(due=due) for due in (False, True, True)] == [1, 2, 2]
    assert [draft.ms for draft in drafts] == [None, None]


async def test_ids_grow_also_for_calls_of_one_millisecond_and_a_clock_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times = iter([5_000_000_000, 5_000_000_000, 1_000_000_000])
    monkeypatch.setattr(time, "time_ns", lambda: next(times))
    history = History()
    ids = [history.begin(CallLogEntry(None), None).id for _ in range(3)]
    assert ids == sorted(set(ids))


async def test_what_is_dropped_is_counted_and_logged_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_SECONDS", 3600)
    metrics = Metrics()
    async with History(tmp_path, 14, metrics) as history:
        writer = history._writer
        assert writer is not None
        with capture_logs() as logs:
            for _ in range(3):
                writer.dropped += 2
                history.tick()
        assert metrics.history_dropped.total() == 6
        assert [log["event"] for log in logs] == ["history.calls_dropped"]


async def test_days_0_deletes_the_history_and_a_reload_can_begin_it_again(
    tmp_path: Path, read: Callable[..., list[Call]]
) -> None:
    async with History(tmp_path, 14) as history:
        history.end(history.begin(CallLogEntry("1.1"), "1.1"))
        with capture_logs() as logs:
            await history.use(0)
        assert [log["event"] for log in logs] == ["history.deleted"]
        assert list(tmp_path.iterdir()) == []
        call = history.begin(CallLogEntry("1.2"), "1.2")
        assert len(history.live()) == 1
        history.end(call)
        await history.use(3)
        history.end(history.begin(CallLogEntry("1.3"), "1.3"))
    assert [each.uniqueid for each in read()] == ["1.3"]


async def test_without_a_history_nothing_is_written(tmp_path: Path) -> None:
    async with History(tmp_path, 0) as history:
        history.end(history.begin(CallLogEntry("1.1"), "1.1"))
        history.tick()
    assert list(tmp_path.iterdir()) == []


async def test_a_call_that_another_process_handles_is_written_at_its_end_only(
    tmp_path: Path, read: Callable[..., list[Call]]
) -> None:
    async with History(tmp_path, 14, owner=False) as history:
        call = history.begin(CallLogEntry("1.1"), "1.1")
        call.save_at = 0.0
        history.tick()
        await asyncio.to_thread(history._writer.close, 60)  # type: ignore[union-attr] # it has one
        assert read() == []


def test_the_names_of_the_files_are_those_that_the_guide_gives() -> None:
    assert (database.FILE, database.KEY_FILE) == ("calls.db", "calls.key")
