from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import (
    Act,
    ConsentRecord,
    Filter,
    RetentionRules,
    State,
    VaultDamaged,
    timestamp,
)
from agi_bridge.consent.ledger import Ledger, queries
from tests.support.consent_builders import (
    BRAND,
    ENTERED,
    FACTS,
    HEARD,
    NUMBER,
    confirmed,
    returning,
    revocation,
    settle,
    stored,
    submitting,
)
from tests.support.external_db import execute, plan

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.consent import Summary
    from agi_bridge.consent.signing import Keys


def declined() -> ConsentRecord:
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    record.entered(ENTERED)
    record.ended(State.DECLINED, "star")
    return record


async def listed(ledger: Ledger, wanted: Filter) -> list[str]:
    return [summary.consent_id for summary in await ledger.summaries(wanted)]


async def the_only(ledger: Ledger, wanted: Filter) -> Summary:
    [summary] = await ledger.summaries(wanted)
    return summary


# Rows


async def test_rows_are_given_from_one_number_to_another(ledger: Ledger, other: Ledger) -> None:
    await stored(other, confirmed())
    await stored(ledger, confirmed())
    assert [row.seq for row in await ledger.rows()] == [1, 2, 3, 4]
    assert [row.seq for row in await ledger.rows(first=2, last=3)] == [2, 3]
    assert [row.seq for row in await ledger.rows(first=5)] == []
    theirs = await ledger.rows(other.ledger_id, last=2)
    assert [(row.ledger_id, row.seq) for row in theirs] == [(other.ledger_id, s) for s in (1, 2)]
    assert await ledger.rows("no such chain") == []


async def test_the_events_of_one_consent_may_be_in_several_chains(
    ledger: Ledger, other: Ledger
) -> None:
    record = submitting()
    consent = await stored(ledger, record)
    settle(record)
    await stored(other, record)
    rows = await ledger.rows_of(consent)
    assert [row.ledger_id for row in rows] == [ledger.ledger_id] * 4 + [other.ledger_id]
    assert [row.type for row in rows][-2:] == ["submitting", "accepted"]


async def test_a_rows_repr_does_not_show_its_body(ledger: Ledger) -> None:
    consent = await stored(ledger, confirmed())
    assert "legal_name" not in repr(await ledger.rows_of(consent))


# Summaries


async def test_a_consent_is_told_in_one_line(ledger: Ledger) -> None:
    consent = await stored(ledger, submitting(), State.ACCEPTED)
    events = await ledger.events(consent)
    summary = await the_only(ledger, Filter())
    assert (summary.consent_id, summary.kind, summary.state) == (
        consent, "consent", State.ACCEPTED,
    )  # fmt: skip
    assert (summary.line_id, summary.brand) == ("shop", BRAND)
    assert (summary.at, summary.last_at) == (events[0].at, events[-1].at)
    assert (summary.erased, summary.restricted_until) == (False, None)
    assert summary.masked_number == "+1***23"
    assert NUMBER[2:] not in repr(summary)


async def test_a_caller_who_did_not_agree_has_no_number_and_was_not_erased(ledger: Ledger) -> None:
    await stored(ledger, declined())
    summary = await the_only(ledger, Filter())
    assert summary.state is State.DECLINED
    assert summary.masked_number is None
    assert not summary.erased


async def test_acts_of_their_own_have_lines_of_their_own(ledger: Ledger) -> None:
    first = await stored(ledger, submitting())
    await stored(ledger, returning(first))
    await ledger.revoke(revocation())
    await ledger.revoke(revocation(brand=None))
    await ledger.record_message("c-1", "STOP", reference="m-1")
    await ledger.record_act(Act.EXPORTED, "an export", actor="admin")
    lines = [(s.kind, s.brand, s.line_id, s.state) for s in await ledger.summaries(Filter())]
    assert lines == [
        ("message", None, None, None),
        ("revocation", None, None, None),
        ("revocation", BRAND, None, None),
        ("returned", BRAND, "shop", State.REVOKED),
        ("consent", BRAND, "shop", State.REVOKED),
    ]


async def test_what_was_deleted_in_part_was_not_erased(ledger: Ledger) -> None:
    consent = await stored(ledger, submitting())
    later = "9999-01-01T00:00:00.000Z"
    rules = RetentionRules(
        now=time.time(), personal_before="2020-01-01T00:00:00.000Z", details_before=later
    )
    assert (await ledger.retain(rules, dry_run=False)).trim == 1
    assert not (await the_only(ledger, Filter())).erased
    await ledger.erase([consent], basis="request", actor="admin")
    summary = await the_only(ledger, Filter())
    assert summary.erased
    assert summary.masked_number is None


async def test_they_are_filtered_by_number(ledger: Ledger) -> None:
    mine = await stored(ledger, submitting())
    await stored(ledger, submitting("+14155550155"))
    request = await ledger.revoke(revocation())
    assert await listed(ledger, Filter(number=NUMBER)) == [request.revocation_id, mine]
    assert await listed(ledger, Filter(number="+14155550199")) == []


async def test_they_are_filtered_by_line_erased_and_declined_ones_too(ledger: Ledger) -> None:
    erased, refused = await stored(ledger, submitting()), await stored(ledger, declined())
    await stored(ledger, submitting(line="shop_"))
    await stored(ledger, submitting(line="garage"))
    await ledger.erase([erased], basis="request", actor="admin")
    assert await listed(ledger, Filter(line="shop")) == [refused, erased]
    assert await listed(ledger, Filter(line="sh%")) == []


async def test_they_are_filtered_by_the_state_they_were_left_in(ledger: Ledger) -> None:
    accepted = await stored(ledger, submitting(), State.ACCEPTED)
    open_ = await stored(ledger, submitting())
    assert await listed(ledger, Filter(state=State.ACCEPTED)) == [accepted]
    assert await listed(ledger, Filter(state=State.SUBMITTING)) == [open_]
    assert await listed(ledger, Filter(state=State.EXPIRED)) == []


async def test_they_are_filtered_by_time(ledger: Ledger) -> None:
    ids = [await stored(ledger, submitting())]
    at = (await ledger.events(ids[0]))[0].at
    later = timestamp(round(datetime.fromisoformat(at).timestamp() * 1000 + 1) * 1_000_000)
    assert await listed(ledger, Filter(since=at)) == ids
    assert await listed(ledger, Filter(since=later)) == []
    assert await listed(ledger, Filter(until=later)) == ids
    assert await listed(ledger, Filter(until=at)) == []


@pytest.mark.parametrize("oldest_first", [False, True])
async def test_they_are_listed_page_by_page(ledger: Ledger, *, oldest_first: bool) -> None:
    ids = [await stored(ledger, submitting(f"+1415555017{number}")) for number in range(5)]
    pages: list[str] = []
    while page := await listed(
        ledger,
        Filter(oldest_first=oldest_first, limit=2, past=pages[-1] if pages else None),
    ):
        assert len(page) <= 2
        pages += page
    assert pages == (ids if oldest_first else ids[::-1])
    assert await listed(ledger, Filter(past="not on record")) == []


async def test_what_waits_for_a_person_is_listed_until_it_is_resolved(ledger: Ledger) -> None:
    unknown = await stored(ledger, submitting("+14155550171"), State.UNKNOWN)
    await stored(ledger, submitting("+14155550172"), State.ACCEPTED)
    await ledger.revoke(revocation(passed_on=True))
    request = (await ledger.revoke(revocation())).revocation_id
    message = await ledger.record_message("c-1", "STOP", reference="m-1")
    assert await listed(ledger, Filter(open_=True)) == [message, request, unknown]
    for id_ in (request, unknown):
        await ledger.record_act(Act.RESOLVED, id_, **{"as": "done", "actor": "admin"})
    assert await listed(ledger, Filter(open_=True)) == [message]


async def test_what_waits_is_found_without_going_through_all_events(file: Path, keys: Keys) -> None:
    async with await Ledger.open(file, keys) as ledger:
        found = await plan(ledger, ledger.summaries(Filter(open_=True)))
    assert "event_rare" in found
    assert "SCAN event" not in found  # submissions under way are few


async def test_there_are_as_many_as_are_wanted_newest_first(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_PAGE", 3)
    records = [submitting() for _ in range(7)]
    await asyncio.gather(*(ledger.append(record.take()) for record in records))
    ids = [record.id for record in reversed(records)]
    for limit in (0, 1, 3, 4, 7, 100):
        assert await listed(ledger, Filter(limit=limit)) == ids[:limit]
    assert await listed(ledger, Filter(limit=None)) == ids


async def test_a_filter_that_finds_little_looks_through_all_of_them(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "_PAGE", 2)
    first = await stored(ledger, submitting())
    for _ in range(5):
        await stored(ledger, submitting(), State.ACCEPTED)
    assert await listed(ledger, Filter(state=State.SUBMITTING, limit=1)) == [first]


async def test_a_filters_repr_does_not_show_the_number() -> None:
    assert NUMBER[2:] not in repr(Filter(number=NUMBER))


async def test_one_damaged_row_does_not_hide_the_others(ledger: Ledger, where: Path | str) -> None:
    damaged, whole = await stored(ledger, submitting()), await stored(ledger, submitting())
    execute(
        where,
        f"update pii set sealed = substr(sealed, 1, 20) where consent_id = '{damaged}'",  # noqa: S608 - ours
    )
    with pytest.raises(VaultDamaged):
        await ledger.personal_data(damaged)
    lines = {s.consent_id: s.masked_number for s in await ledger.summaries(Filter())}
    assert lines == {damaged: None, whole: "+1***23"}


async def test_the_index_of_revocations_can_be_read(ledger: Ledger) -> None:
    assert await ledger.suppressions() == {}
    revoked = await ledger.revoke(revocation(brand=" Example STORE"))
    [(id_, (number_hmac, scope, brand))] = (await ledger.suppressions()).items()
    assert (id_, scope, brand) == (revoked.revocation_id, "brand:example store", "example store")
    assert len(number_hmac) == 64
    assert await ledger.liftings() == set()
    await ledger.append(submitting(caller_id=NUMBER).take())
    assert await ledger.liftings() == {(id_, "example store")}
