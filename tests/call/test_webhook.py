"""A call whose hook is a webhook: what the receiver is told, and what the record says of it."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from agi_bridge.hook.testing import Scenario
from tests.support.call_env import (
    AGREES,
    DEFAULT,
    FORWARD,
    NUMBER,
    SECRET,
    WEBHOOK,
    dialled,
    prompts_heard,
)
from tests.support.hook_servers import answering, http, serving

if TYPE_CHECKING:
    import pytest

    from tests.support.call_env import CallEnv

TABLES: dict[str, dict[str, Any]] = {"hook": WEBHOOK}


async def test_a_receiver_names_the_number_to_dial_and_the_record_names_its_kind(
    call_env: CallEnv,
) -> None:
    call_env.fake_hook.secrets = [SECRET]
    call = await call_env(AGREES, {"tables": TABLES})
    assert dialled(call) == [FORWARD]
    events = {event.type.value: event for event in await call_env.events()}
    assert list(events)[-1] == "accepted"
    submitting = events["submitting"].body
    assert submitting["hook_kind"] == "webhook"
    assert "idempotent" not in submitting
    assert call_env.fake_hook.texted == {events["confirmed"].consent_id: 1}


async def test_instaplys_record_names_no_kind(call_env: CallEnv) -> None:
    await call_env(AGREES)
    (submitting,) = [e for e in await call_env.events() if e.type == "submitting"]
    assert {"hook_kind", "idempotent"}.isdisjoint(submitting.body)


async def test_a_receiver_that_answers_nothing_sends_the_caller_to_the_default(
    call_env: CallEnv,
) -> None:
    call_env.fake_hook.scenario = Scenario.EMPTY
    call = await call_env(AGREES, {"tables": TABLES})
    assert dialled(call) == [DEFAULT]
    assert "accepted" in prompts_heard(call)
    assert (await call_env.states())[-1] == "accepted"


async def test_the_receiver_is_told_what_was_heard(call_env: CallEnv) -> None:
    requests: list[bytes] = []
    async with serving(answering(requests, http("204 No Content"))) as server:
        tables = {"hook": {**WEBHOOK, "url": server.url}}
        await call_env(AGREES, {"tables": tables, "purpose": "info"})
    events = {event.type.value: event for event in await call_env.events()}
    data = json.loads(requests[0].partition(b"\r\n\r\n")[2])
    assert data["timestamp"] == events["confirmed"].at
    assert data["data"] == {
        "consent_id": events["confirmed"].consent_id,
        "from": NUMBER,
        "to": "+14155550111",
        "line": "shop",
        "brand": "Example Store",
        "purpose": "info",
        "language": "en",
        "disclosure_sha256": events["disclosed"].body["disclosure_sha256"],
        "text_before": data["data"]["text_before"],
    }
    agreed = datetime.fromisoformat(data["timestamp"])
    assert datetime.fromisoformat(data["data"]["text_before"]) - agreed == timedelta(minutes=10)


async def test_of_a_returning_caller_it_is_told_what_they_had_agreed_to(
    call_env: CallEnv, caplog: pytest.LogCaptureFixture
) -> None:
    requests: list[bytes] = []
    async with serving(answering(requests, http("204 No Content"))) as server:
        line: dict[str, Any] = {"tables": {"hook": {**WEBHOOK, "url": server.url}}}
        await call_env(AGREES, line, caller_id=NUMBER)
        line["consent"] = {"returning": "skip", "opt_out_key": "9"}
        await call_env("", line, caller_id=NUMBER)
    first, second = (json.loads(each.partition(b"\r\n\r\n")[2])["data"] for each in requests)
    assert first["consent_id"] != second["consent_id"]
    for name in ("language", "disclosure_sha256", "brand", "from"):
        assert first[name] == second[name]
    assert NUMBER[2:] not in caplog.text
