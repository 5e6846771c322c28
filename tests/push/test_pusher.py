"""Messages over real sockets: receivers that fail, refuse, hang and come back."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import PUSHED
from agi_bridge.observe import Metrics
from agi_bridge.push import Endpoint, Pusher
from agi_bridge.push.attempt import FIRST_SECONDS, JITTER, LONGEST_PAUSE
from agi_bridge.push.pusher import MOST
from tests.support.consent_builders import BRAND, NUMBER, revocation, settle, submitting
from tests.support.push_receiver import SECRET_BYTES, Receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agi_bridge.consent.ledger import Ledger

HOUR = 3600.0
OTHER = "+14155550124"


class FakeTime:
    """Time that passes when somebody pauses; the ledger's clock follows it."""

    def __init__(self, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed = 0.0
        self.changed = asyncio.Condition()
        self._monkeypatch = monkeypatch
        self.drive(ledger)

    def drive(self, ledger: Ledger) -> None:
        """Let a ledger's clock follow."""
        real = ledger._writer.database_now
        self._monkeypatch.setattr(
            ledger._writer, "database_now", lambda transaction: real(transaction) + self.passed
        )

    async def pause(self, event: asyncio.Event, seconds: float) -> None:
        if not event.is_set():
            self.passed += seconds
        async with self.changed:
            self.changed.notify_all()

    async def stand_still(self, event: asyncio.Event, _seconds: float) -> None:
        """Pause until the event, while no time passes and so no message's holder loses it."""
        async with self.changed:
            self.changed.notify_all()
        await event.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so, while time passes."""
        async with asyncio.timeout(60), self.changed:
            await self.changed.wait_for(condition)

    async def emptied(self, ledger: Ledger) -> None:
        """Wait until everything is delivered."""
        async with asyncio.timeout(60), self.changed:
            while await ledger.outbox.entries(limit=1):
                await self.changed.wait()


@pytest.fixture
def clock(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    return FakeTime(ledger, monkeypatch)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture(autouse=True)
def routed(ledger: Ledger) -> None:
    ledger.push_to(dict.fromkeys(PUSHED, ("crm",)))


@asynccontextmanager
async def pushing(
    ledger: Ledger, receiver: Receiver, metrics: Metrics, clock: FakeTime, *, stands: bool = False
) -> AsyncIterator[Pusher]:
    pause = clock.stand_still if stands else clock.pause
    pusher = Pusher(ledger.outbox, metrics, pause=pause)
    await pusher.use([Endpoint("crm", receiver.url, (SECRET_BYTES,))])
    try:
        yield pusher
    finally:
        await pusher.close()


async def accepted(ledger: Ledger, number: str = NUMBER) -> str:
    record = submitting(number)
    await ledger.append(record.take())
    settle(record)
    await ledger.append(record.take())
    return record.id


async def test_a_receiver_is_told_what_happened_in_signed_messages(
    ledger: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    consent = await accepted(ledger)
    revoked = await ledger.revoke(revocation())
    async with Receiver().listening() as receiver, pushing(ledger, receiver, metrics, clock):
        await clock.emptied(ledger)
    first, second = receiver.received
    assert first.type == "consent.accepted"
    assert first.body["data"] == {
        "number": NUMBER, "personal_data": "included", "consent_id": consent, "line": "shop",
        "brand": BRAND, "seller": "Example Store Inc.", "purpose": "info", "unfinished": False,
    }  # fmt: skip
    assert second.type == "consent.revoked"
    data = second.body["data"]
    assert (data["revocation_id"], data["number"]) == (revoked.revocation_id, NUMBER)
    assert (data["scope"], data["consents"]) == ("brand", [consent])
    assert first.target == second.target == "/events"
    assert metrics.push_deliveries.total(outcome="delivered") == 2


async def test_a_receiver_that_is_down_for_an_hour_gets_everything_soon_after_it_is_back(
    ledger: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    numbers = [f"+1415555{1000 + number}" for number in range(12)]
    for number in numbers:
        await accepted(ledger, number)
        await ledger.revoke(revocation(number))
    async with Receiver().listening() as receiver:
        pass  # its port is known, and nobody listens
    async with pushing(ledger, receiver, metrics, clock):
        await clock.until(lambda: clock.passed > HOUR)
        failed = metrics.push_deliveries.total(outcome="failed")
        assert receiver.received == []
        back = clock.passed
        async with receiver.listening():
            await clock.emptied(ledger)
            assert clock.passed - back <= LONGEST_PAUSE * (1 + JITTER) + 60
    assert failed < 20  # with growing pauses, one at a time
    assert len(set(receiver.ids)) == 24
    for number in numbers:
        types = [each.type for each in receiver.received if each.number == number]
        assert list(dict.fromkeys(types)) == ["consent.accepted", "consent.revoked"]


async def test_two_bridges_try_a_receiver_that_is_down_as_rarely_as_one(
    ledger: Ledger, other: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    clock.drive(other)
    for number in range(12):
        await accepted(ledger, f"+1415555{1000 + number}")
    async with Receiver().listening() as receiver:
        pass
    tried = 0
    # The second comes and goes: a restart does not end a pause.
    for _ in range(4):
        async with (
            pushing(ledger, receiver, metrics, clock),
            pushing(other, receiver, metrics, clock),
        ):
            before = clock.passed
            await clock.until(lambda before=before: clock.passed > before + HOUR / 4)  # type: ignore[misc]  # mypy infers no lambda with a default
        tried = int(metrics.push_deliveries.total(outcome="failed"))
    assert 5 <= tried < 16 + MOST  # the first attempt of the second may be under way
    async with (
        receiver.listening(),
        pushing(ledger, receiver, metrics, clock),
        pushing(other, receiver, metrics, clock),
    ):
        await clock.emptied(ledger)
    assert metrics.push_deliveries.total(outcome="failed") == tried, "the delivery woke the other"
    assert len(set(receiver.ids)) == 12


async def test_while_a_receiver_fails_only_the_database_is_asked(
    ledger: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    await accepted(ledger)
    async with (
        Receiver(status=503, headers={"retry-after": "3600"}).listening() as receiver,
        pushing(ledger, receiver, metrics, clock),
    ):
        await clock.until(lambda: clock.passed > 60)
        for number in range(3):  # new messages do not make it well
            await accepted(ledger, f"+1415555{1000 + number}")
        await clock.until(lambda: clock.passed > HOUR / 2)
        assert len(receiver.received) == 1


async def test_a_message_that_is_refused_does_not_hold_others(
    ledger: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    await accepted(ledger)
    await ledger.revoke(revocation())
    await accepted(ledger, OTHER)
    async with (
        Receiver(by_number={NUMBER: 422}).listening() as receiver,
        pushing(ledger, receiver, metrics, clock),
    ):
        await clock.until(lambda: metrics.push_deliveries.total(outcome="refused") > 7)
        assert [each.number for each in receiver.received if each.number == OTHER] == [OTHER]
        assert clock.passed > 64 * FIRST_SECONDS * (1 - JITTER)
        entries = await ledger.outbox.entries()
        assert [each.reason for each in entries] == ["http_422", None]
        receiver.by_number.clear()
        await clock.emptied(ledger)
    assert receiver.received[-1].type == "consent.revoked"


async def test_a_receiver_that_is_gone_is_asked_no_more(
    ledger: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    await accepted(ledger)
    async with (
        Receiver(status=410).listening() as receiver,
        pushing(ledger, receiver, metrics, clock),
    ):
        await receiver.wait_for(1)
        await accepted(ledger, OTHER)
        before = clock.passed
        await clock.until(lambda: clock.passed > before + 600)
        assert len(receiver.received) == 1
        receiver.status = 200
        await ledger.outbox.retry(endpoint="crm")
        await clock.emptied(ledger)
    assert {each.number for each in receiver.received} == {NUMBER, OTHER}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(
    ledger: Ledger, metrics: Metrics, clock: FakeTime, status: int
) -> None:
    await accepted(ledger)
    async with Receiver().listening() as elsewhere:
        answer = {"location": elsewhere.url}
        async with (
            Receiver(status=status, headers=answer).listening() as receiver,
            pushing(ledger, receiver, metrics, clock),
        ):
            await receiver.wait_for(2)
        assert elsewhere.received == []
    [entry] = await ledger.outbox.entries()
    assert entry.reason == f"http_{status}"


@pytest.mark.parametrize(("status", "reason"), [(401, "http_401"), (503, "http_503")])
async def test_any_other_answer_is_tried_again(
    ledger: Ledger, metrics: Metrics, clock: FakeTime, status: int, reason: str
) -> None:
    await accepted(ledger)
    async with (
        Receiver(status=status, headers={"retry-after": "7200"}).listening() as receiver,
        pushing(ledger, receiver, metrics, clock),
    ):
        await receiver.wait_for(2)
        assert clock.passed > 2 * HOUR - 60  # it was asked to wait so long; real time counts too
        [entry] = await ledger.outbox.entries()
        assert entry.reason == reason
        receiver.status = 200
        await clock.emptied(ledger)
    assert len(set(receiver.ids)) == 1


async def test_a_retry_goes_out_at_once_whatever_the_receiver_asked_to_wait(
    ledger: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    await accepted(ledger)
    await accepted(ledger, OTHER)
    async with (
        Receiver(status=503, headers={"retry-after": "14400"}).listening() as receiver,
        pushing(ledger, receiver, metrics, clock),
    ):
        for _ in range(3):  # also where the last retry has changed nothing
            received, before = len(receiver.received), clock.passed
            await clock.until(lambda before=before: clock.passed > before + 60)  # type: ignore[misc]  # mypy infers no lambda with a default
            tried = len(receiver.received)
            await ledger.outbox.retry(endpoint="crm")
            await receiver.wait_for(tried + 1)
            assert clock.passed < before + HOUR
            assert tried >= received
        receiver.status = 200
        await ledger.outbox.retry(endpoint="crm")
        before = clock.passed
        await clock.emptied(ledger)
        assert clock.passed < before + HOUR


async def test_a_reload_leaves_an_endpoint_alone_that_is_as_before(
    ledger: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    answer = asyncio.Event()
    async with Receiver(answer=answer).listening() as receiver:
        endpoint = Endpoint("crm", receiver.url, (SECRET_BYTES,))
        pusher = Pusher(ledger.outbox, metrics, pause=clock.stand_still)
        await accepted(ledger)
        await pusher.use([endpoint])
        await receiver.wait_for(1)
        same = Endpoint("crm", receiver.url, (SECRET_BYTES,))
        await pusher.use([same, Endpoint("other", "http://127.0.0.1:9/", (SECRET_BYTES,))])
        answer.set()
        await clock.emptied(ledger)
        assert len(receiver.received) == 1
        await pusher.use([Endpoint("crm", receiver.url, (bytes(32),))])  # another secret
        await pusher.close()


async def test_a_receiver_that_is_gone_is_counted_while_messages_wait_for_it(
    ledger: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    await accepted(ledger)
    async with (
        Receiver(status=410).listening() as receiver,
        pushing(ledger, receiver, metrics, clock),
    ):
        await clock.until(lambda: metrics.push_deliveries.total(outcome="gone") > 0)
    assert (await ledger.backlog()).push.gone == 1
    await ledger.outbox.drop(endpoint="crm")
    assert (await ledger.backlog()).push.gone == 0


async def test_an_answer_that_got_lost_brings_the_message_again_under_the_same_id(
    ledger: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    await accepted(ledger)
    async with (
        Receiver(status=None).listening() as receiver,
        pushing(ledger, receiver, metrics, clock),
    ):
        await receiver.wait_for(1)
        receiver.status = 204
        await clock.emptied(ledger)
    assert len(receiver.received) >= 2
    assert len(set(receiver.ids)) == 1


async def test_a_new_event_is_told_at_once(ledger: Ledger, metrics: Metrics) -> None:
    loop = asyncio.get_running_loop()
    async with Receiver().listening() as receiver:
        pusher = Pusher(ledger.outbox, metrics, pause=_until_woken)

        def stored() -> None:
            loop.call_soon_threadsafe(pusher.wake)

        ledger.push_to(dict.fromkeys(PUSHED, ("crm",)), stored)
        await pusher.use([Endpoint("crm", receiver.url, (SECRET_BYTES,))])
        await accepted(ledger)
        async with asyncio.timeout(60):
            await receiver.wait_for(1)
        await pusher.close()


async def _until_woken(event: asyncio.Event, _seconds: float) -> None:
    await event.wait()


async def test_two_bridges_on_one_database_share_the_work(
    ledger: Ledger, other: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    for number in range(30):
        await accepted(ledger, f"+1415555{1000 + number}")
    async with (
        Receiver().listening() as receiver,
        pushing(ledger, receiver, metrics, clock, stands=True),
        pushing(other, receiver, metrics, clock, stands=True),
    ):
        await clock.emptied(ledger)
    assert len(receiver.ids) == len(set(receiver.ids)) == 30


async def test_a_receiver_that_is_no_longer_named_gets_nothing(
    ledger: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    async with (
        Receiver().listening() as receiver,
        pushing(ledger, receiver, metrics, clock) as pusher,
    ):
        await pusher.use([])
        await accepted(ledger)
        assert len(await ledger.outbox.entries()) == 1
    assert receiver.received == []


async def test_no_number_and_no_secret_is_logged(
    ledger: Ledger, metrics: Metrics, clock: FakeTime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await accepted(ledger)
    await accepted(ledger, OTHER)
    endpoint = Endpoint("crm", "http://127.0.0.1:9/", (SECRET_BYTES,))
    assert repr(SECRET_BYTES) not in repr(endpoint)
    async with (
        Receiver(status=500, by_number={NUMBER: 422}).listening() as receiver,
        pushing(ledger, receiver, metrics, clock),
    ):
        await receiver.wait_for(4)
    for number in (NUMBER, OTHER):
        assert number[2:] not in caplog.text
    assert all(number[2:] not in each.target for each in receiver.received for number in [OTHER])


async def test_a_message_that_breaks_the_receiver_does_not_hold_others(
    ledger: Ledger, metrics: Metrics, clock: FakeTime
) -> None:
    await accepted(ledger)
    async with (
        Receiver(by_number={NUMBER: 500}).listening() as receiver,
        pushing(ledger, receiver, metrics, clock),
    ):
        await clock.until(lambda: metrics.push_deliveries.total(outcome="failed") > 2)
        await ledger.revoke(revocation(OTHER))
        tried = metrics.push_deliveries.total(outcome="failed")
        await clock.until(lambda: metrics.push_deliveries.total(outcome="failed") > tried + 4)
        assert [each.number for each in receiver.received if each.number == OTHER] == [OTHER]
