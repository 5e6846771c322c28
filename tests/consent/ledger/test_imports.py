"""Consents that were given elsewhere: stored once, revocable, erasable, and never a call's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from agi_bridge.consent import (
    EvidenceFile,
    Filter,
    ImportedConsent,
    PermissionQuestion,
    Reason,
    State,
    evidence_files,
)
from agi_bridge.consent.encoding import DAY
from agi_bridge.consent.ledger import administration
from tests.support.consent_builders import BRAND, NUMBER, confirmed, revocation
from tests.support.external_db import count_commits, execute
from tests.support.verified import stands

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from agi_bridge.consent import Permission
    from agi_bridge.consent.ledger import Ledger

FORM = EvidenceFile("form.txt", b"I agree to texts. +1 415 555 0123")
GIVEN = "2026-03-01T14:30:00.000Z"
IMPORT = ImportedConsent(
    number=NUMBER, brand=BRAND, legal_name="Example Store Inc.", purpose="info",
    method="web_form", source="CRM export", given=GIVEN, evidence=(FORM,), reference="4711",
)  # fmt: skip
ASKED = PermissionQuestion(number=NUMBER, brand=BRAND, purpose="info", max_age_days=3650)


async def take(ledger: Ledger, *consents: ImportedConsent) -> tuple[str, ...]:
    return (await ledger.import_consents(consents, actor="admin")).stored


async def states(ledger: Ledger, state: State | None = None) -> dict[str, State | None]:
    """The states of the imports, as the list shows them."""
    found = await ledger.summaries(Filter(state=state))
    return {each.consent_id: each.state for each in found if each.kind == "imported"}


async def ask(ledger: Ledger, asked: PermissionQuestion = ASKED) -> Permission:
    [answer] = await ledger.permissions([asked])
    return answer


async def test_an_import_is_one_event_that_says_whose_statement_it_is(ledger: Ledger) -> None:
    [id_] = await take(ledger, IMPORT)
    [row] = await ledger.rows_of(id_)
    assert row.type == State.IMPORTED
    assert row.fields["source"] == "CRM export"
    assert row.fields["given"] == GIVEN
    assert row.at > GIVEN  # when it came here is the event's own time
    assert "dialogue" not in row.fields
    values = await ledger.personal_data(id_)
    assert values is not None
    assert (values["number"], values["reference"]) == (NUMBER, "4711")
    assert evidence_files(values["evidence"]) == (FORM,)
    await ledger.checkpoint()
    assert await stands(ledger)


async def test_it_may_be_texted_as_long_as_its_source_dates_it(ledger: Ledger) -> None:
    [id_] = await take(ledger, IMPORT)
    answer = await ask(ledger)
    assert (answer.reason, answer.since, answer.record) == (Reason.CONSENT, GIVEN, id_)
    assert (await ask(ledger, replace(ASKED, max_age_days=30))).reason is Reason.EXPIRED
    assert (await ask(ledger, replace(ASKED, purpose="marketing"))).reason is Reason.OTHER_PURPOSE


async def test_a_call_that_lifts_a_revocation_lifts_it_for_no_import(ledger: Ledger) -> None:
    await ledger.revoke(revocation())
    await ledger.append(confirmed(caller_id=NUMBER).take())  # of the purpose `info`
    form = replace(IMPORT, purpose="marketing")
    result = await ledger.import_consents([form], actor="admin", dry_run=True)
    assert (len(result.stored), result.suppressed) == (1, 1)
    [id_] = await take(ledger, form)
    answer = await ask(ledger, replace(ASKED, purpose="marketing"))
    assert (answer.reason, answer.consent_id) == (Reason.REVOKED, id_)
    assert (await ask(ledger)).reason is Reason.CONSENT
    assert await states(ledger) == {id_: State.REVOKED}


async def test_what_was_agreed_to_after_a_revocation_that_is_lifted_counts(ledger: Ledger) -> None:
    asked_for = replace(revocation(), received="2026-02-01T00:00:00.000Z")
    await ledger.revoke(asked_for)
    form = replace(IMPORT, purpose="marketing")
    [id_] = await take(ledger, form)
    assert (await ask(ledger, replace(ASKED, purpose="marketing"))).reason is Reason.REVOKED
    assert await states(ledger) == {id_: State.REVOKED}
    assert await states(ledger, State.IMPORTED) == {}
    await ledger.append(confirmed(caller_id=NUMBER).take())
    answer = await ask(ledger, replace(ASKED, purpose="marketing"))
    assert (answer.reason, answer.consent_id) == (Reason.CONSENT, id_)
    assert await states(ledger, State.REVOKED) == {}
    assert await states(ledger) == {id_: State.IMPORTED}


async def test_a_lifted_revocation_of_the_seller_or_of_all_reaches_an_import_too(
    ledger: Ledger,
) -> None:
    for scope in ("seller", "all"):
        request = replace(revocation(), scope=scope, seller="Example Store Inc.")
        await ledger.revoke(request)
    await ledger.append(confirmed(caller_id=NUMBER).take())
    other_brand = replace(IMPORT, brand="Other", purpose="marketing")
    own = replace(IMPORT, purpose="marketing")
    ids = await take(ledger, own, other_brand)
    assert await states(ledger) == dict.fromkeys(ids, State.REVOKED)
    assert not (await ask(ledger, replace(ASKED, purpose="marketing"))).may_text


async def test_calls_get_their_turn_between_two_pages_of_an_import(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", pause)
    monkeypatch.setattr(administration, "IMPORT_PAGE", 3)
    monkeypatch.setattr(administration, "IMPORT_PAGE_BYTES", 2 * len(FORM.content))
    rows = [replace(IMPORT, reference=str(n), source=f"list {n}") for n in range(5)]
    commits = count_commits(ledger)
    assert len(await take(ledger, *rows)) == 5
    assert (len(commits), len(pauses)) == (3, 2)
    big = replace(IMPORT, evidence=(replace(FORM, content=b"x" * 1000),), source="big")
    assert len(await take(ledger, *[replace(big, source=f"big {n}") for n in range(2)])) == 2
    assert len(commits) == 5
    await ledger.import_consents(rows, actor="admin", dry_run=True)
    assert len(pauses) == 3


async def test_a_call_relies_on_no_import(ledger: Ledger) -> None:
    await take(ledger, IMPORT)
    assert await ledger.active_consent(NUMBER, BRAND, "info") is None


async def test_the_same_import_is_taken_once(ledger: Ledger) -> None:
    [id_] = await take(ledger, IMPORT, IMPORT)
    again = await ledger.import_consents([IMPORT, replace(IMPORT, given=GIVEN)], actor="admin")
    assert (again.stored, again.already) == ((), 2)
    other = await take(ledger, replace(IMPORT, source="paper forms"))
    assert other
    assert other != (id_,)
    assert len(await ledger.summaries(Filter())) == 2


async def test_a_revocation_ends_an_import(ledger: Ledger) -> None:
    [id_] = await take(ledger, IMPORT)
    revoked = await ledger.revoke(revocation())
    assert revoked.consents == 1
    answer = await ask(ledger)
    assert (answer.reason, answer.record) == (Reason.REVOKED, revoked.revocation_id)
    assert [row.type for row in await ledger.rows_of(id_)] == ["imported", "revoked"]
    await ledger.checkpoint()
    assert await stands(ledger)


async def test_nothing_that_is_imported_revives_a_number_that_was_revoked(ledger: Ledger) -> None:
    await take(ledger, IMPORT)
    await ledger.revoke(revocation())
    later = replace(IMPORT, source="the same list, again", given="2026-11-01T00:00:00.000Z")
    result = await ledger.import_consents([IMPORT, later], actor="admin")
    assert (len(result.stored), result.already, result.suppressed) == (1, 1, 2)
    assert (await ask(ledger)).reason is Reason.REVOKED
    await ledger.checkpoint()
    assert await stands(ledger)


async def test_a_number_that_agrees_itself_is_texted_again(ledger: Ledger) -> None:
    await take(ledger, IMPORT)
    await ledger.revoke(revocation())
    record = confirmed(caller_id=NUMBER)
    await ledger.append(record.take())
    assert (await ask(ledger)).consent_id == record.id


async def test_an_erasure_takes_number_and_evidence_and_does_not_come_back(
    where: Path | str, ledger: Ledger
) -> None:
    [id_] = await take(ledger, IMPORT)
    other = confirmed()
    await ledger.append(other.take())
    assert await ledger.erase([id_], basis="request", actor="admin") == 1
    assert await ledger.personal_data(id_) is None
    assert (await ledger.personal_data(other.id) or {})["number"] == NUMBER
    assert (await ledger.import_consents([IMPORT], actor="admin")).already == 1
    assert execute(where, f"select 1 from pii where consent_id = '{id_}'") == []  # noqa: S608 - ours
    await ledger.checkpoint()
    assert await stands(ledger)


async def test_retention_reaches_imports(ledger: Ledger) -> None:
    from agi_bridge.consent import RetentionRules
    from agi_bridge.consent.encoding import stamp

    await take(ledger, IMPORT)
    now = ledger._writer.clock()
    rules = RetentionRules(
        now=now, personal_before=stamp(now + DAY), details_before=stamp(now - DAY)
    )
    assert (await ledger.retain(rules, dry_run=True)).erase == 1


async def test_a_preview_stores_nothing(ledger: Ledger) -> None:
    await ledger.revoke(revocation())
    before = len(await ledger.rows())
    result = await ledger.import_consents([IMPORT, IMPORT], actor="admin", dry_run=True)
    assert (len(result.stored), result.already, result.suppressed) == (1, 1, 2)
    assert len(await ledger.rows()) == before


async def test_nothing_of_the_evidence_is_readable_in_the_database(
    where: Path | str, ledger: Ledger
) -> None:
    await take(ledger, IMPORT)
    for table in ("event", "pii"):
        everything = repr(execute(where, f"select * from {table}"))  # noqa: S608 - a constant
        assert NUMBER[2:] not in everything
        assert "form.txt" not in everything
        assert FORM.sha256 not in everything


async def test_a_list_marks_what_was_imported(ledger: Ledger) -> None:
    await take(ledger, IMPORT)
    [summary] = await ledger.summaries(Filter(number=NUMBER))
    assert (summary.kind, summary.state, summary.brand) == ("imported", State.IMPORTED, BRAND)
    assert summary.line_id is None
