from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog

from agi_bridge.consent import Act, Filter, LedgerUnavailable, RetentionReport, RetentionRules
from agi_bridge.consent.encoding import DAY, stamp
from agi_bridge.consent.errors import ClockInDoubt, KeyMissing
from agi_bridge.consent.ledger import Ledger, clock_check, erasure
from agi_bridge.consent.signing import Keys, generate_keys
from tests.support.consent_builders import CALLER, NUMBER, returning, revocation, settle, submitting
from tests.support.error_codes import coded
from tests.support.external_db import execute

if TYPE_CHECKING:
    from agi_bridge.consent import ConsentRecord

LONG_AGO, AGO, NOW = "2015-01-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z", None
RULES = RetentionRules(
    now=time.time(),
    personal_before="2020-01-01T00:00:00.000Z",
    details_before="2026-07-01T00:00:00.000Z",
)
FAR = "9999-01-01T00:00:00.000Z"
PAST = "2020-01-01T00:00:00.000Z"


async def stored(ledger: Ledger, record: ConsentRecord | None = None, at: str | None = None) -> str:
    """Append a consent, as if it had been at that time."""
    record = record or submitting()
    await ledger.append(record.take())
    if at is not None:
        execute(
            ledger._database.where,
            f"update pii set at = '{at}' where consent_id = '{record.id}'",  # noqa: S608 - ours
        )
    return record.id


async def known(ledger: Ledger, consent_id: str) -> set[str]:
    """Which personal data there is of a consent."""
    return set(await ledger.personal_data(consent_id) or {})


async def acts(ledger: Ledger, consent_id: str, act: Act) -> list[dict[str, object]]:
    """What the events of one act say of a consent."""
    return [
        {name: event.body.get(name) for name in ("fields", "basis", "until", "actor")}
        for event in await ledger.events(consent_id)
        if event.type is act
    ]


# Erasure


async def test_erasing_deletes_what_is_personal_and_leaves_the_proof(ledger: Ledger) -> None:
    erased, kept = await stored(ledger), await stored(ledger)
    before = await ledger.rows_of(erased)
    assert await ledger.erase([erased, erased, "nothing"], basis="request", actor="admin") == 1
    assert await ledger.personal_data(erased) is None
    assert await ledger.number(kept) == NUMBER
    rows = await ledger.rows_of(erased)
    assert rows[:-1] == before
    assert await acts(ledger, erased, Act.ERASED) == [
        {"fields": ["*"], "basis": "request", "until": None, "actor": "admin"}
    ]
    [summary] = [s for s in await ledger.summaries(Filter()) if s.consent_id == erased]
    assert summary.erased


async def test_what_is_erased_is_not_erased_again(ledger: Ledger) -> None:
    erased = await stored(ledger)
    await ledger.erase([erased], basis="request", actor="admin")
    assert await ledger.erase([erased], basis="request", actor="admin") == 0
    assert await ledger.erase([], basis="request", actor="admin") == 0
    assert len(await acts(ledger, erased, Act.ERASED)) == 1


async def test_a_request_to_revoke_and_a_message_can_be_erased(ledger: Ledger) -> None:
    ids = [
        (await ledger.revoke(revocation(words="stop"))).revocation_id,
        await ledger.record_message("c-1", "STOP", reference="m-1"),
    ]
    assert await ledger.erase(ids, basis="request", actor="admin") == 2
    assert [await ledger.personal_data(id_) for id_ in ids] == [None, None]


async def test_a_consent_goes_on_after_its_erasure(ledger: Ledger) -> None:
    record = submitting()
    await stored(ledger, record)
    await ledger.erase([record.id], basis="request", actor="admin")
    settle(record)
    await ledger.append(record.take())
    assert [event.type for event in await ledger.events(record.id)][-2:] == ["erased", "accepted"]


async def test_nothing_of_what_was_sealed_is_left_in_the_files(file: Path, ledger: Ledger) -> None:
    consent = await stored(ledger)
    [(sealed, number_hmac)] = execute(ledger._database.where, "select sealed, number_hmac from pii")
    await ledger.erase([consent], basis="request", actor="admin")
    assert execute(ledger._database.where, "select * from pii") == []
    if ledger._database.is_sqlite:
        files = b"".join(each.read_bytes() for each in file.parent.iterdir())
        assert len(files) > 4096
        assert sealed not in files
        assert number_hmac.encode() not in files


async def test_data_that_cannot_be_scrubbed_just_now_is_erased_all_the_same_and_told_of(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy() -> None:
        raise LedgerUnavailable("another process reads from its log")

    monkeypatch.setattr(ledger._database, "vacuum_deleted", busy)
    consent = await stored(ledger)
    with structlog.testing.capture_logs() as logs:
        assert await ledger.erase([consent], basis="request", actor="admin") == 1
    assert await ledger.personal_data(consent) is None
    [log] = logs
    assert log["log_level"] == "warning"
    assert "another process" in log["reason"]


async def test_two_bridges_that_erase_at_once_erase_once(ledger: Ledger, other: Ledger) -> None:
    ids = [await stored(ledger) for _ in range(5)]
    counts = await asyncio.gather(
        *(bridge.erase(ids, basis="request", actor="admin") for bridge in (ledger, other))
    )
    assert sorted(counts) == [0, 5]
    for consent_id in ids:
        assert len(await acts(ledger, consent_id, Act.ERASED)) == 1


# Restriction


async def test_what_is_restricted_is_kept_until_its_day(ledger: Ledger, where: Path | str) -> None:
    consent = await stored(ledger, at=LONG_AGO)
    assert await ledger.restrict([consent, "nothing"], basis="claim", until=FAR, actor="me") == 1
    assert await acts(ledger, consent, Act.RESTRICTED) == [
        {"fields": None, "basis": "claim", "until": FAR, "actor": "me"}
    ]
    assert await ledger.erase([consent], basis="request", actor="admin") == 0
    assert await ledger.retain(RULES, dry_run=False) == RetentionReport()
    assert await ledger.number(consent) == NUMBER
    [summary] = await ledger.summaries(Filter())
    assert summary.restricted_until == FAR
    assert not summary.erased
    assert execute(where, "select trimmed from pii") == [(False,)]


async def test_when_its_day_has_passed_it_can_be_erased(ledger: Ledger) -> None:
    consent = await stored(ledger)
    await ledger.restrict([consent], basis="claim", until=PAST, actor="me")
    assert await ledger.erase([consent], basis="request", actor="admin") == 1


async def test_what_is_erased_cannot_be_restricted(ledger: Ledger) -> None:
    consent = await stored(ledger)
    await ledger.erase([consent], basis="request", actor="admin")
    assert await ledger.restrict([consent], basis="claim", until=FAR, actor="me") == 0
    assert await acts(ledger, consent, Act.RESTRICTED) == []


async def test_what_was_restricted_just_before_it_is_deleted_stays(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = await stored(ledger, at=LONG_AGO)
    found = erasure._due
    due = await ledger._worker.run(lambda t: found(t, RULES, None))
    assert due == [consent]
    await ledger.restrict([consent], basis="claim", until=FAR, actor="me")
    stale = iter([due])
    monkeypatch.setattr(erasure, "_due", lambda *_: next(stale, []))
    assert await ledger.retain(RULES, dry_run=False) == RetentionReport()
    assert await ledger.number(consent) == NUMBER


# Retention


async def test_a_dry_run_says_what_a_real_one_does(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "PAGE", 2)
    old = [await stored(ledger, submitting(f"+1415555017{n}"), LONG_AGO) for n in range(5)]
    middle = [await stored(ledger, submitting(f"+1415555018{n}"), AGO) for n in range(3)]
    new = await stored(ledger, submitting("+14155550190"), NOW)
    rows = len(await ledger.rows())
    assert await ledger.retain(RULES, dry_run=True) == RetentionReport(erase=5, trim=3)
    assert len(await ledger.rows()) == rows
    assert await ledger.retain(RULES, dry_run=False) == RetentionReport(erase=5, trim=3)
    assert await ledger.retain(RULES, dry_run=False) == RetentionReport()
    assert [await ledger.personal_data(consent_id) for consent_id in old] == [None] * 5
    for consent_id in middle:
        assert await known(ledger, consent_id) == {"salt", "number"}
        assert await acts(ledger, consent_id, Act.ERASED) == [
            {
                "fields": ["caller_id", "digits"],
                "basis": "retention",
                "until": None,
                "actor": "agi-bridge",
            }
        ]
    assert await known(ledger, new) == {"salt", "number", "caller_id", "digits"}


async def test_a_line_may_keep_its_consents_for_another_time(ledger: Ledger) -> None:
    old = await stored(ledger, submitting("+14155550170"), AGO)
    new = await stored(ledger, submitting("+14155550171"), NOW)
    elsewhere = replace(RULES, of_lines={"shop": "2026-07-01T00:00:00.000Z"})
    assert await ledger.retain(elsewhere, dry_run=True) == RetentionReport(erase=1)
    other = replace(RULES, of_lines={"other": "2026-07-01T00:00:00.000Z"})
    assert await ledger.retain(other, dry_run=True) == RetentionReport(trim=1)
    longer = replace(RULES, personal_before=FAR, of_lines={"shop": PAST})
    assert await ledger.retain(longer, dry_run=True) == RetentionReport(trim=1)
    assert await ledger.retain(elsewhere, dry_run=False) == RetentionReport(erase=1)
    assert (await ledger.personal_data(old), bool(await ledger.personal_data(new))) == (None, True)


async def test_a_number_that_agreed_or_revoked_since_keeps_its_old_data(ledger: Ledger) -> None:
    old = await stored(ledger, at=LONG_AGO)
    await stored(ledger)
    revoked = await stored(ledger, submitting("+14155550171"), LONG_AGO)
    await ledger.revoke(revocation("+14155550171"))
    assert await ledger.retain(RULES, dry_run=True) == RetentionReport(erase=0, trim=2)
    await ledger.retain(RULES, dry_run=False)
    assert await known(ledger, old) == await known(ledger, revoked) == {"salt", "number"}


async def test_an_old_message_of_nobody_knows_whom_is_deleted(ledger: Ledger) -> None:
    message = await ledger.record_message("c-1", "STOP", reference="m-1")
    await ledger.record_message("c-2", "STOP", reference="m-2")
    execute(
        ledger._database.where,
        f"update pii set at = '{LONG_AGO}' where consent_id = '{message}'",  # noqa: S608 - ours
    )
    assert await ledger.retain(RULES, dry_run=False) == RetentionReport(erase=1)
    assert await ledger.personal_data(message) is None


async def test_a_caller_id_that_is_the_number_is_kept_with_it(
    ledger: Ledger, where: Path | str
) -> None:
    same = await stored(ledger, submitting(caller_id=NUMBER), AGO)
    hidden = await stored(ledger, submitting(caller_id=None), AGO)
    again = await stored(ledger, returning(same), AGO)
    assert await ledger.retain(RULES, dry_run=False) == RetentionReport(trim=3)
    assert await known(ledger, same) == {"salt", "number", "caller_id"}
    assert await known(ledger, hidden) == {"salt", "number"}
    assert await known(ledger, again) == {"salt", "number", "caller_id"}
    assert await acts(ledger, again, Act.ERASED) == []  # there was nothing to delete
    assert execute(where, "select count(*) from pii where caller_hmac is null") == [(0,)]


async def test_a_caller_id_that_is_deleted_is_not_found_by_its_hash_either(
    ledger: Ledger, where: Path | str
) -> None:
    await stored(ledger, submitting(caller_id=CALLER), AGO)
    await ledger.retain(RULES, dry_run=False)
    assert execute(where, "select caller_hmac, trimmed from pii") == [(None, True)]


async def test_two_bridges_that_delete_what_is_due_at_once_delete_it_once(
    ledger: Ledger, other: Ledger
) -> None:
    ids = [await stored(ledger, submitting(f"+1415555017{n}"), LONG_AGO) for n in range(5)]
    reports = await asyncio.gather(
        *(bridge.retain(RULES, dry_run=False) for bridge in (ledger, other))
    )
    assert sum(report.erase for report in reports) == 5
    for consent_id in ids:
        assert len(await acts(ledger, consent_id, Act.ERASED)) == 1


async def test_one_damaged_record_does_not_keep_the_others_from_being_deleted(
    ledger: Ledger, where: Path | str
) -> None:
    damaged, whole = [await stored(ledger, submitting(f"+1415555018{n}"), AGO) for n in range(2)]
    old = await stored(ledger, submitting("+14155550170"), LONG_AGO)
    zero = "zeroblob(60)" if isinstance(where, Path) else "decode(repeat('00', 60), 'hex')"
    execute(where, f"update pii set sealed = {zero} where consent_id = '{damaged}'")  # noqa: S608 - ours
    with structlog.testing.capture_logs() as logs:
        assert await ledger.retain(RULES, dry_run=False) == RetentionReport(erase=1, trim=2)
        assert await ledger.retain(RULES, dry_run=False) == RetentionReport()
    assert await known(ledger, whole) == {"salt", "number"}
    assert await ledger.personal_data(old) is None
    assert [(log["event"], log["consent"]) for log in logs if "consent" in log] == [
        ("retention.details_not_erased", damaged)
    ]


async def test_without_the_key_what_is_due_is_deleted_all_the_same(
    ledger: Ledger, where: Path | str, keys: Keys
) -> None:
    old = await stored(ledger, submitting("+14155550170"), LONG_AGO)
    await stored(ledger, submitting("+14155550180"), AGO)
    newest = generate_keys()
    await ledger.close()
    renewed = Keys((*newest.vault, *keys.vault), keys.lookup, keys.signing)
    async with await Ledger.open(where, renewed) as opened:
        await stored(opened, submitting("+14155550190"))
    async with await Ledger.open(where, Keys(newest.vault, keys.lookup, keys.signing)) as without:
        with pytest.raises(KeyMissing):
            await without.retain(RULES, dry_run=False)
        assert await without.personal_data(old) is None


# The clock


@pytest.mark.parametrize(
    ("days_ago", "refused"),
    [
        ([0], True),  # a ledger that has just begun
        ([0.9, 0.5, 0], True),
        ([4700, 4700, 0, 0], True),  # years ahead since this morning, calls have come in
        ([4700, 33, 0], True),
        ([4700, 31, 0], True),  # years ahead for a month: the events since were dated by it
        ([4731, 4700, *range(100, 0, -1)], True),
        ([40, 10, 1, 0], False),
        ([1.1], False),
        ([5, 4, -4700, 3, 2, 0], False),  # it was years ahead once, for a moment
        ([*range(700, 0, -1)], False),
    ],
)
@pytest.mark.parametrize("what", [LONG_AGO, AGO])
async def test_where_nothing_speaks_for_the_clock_nothing_is_erased(
    file: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch, days_ago: list[float], what: str,
    *, refused: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(clock_check, "ask_kernel", lambda: False)
    async with await Ledger.open(file, keys) as ledger:
        consent = await stored(ledger, at=what)
        rows = ", ".join(
            f"({id_ * 7}, 'other', {id_}, 'x', 'opened', "
            f"'{stamp(RULES.now - days * DAY)}', '[]', '', '')"
            for id_, days in enumerate(days_ago, start=1)
        )
        for statement in (
            "drop trigger event_no_delete",
            "delete from event",
            f"insert into event values {rows}",  # noqa: S608 - ours
        ):
            execute(file, statement)
        ledger._writer._head = None
        before = await known(ledger, consent)
        assert (await ledger.retain(RULES, dry_run=True)) != RetentionReport()
        if refused:
            with pytest.raises(ClockInDoubt, check=coded("clock_unconfirmed")):
                await ledger.retain(RULES, dry_run=False)
        else:
            await ledger.retain(RULES, dry_run=False)
        assert (await known(ledger, consent) == before) is refused


@pytest.mark.parametrize(("days_ago", "refused"), [(300, False), (500, True)])
async def test_a_synchronised_clock_is_held_against_the_last_event_too(
    file: Path, keys: Keys, days_ago: int, *, refused: bool
) -> None:
    async with await Ledger.open(file, keys) as ledger:
        consent = await stored(ledger, at=LONG_AGO)
        for statement in (
            "drop trigger event_no_update",
            f"update event set at = '{stamp(RULES.now - days_ago * DAY)}'",  # noqa: S608 - ours
        ):
            execute(file, statement)
        if refused:
            with pytest.raises(ClockInDoubt, check=coded("clock_unconfirmed")):
                await ledger.retain(RULES, dry_run=False)
        else:
            await ledger.retain(RULES, dry_run=False)
        assert bool(await known(ledger, consent)) is refused


async def test_what_is_held_until_a_day_is_not_freed_by_a_wrong_clock(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = await stored(ledger)
    until = stamp(time.time() + DAY)
    await ledger.restrict([consent], basis="claim", until=until, actor="admin")
    monkeypatch.setattr(time, "time_ns", lambda: 2_200_000_000 * 10**9)
    assert await ledger.erase([consent], basis="request", actor="admin") == 0
