"""Whatever JSON comes in, it is read or refused: nothing else is raised."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.web.errors import ProblemResponse
from agi_bridge.web.instaply import read_message
from agi_bridge.web.revocations import FIELDS, read_revocation
from tests.support.web_serving import settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agi_bridge.settings import Line

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(["+14155550123", "shop", "Example Store", "2026-11-20T08:00:00Z", "STOP", "c"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5
)
DATA = (
    "fromCustomer", "customerId", "customerThreadId", "businessId", "messageId", "messageBody",
    "messageTimestamp",
)  # fmt: skip


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Line]:
    return settings(tmp_path_factory.mktemp("hostile")).lines


@given(
    values=st.dictionaries(st.sampled_from(FIELDS) | st.text(), VALUES), key=st.none() | st.text()
)
def test_any_object_is_a_revocation_or_refused(
    lines: Mapping[str, Line], values: dict[str, Any], key: str | None
) -> None:
    payload = {"number": "+14155550123", **values}
    with suppress(ProblemResponse):  # and nothing else
        revocation = read_revocation(payload, key, lines, NOW)
        assert revocation.number.startswith("+")
        json.dumps([revocation.words, revocation.actor, revocation.received]).encode()


@given(
    data=st.dictionaries(st.sampled_from(DATA), VALUES) | VALUES,
    stop=st.booleans(),
    kind=st.just("message") | VALUES,
    body=st.binary(),
)
def test_any_event_is_a_message_or_passed_over(
    data: Any, kind: Any, body: bytes, *, stop: bool
) -> None:
    if stop and isinstance(data, dict):
        data = {**data, "fromCustomer": True, "messageBody": "STOP"}
    message = read_message({"eventType": kind, "timestamp": data, "data": data}, body, NOW)
    if message is not None:
        f"{message.customer_id}{message.words}{message.reference}{message.business_id}".encode()
    assert message is not None or not (stop and kind == "message" and isinstance(data, dict))
