"""What an answer means for the next attempt."""

from __future__ import annotations

import pytest

from agi_bridge.consent import GONE, PushKey, PushMessage, PushType
from agi_bridge.hook import Posted
from agi_bridge.push.attempt import (
    FIRST_SECONDS,
    JITTER,
    LONGEST_PAUSE,
    LONGEST_SECONDS,
    Delivery,
    backoff,
    judge,
)


def message(attempts: int = 0) -> PushMessage:
    return PushMessage(
        key=PushKey("chain", 1, "crm"), message_id="event", type=PushType.ACCEPTED, at="",
        record="consent", facts={}, call={}, number=None, personal="erased", attempts=attempts,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("posted", "delivery", "reason"),
    [
        (Posted(200, "answered"), Delivery.DELIVERED, None),
        (Posted(204, "answered"), Delivery.DELIVERED, None),
        (Posted(302, "answered"), Delivery.FAILED, "http_302"),
        (Posted(400, "answered"), Delivery.REFUSED, "http_400"),
        (Posted(401, "answered"), Delivery.FAILED, "http_401"),
        (Posted(410, "answered"), Delivery.GONE, GONE),
        (Posted(422, "answered"), Delivery.REFUSED, "http_422"),
        (Posted(429, "answered"), Delivery.FAILED, "http_429"),
        (Posted(500, "answered"), Delivery.FAILED, "http_500"),
        (Posted(None, "timeout"), Delivery.FAILED, "timeout"),
        (Posted(None, "connection_refused"), Delivery.FAILED, "connection_refused"),
    ],
)
def test_each_answer_has_one_meaning(
    posted: Posted, delivery: Delivery, reason: str | None
) -> None:
    result = judge(message(), posted)
    assert result.delivery is delivery
    assert (None if result.failure is None else result.failure.reason) == reason


def test_waits_grow_to_a_limit_and_differ() -> None:
    for failures, expected in ((0, FIRST_SECONDS), (3, 8 * FIRST_SECONDS), (100, LONGEST_PAUSE)):
        waits = {backoff(failures, LONGEST_PAUSE) for _ in range(50)}
        assert len(waits) > 1
        assert all(expected * (1 - JITTER) <= wait <= expected * (1 + JITTER) for wait in waits)


def test_a_refused_message_waits_longer_than_an_endpoint_that_fails() -> None:
    refused = judge(message(30), Posted(422, "answered")).failure
    failed = judge(message(30), Posted(503, "answered")).failure
    assert refused is not None
    assert failed is not None
    assert refused.ours
    assert refused.seconds >= LONGEST_SECONDS * (1 - JITTER)
    assert failed.seconds <= LONGEST_PAUSE * (1 + JITTER)


def test_a_receiver_may_ask_for_time_but_not_for_days() -> None:
    for asked, waits in ((3600.0, 3600.0), (1e9, LONGEST_SECONDS)):
        failure = judge(message(), Posted(503, "answered", asked)).failure
        assert failure is not None
        assert failure.seconds == waits
