"""Outcomes that the ledger did not take when they came are stored once it takes writes again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.consent import LedgerUnavailable, State
from tests.support.call_env import AGREES, shipped_milliseconds

if TYPE_CHECKING:
    import pytest

    from agi_bridge.consent import Batch
    from tests.support.call_env import CallEnv


async def test_a_write_that_succeeds_calls_for_what_was_refused_before(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = call_env.ledger.append

    async def refuses_outcomes(batch: Batch) -> Any:
        if batch.events[0].type is State.ACCEPTED:
            raise LedgerUnavailable("busy")
        return await append(batch)

    handler = await call_env.handler()
    services = call_env.services
    path = "consent?to=%2B14155550111&attestation=A"
    with monkeypatch.context() as patched:
        patched.setattr(call_env.ledger, "append", refuses_outcomes)
        await FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds).run(handler, path)
    assert (await call_env.states())[-1] == "submitting"
    assert len(services.deferred_outcomes) == 1
    assert services.resubmission_due.is_set(), "tried again soon, not in a minute"
    services.resubmission_due.clear()
    await FakeAsterisk(keys="*", sounds=shipped_milliseconds).run(handler, path)
    assert services.resubmission_due.is_set()
    await services.deferred_outcomes.store(call_env.ledger)
    assert len(services.deferred_outcomes) == 0
    assert (await call_env.states())[-1] == "accepted"
