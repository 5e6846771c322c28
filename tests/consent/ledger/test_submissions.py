from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import Filter, IllegalTransition, State, commitment
from agi_bridge.consent.ledger import Ledger, submissions
from tests.support.consent_builders import (
    BRAND,
    HEARD,
    NUMBER,
    SENDING,
    confirmed,
    returning,
    revocation,
    stored,
    submitting,
)
from tests.support.error_codes import coded
from tests.support.external_db import execute, plan

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.consent.signing import Keys


async def types(ledger: Ledger, consent_id: str) -> list[str]:
    return [row.type for row in await ledger.rows_of(consent_id)]


# What a crash left open


async def test_a_submission_that_a_crash_left_open_becomes_unknown(
    where: Path | str, keys: Keys
) -> None:
    async with await Ledger.open(where, keys) as ledger:
        open_ = await stored(ledger, submitting())
        settled = await stored(ledger, submitting(), State.ACCEPTED)
        never = await stored(ledger, confirmed())
        again = submitting()
        await stored(ledger, again, State.NOT_SENT)
        again.submitting(SENDING, 2)
        await stored(ledger, again)
    async with await Ledger.open(where, keys) as ledger:
        assert await ledger.recover() == 2
        for consent_id in (open_, again.id):
            last = (await ledger.events(consent_id))[-1]
            assert last.type is State.UNKNOWN
            assert last.body["reason"] == "bridge_stopped"
        assert (await types(ledger, settled))[-1] == "accepted"
        assert (await types(ledger, never))[-1] == "confirmed"
        assert await ledger.recover() == 0


async def test_an_act_does_not_hide_that_a_submission_is_open(ledger: Ledger) -> None:
    open_ = await stored(ledger, submitting())
    await ledger.restrict([open_], basis="claim", until="2030-01-01T00:00:00.000Z", actor="admin")
    assert await ledger.recover() == 1
    assert (await types(ledger, open_))[-1] == "unknown"


async def test_what_was_revoked_on_its_way_is_not_open(ledger: Ledger) -> None:
    revoked = await stored(ledger, submitting())
    await ledger.revoke(revocation())
    assert await ledger.recover() == 0
    assert (await types(ledger, revoked))[-1] == "revoked"


async def test_a_bridge_recovers_its_own_chain_alone(ledger: Ledger, other: Ledger) -> None:
    theirs, ours = await stored(other, submitting()), await stored(ledger, submitting())
    assert await ledger.recover() == 1
    assert (await types(ledger, theirs))[-1] == "submitting"
    assert (await types(ledger, ours))[-1] == "unknown"


async def test_what_another_bridge_ended_meanwhile_is_not_ended_again(
    ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = await stored(ledger, submitting())
    lock = ledger._writer.lock
    loop = asyncio.get_running_loop()

    def revoked_first(*arguments: object) -> None:
        if ledger._database.is_sqlite:  # it has one writer at a time: there is no meanwhile
            return lock(*arguments)  # type: ignore[arg-type]  # as they came
        asyncio.run_coroutine_threadsafe(other.revoke(revocation()), loop).result()
        return lock(*arguments)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(ledger._writer, "lock", revoked_first)
    recovered = await ledger.recover()
    if ledger._database.is_sqlite:
        assert recovered == 1
    else:
        assert recovered == 0
        assert (await types(ledger, consent))[-1] == "revoked"


# What was certainly not sent


async def test_consents_that_were_certainly_not_sent_are_listed_oldest_first(
    ledger: Ledger, other: Ledger
) -> None:
    twice = submitting()
    await stored(ledger, twice, State.NOT_SENT)
    twice.submitting(SENDING, 2)
    await stored(ledger, twice, State.NOT_SENT)
    once = submitting(line="garage")
    await stored(other, once, State.NOT_SENT)
    for state in (State.ACCEPTED, State.REFUSED, State.UNKNOWN):
        await stored(ledger, submitting(), state)
    await stored(ledger, submitting())
    first, second = sorted(await ledger.unsent(), key=lambda unsent: unsent.consent_id)
    assert [each.consent_id for each in (first, second)] == sorted([twice.id, once.id])
    assert (first.attempts, second.attempts) == (2, 1)
    assert (first.line_id, second.line_id) == ("shop", "garage")
    assert (first.region, second.region) == ("US", "US")
    events = await ledger.events(twice.id)
    assert first.confirmed_at == events[2].at
    assert first.last_at == events[-1].at
    listed = [each.consent_id for each in await other.unsent()]
    assert listed == [twice.id, once.id]


async def test_they_are_found_without_going_through_all_events(file: Path, keys: Keys) -> None:
    async with await Ledger.open(file, keys) as ledger:
        found = await plan(ledger, ledger.unsent())
    assert "SEARCH event USING INDEX event_rare" in found
    assert "SCAN" not in found


async def test_a_returning_callers_agreement_is_listed_too(ledger: Ledger) -> None:
    first = confirmed()
    await ledger.append(first.take())
    record = returning(first.id)
    await stored(ledger, record, State.NOT_SENT)
    [unsent] = await ledger.unsent()
    assert (unsent.consent_id, unsent.region, unsent.attempts) == (record.id, "US", 1)
    assert unsent.confirmed_at == (await ledger.events(record.id))[0].at


async def test_what_has_expired_or_was_revoked_or_taken_up_is_no_longer_listed(
    ledger: Ledger,
) -> None:
    records = [submitting(number) for number in ("+14155550171", "+14155550172", "+14155550173")]
    for record in records:
        await stored(ledger, record, State.NOT_SENT)
    expired, revoked, taken = records
    expired.expired("too_old")
    await stored(ledger, expired)
    await ledger.revoke(revocation(revoked.number))
    taken.submitting(SENDING, 2)
    await stored(ledger, taken)
    assert await ledger.unsent() == []


async def test_a_stored_consent_is_gone_on_with(ledger: Ledger, other: Ledger) -> None:
    first = submitting()
    await stored(ledger, first, State.NOT_SENT)
    record = await other.load_for_retry(first.id)
    assert (record.id, record.number, record.state) == (first.id, NUMBER, State.NOT_SENT)
    record.submitting(SENDING, 2)
    await other.append(record.take())
    record.submission_ended(State.ACCEPTED, reason="dial", status=200, attempts=1, answer="ab" * 32)
    await other.append(record.take())
    known = await ledger.personal_data(first.id)
    assert known is not None
    assert known["answer"] == "ab" * 32
    rows = await ledger.rows_of(first.id)
    assert rows[-1].ledger_id == other.ledger_id
    salt = bytes.fromhex(known["salt"])
    assert rows[-1].fields["answer_c"] == commitment(salt, "answer", "ab" * 32)


async def test_what_is_not_there_or_erased_is_not_gone_on_with(ledger: Ledger) -> None:
    erased = submitting()
    await stored(ledger, erased, State.NOT_SENT)
    await ledger.erase([erased.id], basis="request", actor="admin")
    request = (await ledger.revoke(revocation())).revocation_id
    for consent_id in (erased.id, "nothing", request):
        with pytest.raises(LookupError, match=consent_id):
            await ledger.load_for_retry(consent_id)


async def test_a_consent_that_was_taken_up_is_not_sent_after_its_revocation(
    ledger: Ledger,
) -> None:
    first = submitting()
    await stored(ledger, first, State.NOT_SENT)
    record = await ledger.load_for_retry(first.id)
    await ledger.revoke(revocation())
    record.submitting(SENDING, 2)
    with pytest.raises(
        IllegalTransition, check=coded("illegal_transition", "submitting", "revoked")
    ):
        await ledger.append(record.take())


async def test_only_an_open_submission_is_settled_as_never_sent(ledger: Ledger) -> None:
    open_ = await stored(ledger, submitting())
    settled = await stored(ledger, submitting(), State.ACCEPTED)
    for consent_id in (open_, settled):
        never_sent = partial(submissions.never_sent, writer=ledger._writer, consent_id=consent_id)
        await ledger._worker.run(never_sent)
    assert (await types(ledger, open_))[-2:] == ["not_sent", "expired"]
    assert (await types(ledger, settled))[-1] == "accepted"


# Who is known


async def test_a_number_is_known_by_its_newest_consent_for_a_brand(
    ledger: Ledger, where: Path | str
) -> None:
    assert await ledger.active_consent(NUMBER, BRAND, "info") is None
    await stored(ledger, submitting())
    execute(where, "update pii set at = '2026-01-01T00:00:00.000Z'")
    newest = await stored(ledger, confirmed(heard=replace(HEARD, language="fr", text="Oui.")))
    await stored(ledger, returning(newest))  # no consent of its own
    live = await ledger.active_consent(NUMBER, BRAND.upper(), "info")
    assert live is not None
    assert (live.consent_id, live.language) == (newest, "fr")
    assert await ledger.active_consent(NUMBER, "Another", "info") is None
    assert await ledger.active_consent("+14155550155", BRAND, "info") is None


async def test_a_revoked_restricted_or_erased_consent_is_not_live(ledger: Ledger) -> None:
    ids = [await stored(ledger, submitting()) for _ in range(3)]
    await ledger.restrict([ids[2]], basis="claim", until="2030-01-01T00:00:00.000Z", actor="admin")
    await ledger.erase([ids[1]], basis="request", actor="admin")
    live = await ledger.active_consent(NUMBER, BRAND, "info")
    assert live is not None
    assert live.consent_id == ids[0]
    await ledger.revoke(revocation())
    assert await ledger.active_consent(NUMBER, BRAND, "info") is None


async def test_a_consent_given_since_the_revocation_is_live(ledger: Ledger) -> None:
    await stored(ledger, submitting())
    await ledger.revoke(revocation())
    since = await stored(ledger, submitting(caller_id=NUMBER))
    live = await ledger.active_consent(NUMBER, BRAND, "info")
    assert live is not None
    assert live.consent_id == since


async def test_who_agreed_to_answers_has_not_agreed_to_advertising(ledger: Ledger) -> None:
    await stored(ledger, submitting())
    assert await ledger.active_consent(NUMBER, BRAND, "marketing") is None
    assert await ledger.active_consent(NUMBER, BRAND, "info") is not None


async def test_a_call_need_not_wait_until_all_unsent_consents_are_read(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agi_bridge.consent.ledger.ledger.UNSENT_PAGE", 1)
    ids = [await stored(ledger, submitting(), State.NOT_SENT) for _ in range(3)]
    order: list[str] = []
    looking = asyncio.create_task(ledger.unsent())
    looking.add_done_callback(lambda _: order.append("all read"))
    call = asyncio.create_task(ledger.append(submitting().take()))
    call.add_done_callback(lambda _: order.append("call stored"))
    await asyncio.gather(looking, call)
    assert order == ["call stored", "all read"]
    assert [unsent.consent_id for unsent in looking.result()] == ids


async def test_only_what_is_unsent_expires(ledger: Ledger) -> None:
    sent = await stored(ledger, submitting(), State.ACCEPTED)
    unsent = await stored(ledger, submitting(), State.NOT_SENT)
    for consent_id in (sent, unsent, unsent):
        await ledger.expire(consent_id, "too_old")
    assert (await types(ledger, sent))[-1] == "accepted"
    assert (await types(ledger, unsent))[-2:] == ["not_sent", "expired"]


# A submission whose time is over


async def test_a_submission_is_on_the_list_of_what_is_open_once_its_time_is_over(
    ledger: Ledger, other: Ledger
) -> None:
    under_way = submitting()
    late, done = submitting("+14155550166"), submitting("+14155550177")
    batch = late.take()
    await ledger.append(replace(batch, lease_seconds=-60.0))
    await ledger.append(replace(under_way.take(), lease_seconds=60.0))
    await stored(ledger, done, State.ACCEPTED)
    [waits] = await other.summaries(Filter(open_=True))
    assert (waits.consent_id, waits.state, waits.overdue) == (late.id, State.SUBMITTING, True)
    overdue = {each.consent_id for each in await other.summaries(Filter()) if each.overdue}
    assert overdue == {late.id}
    assert await other.settle_overdue() == 1
    [waits] = await other.summaries(Filter(open_=True))
    assert (waits.consent_id, waits.state, waits.overdue) == (late.id, State.UNKNOWN, False)
