"""Sending again from the real ledger to a real hook, after real calls."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agi_bridge.call.resubmit import Resubmitter
from agi_bridge.consent import Revocation
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys, generate_keys

if TYPE_CHECKING:
    from agi_bridge.call import Services
    from tests.support.call_env import CallEnv

NUMBER, AGREES = "+14155550123", "4155550123,1"
UNSENT = ["disclosed", "entered", "confirmed", "submitting", "not_sent"]
ROUND_THE_CLOCK = {"hours": {"opens": "00:00", "closes": "00:00"}}


async def left_unsent(call_env: CallEnv, keys: str = AGREES) -> str:
    """A consent that the hook was not there for; returns its id. The hook is back."""
    call_env.fake_hook.scenario = "refuse"
    await call_env.fake_hook.settled()
    call = await call_env(keys, ROUND_THE_CLOCK)
    call_env.fake_hook.scenario = None
    await call_env.fake_hook.settled()
    return call.variables["AGI_BRIDGE_CONSENT"]


def later(services: Services, seconds: float = 16) -> Resubmitter:
    return Resubmitter(
        services,
        now=lambda: datetime.now(UTC) + timedelta(seconds=seconds),
        synchronised=lambda: True,
    )


async def states_of(call_env: CallEnv, consent_id: str) -> list[str]:
    return [event.type.value for event in await call_env.ledger.events(consent_id)]


async def test_it_is_sent_with_the_number_that_the_vault_kept(call_env: CallEnv) -> None:
    consent = await left_unsent(call_env)
    await later(call_env.services).round()
    assert [request.from_ for request in call_env.fake_hook.requests] == [NUMBER]
    assert await states_of(call_env, consent) == [*UNSENT, "submitting", "accepted"]
    assert (await call_env.ledger.events(consent))[-2].body["attempt"] == 2
    await later(call_env.services).round()
    assert len(call_env.fake_hook.requests) == 1


async def test_before_it_is_due_nothing_happens(call_env: CallEnv) -> None:
    consent = await left_unsent(call_env)
    wait = await later(call_env.services, 0).round()
    assert timedelta(0) < wait <= timedelta(seconds=15)
    assert await states_of(call_env, consent) == UNSENT


async def test_after_ten_minutes_it_expires(call_env: CallEnv) -> None:
    consent = await left_unsent(call_env)
    await later(call_env.services, 601).round()
    assert call_env.fake_hook.requests == []
    assert await states_of(call_env, consent) == [*UNSENT, "expired"]
    assert (await call_env.ledger.events(consent))[-1].body["reason"] == "too_old"


async def test_after_ten_minutes_it_expires_though_its_number_was_erased(call_env: CallEnv) -> None:
    consent = await left_unsent(call_env)
    await call_env.ledger.erase([consent], basis="request", actor="test")
    for seconds in (16, 601):
        await later(call_env.services, seconds).round()
    assert await states_of(call_env, consent) == [*UNSENT, "erased", "expired"]
    assert await call_env.ledger.unsent() == []


async def test_after_ten_minutes_it_expires_though_its_line_is_gone(call_env: CallEnv) -> None:
    consent = await left_unsent(call_env)
    settings = call_env.services.settings.model_copy(update={"lines": {}})
    for seconds in (16, 601):
        await later(replace(call_env.services, settings=settings), seconds).round()
    assert await states_of(call_env, consent) == [*UNSENT, "expired"]


async def test_a_consent_kept_for_legal_defence_only_is_not_sent(call_env: CallEnv) -> None:
    consent = await left_unsent(call_env)
    until = "2099-01-01T00:00:00.000Z"
    await call_env.ledger.restrict([consent], basis="claim", until=until, actor="test")
    await later(call_env.services).round()
    assert call_env.fake_hook.requests == []


async def test_a_returning_caller_is_sent_again_too(call_env: CallEnv) -> None:
    line = {
        "consent": {"returning": "skip", "caller_id_trust": "any", "opt_out_key": "9"},
        **ROUND_THE_CLOCK,
    }
    await call_env(AGREES, {**ROUND_THE_CLOCK}, caller_id=NUMBER)
    call_env.fake_hook.scenario = "refuse"
    await call_env.fake_hook.settled()
    call = await call_env("", line, caller_id=NUMBER)
    call_env.fake_hook.scenario = None
    await call_env.fake_hook.settled()
    await later(call_env.services).round()
    consent = call.variables["AGI_BRIDGE_CONSENT"]
    assert await states_of(call_env, consent) == [
        *("returned", "submitting", "not_sent", "submitting", "accepted")
    ]


async def test_a_consent_that_was_revoked_is_not_sent(call_env: CallEnv) -> None:
    await left_unsent(call_env)
    await call_env.ledger.revoke(
        Revocation(number=NUMBER, scope="all", channel="command", actor="test")
    )
    await later(call_env.services).round()
    assert call_env.fake_hook.requests == []


async def test_a_consent_revoked_in_the_last_moment_is_not_sent(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    await left_unsent(call_env)
    load_for_retry = call_env.ledger.load_for_retry

    async def then_revoked(consent_id: str) -> object:
        record = await load_for_retry(consent_id)
        await call_env.ledger.revoke(
            Revocation(number=NUMBER, scope="all", channel="command", actor="test")
        )
        return record

    monkeypatch.setattr(call_env.ledger, "load_for_retry", then_revoked)
    await later(call_env.services).round()
    assert call_env.fake_hook.requests == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_of_two_bridges_one_sends(
    call_env: CallEnv, database: str, request: pytest.FixtureRequest
) -> None:
    """Each with its own chain; both see the consent, and look at it at the same time."""
    if database == "postgresql":
        call_env.where = request.getfixturevalue("postgresql_url")
        await call_env.open()
    consent = await left_unsent(call_env)
    keys = Keys(call_env.keys.vault, call_env.keys.lookup, generate_keys().signing)
    async with await Ledger.open(call_env.where, keys) as other:
        bridges = [later(call_env.services), later(replace(call_env.services, ledger=other))]
        await asyncio.gather(*(bridge.round() for bridge in bridges))
    assert len(call_env.fake_hook.requests) == 1
    assert await states_of(call_env, consent) == [*UNSENT, "submitting", "accepted"]


async def test_stopped_on_its_way_it_counts_as_unknown_after_the_next_start(
    call_env: CallEnv,
) -> None:
    consent = await left_unsent(call_env)
    call_env.fake_hook.scenario = "slow"
    task = asyncio.create_task(later(call_env.services).run())
    await call_env.fake_hook.received()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await states_of(call_env, consent) == [*UNSENT, "submitting"]
    await call_env.ledger.recover()
    assert (await states_of(call_env, consent))[-1] == "unknown"
    await later(call_env.services).round()
    assert len(call_env.fake_hook.requests) == 1


async def test_a_crash_between_two_attempts_forgets_nothing(call_env: CallEnv) -> None:
    """Another process, which has nothing but the file, goes on."""
    consent = await left_unsent(call_env)
    await call_env.ledger.close()
    await call_env.open()
    await later(replace(call_env.services, ledger=call_env.ledger)).round()
    assert [request.from_ for request in call_env.fake_hook.requests] == [NUMBER]
    assert (await states_of(call_env, consent))[-1] == "accepted"
