"""A stop while the database is away: what the hook has answered is stored before the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.app import service
from agi_bridge.call.services import DeferredOutcomes
from agi_bridge.consent import LedgerUnavailable, State
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.hook.testing import FakeHook
from tests.support.call_env import (
    AGREEMENT,
    AGREES,
    DID,
    FORWARD,
    settings,
    shipped_milliseconds,
)
from tests.support.fault_calls import went_to
from tests.support.postgresql import PostgreSQL

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.programs


async def states(url: str, folder: Path) -> list[str]:
    keys, _ = Keys.load(folder / "keys", create=False)
    async with await Ledger.open(url, keys, read_only=True) as ledger:
        return [each.type.value for each in await ledger.events() if isinstance(each.type, State)]


async def test_an_outcome_is_stored_when_the_database_is_back_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, stopping = DeferredOutcomes.store, False
    tries: list[LedgerUnavailable] = []

    async def stored(outcomes: DeferredOutcomes, ledger: Ledger) -> None:
        try:
            await store(outcomes, ledger)
        except LedgerUnavailable as error:
            if stopping:
                tries.append(error)
                server.start()
            raise

    monkeypatch.setattr(DeferredOutcomes, "store", stored)
    with PostgreSQL.running() as server, server.database() as url:
        async with FakeHook("dial", on_request=lambda _: server.stop("immediate")) as hook:
            configured = settings(tmp_path, hook.url, {"ledger": {"url": url}})
            async with service.running(configured) as bridge:
                caller = FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds)
                call = await caller.call("127.0.0.1", bridge.port, f"consent?to={DID}")
                assert went_to(call) == [FORWARD]
                assert len(bridge.current.services.deferred_outcomes) == 1
                stopping = True
        assert tries
        assert await states(url, tmp_path) == [*AGREEMENT, "accepted"]
