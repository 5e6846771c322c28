"""The same in a real ledger's database, behind the back of its triggers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import Act, State, VaultDamaged, text_sha256
from agi_bridge.consent.ledger import Ledger
from agi_bridge.evidence.verify import Verifier
from tests.support.consent_builders import (
    HEARD,
    SENDING,
    confirmed,
    returning,
    revocation,
    settle,
    submitting,
)
from tests.support.external_db import execute

if TYPE_CHECKING:
    from agi_bridge.consent.signing import Keys
    from agi_bridge.evidence.verify import Report


async def verified(ledger: Ledger) -> Report:
    """The report on all chains of a database, with all that the vault holds."""
    verifier = Verifier(
        await ledger.checkpoints(), disclosures={text_sha256(HEARD.text): HEARD.text}
    )
    for chain in await ledger.chains():
        rows = await ledger.rows(chain.ledger_id)
        opened = {row.consent_id: await ledger.personal_data(row.consent_id) or {} for row in rows}
        verifier.read(rows, opened)
    return verifier.report()


async def broken(ledger: Ledger) -> set[str]:
    report = await verified(ledger)
    names = ("integrity", "anchored", "completeness")
    return {name for name in names if not getattr(report, name).ok}


@pytest.fixture
async def told(ledger: Ledger) -> Ledger:
    """A ledger of two consents that were texted, with a checkpoint of each."""
    for _ in range(2):
        record = submitting()
        await ledger.append(record.take())
        settle(record)
        await ledger.append(record.take())
        await ledger.checkpoint()
    await ledger.append(confirmed().take())
    return ledger


def tamper(where: Path | str, *statements: str) -> None:
    """Change events as the owner of the database can."""
    if isinstance(where, Path):
        names = "select name from sqlite_master where type = 'trigger' and tbl_name = 'event'"
        disarm = [f"drop trigger {name}" for (name,) in execute(where, names)]
    else:
        disarm = ["alter table event disable trigger all"]
    for statement in (*disarm, *statements):
        execute(where, statement)


async def test_all_that_a_ledger_does_verifies(ledger: Ledger, other: Ledger) -> None:
    accepted, unsent, unknown = submitting(), submitting(), submitting()
    for record in (accepted, unsent, unknown):
        await ledger.append(record.take())
    settle(accepted)
    unsent.submission_ended(State.NOT_SENT, reason="refused", status=None, attempts=1, answer=None)
    for record in (accepted, unsent):
        await ledger.append(record.take())
    await ledger.recover()
    taken_up = await other.load_for_retry(unsent.id)  # another bridge sends what this one could not
    taken_up.submitting(SENDING, 2)
    settle(taken_up)
    await other.append(taken_up.take())
    again = returning(accepted.id)
    await other.append(again.take())
    await ledger.revoke(revocation(words="STOP"))
    settle(again)  # revoked while it was on its way
    await other.append(again.take())
    message = await other.record_message("7", "stop", reference="8")
    await other.record_act(Act.RESOLVED, message, actor="admin")
    await ledger.checkpoint()
    await other.checkpoint()
    assert await broken(ledger) == set()
    await ledger.erase([accepted.id, message], basis="asked", actor="admin")
    assert await broken(other) == set()
    assert len((await verified(other)).chains) == 2


async def test_a_ledger_without_a_checkpoint_is_not_anchored(ledger: Ledger) -> None:
    await ledger.append(confirmed().take())
    assert await broken(ledger) == {"anchored"}


@pytest.mark.parametrize(
    "statement",
    [
        "update event set body = replace(body, 'shop', 'shoq') where seq = 2",
        "update event set body = replace(body, 'dial', 'diam') where seq = 6",
        "update event set type = 'refused' where seq = 6",
        "update event set at = '2020-01-01T00:00:00.000Z' where seq = 4",
        "update event set hash = (select hash from event where seq = 3) where seq = 4",
        "update event set body = '' where seq = 9",
        "update event set consent_id = 'nobody' where seq = 13",
    ],
)
async def test_a_changed_event_is_a_fault_of_integrity(
    told: Ledger, where: Path | str, statement: str
) -> None:
    assert await broken(told) == set()
    tamper(where, statement)
    assert await broken(told) == {"integrity"}


async def test_swapped_events_are_a_fault_of_integrity(told: Ledger, where: Path | str) -> None:
    swap = [
        "update event set seq = 99 where seq = 7",
        "update event set seq = 7 where seq = 8",
        "update event set seq = 8 where seq = 99",
    ]
    tamper(where, *swap)
    assert "integrity" in await broken(told)


async def test_a_deleted_event_is_a_fault_of_completeness(told: Ledger, where: Path | str) -> None:
    tamper(where, "delete from event where seq = 11")
    report = await verified(told)
    assert [fault.code for fault in report.completeness.faults] == ["events_missing"]


async def test_a_tail_cut_behind_a_checkpoint_is_a_fault_of_completeness(
    told: Ledger, where: Path | str
) -> None:
    last = (await told.checkpoints())[-1].seq
    tamper(where, "delete from event where seq >= (select max(seq) from checkpoint)")
    report = await verified(told)
    assert report.integrity.ok
    assert not report.completeness.ok
    assert report.completeness.faults[0].seq == last - 1


async def test_another_consents_personal_data_is_refused(told: Ledger, where: Path | str) -> None:
    first = "select sealed from pii where consent_id = (select min(consent_id) from pii)"
    execute(where, f"update pii set sealed = ({first})")  # noqa: S608 - all of it stands here
    damaged = 0
    for consent_id in {row.consent_id for row in await told.rows() if row.type == State.CONFIRMED}:
        try:
            await told.personal_data(consent_id)
        except VaultDamaged:
            damaged += 1
    assert damaged == 2


async def test_bytes_that_are_no_text_are_a_fault_of_integrity(file: Path, keys: Keys) -> None:
    async with await Ledger.open(file, keys) as ledger:
        await ledger.append(confirmed().take())
        await ledger.checkpoint()
        tamper(file, "update event set body = cast(x'7bff7d' as text) where seq = 2")
        assert await broken(ledger) == {"integrity"}
