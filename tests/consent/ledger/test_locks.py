"""What two bridges on one PostgreSQL hold back from each other: one name for each thing."""

from __future__ import annotations

import asyncio
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.consent import Act, AgreementRules, IllegalTransition, LedgerUnavailable, State
from agi_bridge.consent.ledger import Ledger, bootstrap, engines, lease, worker
from agi_bridge.consent.ledger import transaction as transaction_module
from agi_bridge.consent.ledger.database import Database
from tests.support.consent_builders import CALLER, HEARD, NUMBER, revocation, settle, submitting
from tests.support.error_codes import coded
from tests.support.external_db import execute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from sqlalchemy import Connection

    from agi_bridge.consent.ledger.transaction import Transaction
    from agi_bridge.consent.signing import Keys
    from agi_bridge.consent.signing.vault import Vault

LIMITED = AgreementRules(number_per_day=9, caller_per_day=9, line_per_hour=9)
UNTIL = "9999-01-01T00:00:00.000Z"
NAMES: dict[str, Callable[[Ledger], str]] = {
    "chain": lambda ledger: f"chain:{ledger.ledger_id}",
    "number": lambda ledger: f"number:{ledger._writer.vault.lookup(NUMBER)}",
    "caller": lambda ledger: f"caller:{ledger._writer.vault.lookup(CALLER)}",
    "line": lambda _: "line:shop",
    "disclosure": lambda _: "disclosure",
}
ACTS: dict[str, Callable[[Ledger, str], Awaitable[object]]] = {
    "revoke": lambda ledger, _: ledger.revoke(revocation()),
    "erase": lambda ledger, id_: ledger.erase([id_], basis="request", actor="admin"),
    "restrict": lambda ledger, id_: ledger.restrict(
        [id_], basis="claim", until=UNTIL, actor="admin"
    ),
    "act": lambda ledger, id_: ledger.record_act(Act.REVEALED, id_, actor="admin"),
    "recover": lambda ledger, _: ledger.recover(),
}


@pytest.fixture
async def impatient(
    emptied_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Ledger]:
    """A ledger that does not wait for what another bridge holds."""
    options = f"{engines._POSTGRESQL_OPTIONS} -c lock_timeout=1"
    monkeypatch.setattr(engines, "_POSTGRESQL_OPTIONS", options)
    monkeypatch.setattr(worker, "WAIT_SECONDS", 0.5)
    async with await Ledger.open(emptied_url, keys) as opened:
        yield opened


@pytest.mark.parametrize("thing", NAMES)
async def test_an_agreement_waits_for_the_locks_on_what_it_counts(
    impatient: Ledger, emptied_url: str, thing: str
) -> None:
    name = NAMES[thing](impatient)
    with closing(Database(emptied_url)) as other, other.transaction() as transaction:
        transaction.lock([name])
        with pytest.raises(LedgerUnavailable, check=coded("no_answer")):
            await impatient.append(submitting(rules=LIMITED).take())
    await impatient.append(submitting(rules=LIMITED).take())


@pytest.mark.parametrize("thing", ["caller", "line"])
async def test_what_has_no_limit_is_not_waited_for(
    impatient: Ledger, emptied_url: str, thing: str
) -> None:
    name = NAMES[thing](impatient)
    with closing(Database(emptied_url)) as other, other.transaction() as transaction:
        transaction.lock([name])
        await impatient.append(submitting().take())


async def test_a_wording_that_is_known_is_not_waited_for(
    impatient: Ledger, emptied_url: str
) -> None:
    await impatient.register_disclosure(
        HEARD.language, HEARD.text, HEARD.audio_sha256, b"a recording"
    )
    with closing(Database(emptied_url)) as other, other.transaction() as transaction:
        transaction.lock([NAMES["disclosure"](impatient)])
        await impatient.append(submitting().take())


async def test_an_outcome_waits_for_the_lock_on_its_consent(
    impatient: Ledger, emptied_url: str
) -> None:
    record = submitting()
    await impatient.append(record.take())
    settle(record)
    batch = record.take()
    with closing(Database(emptied_url)) as other, other.transaction() as transaction:
        transaction.lock([f"consent:{record.id}"])
        with pytest.raises(LedgerUnavailable, check=coded("no_answer")):
            await impatient.append(batch)
    with suppress(IllegalTransition):  # its last try may have got the lock
        await impatient.append(batch)
    assert (await impatient.events(record.id))[-1].type is State.ACCEPTED


@pytest.mark.parametrize("act", ACTS)
async def test_every_act_on_a_consent_waits_for_the_lock_on_it(
    impatient: Ledger, emptied_url: str, act: str
) -> None:
    record = submitting()
    await impatient.append(record.take())
    with closing(Database(emptied_url)) as other, other.transaction() as transaction:
        transaction.lock([f"consent:{record.id}"])
        with pytest.raises(LedgerUnavailable, check=coded("locked")):
            await ACTS[act](impatient, record.id)
    before = len(await impatient.rows())
    await ACTS[act](impatient, record.id)
    assert len(await impatient.rows()) > before


async def test_a_revocation_waits_for_an_agreement_of_the_same_number(
    impatient: Ledger, emptied_url: str
) -> None:
    with closing(Database(emptied_url)) as other, other.transaction() as transaction:
        transaction.lock([NAMES["number"](impatient)])
        with pytest.raises(LedgerUnavailable, check=coded("locked")):
            await impatient.revoke(revocation())


@pytest.mark.parametrize("name", ["schema", "ledger"])
async def test_of_two_that_start_at_once_one_waits(
    impatient: Ledger,
    emptied_url: str,
    other_keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.setattr(transaction_module, "STARTING_WAIT_MS", 1)
    with closing(Database(emptied_url)) as other, other.transaction() as transaction:
        transaction.lock([name])
        with pytest.raises(LedgerUnavailable, check=coded("locked")):
            await Ledger.open(emptied_url, other_keys)
    assert len(await impatient.chains()) == 1


@pytest.mark.parametrize("name", ["schema", "ledger", "chain"])
async def test_a_start_outlasts_the_lock_of_a_bridge_that_was_killed(
    impatient: Ledger, emptied_url: str, keys: Keys, name: str
) -> None:
    """The server may not have noticed yet that nobody is at the other end."""
    held = NAMES["chain"](impatient) if name == "chain" else name
    with closing(Database(emptied_url)) as other, other.transaction() as transaction:
        transaction.lock([held])
        start = asyncio.create_task(Ledger.open(emptied_url, keys))
        while not (transaction.cursor.execute(WAITERS).fetchone() or start.done()):  # noqa: ASYNC110 - only the server knows
            await asyncio.sleep(0)
        assert not start.done()
    await (await start).close()


async def test_the_lease_is_waited_for_at_a_start_and_not_while_calls_are_taken(
    impatient: Ledger, emptied_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start has nobody waiting, and a renewal comes again in two seconds."""
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.01)
    with closing(Database(emptied_url)) as other:
        with other.transaction() as transaction:
            transaction.lock([f"lease:{impatient.ledger_id}"])
            start = asyncio.create_task(impatient.lease.take())
            await waited_for(transaction, start)
            assert not start.done()
        await start
        with other.transaction() as transaction, capture_logs() as logs:
            transaction.lock([f"lease:{impatient.ledger_id}"])
            keeping = asyncio.create_task(impatient.lease.keep())
            while not logs:  # noqa: ASYNC110 - nothing else says that a renewal failed
                await asyncio.sleep(0)
            keeping.cancel()
    assert logs[0]["event"] == "ledger.lease_not_renewed"
    assert execute(emptied_url, "select count(*) from chain_lease") == [(1,)]


async def test_the_patience_of_a_start_has_an_end(
    impatient: Ledger, emptied_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transaction_module, "STARTING_WAIT_MS", 1)
    with closing(Database(emptied_url)) as other, other.transaction() as transaction:
        transaction.lock([f"lease:{impatient.ledger_id}"])
        with pytest.raises(LedgerUnavailable, check=coded("locked")):
            await impatient.lease.take()
    await impatient.lease.take()


def test_a_start_is_more_patient_than_the_server_is_with_one_that_is_frozen() -> None:
    assert transaction_module.STARTING_WAIT_MS > transaction_module.STARTING_IDLE_MS


async def test_a_start_may_pause_for_longer_than_a_call(
    emptied_url: str, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds no line's lock, and a machine that has just booted is slow."""
    seen: list[str] = []
    check = bootstrap.check_keys

    def looking(core: Connection, vault: Vault) -> list[str]:
        seen.append(core.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar_one())
        return check(core, vault)

    monkeypatch.setattr(bootstrap, "check_keys", looking)
    async with await Ledger.open(emptied_url, keys):
        pass
    assert seen == [f"{transaction_module.STARTING_IDLE_MS // 1000}s"]


async def waited_for(transaction: Transaction, start: asyncio.Task[None]) -> None:
    """Return once the server has somebody wait for a lock, or the start has ended."""
    while not (transaction.cursor.execute(WAITERS).fetchone() or start.done()):  # noqa: ASYNC110 - only the server knows
        await asyncio.sleep(0)


WAITERS = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


async def test_what_waits_without_a_limit_says_so(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a command does whose COMMIT waits for a synchronous standby."""
    monkeypatch.setattr(worker, "SILENT_SECONDS", 0.01)
    answers = threading.Event()
    ledger._worker.submit(answers.wait)
    with capture_logs() as logs:
        asyncio.get_running_loop().call_later(0.5, answers.set)
        await ledger._worker.run(lambda _: None)
    assert [line["event"] for line in logs] == ["ledger.waiting"]
