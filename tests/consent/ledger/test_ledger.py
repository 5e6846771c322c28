from __future__ import annotations

import asyncio
import gc
import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import structlog

from agi_bridge.consent import (
    ConsentRecord,
    Filter,
    LedgerUnavailable,
    State,
    StoredEvent,
)
from agi_bridge.consent.errors import LedgerClosed
from agi_bridge.consent.ledger import Ledger, group_commit
from agi_bridge.consent.ledger import worker as worker_module
from agi_bridge.consent.ledger.circuit import FAILURES
from tests.support.consent_builders import (
    FACTS,
    NUMBER,
    SENDING,
    confirmed,
    revocation,
    settle,
    submitting,
)
from tests.support.error_codes import coded
from tests.support.external_db import count_commits, execute

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agi_bridge.consent import Batch
    from agi_bridge.consent.signing import Keys


@contextmanager
def halted(ledger: Ledger) -> Iterator[None]:
    """Let the ledger's thread do nothing more until the end of the block."""
    gate = threading.Event()
    ledger._worker.submit(gate.wait)
    try:
        yield
    finally:
        gate.set()


async def handed_over(ledger: Ledger, batch: Batch) -> asyncio.Task[None]:
    """Begin to append a batch; it is the next group's when this returns."""
    task = asyncio.create_task(ledger.append(batch))
    await asyncio.sleep(0)
    assert batch in [waiting.batch for waiting in ledger._groups._waiting]
    return task


async def begun(ledger: Ledger, batch: Batch) -> asyncio.Task[None]:
    """Begin to append a batch; its group waits for the ledger's thread when this returns."""
    task = await handed_over(ledger, batch)
    await asyncio.sleep(0)
    assert not ledger._groups._waiting
    return task


async def types(ledger: Ledger, consent_id: str) -> list[str]:
    return [event.type for event in await ledger.events(consent_id)]


# Groups


async def test_appends_that_arrive_together_share_a_transaction(ledger: Ledger) -> None:
    commits = count_commits(ledger)
    await asyncio.gather(*(ledger.append(confirmed().take()) for _ in range(50)))
    assert len(commits) == 1
    assert len(await ledger.events()) == 150


async def test_appends_that_arrive_while_a_group_is_written_are_the_next_group(
    ledger: Ledger,
) -> None:
    with halted(ledger):
        first = await begun(ledger, confirmed().take())
        commits = count_commits(ledger)
        others = [asyncio.create_task(ledger.append(confirmed().take())) for _ in range(20)]
        await asyncio.sleep(0)
    await asyncio.gather(first, *others)
    assert len(commits) == 2


async def test_groups_are_bounded_and_none_is_forgotten(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "MAX_GROUP", 10)
    commits = count_commits(ledger)
    await asyncio.gather(*(ledger.append(confirmed().take()) for _ in range(25)))
    assert len(commits) == 3
    assert len(await ledger.events()) == 75


async def test_a_question_shares_the_transaction_of_what_is_stored_meanwhile(
    ledger: Ledger,
) -> None:
    asked = submitting()
    await ledger.append(asked.take())
    commits = count_commits(ledger)
    *_, answer, unknown = await asyncio.gather(
        *(ledger.append(confirmed().take()) for _ in range(10)),
        ledger.may_send(asked.id),
        ledger.may_send("nobody"),
    )
    assert (answer, unknown) == (None, "not_submitting")
    assert len(commits) == 1


async def test_a_question_is_answered_by_what_the_same_group_stores(ledger: Ledger) -> None:
    asked = submitting()
    await ledger.append(asked.take())
    settle(asked)
    _, answer = await asyncio.gather(ledger.append(asked.take()), ledger.may_send(asked.id))
    assert answer == "not_submitting"


async def test_a_question_beside_a_write_that_fails_is_not_answered(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = submitting()
    await ledger.append(asked.take())
    with monkeypatch.context() as patched:
        patched.setattr(ledger._writer, "_insert", lambda *_: 1 / 0)
        results = await asyncio.gather(
            ledger.append(confirmed().take()), ledger.may_send(asked.id), return_exceptions=True
        )
    assert [type(result) for result in results] == [ZeroDivisionError] * 2
    assert await ledger.may_send(asked.id) is None


async def test_a_question_is_given_up_in_time_and_does_not_open_the_circuit(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with halted(ledger), monkeypatch.context() as patched:
        patched.setattr(worker_module, "WAIT_SECONDS", 0)
        for _ in range(FAILURES):
            with pytest.raises(LedgerUnavailable, match="no answer"):
                await ledger.may_send("nobody")
    assert not ledger.circuit_open
    assert await ledger.may_send("nobody") == "not_submitting"


async def test_events_are_in_the_order_they_were_handed_over(ledger: Ledger) -> None:
    records = [confirmed() for _ in range(10)]
    await asyncio.gather(*(ledger.append(record.take()) for record in records))
    handed_over = [record.id for record in records for _ in range(3)]
    assert [event.consent_id for event in await ledger.events()] == handed_over


async def test_nothing_to_store_is_nothing_written(ledger: Ledger) -> None:
    commits = count_commits(ledger)
    await ledger.append(ConsentRecord(FACTS).take())
    assert not commits
    assert await ledger.events() == []


async def test_all_who_wait_learn_of_a_fault_that_nobody_foresaw(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(ledger._writer, "_insert", lambda *_: 1 / 0)
        results = await asyncio.gather(
            *(ledger.append(confirmed().take()) for _ in range(3)), return_exceptions=True
        )
    assert [type(result) for result in results] == [ZeroDivisionError] * 3
    assert await ledger.events() == []
    await ledger.append(confirmed().take())


async def test_a_callback_runs_when_so_many_events_were_stored(ledger: Ledger) -> None:
    bell = ledger.notify_after(5)
    await ledger.append(confirmed().take())
    assert not bell.is_set()
    await ledger.append(confirmed().take())
    assert bell.is_set()
    bell.clear()
    refused = confirmed()
    refused.take()
    refused.submitting(SENDING)
    with pytest.raises(Exception, match="may not follow"):
        await ledger.append(refused.take())
    await ledger.append(confirmed().take())
    assert not bell.is_set()


# Callers who go, or wait too long


@pytest.mark.parametrize("steps", range(1, 7))
async def test_a_caller_who_is_cancelled_at_whatever_moment_does_not_undo_the_write(
    ledger: Ledger, steps: int
) -> None:
    record = confirmed()
    waiting = asyncio.create_task(ledger.append(record.take()))
    for _ in range(steps):
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    await ledger.append(confirmed().take())
    assert await types(ledger, record.id) == ["disclosed", "entered", "confirmed"]


async def test_a_write_whose_caller_has_gone_fails_without_a_word(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    refused = confirmed()
    refused.take()
    refused.submitting(SENDING)
    with halted(ledger):
        waiting = await begun(ledger, refused.take())
        waiting.cancel()
        await asyncio.wait({waiting})
    await ledger.append(confirmed().take())
    gc.collect()
    assert not [log for log in caplog.records if log.levelno >= logging.ERROR]


async def test_an_append_that_was_not_begun_in_time_is_dropped(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with halted(ledger):
        first = await begun(ledger, confirmed().take())
        with monkeypatch.context() as patched:
            patched.setattr(worker_module, "WAIT_SECONDS", 0)
            late = submitting()
            with pytest.raises(LedgerUnavailable, check=coded("no_answer")):
                await ledger.append(late.take())
    await first
    assert await types(ledger, late.id) == []
    assert await ledger.personal_data(late.id) is None


async def late(ledger: Ledger, record: ConsentRecord, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is stored of a record that is written after its caller gave up."""
    with halted(ledger), monkeypatch.context() as patched:
        patched.setattr(worker_module, "WAIT_SECONDS", 0)
        with pytest.raises(LedgerUnavailable, check=coded("no_answer")):
            await ledger.append(record.take())
        patched.undo()
        following = await handed_over(ledger, confirmed().take())
    await following
    return await types(ledger, record.id)


async def test_a_submission_stored_too_late_is_stored_as_never_sent(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = submitting()
    stored = await late(ledger, record, monkeypatch)
    assert stored[-3:] == ["submitting", "not_sent", "expired"]
    assert (await ledger.events(record.id))[-1].body["reason"] == "stored_too_late"
    assert await ledger.unsent() == []
    assert await ledger.recover() == 0


async def test_other_events_that_are_stored_too_late_stand(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = submitting()
    await ledger.append(record.take())
    settle(record)
    assert (await late(ledger, record, monkeypatch))[-1] == "accepted"


async def test_what_is_refused_after_its_caller_gave_up_is_no_more_than_refused(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = confirmed()
    record.take()
    record.submitting(SENDING)
    assert await late(ledger, record, monkeypatch) == []


async def test_a_late_submission_that_cannot_be_settled_is_logged(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise LedgerUnavailable("it is full")

    monkeypatch.setattr("agi_bridge.consent.ledger.submissions.never_sent", fails)
    record = submitting()
    with structlog.testing.capture_logs() as logs:
        assert (await late(ledger, record, monkeypatch))[-1] == "submitting"
    assert [(log["log_level"], log["consent"]) for log in logs] == [("error", record.id)]
    assert await ledger.recover() == 1  # as after a crash


async def test_a_look_up_that_a_caller_waits_for_is_given_up_in_time_too(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with halted(ledger), monkeypatch.context() as patched:
        patched.setattr(worker_module, "WAIT_SECONDS", 0)
        with pytest.raises(LedgerUnavailable, check=coded("no_answer")):
            await ledger.active_consent(NUMBER, "Example Store", "info")
    assert await ledger.active_consent(NUMBER, "Example Store", "info") is None


async def test_a_look_up_that_was_given_up_and_then_ended_with_the_service_says_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with halted(ledger), monkeypatch.context() as patched:
        patched.setattr(worker_module, "WAIT_SECONDS", 0)
        before = asyncio.all_tasks()
        with pytest.raises(LedgerUnavailable, check=coded("no_answer")):
            await ledger.active_consent(NUMBER, "Example Store", "info")
        [left] = asyncio.all_tasks() - before
        left.cancel()
        await asyncio.wait({left})
    assert not caplog.records


# Closing


async def test_closing_writes_what_waits(where: Path | str, keys: Keys) -> None:
    ledger = await Ledger.open(where, keys)
    waiting = await handed_over(ledger, confirmed().take())
    await ledger.close()
    await waiting
    assert execute(where, "select count(*) from event") == [(4,)]
    with pytest.raises(LedgerClosed):
        await ledger.append(confirmed().take())
    with pytest.raises(LedgerClosed):
        await ledger.events()


async def test_closing_twice_is_once(
    where: Path | str, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = await Ledger.open(where, keys)
    await asyncio.gather(ledger.close(), ledger.close())
    await ledger.close()
    gc.collect()
    assert not caplog.records
    assert ledger._database._connection is None


async def test_closing_does_not_wait_forever(
    where: Path | str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = await Ledger.open(where, keys)
    with halted(ledger):
        waiting = await begun(ledger, submitting().take())
        with monkeypatch.context() as patched:
            patched.setattr(worker_module, "WAIT_SECONDS", 0)
            await ledger.close()
    await waiting
    await ledger._groups.drain()
    assert not ledger._groups._busy


async def test_opening_that_fails_leaves_nothing_open(tmp_path: Path, keys: Keys) -> None:
    (tmp_path / "consents.db").write_bytes(b"not a database, but long enough to look like one" * 40)
    threads = threading.active_count()
    with pytest.raises(LedgerUnavailable, match=r"consents\.db: file is not a database"):
        await Ledger.open(tmp_path / "consents.db", keys)
    for thread in threading.enumerate():
        if thread.name.startswith("ledger"):
            thread.join()
    assert threading.active_count() <= threads


# Reading back


async def test_events_come_back_as_they_were_stored(ledger: Ledger) -> None:
    record = submitting()
    batch = record.take()
    await ledger.append(batch)
    stored = await ledger.events(record.id)
    assert [event.event_id for event in stored] == [event.event_id for event in batch.events]
    for event, given in zip(stored, batch.events, strict=True):
        assert (event.type, event.at) == (given.type, given.at)
        assert given.body.items() <= event.body.items()
    assert isinstance(stored[0], StoredEvent)
    assert await ledger.events("another") == []
    assert [event.type for event in await ledger.events()][-1] is State.SUBMITTING


async def test_a_number_that_is_not_there_is_none(ledger: Ledger) -> None:
    assert await ledger.number("no such consent") is None
    assert await ledger.personal_data("no such consent") is None


async def test_a_revocation_that_agreements_always_get_in_the_way_of_ends(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter(range(1000))
    monkeypatch.setattr(
        "agi_bridge.consent.ledger.revoke._candidates", lambda *_: [f"consent {next(ids)}"]
    )
    with pytest.raises(LedgerUnavailable, check=coded("contended")):
        await ledger.revoke(revocation())
    assert await ledger.summaries(Filter()) == []
