from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import structlog

from agi_bridge.consent import (
    START,
    ConsentRecord,
    IllegalTransition,
    State,
    canonical,
    commitment,
    leaf,
    link,
    text_sha256,
)
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.models import SCHEMA
from agi_bridge.consent.signing import Keys, Vault, generate_keys
from tests.support.consent_builders import (
    BRAND,
    CALLER,
    ENTERED,
    FACTS,
    HEARD,
    NUMBER,
    SENDING,
    confirmed,
    returning,
    revocation,
    settle,
    submitting,
)
from tests.support.error_codes import coded
from tests.support.external_db import execute

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = ("ledger_id", "seq", "consent_id", "type", "at")


async def types(ledger: Ledger, consent_id: str) -> list[str]:
    return [row.type for row in await ledger.rows_of(consent_id)]


async def test_a_consent_is_in_the_database_when_append_returns(
    ledger: Ledger, where: Path | str
) -> None:
    record = submitting()
    await ledger.append(record.take())
    assert execute(where, "select type from event where type <> 'opened' order by id") == [
        ("disclosed",), ("entered",), ("confirmed",), ("submitting",),
    ]  # fmt: skip
    assert execute(where, "select consent_id, kind, line_id, trimmed from pii") == [
        (record.id, "consent", "shop", False)
    ]
    assert execute(where, "select text, lang, version from disclosure") == [(HEARD.text, "en", 1)]
    assert execute(where, "select disclosure_sha256 from pii") == [(text_sha256(HEARD.text),)]


async def test_every_event_is_bound_to_all_before_it(ledger: Ledger) -> None:
    records = [submitting() for _ in range(3)]
    await asyncio.gather(*(ledger.append(record.take()) for record in records))
    for record in records:
        settle(record)
        await ledger.append(record.take())
    hash_ = START
    for number, row in enumerate(await ledger.rows(), 1):
        hash_ = link(hash_, leaf(row.tags, row.body))
        assert (row.seq, row.hash) == (number, hash_.hex())
    assert number == 1 + 3 * 5
    [chain] = await ledger.chains()
    assert (chain.seq, chain.hash) == (number, hash_.hex())


async def test_a_body_is_canonical_and_says_all_that_the_columns_say(ledger: Ledger) -> None:
    await ledger.append(submitting().take())
    for row in await ledger.rows():
        facts = dict(row.fields)
        assert canonical(facts) == row.body
        assert {name: facts[name] for name in COLUMNS} == {
            name: getattr(row, name) for name in COLUMNS
        }
        assert facts["schema"] == SCHEMA
    ids = [row.fields["event_id"] for row in await ledger.rows()]
    assert len(set(ids)) == len(ids)


async def test_nothing_personal_can_be_read_in_the_database(
    ledger: Ledger, where: Path | str
) -> None:
    record = submitting()
    await ledger.append(record.take())
    record.submission_ended(
        State.ACCEPTED, reason="dial", status=200, attempts=1, answer="ab" * 32,
        forward="+14155550155",
    )  # fmt: skip
    await ledger.append(record.take())
    await ledger.revoke(revocation(words="please stop", reference="letter 17"))
    everything = str([execute(where, f"select * from {table}") for table in  # noqa: S608 - ours
                      ("event", "pii", "suppression", "ledger", "disclosure")])  # fmt: skip
    known = await ledger.personal_data(record.id)
    assert known is not None
    for personal in (*known.values(), CALLER[1:], "please stop", "letter 17", "4155550155"):
        assert personal not in everything
    if not isinstance(where, str):
        files = b"".join(each.read_bytes() for each in where.parent.iterdir())
        assert HEARD.text.encode() in files
        assert not any(personal.encode() in files for personal in known.values())


async def test_personal_data_is_sealed_and_found_by_keyed_hashes(
    ledger: Ledger, where: Path | str, keys: Keys
) -> None:
    record, hidden = submitting(), submitting(caller_id=None)
    await ledger.append(record.take())
    await ledger.append(hidden.take())
    vault = Vault(keys)
    known = await ledger.personal_data(record.id)
    assert known is not None
    assert known["number"] == NUMBER == await ledger.number(record.id)
    assert (known["caller_id"], known["digits"]) == (CALLER, ENTERED.digits)
    events = await ledger.events(record.id)
    assert events[2].body["number_c"] == commitment(bytes.fromhex(known["salt"]), "number", NUMBER)
    found = execute(where, "select number_hmac, caller_hmac from pii order by at, consent_id")
    nobody = vault.lookup("\0callers without a number: shop")
    assert found == [(vault.lookup(NUMBER), vault.lookup(CALLER)), (vault.lookup(NUMBER), nobody)]
    assert "caller_id" not in (await ledger.personal_data(hidden.id) or {})


async def test_an_event_that_may_not_follow_is_refused_and_the_others_are_stored(
    ledger: Ledger,
) -> None:
    good, bad = confirmed(), confirmed()
    bad.take()  # its first events never reach the ledger
    bad.submitting(SENDING)
    results = await asyncio.gather(
        ledger.append(bad.take()), ledger.append(good.take()), return_exceptions=True
    )
    assert isinstance(results[0], IllegalTransition)
    assert bad.id in str(results[0])
    assert results[1] is None
    assert {event.consent_id for event in await ledger.events()} == {good.id}
    assert await ledger.personal_data(bad.id) is None


async def test_a_batch_is_refused_whole(ledger: Ledger) -> None:
    record = submitting()
    await ledger.append(record.take())
    settle(record, State.NOT_SENT)
    batch = record.take()
    [good] = batch.events
    with pytest.raises(
        IllegalTransition, check=coded("illegal_transition", "accepted", "not_sent")
    ):
        await ledger.append(replace(batch, events=(good, replace(good, type=State.ACCEPTED))))
    assert await types(ledger, record.id) == ["disclosed", "entered", "confirmed", "submitting"]


async def test_later_events_follow_what_is_stored(ledger: Ledger) -> None:
    record = confirmed()
    await ledger.append(record.take())
    record.submitting(SENDING)
    await ledger.append(record.take())
    settle(record, State.REFUSED, "not_linked")
    await ledger.append(record.take())
    events = await ledger.events(record.id)
    assert [event.type for event in events][-2:] == [State.SUBMITTING, State.REFUSED]
    assert events[-1].body["reason"] == "not_linked"


async def test_events_of_one_consent_follow_each_other_within_a_group_too(ledger: Ledger) -> None:
    record = confirmed()
    first = record.take()
    record.submitting(SENDING)
    second = record.take()
    settle(record)
    await asyncio.gather(*map(ledger.append, (first, second, record.take())))
    assert (await types(ledger, record.id))[-2:] == ["submitting", "accepted"]


async def test_of_two_that_submit_one_consent_at_once_only_one_may(
    ledger: Ledger, other: Ledger
) -> None:
    record = submitting()
    await ledger.append(record.take())
    settle(record, State.NOT_SENT)
    await ledger.append(record.take())
    both = [await bridge.load_for_retry(record.id) for bridge in (ledger, other)]
    for each in both:
        each.submitting(SENDING, 2)
    results = await asyncio.gather(
        ledger.append(both[0].take()), other.append(both[1].take()), return_exceptions=True
    )
    assert {type(result) for result in results} == {IllegalTransition, type(None)}
    assert (await types(ledger, record.id)).count("submitting") == 2


async def test_the_first_event_names_the_version_of_the_wording(ledger: Ledger) -> None:
    wordings = [
        HEARD,
        replace(HEARD, text="You agree to be texted."),
        HEARD,
        replace(HEARD, text="Vous acceptez.", language="fr"),
    ]
    records = [confirmed(heard=heard) for heard in wordings]
    for record in records:
        await ledger.append(record.take())
    first = [(await ledger.events(record.id))[0].body for record in records]
    assert [body["disclosure_version"] for body in first] == [1, 2, 1, 1]
    kept = await ledger.disclosure(text_sha256("You agree to be texted."))
    assert kept is not None
    assert (kept.lang, kept.version, kept.text) == ("en", 2, "You agree to be texted.")


async def test_two_bridges_give_one_wording_one_version(ledger: Ledger, other: Ledger) -> None:
    wordings = [replace(HEARD, text=f"Wording {number}.") for number in range(5)]
    await asyncio.gather(
        *(bridge.append(confirmed(heard=heard).take())
          for heard in wordings for bridge in (ledger, other))
    )  # fmt: skip
    versions = {
        (event.body["disclosure_sha256"], event.body["disclosure_version"])
        for event in await ledger.events()
        if event.type is State.DISCLOSED
    }
    assert len(versions) == 5
    assert {version for _, version in versions} == {1, 2, 3, 4, 5}


async def test_a_returning_caller_is_stored_without_a_disclosure(
    ledger: Ledger, where: Path | str
) -> None:
    first = confirmed()
    await ledger.append(first.take())
    record = returning(first.id)
    await ledger.append(record.take())
    assert await types(ledger, record.id) == ["returned", "submitting"]
    kinds = execute(where, "select kind, disclosure_sha256 is null from pii order by at, kind")
    assert [(kind, bool(none)) for kind, none in kinds] == [("consent", False), ("returned", True)]
    assert await ledger.number(record.id) == NUMBER


async def test_a_caller_who_did_not_agree_leaves_an_event_and_nothing_personal(
    ledger: Ledger, where: Path | str
) -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    record.entered(ENTERED)
    record.ended(State.ABANDONED, "hangup")
    await ledger.append(record.take())
    assert await types(ledger, record.id) == ["disclosed", "entered", "abandoned"]
    assert execute(where, "select * from pii") == []


async def test_what_a_call_learns_later_is_sealed_with_the_rest(ledger: Ledger) -> None:
    record = submitting()
    await ledger.append(record.take())
    before = await ledger.personal_data(record.id)
    record.submission_ended(
        State.ACCEPTED, reason="dial", status=200, attempts=1, answer="ab" * 32,
        forward="+14155550155",
    )  # fmt: skip
    await ledger.append(record.take())
    assert await ledger.personal_data(record.id) == {
        **(before or {}), "answer": "ab" * 32, "forward": "+14155550155",
    }  # fmt: skip


async def test_what_is_learned_of_somebody_who_was_erased_is_not_kept(ledger: Ledger) -> None:
    record = submitting()
    await ledger.append(record.take())
    await ledger.erase([record.id], basis="request", actor="admin")
    record.submission_ended(State.ACCEPTED, reason="dial", status=200, attempts=1, answer="ab" * 32)
    await ledger.append(record.take())
    assert await ledger.personal_data(record.id) is None
    assert (await types(ledger, record.id))[-1] == "accepted"


async def test_a_lost_vault_key_costs_neither_the_outcome_nor_the_others_in_its_group(
    ledger: Ledger, where: Path | str, keys: Keys
) -> None:
    renewed = Keys((*generate_keys().vault, *keys.vault), keys.lookup, generate_keys().signing)
    record = submitting()
    async with await Ledger.open(where, renewed) as bridge:
        await bridge.append(record.take())
    record.submission_ended(State.ACCEPTED, reason="dial", status=200, attempts=1, answer="ab" * 32)
    beside = submitting()
    with structlog.testing.capture_logs() as logs:
        await asyncio.gather(ledger.append(record.take()), ledger.append(beside.take()))
    assert (await types(ledger, record.id))[-1] == "accepted"
    assert (await types(ledger, beside.id))[-1] == "submitting"
    assert {(log["event"], log["consent"]) for log in logs} == {
        ("consent.details_not_kept", record.id),
        ("consent.person_key_unusable", beside.id),
    }


async def test_an_outcome_of_a_consent_revoked_on_its_way_is_stored_as_an_act(
    ledger: Ledger,
) -> None:
    record = submitting()
    await ledger.append(record.take())
    await ledger.revoke(revocation())
    settle(record)
    await ledger.append(record.take())
    last = (await ledger.events(record.id))[-1]
    assert await types(ledger, record.id) == [
        "disclosed", "entered", "confirmed", "submitting", "revoked", "settled",
    ]  # fmt: skip
    assert last.body["outcome"] == "accepted"
    assert last.body["reason"] == "dial"


async def test_a_revoked_consent_that_was_not_sent_is_not_sent_again(ledger: Ledger) -> None:
    record = submitting()
    await ledger.append(record.take())
    await ledger.revoke(revocation())
    settle(record, State.NOT_SENT)
    await ledger.append(record.take())
    assert (await ledger.events(record.id))[-1].body["outcome"] == "not_sent"
    record.submitting(SENDING, 2)
    with pytest.raises(
        IllegalTransition, check=coded("illegal_transition", "submitting", "revoked")
    ):
        await ledger.append(record.take())


async def test_bytes_from_outside_that_are_not_text_are_kept_and_break_nothing(
    ledger: Ledger,
) -> None:
    hostile = ConsentRecord(replace(FACTS, call_uid="pbx\udcff-1\x00é"))
    hostile.disclosed(HEARD)
    hostile.ended(State.ABANDONED, "hangup")
    beside = confirmed()
    await asyncio.gather(ledger.append(hostile.take()), ledger.append(beside.take()))
    [first, *_] = await ledger.rows_of(hostile.id)
    assert first.fields["call_uid"] == "pbx\udcff-1\x00é"
    assert canonical(dict(first.fields)) == first.body
    assert len(await ledger.rows_of(beside.id)) == 3


async def test_two_bridges_write_two_whole_chains_at_once(ledger: Ledger, other: Ledger) -> None:
    bridges = (ledger, other)
    records = [(bridge, submitting()) for _ in range(25) for bridge in bridges]
    await asyncio.gather(*(bridge.append(record.take()) for bridge, record in records))
    for bridge in bridges:
        rows = await ledger.rows(bridge.ledger_id)
        assert [row.seq for row in rows] == list(range(1, 102))
        hash_ = START
        for row in rows:
            hash_ = link(hash_, leaf(row.tags, row.body))
            assert row.hash == hash_.hex()
    assert {chain.seq for chain in await ledger.chains()} == {101}
    assert BRAND in (await ledger.rows(other.ledger_id))[1].body
