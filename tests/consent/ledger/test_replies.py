"""A YES by text completes the consents that wait for one, and no others."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import REPLY_DAYS, Act, Filter, Reply, State, commitment
from agi_bridge.consent.encoding import DAY
from agi_bridge.consent.ledger import Ledger
from tests.support.consent_builders import BRAND, NUMBER, SENDING, confirmed, revocation, submitting

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.consent import ConsentRecord
    from agi_bridge.consent.signing import Keys


async def stored(ledger: Ledger, record: ConsentRecord, state: State) -> None:
    await ledger.append(record.take())
    record.submission_ended(state, reason="read", status=200, attempts=1, answer=None)
    await ledger.append(record.take())


def yes(number: str = NUMBER, **given: Any) -> Reply:
    return Reply(
        **{
            "number": number, "brands": [BRAND], "channel": "instaply", "words": "Yes please",
            "reference": "message 7", **given,
        }
    )  # fmt: skip


def waiting(number: str = NUMBER, **given: Any) -> ConsentRecord:
    record = confirmed(number, confirm_by_reply=True, **given)
    record.submitting(SENDING)
    return record


async def completed(ledger: Ledger, reply: Reply) -> list[str]:
    return [each.consent_id for each in await ledger.complete(reply)]


async def active(ledger: Ledger) -> str | None:
    found = await ledger.active_consent(NUMBER, BRAND, "info")
    return None if found is None else found.consent_id


async def test_a_consent_is_unfinished_until_a_yes_completes_it(ledger: Ledger) -> None:
    record = waiting()
    await stored(ledger, record, State.ACCEPTED)
    [before] = await ledger.summaries(Filter())
    assert (before.unfinished, await active(ledger)) == (True, None)
    assert await completed(ledger, yes()) == [record.id]
    [after] = await ledger.summaries(Filter())
    assert (after.unfinished, await active(ledger)) == (False, record.id)
    last = (await ledger.rows_of(record.id))[-1]
    known = await ledger.personal_data(record.id)
    assert known is not None
    assert (known["reply"], known["reply_reference"]) == ("Yes please", "message 7")
    salt = bytes.fromhex(known["salt"])
    assert last.type == Act.REPLIED
    assert last.fields["reply_c"] == commitment(salt, "reply", "Yes please")
    assert "Yes please" not in last.body


async def test_a_yes_that_comes_twice_is_stored_once(ledger: Ledger, other: Ledger) -> None:
    record = waiting()
    await stored(ledger, record, State.ACCEPTED)
    assert await completed(other, yes()) == [record.id]
    assert await completed(ledger, yes()) == []
    types = [row.type for row in await ledger.rows_of(record.id)]
    assert types.count(Act.REPLIED) == 1


@pytest.mark.parametrize(
    "reply",
    [
        yes("+14155550166"),
        yes(brands=["Another Store"]),
        yes(brands=[]),
        yes(received="2020-01-01T00:00:00Z"),
    ],
)
async def test_a_yes_of_another_to_another_or_from_before_completes_nothing(
    ledger: Ledger, reply: Reply
) -> None:
    await stored(ledger, waiting(), State.ACCEPTED)
    assert await completed(ledger, reply) == []


async def test_a_consent_that_asks_for_no_reply_gets_none(ledger: Ledger) -> None:
    await stored(ledger, submitting(), State.ACCEPTED)
    assert await completed(ledger, yes()) == []


@pytest.mark.parametrize("state", [State.REFUSED, State.NOT_SENT])
async def test_a_yes_to_a_text_that_was_not_sent_is_one_to_something_else(
    ledger: Ledger, state: State
) -> None:
    await stored(ledger, waiting(), state)
    assert await completed(ledger, yes()) == []


async def test_a_yes_may_outrun_the_outcome_of_the_submission(ledger: Ledger) -> None:
    record = waiting()
    await ledger.append(record.take())
    assert await completed(ledger, yes()) == [record.id]
    record.submission_ended(State.ACCEPTED, reason="dial", status=200, attempts=1, answer=None)
    await ledger.append(record.take())
    known = await ledger.personal_data(record.id)
    assert known is not None
    assert known["reply"] == "Yes please"


async def test_a_revoked_or_restricted_consent_is_not_completed(ledger: Ledger) -> None:
    revoked, restricted = waiting(), waiting("+14155550166", caller_id=None)
    for record in (revoked, restricted):
        await stored(ledger, record, State.ACCEPTED)
    await ledger.revoke(revocation())
    await ledger.restrict([restricted.id], basis="claim", until="2030-01-01T00:00:00Z", actor="me")
    assert await completed(ledger, yes()) == []
    assert await completed(ledger, yes("+14155550166")) == []


@pytest.mark.parametrize(("days", "taken"), [(REPLY_DAYS - 0.1, True), (REPLY_DAYS + 0.1, False)])
async def test_a_late_yes_answers_something_else(
    file: Path, keys: Keys, days: float, *, taken: bool
) -> None:
    record = waiting()
    async with await Ledger.open(file, keys) as ledger:
        await stored(ledger, record, State.ACCEPTED)
        now = ledger._writer.clock()
        ledger._writer.clock = lambda: now + days * DAY
        assert (await completed(ledger, yes()) == [record.id]) is taken


async def test_a_row_under_anothers_number_is_not_completed_by_it(file: Path, keys: Keys) -> None:
    mine, theirs = waiting(), waiting("+14155550166", caller_id=None)
    async with await Ledger.open(file, keys) as ledger:
        for record in (mine, theirs):
            await stored(ledger, record, State.ACCEPTED)
        with closing(sqlite3.connect(file, isolation_level=None)) as database:
            hashed = ledger._writer.vault.lookup(NUMBER)
            database.execute(
                "UPDATE pii SET number_hmac = ? WHERE consent_id = ?", (hashed, theirs.id)
            )
        assert await completed(ledger, yes()) == [mine.id]
