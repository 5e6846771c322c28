"""The outbox: each message leaves in order, from one bridge at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import (
    Act,
    LedgerUnavailable,
    PushFailure,
    PushType,
    Reply,
    State,
)
from agi_bridge.consent.ledger import Ledger, revoke, submissions
from tests.support.consent_builders import (
    BRAND,
    NUMBER,
    SENDING,
    confirmed,
    revocation,
    settle,
    stored,
    submitting,
)
from tests.support.external_db import count_commits, execute
from tests.support.outbox import (
    HELD,
    HERE,
    OTHER,
    ROUTES,
    THIRD,
    Clock,
    accepted,
    claim,
)

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.consent.signing import Keys

EXPIRED = PushType.EXPIRED


@pytest.fixture(autouse=True)
def routed(ledger: Ledger) -> None:
    ledger.push_to(ROUTES)


@pytest.fixture
def clock(ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of both bridges."""
    return Clock(monkeypatch, ledger, other)


async def test_only_the_events_that_others_are_told_of_are_in_the_outbox(ledger: Ledger) -> None:
    await ledger.append(submitting().take())
    assert await ledger.outbox.entries() == []
    id_ = await accepted(ledger)
    [entry] = await ledger.outbox.entries()
    assert (entry.type, entry.record, entry.attempts) == (PushType.ACCEPTED, id_, 0)
    assert entry.key.endpoint == "crm"


async def test_without_a_receiver_nothing_is_stored(ledger: Ledger) -> None:
    ledger.push_to({})
    await accepted(ledger)
    await ledger.revoke(revocation())
    assert await ledger.outbox.entries() == []


async def test_a_message_is_stored_in_the_transaction_of_its_event(ledger: Ledger) -> None:
    record = submitting()
    await ledger.append(record.take())
    settle(record)
    commits = count_commits(ledger)
    await ledger.append(record.take())
    assert len(commits) == 1
    assert len(await ledger.outbox.entries()) == 1


async def test_an_event_that_is_undone_leaves_no_message(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as patched:
        patched.setattr(revoke, "brand_key", fail)  # behind the event, in its transaction
        with pytest.raises(LedgerUnavailable):
            await ledger.revoke(revocation())
    assert await ledger.outbox.entries() == []
    assert len(await ledger.rows()) == 1


async def test_a_message_says_what_the_record_says(ledger: Ledger) -> None:
    id_ = await accepted(ledger)
    [message] = await claim(ledger)
    [event] = [each for each in await ledger.events(id_) if each.type is State.ACCEPTED]
    assert message.message_id == event.event_id
    assert (message.type, message.record, message.number) == (PushType.ACCEPTED, id_, NUMBER)
    assert message.call["brand"] == BRAND
    assert message.personal == "included"
    assert NUMBER not in repr(message)


async def test_a_revocation_names_the_consents_that_it_ended(ledger: Ledger) -> None:
    first, second = await accepted(ledger), await accepted(ledger)
    await ledger.outbox.drop(endpoint="crm")
    revoked = await ledger.revoke(revocation())
    [message] = await claim(ledger)
    assert (message.type, message.record) == (PushType.REVOKED, revoked.revocation_id)
    assert message.ended == tuple(sorted([first, second]))
    assert message.number == NUMBER


async def test_a_revocation_of_a_number_that_never_agreed_is_told_too(ledger: Ledger) -> None:
    await ledger.revoke(revocation(OTHER, brand=None))
    [message] = await claim(ledger)
    assert (message.number, message.ended, message.facts["scope"]) == (OTHER, (), "all")


async def test_a_yes_and_an_expiry_are_told(ledger: Ledger) -> None:
    record = confirmed(confirm_by_reply=True)
    record.submitting(SENDING)
    await ledger.append(record.take())
    yes = Reply(number=NUMBER, brands=[BRAND], channel="instaply", words="Yes", reference="1")
    await ledger.complete(yes)
    other = submitting(OTHER)
    await ledger.append(other.take())
    settle(other, State.NOT_SENT)
    await ledger.append(other.take())
    await ledger.expire(other.id, "too_old")
    late = submitting(THIRD)  # stored after its call had given up
    await ledger.append(late.take())
    await ledger._worker.run(lambda t: submissions.never_sent(t, ledger._writer, late.id))
    told = {message.record: message.type for message in await claim(ledger)}
    assert told == {record.id: PushType.REPLY, other.id: EXPIRED, late.id: EXPIRED}


# Order


async def test_a_consent_that_waits_for_its_yes_is_told_as_unfinished(ledger: Ledger) -> None:
    for number, waits in ((NUMBER, True), (OTHER, False)):
        record = confirmed(number, confirm_by_reply=waits)
        record.submitting(SENDING)
        await stored(ledger, record, State.ACCEPTED)
    told = {each.number: each.unfinished for each in await claim(ledger)}
    assert told == {NUMBER: True, OTHER: False}


@pytest.mark.parametrize(
    ("found", "revoked", "told"),
    [("texted", False, True), ("not-texted", False, False), ("texted", True, False)],
)
async def test_an_unknown_outcome_that_a_person_settles_is_told_if_the_text_went_out(
    ledger: Ledger, *, found: str, revoked: bool, told: bool
) -> None:
    id_ = await stored(ledger, submitting(), State.UNKNOWN)
    if revoked:
        ledger.push_to({})
        await ledger.revoke(revocation())
        ledger.push_to(ROUTES)
    assert await ledger.outbox.entries() == []
    await ledger.record_act(Act.RESOLVED, id_, **{"as": found, "actor": "admin"})
    messages = await claim(ledger)
    assert [(each.type, each.record, each.number) for each in messages] == (
        [(PushType.ACCEPTED, id_, NUMBER)] if told else []
    )


async def test_a_retry_leaves_what_is_under_way_to_its_sender(ledger: Ledger, clock: Clock) -> None:
    await ledger.revoke(revocation())
    await ledger.revoke(revocation(OTHER))
    [first] = await claim(ledger, limit=1)
    assert (await ledger.outbox.retry(endpoint="crm")).messages == 1
    assert [each.key for each in await claim(ledger)] != [first.key]
    assert await claim(ledger) == []
    clock.passed = HELD + 1  # who sent them has died
    assert (await ledger.outbox.retry(endpoint="crm")).messages == 2
    assert len(await claim(ledger)) == 2


async def test_messages_of_one_person_leave_one_after_the_other(ledger: Ledger) -> None:
    await accepted(ledger)
    await ledger.revoke(revocation())
    await accepted(ledger, OTHER)
    first = await claim(ledger)
    assert [(each.type, each.number) for each in first] == [
        (PushType.ACCEPTED, NUMBER),
        (PushType.ACCEPTED, OTHER),
    ]
    assert await claim(ledger) == []  # both are held, and the revocation waits
    await ledger.outbox.settle(HERE, [each.key for each in first])
    [second] = await claim(ledger)
    assert second.type is PushType.REVOKED


async def test_a_message_that_is_stuck_holds_its_own_person_only(ledger: Ledger) -> None:
    await accepted(ledger)
    await ledger.revoke(revocation())
    [stuck] = await claim(ledger)
    await ledger.outbox.settle(HERE, [], [PushFailure(stuck.key, "http_422", 3600.0, ours=True)])
    await accepted(ledger, OTHER)
    [message] = await claim(ledger)
    assert message.number == OTHER
    await ledger.outbox.settle(HERE, [message.key])
    assert await claim(ledger) == []  # a refusal of one message is not over with the next
    entries = await ledger.outbox.entries()
    assert [(each.type, each.reason) for each in entries] == [
        (PushType.ACCEPTED, "http_422"),
        (PushType.REVOKED, None),
    ]
    assert (await ledger.outbox.retry(endpoint=None, records=[stuck.record])).messages == 1
    [again] = await claim(ledger)
    assert (again.key, again.attempts) == (stuck.key, 1)


# Who sends


async def test_two_bridges_do_not_send_the_same_message(ledger: Ledger, other: Ledger) -> None:
    for number in range(20):
        await accepted(ledger, f"+1415555{1000 + number}")
    taken = await asyncio.gather(*(claim(each, 7) for each in (ledger, other, ledger, other)))
    keys = [message.key for messages in taken for message in messages]
    assert len(keys) == len(set(keys)) == 20


async def test_what_a_killed_process_held_is_sent_by_another_after_a_while(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accepted(ledger)
    [held] = await claim(ledger)
    assert await claim(other) == []
    real = other._writer.database_now
    monkeypatch.setattr(other._writer, "database_now", lambda t: real(t) + HELD + 1)
    [message] = await claim(other)
    assert message.message_id == held.message_id
    # The first one's result comes late: the message is the other's by now.
    await ledger.outbox.settle(HERE, [], [PushFailure(held.key, "timeout", 3600.0)])
    [entry] = await other.outbox.entries()
    assert entry.reason is None


async def test_a_process_takes_up_at_once_what_its_namesake_held(
    where: Path | str, keys: Keys, ledger: Ledger
) -> None:
    await accepted(ledger)
    await claim(ledger)
    async with await Ledger.open(where, keys) as again:
        assert await claim(again) == []
        await again.outbox.release("crm")
        assert len(await claim(again)) == 1


async def test_a_signal_follows_what_is_stored(ledger: Ledger) -> None:
    stored = asyncio.Event()
    ledger.push_to(ROUTES, stored.set)
    await ledger.append(submitting(OTHER).take())
    assert not stored.is_set()
    await accepted(ledger)
    async with asyncio.timeout(10):
        await stored.wait()


# What is personal


async def test_an_erasure_reaches_what_has_not_been_sent(where: Path | str, ledger: Ledger) -> None:
    id_ = await accepted(ledger)
    [(hashed,)] = execute(where, "select subject from outbox")
    assert hashed == ledger._writer.vault.lookup(NUMBER)
    await ledger.erase([id_], basis="request", actor="admin")
    assert execute(where, "select subject from outbox") == [(id_,)]
    [message] = await claim(ledger)
    assert (message.number, message.personal) == (None, "erased")


async def test_restricted_data_leaves_only_to_stop_texts(ledger: Ledger) -> None:
    id_ = await accepted(ledger)
    revoked = await ledger.revoke(revocation(OTHER))
    until = "2030-01-01T00:00:00.000Z"
    await ledger.restrict([id_, revoked.revocation_id], basis="x", until=until, actor="admin")
    found = {each.type: (each.number, each.personal) for each in await claim(ledger)}
    assert found == {
        PushType.ACCEPTED: (None, "restricted"),
        PushType.REVOKED: (OTHER, "included"),
    }


async def test_no_number_is_readable_in_the_outbox(where: Path | str, ledger: Ledger) -> None:
    await accepted(ledger)
    await ledger.revoke(revocation())
    assert NUMBER[2:] not in repr(execute(where, "select * from outbox"))


async def test_what_cannot_be_opened_waits_for_a_person(where: Path | str, ledger: Ledger) -> None:
    await accepted(ledger)
    execute(where, "update pii set sealed = person.sealed from person")
    assert await claim(ledger) == []
    [entry] = await ledger.outbox.entries()
    assert (entry.reason, entry.attempts) == ("unreadable", 1)


async def test_a_damaged_record_waits_and_holds_no_other(where: Path | str, ledger: Ledger) -> None:
    damaged, whole = await accepted(ledger), await accepted(ledger, OTHER)
    free = "drop trigger event_no_update"  # as an owner of the database could
    execute(where, "alter table event disable trigger user" if isinstance(where, str) else free)
    execute(where, f"update event set body = '{{' where consent_id = '{damaged}'")  # noqa: S608 - ours
    assert [each.record for each in await claim(ledger)] == [whole]
    reasons = {each.record: each.reason for each in await ledger.outbox.entries()}
    assert reasons == {damaged: "unreadable", whole: None}


async def test_what_waits_is_counted(ledger: Ledger) -> None:
    assert (await ledger.backlog()).push.pending == 0
    await accepted(ledger)
    await accepted(ledger, OTHER)
    [first, _] = await claim(ledger)
    await ledger.outbox.settle(HERE, [], [PushFailure(first.key, "timeout", 5.0)])
    backlog = (await ledger.backlog()).push
    assert (backlog.pending, backlog.failing, backlog.oldest_at) == (2, 1, first.at)
    assert await ledger.outbox.drop(endpoint="crm") == 2
    assert (await ledger.backlog()).push.oldest_at is None
