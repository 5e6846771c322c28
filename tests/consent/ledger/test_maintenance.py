"""Checkpoints go away in time, old data is deleted, and what fails is tried again."""

from __future__ import annotations

import asyncio
import time as wall
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.consent import Revocation, State
from agi_bridge.consent.encoding import DAY
from agi_bridge.consent.ledger import Ledger, Maintenance, MaintenanceSchedule, clock_check
from agi_bridge.consent.ledger.maintenance import DELIVERIES_AT_ONCE
from agi_bridge.consent.signing import Checkpoint, CheckpointPublisher
from tests.support.consent_builders import NUMBER, SENDING, confirmed
from tests.support.external_db import execute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.consent import ConsentRecord
    from agi_bridge.consent.signing import Keys


class Elsewhere:
    """A place that checkpoints go to, as long as it is there."""

    def __init__(self, name: str = "elsewhere") -> None:
        self.name = name
        self.kept: list[Checkpoint] = []
        self.gone = False
        self.came: asyncio.Queue[Checkpoint] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def send(self, line: str) -> None:
        if self.gone:
            raise OSError(None, "no route to host")
        checkpoint = Checkpoint.parse(line)
        self.kept.append(checkpoint)
        self._loop.call_soon_threadsafe(self.came.put_nowait, checkpoint)  # a thread sends


class Time:
    """A clock, and pauses that end when the test says so."""

    def __init__(self) -> None:
        self.now = wall.time()
        self.set_by = 0.0
        self.pauses: asyncio.Queue[tuple[asyncio.Event, float]] = asyncio.Queue()
        self._go = asyncio.Event()

    def __call__(self) -> float:
        return self.now

    async def pause(self, news: asyncio.Event, seconds: float) -> None:
        self._go.clear()
        self.pauses.put_nowait((news, seconds))
        await self._go.wait()

    async def round(self, seconds: float = 0.0) -> asyncio.Event:
        """Let time pass, wait for the next pause, and give what would end it."""
        self.now += seconds
        self._go.set()
        news, _ = await self.pauses.get()
        return news


@pytest.fixture
async def elsewhere() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def ledger(file: Path, keys: Keys) -> AsyncIterator[Ledger]:
    async with await Ledger.open(file, keys) as opened:
        yield opened


@pytest.fixture
async def upkeep(ledger: Ledger, elsewhere: Elsewhere, time: Time) -> AsyncIterator[Maintenance]:
    made = Maintenance(
        ledger, CheckpointPublisher([elsewhere]), MaintenanceSchedule(events=10),
        clock=lambda: time.now + time.set_by, running=time, pause=time.pause,
    )  # fmt: skip
    task = asyncio.create_task(made.run())
    await time.pauses.get()
    yield made
    task.cancel()
    await asyncio.wait({task})


async def store_long_ago(ledger: Ledger, record: ConsentRecord) -> None:
    await ledger.append(record.take())
    execute(
        ledger._database.where,
        f"update pii set at = '2001-01-01T00:00:00.000Z' where consent_id = '{record.id}'",  # noqa: S608 - ours
    )


async def store(ledger: Ledger, count: int = 1) -> None:
    for _ in range(count):
        record = confirmed()
        record.submitting(SENDING)
        record.submission_ended(State.REFUSED, reason="x", status=403, attempts=1, answer=None)
        await ledger.append(record.take())


async def test_the_first_checkpoint_is_made_at_the_start(
    upkeep: Maintenance, elsewhere: Elsewhere
) -> None:
    assert [checkpoint.seq for checkpoint in elsewhere.kept] == [1]
    assert elsewhere.kept[0].is_genuine
    del upkeep


async def test_a_place_that_is_away_for_long_keeps_nothing_from_the_others(
    ledger: Ledger, elsewhere: Elsewhere
) -> None:
    away = Elsewhere("away")
    away.gone = True
    made = Maintenance(ledger, CheckpointPublisher([away, elsewhere]), MaintenanceSchedule())
    for _ in range(2 * DELIVERIES_AT_ONCE + 1):  # more than one look at the database finds
        await store(ledger)
        await made.publish_checkpoint()
    assert len(elsewhere.kept) == 2 * DELIVERIES_AT_ONCE + 1
    away.gone = False
    await store(ledger)
    await made.publish_checkpoint()
    assert [each.seq for each in away.kept] == [each.seq for each in elsewhere.kept]
    assert await ledger.deliveries(1) == []


async def test_so_many_events_ring_for_the_next_one(
    upkeep: Maintenance, ledger: Ledger, elsewhere: Elsewhere, time: Time
) -> None:
    news = ledger.notify_after(10)
    await store(ledger)
    assert not news.is_set()
    await store(ledger)
    assert news.is_set()
    assert not (await time.round()).is_set()
    assert [checkpoint.seq for checkpoint in elsewhere.kept] == [1, 11]
    del upkeep


async def test_without_anything_new_none_is_made(
    upkeep: Maintenance, elsewhere: Elsewhere, time: Time
) -> None:
    await time.round(3600)
    assert len(elsewhere.kept) == 1
    del upkeep


async def test_one_that_could_not_be_sent_is_sent_later(
    upkeep: Maintenance, ledger: Ledger, elsewhere: Elsewhere, time: Time
) -> None:
    await store(ledger)
    elsewhere.gone = True
    with capture_logs() as log:
        await time.round()
    assert [line["log_level"] for line in log] == ["error"]
    assert "elsewhere" in log[0]["reason"]
    elsewhere.gone = False
    await time.round()
    assert [checkpoint.seq for checkpoint in elsewhere.kept] == [1, 6]
    await time.round()
    assert len(elsewhere.kept) == 2
    del upkeep


async def test_the_end_of_the_service_is_anchored_too(
    upkeep: Maintenance, ledger: Ledger, elsewhere: Elsewhere
) -> None:
    await store(ledger)
    await upkeep.finish()
    assert elsewhere.kept[-1].seq == 6


async def test_personal_data_is_deleted_when_its_time_has_run_out_and_once_a_day(
    upkeep: Maintenance, ledger: Ledger, time: Time
) -> None:
    record = confirmed()
    await store_long_ago(ledger, record)
    with capture_logs() as log:
        await time.round(DAY)
    assert await ledger.personal_data(record.id) is None
    assert {
        "event": "retention.data_deleted",
        "consents": 1,
        "details": 0,
        "log_level": "info",
    } in log
    late = confirmed()
    await store_long_ago(ledger, late)
    time.set_by = 2 * DAY  # a clock that is set begins no new day
    await time.round(DAY - 1)
    assert await ledger.personal_data(late.id) is not None
    await time.round(1)
    assert await ledger.personal_data(late.id) is None
    del upkeep


@pytest.mark.parametrize("synchronised", [False, True])
async def test_a_clock_that_is_years_ahead_erases_nothing(
    upkeep: Maintenance, ledger: Ledger, time: Time, monkeypatch: pytest.MonkeyPatch,
    *, synchronised: bool,
) -> None:  # fmt: skip
    """Also where NTP says so: a source that is wrong is one clock too."""
    monkeypatch.setattr(clock_check, "ask_kernel", lambda: synchronised)
    record = confirmed()
    await ledger.append(record.take())
    time.set_by = 13 * 365 * DAY
    with capture_logs() as logs:
        await time.round(DAY)
    assert await ledger.personal_data(record.id) is not None
    refused = [log["reason"] for log in logs if log["event"] == "retention.refused"]
    assert [reason.partition(":")[0] for reason in refused] == ["clock_unconfirmed"]
    del upkeep


def test_a_line_may_have_a_time_of_its_own() -> None:
    schedule = MaintenanceSchedule(
        personal_days=10, details_days=1, personal_days_of_lines={"fr": 2}
    )
    rules = schedule.rules(1_800_000_000)
    assert rules.personal_before == "2027-01-05T08:00:00.000Z"
    assert rules.details_before == "2027-01-14T08:00:00.000Z"
    assert rules.of_lines == {"fr": "2027-01-13T08:00:00.000Z"}


async def test_what_waits_for_a_person_is_said_every_day(
    upkeep: Maintenance, ledger: Ledger, time: Time
) -> None:
    await ledger.record_message("c-1", "STOP", reference="m-1")
    await ledger.revoke(
        Revocation(number=NUMBER, scope="all", channel="command", actor="root", passed_on=False)
    )
    with capture_logs() as log:
        await time.round(DAY)
    (line,) = [line for line in log if line["log_level"] == "warning"]
    assert (line["message"], line["revocation"]) == (1, 1)
    assert line["event"] == "consent.person_needed"
    del upkeep


async def test_a_ledger_that_is_down_is_one_line_and_looked_after_again(
    elsewhere: Elsewhere, time: Time, file: Path, keys: Keys
) -> None:
    ledger = await Ledger.open(file, keys)
    await ledger.close()
    upkeep = Maintenance(
        ledger, CheckpointPublisher([elsewhere]), MaintenanceSchedule(), clock=time
    )
    with capture_logs() as log:
        await upkeep.publish_checkpoint()
        await upkeep.apply_retention()
    assert [line["event"] for line in log] == ["checkpoint.not_signed", "retention.failed"]


async def test_a_pause_ends_with_the_news_or_with_its_time(
    ledger: Ledger, elsewhere: Elsewhere
) -> None:
    upkeep = Maintenance(
        ledger, CheckpointPublisher([elsewhere]), MaintenanceSchedule(seconds=0.01)
    )
    task = asyncio.create_task(upkeep.run())
    await store(ledger)
    async with asyncio.timeout(10):
        while (await elsewhere.came.get()).seq < 6:
            pass
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
