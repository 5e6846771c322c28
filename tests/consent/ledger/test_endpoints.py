"""An endpoint of the outbox that fails or is gone: its pause, its 410, and who tries it again."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import GONE, PushFailure, PushRetried, State
from tests.support.consent_builders import NUMBER
from tests.support.outbox import (
    ELSEWHERE,
    HELD,
    HERE,
    OTHER,
    ROUTES,
    THIRD,
    Clock,
    accepted,
    claim,
    fail,
)

if TYPE_CHECKING:
    from agi_bridge.consent.ledger import Ledger


@pytest.fixture(autouse=True)
def routed(ledger: Ledger) -> None:
    ledger.push_to(ROUTES)


@pytest.fixture
def clock(ledger: Ledger, other: Ledger, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of both bridges."""
    return Clock(monkeypatch, ledger, other)


async def test_what_failed_because_of_the_endpoint_is_due_when_it_is_back(
    ledger: Ledger, clock: Clock
) -> None:
    await accepted(ledger)
    [failed] = await claim(ledger)
    await fail(ledger, failed, pause=5.0, seconds=900.0)
    await accepted(ledger, OTHER)
    assert await claim(ledger) == []  # a new message does not make the endpoint well
    clock.passed += 6.0
    [message] = await claim(ledger)
    assert message.number == OTHER
    await ledger.outbox.settle(HERE, [message.key])
    assert [each.key for each in await claim(ledger)] == [failed.key]


async def test_a_message_that_breaks_its_endpoint_waits_while_others_leave(
    ledger: Ledger, clock: Clock
) -> None:
    await accepted(ledger)
    for _ in range(3):  # alone, it looks as if the endpoint failed
        [broken] = await claim(ledger)
        await fail(ledger, broken, pause=5.0, seconds=5.0)
        clock.passed += 6.0
    for number in (OTHER, THIRD):
        await accepted(ledger, number)
        [message] = await claim(ledger)
        assert message.number == number
        await ledger.outbox.settle(HERE, [message.key])
        [broken] = await claim(ledger)  # it failed as often as the endpoint did: once more
        await fail(ledger, broken, pause=5.0, seconds=900.0)
        clock.passed += 6.0
        assert await claim(ledger) == []
        clock.passed += 900.0


async def test_bridges_share_the_pause_of_an_endpoint_that_fails(
    ledger: Ledger, other: Ledger, clock: Clock
) -> None:
    for number in (NUMBER, OTHER, THIRD):
        await accepted(ledger, number)
    [first] = await claim(ledger, 1)
    [under_way] = await claim(other, 1)
    await fail(ledger, first, pause=100.0)
    await fail(other, under_way, pause=900.0)  # it began before: the pause is as it was
    for bridge in (ledger, other):
        claimed = await bridge.outbox.claim("crm", HERE, 10, HELD)
        assert (list(claimed.messages), claimed.failures) == ([], 1)
        assert 90.0 < claimed.pause <= 100.0
    clock.passed += 101.0
    [tried] = await claim(other)  # one message, by one bridge
    waiting = await ledger.outbox.claim("crm", HERE, 10, HELD)
    assert (list(waiting.messages), waiting.pause > 0) == ([], True)
    await other.outbox.settle(HERE, [tried.key])
    works = await ledger.outbox.claim("crm", HERE, 10, HELD)
    assert (len(works.messages), works.failures) == (2, 0)


async def test_a_bridge_that_is_killed_in_its_attempt_leaves_the_endpoint_to_another(
    ledger: Ledger, other: Ledger, clock: Clock
) -> None:
    await accepted(ledger)
    await accepted(ledger, OTHER)
    [message] = await claim(ledger, 1)
    await fail(ledger, message, pause=5.0)
    clock.passed += 6.0
    [held] = await claim(ledger)  # and it is killed
    assert await claim(other) == []
    clock.passed += HELD + 1
    [message] = await claim(other)
    # The first one's result comes late: the attempt is the other's by now.
    await fail(ledger, held, pause=900.0)
    await fail(other, message, pause=7.0)
    claimed = await other.outbox.claim("crm", HERE, 10, HELD)
    assert (claimed.failures, claimed.pause <= 7.0) == (2, True)


async def test_a_process_that_stops_in_its_attempt_gives_it_back(
    ledger: Ledger, other: Ledger, clock: Clock
) -> None:
    await accepted(ledger)
    [message] = await claim(ledger)
    await fail(ledger, message, pause=5.0)
    clock.passed += 6.0
    assert len(await claim(ledger)) == 1
    await ledger.outbox.release("crm")
    assert len(await claim(other)) == 1


async def test_a_pause_is_of_the_address_that_failed(ledger: Ledger) -> None:
    await accepted(ledger)
    [message] = await claim(ledger)
    await fail(ledger, message, pause=900.0, seconds=0.0)
    [again] = (await ledger.outbox.claim("crm", ELSEWHERE, 10, HELD)).messages
    await ledger.outbox.settle(ELSEWHERE, [again.key])
    await accepted(ledger, OTHER)
    assert len(await claim(ledger)) == 1, "what the former address did is over"


async def test_the_list_shows_the_pause_of_the_endpoint(ledger: Ledger) -> None:
    await accepted(ledger)
    [message] = await claim(ledger)
    await fail(ledger, message, pause=900.0, seconds=1.0)
    [entry] = await ledger.outbox.entries()
    pause = (await ledger.outbox.claim("crm", HERE, 10, HELD)).pause
    due = datetime.fromisoformat(entry.next_at or "").timestamp()
    assert abs(due - time.time() - pause) < 60.0
    await ledger.outbox.retry(endpoint="crm")
    assert len(await claim(ledger)) == 1


async def test_an_endpoint_that_is_gone_gets_nothing_until_a_person_says_so(
    ledger: Ledger,
) -> None:
    ledger.push_to({State.ACCEPTED: ("crm", "shop")})
    await accepted(ledger)
    [message] = await claim(ledger)
    await ledger.outbox.settle(HERE, [], [PushFailure(message.key, GONE, 0.0)])
    await accepted(ledger, OTHER)
    assert await claim(ledger) == []
    assert len((await ledger.outbox.claim("shop", HERE, 10, HELD)).messages) == 2
    assert [entry.reason for entry in await ledger.outbox.entries(endpoint="crm")] == [GONE] * 2
    assert await ledger.outbox.retry(endpoint="crm") == PushRetried(messages=2, endpoints=1)
    assert len(await claim(ledger)) == 2


@pytest.mark.parametrize("how", ["of the record", "all"])
async def test_a_410_outlives_the_message_that_it_answered(ledger: Ledger, how: str) -> None:
    await accepted(ledger)
    [message] = await claim(ledger)
    await ledger.outbox.settle(HERE, [], [PushFailure(message.key, GONE, 0.0)])
    dropped = [message.record] if how == "of the record" else []
    assert await ledger.outbox.drop(endpoint=None, records=dropped) == 1
    await accepted(ledger, OTHER)
    assert await claim(ledger) == []
    assert await ledger.outbox.drop(endpoint="crm") == 1
    assert await ledger.outbox.retry(endpoint="crm") == PushRetried(messages=0, endpoints=1)
    await accepted(ledger, OTHER)
    assert len(await claim(ledger)) == 1


async def test_a_410_is_of_the_address_that_gave_it(ledger: Ledger) -> None:
    await accepted(ledger)
    [message] = await claim(ledger)
    await ledger.outbox.settle(HERE, [], [PushFailure(message.key, GONE, 0.0)])
    [again] = (await ledger.outbox.claim("crm", ELSEWHERE, 10, HELD)).messages
    await ledger.outbox.settle(ELSEWHERE, [], [PushFailure(again.key, "http_503", 0.0)])
    assert [entry.reason for entry in await ledger.outbox.entries()] == ["http_503"]
    [again] = (await ledger.outbox.claim("crm", ELSEWHERE, 10, HELD)).messages
    await ledger.outbox.settle(ELSEWHERE, [again.key])
    await accepted(ledger, OTHER)
    assert len(await claim(ledger)) == 1, "what the former address said is over"


async def test_a_person_who_retries_a_record_has_its_endpoint_asked_again(ledger: Ledger) -> None:
    await accepted(ledger)
    [message] = await claim(ledger)
    await ledger.outbox.settle(HERE, [], [PushFailure(message.key, GONE, 0.0)])
    retried = await ledger.outbox.retry(endpoint=None, records=[message.record])
    assert retried == PushRetried(messages=1, endpoints=1)
    assert [each.key for each in await claim(ledger)] == [message.key]
