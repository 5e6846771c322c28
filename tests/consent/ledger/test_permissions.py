"""Who may be texted: the same rule for a returning caller and for a system that asks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import PermissionQuestion, Reason, Reply, Revocation
from agi_bridge.consent.encoding import DAY
from tests.support.consent_builders import BRAND, FACTS, NUMBER, SENDING, confirmed, revocation
from tests.support.external_db import execute

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.consent import Batch, ConsentRecord, Permission
    from agi_bridge.consent.ledger import Ledger

OTHER = "+14155550124"
ASKED = PermissionQuestion(
    number=NUMBER, brand=BRAND, sellers=[FACTS.legal_name], purpose="info", max_age_days=365
)


async def stored(ledger: Ledger, record: ConsentRecord) -> str:
    await ledger.append(record.take())
    return record.id


async def ask(ledger: Ledger, question: PermissionQuestion = ASKED) -> Permission:
    [answer] = await ledger.permissions([question])
    active = await ledger.active_consent(
        question.number, question.brand, question.purpose, max_age_days=question.max_age_days
    )
    # What a call would do for a returning caller is what a system is told.
    assert answer.may_text is (active is not None) or answer.reason is Reason.REVOKED
    return answer


async def test_a_consent_in_force_is_named_with_its_dates(ledger: Ledger) -> None:
    id_ = await stored(ledger, confirmed())
    answer = await ask(ledger)
    [agreed] = [row.at for row in await ledger.rows_of(id_) if row.type == "confirmed"]
    assert answer.reason is Reason.CONSENT
    assert answer.may_text
    assert (answer.consent_id, answer.record, answer.since) == (id_, id_, agreed)
    assert answer.expires is not None
    assert answer.expires > agreed
    assert (await ask(ledger, replace(ASKED, max_age_days=0))).expires is None


async def test_a_number_that_nobody_knows_has_no_consent(ledger: Ledger) -> None:
    await stored(ledger, confirmed())
    for question in (
        replace(ASKED, number=OTHER),
        replace(ASKED, brand="Another Store"),
    ):
        answer = await ask(ledger, question)
        assert answer.reason is Reason.NO_CONSENT
        assert (answer.since, answer.consent_id, answer.record) == (None, None, None)


async def test_case_and_outer_spaces_of_a_brand_do_not_count(ledger: Ledger) -> None:
    await stored(ledger, confirmed())
    assert (await ask(ledger, replace(ASKED, brand=" EXAMPLE store "))).may_text


async def test_consent_to_information_is_none_to_marketing(ledger: Ledger) -> None:
    id_ = await stored(ledger, confirmed())
    answer = await ask(ledger, replace(ASKED, purpose="marketing"))
    assert answer.reason is Reason.OTHER_PURPOSE
    assert answer.consent_id == id_


async def test_a_consent_that_waits_for_a_yes_is_unfinished_until_it_comes(ledger: Ledger) -> None:
    record = confirmed(confirm_by_reply=True)
    id_ = await stored(ledger, record)
    assert (await ask(ledger)).reason is Reason.UNFINISHED
    await ledger.append(_sent(record))
    yes = Reply(number=NUMBER, brands=[BRAND], channel="instaply", words="Yes", reference="1")
    assert [each.consent_id for each in await ledger.complete(yes)] == [id_]
    assert (await ask(ledger)).reason is Reason.CONSENT


def _sent(record: ConsentRecord) -> Batch:
    record.submitting(SENDING)
    return record.take()


async def test_an_old_consent_has_expired(ledger: Ledger) -> None:
    await stored(ledger, confirmed())
    now = ledger._writer.clock()
    ledger._writer.clock = lambda: now + 366 * DAY
    answer = await ask(ledger)
    assert answer.reason is Reason.EXPIRED
    assert answer.expires is None
    assert (await ask(ledger, replace(ASKED, max_age_days=0))).may_text


async def test_a_revoked_consent_names_the_revocation(ledger: Ledger) -> None:
    id_ = await stored(ledger, confirmed())
    revoked = await ledger.revoke(revocation())
    answer = await ask(ledger)
    assert answer.reason is Reason.REVOKED
    assert (answer.consent_id, answer.record) == (id_, revoked.revocation_id)


@pytest.mark.parametrize(
    "reach",
    [
        {"scope": "all"},
        {"scope": "seller", "brand": "Sister Store", "seller": FACTS.legal_name},
        {"scope": "brand", "brand": BRAND},
    ],
)
async def test_a_revocation_counts_where_no_consent_ever_was(
    ledger: Ledger, reach: dict[str, str]
) -> None:
    request = Revocation(number=NUMBER, channel="command", actor="admin", **reach)  # type: ignore[arg-type]  # the scope is one
    revoked = await ledger.revoke(request)
    answer = await ask(ledger)
    assert answer.reason is Reason.REVOKED
    assert (answer.consent_id, answer.record) == (None, revoked.revocation_id)
    assert answer.since is not None


async def test_a_consent_given_since_lifts_the_revocation(ledger: Ledger) -> None:
    await stored(ledger, confirmed())
    await ledger.revoke(revocation())
    id_ = await stored(ledger, confirmed(caller_id=NUMBER))
    answer = await ask(ledger)
    assert answer.reason is Reason.CONSENT
    assert answer.consent_id == id_


async def test_restricted_data_allows_no_text(ledger: Ledger) -> None:
    id_ = await stored(ledger, confirmed())
    await ledger.restrict([id_], basis="claim", until="2030-01-01T00:00:00.000Z", actor="admin")
    assert (await ask(ledger)).reason is Reason.RESTRICTED


async def test_what_was_erased_reads_as_what_never_was(ledger: Ledger) -> None:
    id_ = await stored(ledger, confirmed())
    await ledger.erase([id_], basis="request", actor="admin")
    assert await ask(ledger) == await ask(ledger, replace(ASKED, number=OTHER))


async def test_a_row_that_was_moved_to_another_number_is_not_believed(
    where: Path | str, ledger: Ledger
) -> None:
    mine, theirs = await stored(ledger, confirmed()), await stored(ledger, confirmed(OTHER))
    execute(
        where,
        f"update pii set number_hmac = other.number_hmac from pii other "  # noqa: S608 - our ids
        f"where other.consent_id = '{theirs}' and pii.consent_id = '{mine}'",
    )
    await ledger.erase([theirs], basis="request", actor="admin")
    assert (await ask(ledger, replace(ASKED, number=OTHER))).reason is Reason.NO_CONSENT


async def test_sealed_data_that_does_not_open_is_unreadable(
    where: Path | str, ledger: Ledger
) -> None:
    await stored(ledger, confirmed())
    execute(where, "update pii set sealed = person.sealed from person")
    assert (await ask(ledger)).reason is Reason.UNREADABLE


async def test_many_questions_are_answered_in_their_order(ledger: Ledger) -> None:
    await stored(ledger, confirmed())
    answers = await ledger.permissions([replace(ASKED, number=OTHER), ASKED])
    assert [each.reason for each in answers] == [Reason.NO_CONSENT, Reason.CONSENT]
