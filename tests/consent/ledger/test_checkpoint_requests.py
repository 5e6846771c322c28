"""A command asks the other bridges for checkpoints, and reads one moment of the database."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent.ledger import (
    Ledger,
    Maintenance,
    MaintenanceSchedule,
    administration,
    maintenance,
)
from agi_bridge.consent.signing import CheckpointPublisher
from tests.support.consent_builders import submitting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agi_bridge.consent.signing import Keys


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "REQUEST_SECONDS", 0.02)
    monkeypatch.setattr(administration, "REQUEST_GAP_SECONDS", 0.02)


@pytest.fixture
async def command(emptied_url: str, keys: Keys) -> AsyncIterator[Ledger]:
    """The ledger of a bridge whose machine a command is run on."""
    async with await Ledger.open(emptied_url, keys) as opened:
        yield opened


@pytest.fixture
async def elsewhere(emptied_url: str, command: Ledger, other_keys: Keys) -> AsyncIterator[Ledger]:
    """That of another bridge, which has just stored a consent."""
    async with await Ledger.open(emptied_url, other_keys) as opened:
        await opened.append(submitting().take())
        yield opened
    assert command.ledger_id != opened.ledger_id


async def signed(ledger: Ledger) -> set[str]:
    """The chains whose last event is signed."""
    heads = {(chain.ledger_id, chain.seq) for chain in await ledger.chains()}
    made = {(each.ledger_id, each.seq) for each in await ledger.checkpoints()}
    return {ledger_id for ledger_id, _ in heads & made}


async def test_a_bridge_that_runs_signs_when_it_is_asked(
    command: Ledger, elsewhere: Ledger
) -> None:
    upkeep = Maintenance(elsewhere, CheckpointPublisher([]), MaintenanceSchedule())
    await elsewhere.lease.take()
    answering = asyncio.create_task(upkeep.answer_requests())
    assert await command.request_checkpoints(30)
    assert elsewhere.ledger_id in await signed(command)
    answering.cancel()


async def test_a_bridge_that_does_not_run_is_not_waited_for(
    command: Ledger, elsewhere: Ledger
) -> None:
    assert await command.request_checkpoints(30)
    assert elsewhere.ledger_id not in await signed(command)
    assert not await elsewhere.checkpoint_is_requested()


async def test_a_bridge_that_does_not_answer_is_waited_for_no_longer_than_said(
    command: Ledger, elsewhere: Ledger
) -> None:
    await elsewhere.lease.take()
    assert not await command.request_checkpoints(0.1)
    assert await elsewhere.checkpoint_is_requested()
    await elsewhere.checkpoint()
    await elsewhere.settle_request()
    assert not await elsewhere.checkpoint_is_requested()


async def test_one_moment_is_read_while_calls_go_on(ledger: Ledger) -> None:
    await ledger.append(submitting().take())
    async with ledger.moment() as moment:
        before = await moment.rows()
        await ledger.append(submitting("+14155550124").take())
        await ledger.checkpoint()
        assert await moment.rows() == before
        assert await moment.checkpoints() == []
        assert [chain.seq for chain in await moment.chains()] == [len(before)]
    assert len(await ledger.rows()) > len(before)
