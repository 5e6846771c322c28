"""Sending again from the real ledger to a real hook, after real calls."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from agi_bridge.call.resubmit import Resubmission
from agi_bridge.consent import Revocation
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys, generate_keys

if TYPE_CHECKING:
    from agi_bridge.call.handler import Services
    from tests.call.conftest import Place

NUMBER, AGREES = "+14155550123", "4155550123,1"
UNSENT = ["disclosed", "entered", "confirmed", "submitting", "not_sent"]
ROUND_THE_CLOCK = {"hours": {"opens": "00:00", "closes": "00:00"}}


async def left_unsent(place: Place, keys: str = AGREES) -> str:
    """A consent that the hook was not there for; returns its id. The hook is back."""
    place.fake_hook.scenario = "refuse"
    await place.fake_hook.settled()
    call = await place(keys, ROUND_THE_CLOCK)
    place.fake_hook.scenario = None
    await place.fake_hook.settled()
    return call.variables["AGI_BRIDGE_CONSENT"]


def later(house: Services, seconds: float = 16) -> Resubmission:
    return Resubmission(
        house,
        now=lambda: datetime.now(UTC) + timedelta(seconds=seconds),
        synchronised=lambda: True,
    )


async def states_of(place: Place, consent_id: str) -> list[str]:
    return [event.type.value for event in await place.ledger.events(consent_id)]


async def test_it_is_sent_with_the_number_that_the_vault_kept(place: Place) -> None:
    consent = await left_unsent(place)
    await later(place.house).round()
    assert [request.from_ for request in place.fake_hook.requests] == [NUMBER]
    assert await states_of(place, consent) == [*UNSENT, "submitting", "accepted"]
    assert (await place.ledger.events(consent))[-2].body["attempt"] == 2
    await later(place.house).round()
    assert len(place.fake_hook.requests) == 1


async def test_before_it_is_due_nothing_happens(place: Place) -> None:
    consent = await left_unsent(place)
    wait = await later(place.house, 0).round()
    assert timedelta(0) < wait <= timedelta(seconds=15)
    assert await states_of(place, consent) == UNSENT


async def test_after_ten_minutes_it_expires(place: Place) -> None:
    consent = await left_unsent(place)
    await later(place.house, 601).round()
    assert place.fake_hook.requests == []
    assert await states_of(place, consent) == [*UNSENT, "expired"]
    assert (await place.ledger.events(consent))[-1].body["reason"] == "too_old"


async def test_after_ten_minutes_it_expires_though_its_number_was_erased(place: Place) -> None:
    consent = await left_unsent(place)
    await place.ledger.erase([consent], basis="request", actor="test")
    for seconds in (16, 601):
        await later(place.house, seconds).round()
    assert await states_of(place, consent) == [*UNSENT, "erased", "expired"]
    assert await place.ledger.unsent() == []


async def test_after_ten_minutes_it_expires_though_its_line_is_gone(place: Place) -> None:
    consent = await left_unsent(place)
    settings = place.house.settings.model_copy(update={"lines": {}})
    for seconds in (16, 601):
        await later(replace(place.house, settings=settings), seconds).round()
    assert await states_of(place, consent) == [*UNSENT, "expired"]


async def test_what_is_kept_for_a_defence_only_is_not_sent(place: Place) -> None:
    consent = await left_unsent(place)
    until = "2099-01-01T00:00:00.000Z"
    await place.ledger.restrict([consent], basis="claim", until=until, actor="test")
    await later(place.house).round()
    assert place.fake_hook.requests == []


async def test_a_returning_caller_is_sent_again_too(place: Place) -> None:
    line = {"consent": {"returning": "skip"}, **ROUND_THE_CLOCK}
    await place(AGREES, line, caller_id=NUMBER)
    place.fake_hook.scenario = "refuse"
    await place.fake_hook.settled()
    call = await place("", line, caller_id=NUMBER)
    place.fake_hook.scenario = None
    await place.fake_hook.settled()
    await later(place.house).round()
    consent = call.variables["AGI_BRIDGE_CONSENT"]
    assert await states_of(place, consent) == [
        *("returned", "submitting", "not_sent", "submitting", "accepted")
    ]


async def test_a_consent_that_was_revoked_is_not_sent(place: Place) -> None:
    await left_unsent(place)
    await place.ledger.revoke(
        Revocation(number=NUMBER, brand=None, channel="command", actor="test")
    )
    await later(place.house).round()
    assert place.fake_hook.requests == []


async def test_a_consent_revoked_in_the_last_moment_is_not_sent(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await left_unsent(place)
    load_for_retry = place.ledger.load_for_retry

    async def then_revoked(consent_id: str) -> object:
        record = await load_for_retry(consent_id)
        await place.ledger.revoke(
            Revocation(number=NUMBER, brand=None, channel="command", actor="test")
        )
        return record

    monkeypatch.setattr(place.ledger, "load_for_retry", then_revoked)
    await later(place.house).round()
    assert place.fake_hook.requests == []


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_of_two_bridges_one_sends(
    place: Place, database: str, request: pytest.FixtureRequest
) -> None:
    """Each with its own chain; both see the consent, and look at it at the same time."""
    if database == "postgresql":
        place.where = request.getfixturevalue("postgresql_url")
        await place.open()
    consent = await left_unsent(place)
    keys = Keys(place.keys.vault, place.keys.lookup, generate_keys().signing)
    async with await Ledger.open(place.where, keys) as other:
        bridges = [later(place.house), later(replace(place.house, ledger=other))]
        await asyncio.gather(*(bridge.round() for bridge in bridges))
    assert len(place.fake_hook.requests) == 1
    assert await states_of(place, consent) == [*UNSENT, "submitting", "accepted"]


async def test_stopped_on_its_way_it_counts_as_unknown_after_the_next_start(place: Place) -> None:
    consent = await left_unsent(place)
    place.fake_hook.scenario = "slow"
    task = asyncio.create_task(later(place.house).run())
    await place.fake_hook.received()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await states_of(place, consent) == [*UNSENT, "submitting"]
    await place.ledger.recover()
    assert (await states_of(place, consent))[-1] == "unknown"
    await later(place.house).round()
    assert len(place.fake_hook.requests) == 1


async def test_a_crash_between_two_attempts_forgets_nothing(place: Place) -> None:
    """Another process, which has nothing but the file, goes on."""
    consent = await left_unsent(place)
    await place.ledger.close()
    await place.open()
    await later(replace(place.house, ledger=place.ledger)).round()
    assert [request.from_ for request in place.fake_hook.requests] == [NUMBER]
    assert (await states_of(place, consent))[-1] == "accepted"
