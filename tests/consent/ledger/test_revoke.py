from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import Act, Filter, IllegalTransition, State, Withheld, commitment
from agi_bridge.consent.ledger import Ledger, revoke
from tests.support.consent_builders import (
    BRAND,
    NUMBER,
    confirmed,
    returning,
    revocation,
    settle,
    submitting,
)
from tests.support.error_codes import coded
from tests.support.external_db import execute

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from agi_bridge.consent import ConsentRecord
    from agi_bridge.consent.ledger.transaction import Transaction

ANOTHER_NUMBER = "+14155550155"


async def stored(ledger: Ledger, record: ConsentRecord) -> str:
    await ledger.append(record.take())
    return record.id


async def last(ledger: Ledger, consent_id: str) -> str:
    return (await ledger.rows_of(consent_id))[-1].type


async def test_a_revocation_ends_every_consent_of_the_number_and_of_nobody_else(
    ledger: Ledger,
) -> None:
    accepted = submitting()
    await stored(ledger, accepted)
    settle(accepted)
    ended = [
        await stored(ledger, accepted),
        await stored(ledger, confirmed(line="garage")),
        await stored(ledger, returning(accepted.id)),
    ]
    others = [
        await stored(ledger, submitting(ANOTHER_NUMBER)),
        await stored(ledger, submitting(brand="Another")),
    ]
    done = await ledger.revoke(revocation())
    assert (done.consents, done.already) == (3, False)
    for consent_id in ended:
        event = (await ledger.events(consent_id))[-1]
        assert event.type is State.REVOKED
        assert event.body["revocation"] == done.revocation_id
        assert event.body["channel"] == "command"
    assert [await last(ledger, consent_id) for consent_id in others] == ["submitting"] * 2


async def test_a_revocation_for_every_brand_ends_those_of_every_brand(ledger: Ledger) -> None:
    ended = [
        await stored(ledger, submitting()),
        await stored(ledger, submitting(brand="Another")),
    ]
    done = await ledger.revoke(revocation(brand=None))
    assert done.consents == 2
    assert [await last(ledger, consent_id) for consent_id in ended] == ["revoked"] * 2
    [event] = await ledger.events(done.revocation_id)
    assert (event.body["scope"], event.body["brand"]) == ("all", None)


async def test_the_request_itself_is_on_record_with_what_opens_it_apart(
    ledger: Ledger, where: Path | str
) -> None:
    request = replace(
        revocation(words="please stop", reference="letter 17", passed_on=True),
        received="2026-11-20T10:00:00.000Z",
    )
    done = await ledger.revoke(request)
    [event] = await ledger.events(done.revocation_id)
    known = await ledger.personal_data(done.revocation_id)
    assert known is not None
    assert event.type is Act.REVOCATION
    facts = {
        "received": "2026-11-20T10:00:00.000Z",
        "honoured": event.at,
        "channel": "command",
        "scope": "brand",
        "brand": BRAND,
        "under_way": 0,
        "actor": "admin",
        "passed_on": True,
        "consents": 0,
        **{
            f"{name}_c": commitment(bytes.fromhex(known["salt"]), name, known[name])
            for name in ("number", "words", "reference")
        },
    }
    assert facts.items() <= event.body.items()
    del known["salt"]
    assert known == {"number": NUMBER, "words": "please stop", "reference": "letter 17"}
    assert execute(where, "select kind, line_id, brand from pii") == [("revocation", None, None)]


async def test_a_request_that_says_no_more_is_received_now(ledger: Ledger) -> None:
    done = await ledger.revoke(revocation())
    [event] = await ledger.events(done.revocation_id)
    assert event.body["received"] == event.body["honoured"] == event.at
    assert (await ledger.personal_data(done.revocation_id) or {}).keys() == {"salt", "number"}


async def test_the_same_request_again_changes_nothing(ledger: Ledger, where: Path | str) -> None:
    await stored(ledger, submitting())
    first = await ledger.revoke(revocation(reference="message 17"))
    again = await ledger.revoke(revocation(reference="message 17"))
    assert (first.consents, first.already) == (1, False)
    assert again == replace(first, already=True)
    assert uuid.UUID(first.revocation_id).version == 8
    assert execute(where, "select count(*) from event where type = 'revocation'") == [(1,)]


async def test_the_same_request_is_a_new_one_once_a_consent_has_lifted_it(ledger: Ledger) -> None:
    first = await ledger.revoke(revocation(reference="message 17"))
    since = await stored(ledger, submitting(caller_id=NUMBER))
    second = await ledger.revoke(revocation(reference="message 17"))
    assert (second.already, second.consents) == (False, 1)
    assert second.revocation_id != first.revocation_id
    assert await last(ledger, since) == "revoked"
    assert (await ledger.revoke(revocation(reference="message 17"))).already
    with pytest.raises(Withheld):
        await stored(ledger, submitting())


@pytest.mark.parametrize(
    "other",
    [
        {"number": "+14155550124"},
        {"scope": "all", "brand": None},
        {"scope": "seller", "seller": "Example Store Inc."},
        {"brand": "Another"},
        {"channel": "http"},
    ],
)
async def test_the_same_reference_is_of_one_number_scope_and_channel(
    ledger: Ledger, other: dict[str, Any]
) -> None:
    first = await ledger.revoke(revocation(reference="17"))
    second = await ledger.revoke(replace(revocation(reference="17"), **other))
    assert not second.already
    assert second.revocation_id != first.revocation_id
    assert len(await ledger.suppressions()) == 2


async def test_a_revocation_of_a_seller_reaches_all_its_brands_and_no_other_seller(
    ledger: Ledger,
) -> None:
    own = await stored(ledger, submitting(brand="Another"))
    done = await ledger.revoke(replace(revocation(), scope="seller", seller=" example store INC. "))
    assert done.consents == 1
    assert await last(ledger, own) == "revoked"
    for brand in (BRAND, "A third"):
        with pytest.raises(Withheld):
            await stored(ledger, submitting(brand=brand))


async def test_a_revocation_of_a_seller_holds_for_the_brand_that_it_names_too(
    ledger: Ledger,
) -> None:
    """A business that changes its legal name has not made anybody consent again."""
    given = await stored(ledger, submitting())
    request = replace(revocation(), scope="seller", brand=BRAND, seller="Its new name Ltd.")
    assert (await ledger.revoke(request)).consents == 1
    assert await last(ledger, given) == "revoked"
    with pytest.raises(Withheld):
        await stored(ledger, submitting())
    await stored(ledger, submitting(brand="Another"))


async def test_a_submission_under_way_is_counted_in_the_answer(ledger: Ledger) -> None:
    await stored(ledger, submitting())
    done = await ledger.revoke(revocation(reference="17"))
    assert (done.consents, done.under_way) == (1, 1)
    assert (await ledger.revoke(revocation(reference="17"))).under_way == 1


async def test_a_caller_id_that_is_not_trusted_lifts_nothing(ledger: Ledger) -> None:
    await ledger.revoke(revocation())
    record = confirmed(caller_id=NUMBER, trust="A", attestation="B")
    with pytest.raises(Withheld):
        await ledger.append(record.take())
    trusted = confirmed(caller_id=NUMBER, trust="B", attestation="A")
    await ledger.append(trusted.take())
    lifted = [event for event in await ledger.events(trusted.id) if event.type is Act.LIFTED]
    assert [event.body["consent"] for event in lifted] == [trusted.id]


async def test_the_same_reference_on_another_channel_is_another_request(ledger: Ledger) -> None:
    first = await ledger.revoke(revocation(reference="17"))
    other = await ledger.revoke(replace(revocation(reference="17"), channel="http"))
    assert not other.already
    assert other.revocation_id != first.revocation_id


async def test_requests_without_a_reference_are_each_their_own(ledger: Ledger) -> None:
    ids = {(await ledger.revoke(revocation())).revocation_id for _ in range(2)}
    assert len(ids) == 2


async def test_the_same_request_at_two_bridges_at_once_is_one(
    ledger: Ledger, other: Ledger
) -> None:
    await stored(ledger, submitting())
    done = await asyncio.gather(
        *(bridge.revoke(revocation(reference="17")) for bridge in (ledger, other) * 2)
    )
    assert len({each.revocation_id for each in done}) == 1
    assert sorted(each.already for each in done) == [False, True, True, True]
    assert {each.consents for each in done} == {1}


async def test_what_is_revoked_already_is_not_ended_again(ledger: Ledger) -> None:
    consent = await stored(ledger, submitting())
    assert (await ledger.revoke(revocation())).consents == 1
    assert (await ledger.revoke(revocation())).consents == 0
    assert [row.type for row in await ledger.rows_of(consent)].count("revoked") == 1


async def test_an_erased_number_can_still_be_revoked(ledger: Ledger) -> None:
    consent = await stored(ledger, submitting())
    await ledger.erase([consent], basis="request", actor="admin")
    assert (await ledger.revoke(revocation())).consents == 0
    with pytest.raises(Withheld, check=coded("suppressed")):
        await ledger.append(submitting().take())


async def test_a_revocation_and_agreements_that_race_leave_no_live_consent_behind(
    ledger: Ledger, other: Ledger
) -> None:
    records = [submitting() for _ in range(20)]
    work = [bridge.append(record.take()) for record, bridge in
            zip(records, (ledger, other) * 10, strict=True)]  # fmt: skip
    work.insert(10, ledger.revoke(revocation()))  # type: ignore[arg-type]  # two kinds of result
    results = await asyncio.gather(*work, return_exceptions=True)
    refused = {
        records[index if index < 10 else index - 1].id
        for index, result in enumerate(results)
        if isinstance(result, Withheld)
    }
    for record in records:
        rows = [row.type for row in await ledger.rows_of(record.id)]
        assert rows == [] if record.id in refused else rows[-1] == "revoked"
    assert await ledger.active_consent(NUMBER, BRAND, "info") is None


async def test_an_agreement_that_comes_in_while_a_revocation_waits_is_ended_too(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = await stored(ledger, submitting())
    found = revoke._candidates
    looks = count()
    monkeypatch.setattr(revoke, "_candidates", lambda *asked: found(*asked) if next(looks) else [])
    held: list[str] = []
    lock = ledger._writer.lock

    def noted(transaction: Transaction, names: Iterable[str]) -> None:
        held.extend(names := list(names))
        lock(transaction, names)

    monkeypatch.setattr(ledger._writer, "lock", noted)
    assert (await ledger.revoke(revocation())).consents == 1
    assert await last(ledger, consent) == "revoked"
    assert f"consent:{consent}" in held  # and not changed under our hands


# Messages of nobody knows whom


async def test_a_message_of_nobody_knows_whom_waits_for_a_person(
    ledger: Ledger, where: Path | str
) -> None:
    id_ = await ledger.record_message("c-1", "ARRETE", reference="m-1", business_id="b-1")
    [event] = await ledger.events(id_)
    known = await ledger.personal_data(id_)
    assert known is not None
    assert event.type is Act.MESSAGE
    assert (event.body["channel"], event.body["business_id"]) == ("instaply", "b-1")
    salt = bytes.fromhex(known.pop("salt"))
    assert event.body["customer_id_c"] == commitment(salt, "customer_id", "c-1")
    assert known == {"customer_id": "c-1", "words": "ARRETE", "reference": "m-1"}
    assert execute(where, "select kind, number_hmac from pii") == [("message", None)]
    [summary] = await ledger.summaries(Filter(open_=True))
    assert summary.consent_id == id_


async def test_the_same_message_is_kept_once(ledger: Ledger) -> None:
    ids = [await ledger.record_message("c-1", "STOP", reference="m-1") for _ in range(2)]
    other = await ledger.record_message("c-1", "STOP", reference="m-2")
    assert ids[0] == ids[1] != other
    assert len(await ledger.rows_of(ids[0])) == 1


# Acts


async def unknown(ledger: Ledger) -> str:
    record = submitting()
    await stored(ledger, record)
    settle(record, State.UNKNOWN, "timeout")
    return await stored(ledger, record)


async def test_what_waits_for_a_person_is_resolved_once(ledger: Ledger) -> None:
    waiting = [
        await unknown(ledger),
        await ledger.record_message("c-1", "STOP", reference="m-1"),
        (await ledger.revoke(revocation(ANOTHER_NUMBER))).revocation_id,
    ]
    for id_ in waiting:
        await ledger.record_act(Act.RESOLVED, id_, **{"as": "texted", "actor": "admin"})
        event = (await ledger.events(id_))[-1]
        assert (event.type, event.body["as"]) == (Act.RESOLVED, "texted")
        with pytest.raises(IllegalTransition, check=coded("not_waiting")):
            await ledger.record_act(Act.RESOLVED, id_, **{"as": "texted", "actor": "admin"})


async def test_an_unknown_outcome_can_be_resolved_after_its_revocation_too(
    ledger: Ledger,
) -> None:
    id_ = await unknown(ledger)
    await ledger.revoke(revocation())
    await ledger.record_act(Act.RESOLVED, id_, **{"as": "not-texted", "actor": "admin"})
    assert await last(ledger, id_) == "resolved"


async def test_what_does_not_wait_is_not_resolved(ledger: Ledger) -> None:
    consent = await stored(ledger, submitting())
    with pytest.raises(IllegalTransition, check=coded("not_waiting", consent)):
        await ledger.record_act(Act.RESOLVED, consent, **{"as": "texted", "actor": "admin"})
    with pytest.raises(LookupError, match="nothing is not in the ledger"):
        await ledger.record_act(Act.RESOLVED, "nothing", **{"as": "texted", "actor": "admin"})


@pytest.mark.parametrize("act", [Act.REVEALED, Act.EXPORTED])
async def test_an_act_is_chained_and_changes_no_state(ledger: Ledger, act: Act) -> None:
    record = submitting()
    consent = await stored(ledger, record)
    body: dict[str, Any] = {"actor": "admin", "count": 1}
    await ledger.record_act(act, consent, **body)
    event = (await ledger.events(consent))[-1]
    assert event.type is act
    assert body.items() <= event.body.items()
    settle(record)
    assert await last(ledger, await stored(ledger, record)) == "accepted"
