"""Whose STOP a message is: from the webhook, over real sockets, to a revocation in a ledger."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agi_bridge.consent import Act, Filter, Withheld
from agi_bridge.hook.testing import FakeResponse
from agi_bridge.web.lookup_queue import AGAIN_SECONDS, FIRST_WAIT, LONGEST_WAIT
from agi_bridge.web.lookups import POLL_SECONDS
from tests.support.consent_builders import submitting
from tests.support.error_codes import coded
from tests.support.external_db import execute
from tests.support.lookup_env import TOKEN, recent
from tests.support.verified import stands
from tests.support.web_serving import NUMBER, settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.lookup_env import Env


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    recent(monkeypatch, minutes=1)


async def test_a_stop_revokes_by_itself(env: Env) -> None:
    env.vendor.api.add("cust_001", NUMBER)
    record = submitting(NUMBER, brand="Example Store")
    await env.ledger.append(record.take())
    assert await env.says() == 202
    assert env.vendor.api.asked == [], "the webhook is answered without it"
    assert await env.lookups.round() == POLL_SECONDS
    (revocation,) = await env.of(Act.REVOCATION)
    assert revocation.body["channel"] == "instaply"
    assert revocation.body["passed_on"] is True
    assert revocation.body["received"] == "2023-11-14T22:13:20.000Z"
    assert await env.open() == []
    with pytest.raises(Withheld, check=coded("suppressed")):
        await env.ledger.append(submitting(NUMBER, brand="Example Store").take())
    await env.ledger.checkpoint()
    assert await stands(env.ledger)
    await env.lookups.round()
    assert len(env.vendor.api.asked) == 1


async def test_an_erasure_of_the_number_leaves_nothing_of_a_stop_that_was_looked_up(
    env: Env, tmp_path: Path
) -> None:
    env.vendor.api.add("cust_001", NUMBER)
    await env.says("stop texting me please")
    (message,) = await env.open()
    await env.lookups.round()
    mine = await env.ledger.summaries(Filter(number=NUMBER))
    (revocation,) = await env.of(Act.REVOCATION)
    assert [each.consent_id for each in mine] == [revocation.consent_id]
    kept = await env.ledger.personal_data(revocation.consent_id) or {}
    assert kept["words"] == "stop texting me please", "an access request finds the words"
    assert await env.ledger.personal_data(message.consent_id) is None
    await env.ledger.erase([each.consent_id for each in mine], basis="request", actor="admin")
    left = execute(tmp_path / "consents.db", "select count(*) from pii union select 0")
    assert [*map(tuple, left)] == [(0,)]
    await env.ledger.checkpoint()
    assert await stands(env.ledger)
    with pytest.raises(Withheld, check=coded("suppressed")):
        await env.ledger.append(submitting(NUMBER, brand="Example Store").take())


async def test_a_message_from_before_a_restart_is_looked_up_after_it(env: Env) -> None:
    env.vendor.api.answer = FakeResponse("503 Service Unavailable", "text/plain", "later")
    await env.says()
    assert await env.lookups.round() == FIRST_WAIT
    env.vendor.api.answer = None
    env.vendor.api.add("cust_001", NUMBER)
    env.restarted()
    await env.lookups.round()
    assert len(await env.of(Act.REVOCATION)) == 1


async def test_killed_between_revoking_and_noting_it_the_next_start_does_not_revoke_twice(
    env: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.vendor.api.add("cust_001", NUMBER)
    await env.says()

    async def killed(*_: object, **__: object) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(env.ledger, "settle_message", killed)
        with pytest.raises(asyncio.CancelledError):
            await env.lookups.round()
    assert len(await env.of(Act.REVOCATION)) == 1
    env.restarted()
    await env.lookups.round()
    assert len(await env.of(Act.REVOCATION)) == 1
    assert await env.open() == []


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        ({"number": None}, "no_number"),
        ({"number": NUMBER, "channel": "WHATSAPP"}, "other_channel"),
        ({"number": NUMBER, "id": "cust_002"}, "other_customer"),
        ({"number": "call me"}, "not_a_number"),
        ({"number": "4155550123"}, "not_a_number"),  # of which country?
        ({"number": "+1" + "5" * 40}, "not_a_number"),
        (None, "not_found"),
    ],
)
async def test_whose_number_is_not_there_stays_on_a_persons_list_with_the_reason(
    env: Env, profile: dict[str, Any] | None, reason: str
) -> None:
    if profile is not None:
        env.vendor.api.add("cust_001", **profile)
    await env.says()
    with capture_logs() as logs:
        for _ in range(2):
            assert await env.lookups.round() == POLL_SECONDS
    (message,) = await env.open()
    assert (message.kind, message.lookup) == ("message", reason)
    assert [(log["event"], log["reason"]) for log in logs] == [("web.sender_unknown", reason)]
    assert len(env.vendor.api.asked) == 1, "not again at once"
    assert NUMBER not in str(logs)
    assert env.metrics.stop_lookups.total(outcome=reason) == 1
    await env.ledger.checkpoint()
    assert await stands(env.ledger)
    # A person corrects the profile: the next look finds it, within the hour.
    env.vendor.api.add("cust_001", NUMBER)
    env.time += AGAIN_SECONDS
    await env.lookups.round()
    assert await env.open() == []
    assert len(await env.of(Act.LOOKED_UP)) == 1


async def test_a_message_without_a_customer_is_not_asked_for(env: Env) -> None:
    await env.says(customer=None)
    await env.lookups.round()
    assert env.vendor.api.asked == []
    assert [each.lookup for each in await env.open()] == ["no_id"]


async def test_what_may_be_a_stop_is_left_to_a_person(env: Env) -> None:
    env.vendor.api.add("cust_001", NUMBER)
    assert await env.says("Can I stop by at 5?") == 202
    await env.lookups.round()
    assert env.vendor.api.asked == []
    assert len(await env.open()) == 1


async def test_an_api_that_refuses_the_key_is_asked_less_and_less_and_named_once(env: Env) -> None:
    env.vendor.api.token = "another"
    await env.says()
    await env.says(n=2)
    with capture_logs() as logs:
        waits = []
        for _ in range(8):
            waits.append(await env.lookups.round())
            env.time += env.queue.pause
    assert waits[:2] == [FIRST_WAIT, 2 * FIRST_WAIT]
    assert env.queue.pause == LONGEST_WAIT
    assert len(env.vendor.api.asked) == 8, "the second message waits with the first"
    assert [log["event"] for log in logs] == ["web.instaply_api_failed"]
    assert TOKEN not in str(logs)
    assert env.metrics.stop_lookups.total(outcome="token_refused") == 8
    assert [each.lookup for each in await env.open()] == [None, None]
    env.vendor.api.token = TOKEN
    env.vendor.api.add("cust_001", NUMBER)
    with capture_logs() as logs:
        assert await env.lookups.round() == POLL_SECONDS
    assert next(log["event"] for log in logs) == "web.instaply_api_back"
    assert await env.open() == []


async def test_an_old_message_is_not_looked_up_any_more(
    env: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.vendor.api.add("cust_001", NUMBER)
    await env.says()
    recent(monkeypatch, days=15)
    await env.lookups.round()
    assert env.vendor.api.asked == []


async def test_an_older_stop_is_not_hidden_by_newer_messages(env: Env) -> None:
    env.vendor.api.add("cust_001", NUMBER)
    await env.says()
    for n in range(10):
        await env.ledger.record_message(f"c{n}", "stop by at 5?", reference=f"m{n}", received=None)
    await env.lookups.round()
    assert len(await env.of(Act.REVOCATION)) == 1
    assert len(env.vendor.api.asked) == 1


async def test_a_fresh_stop_is_looked_up_at_once_while_others_wait(env: Env) -> None:
    env.vendor.api.answer = FakeResponse("503 Service Unavailable", "text/plain", "later")
    await env.says(customer="cust_old", n=1)
    for _ in range(8):
        await env.lookups.round()
        env.time += env.queue.pause
    await env.lookups.round()
    assert env.queue.pause == LONGEST_WAIT
    env.vendor.api.answer = None
    env.vendor.api.add("cust_001", NUMBER)
    env.vendor.api.add("cust_old", "+14155550124")
    await env.says(n=2)
    for message in await env.open():
        env.lookups.notify(message.consent_id)  # of the older one that is no news
    await env.lookups.round()
    assert len(await env.of(Act.REVOCATION)) == 2, "the API answers: those that wait are due"


async def test_a_damaged_message_is_named_and_holds_no_other(env: Env, tmp_path: Path) -> None:
    env.vendor.api.add("cust_002", NUMBER)
    await env.says(customer="cust_001", n=1)
    damaged = (await env.open())[0].consent_id
    await env.says(customer="cust_002", n=2)
    ledger = tmp_path / "consents.db"
    execute(ledger, "drop trigger event_no_update")
    execute(ledger, f"update event set body = '{{' where consent_id = '{damaged}'")  # noqa: S608 - ours
    with capture_logs() as logs:
        await env.lookups.round()
    [named] = [log for log in logs if log["event"] == "web.stop_not_looked_up"]
    assert named["consent"] == damaged
    revoked = execute(ledger, "select count(*) from event where type = 'revocation'")
    assert revoked == [(1,)]


async def test_without_the_key_nothing_is_asked(env: Env, tmp_path: Path) -> None:
    await env.says()
    env.settings = settings(tmp_path)
    await env.lookups.round()
    assert env.vendor.api.asked == []


async def test_the_task_wakes_up_for_a_message(env: Env) -> None:
    env.vendor.api.add("cust_001", NUMBER)
    task = asyncio.create_task(env.lookups.run())
    await env.says()
    (message,) = await env.open()
    env.lookups.notify(message.consent_id)
    while await env.open():  # noqa: ASYNC110 - the ledger has no event for it
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    assert len(await env.of(Act.REVOCATION)) == 1


async def test_one_customer_who_breaks_the_api_does_not_hold_others(
    env: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    env.vendor.api.add("cust_001", NUMBER)
    await env.says(customer="cust_001", n=1)
    await env.says(customer="cust_broken", n=2)
    respond = env.vendor.api.respond

    def breaks(method: str, path: str, headers: Any, body: bytes) -> FakeResponse:
        if "cust_broken" in path:
            return FakeResponse("500 Internal Server Error", "text/plain", "oops")
        return respond(method, path, headers, body)

    monkeypatch.setattr(env.vendor.api, "respond", breaks)
    with capture_logs() as logs:
        for n in range(3, 6):
            env.vendor.api.add(f"cust_{n}", f"+1415555010{n}")
            await env.says(customer=f"cust_{n}", n=n)
            env.time += 2 * LONGEST_WAIT
            await env.lookups.round()
    assert len(await env.of(Act.REVOCATION)) == 4
    assert [each.lookup for each in await env.open()] == ["unavailable"], "a person sees why"
    assert "cust_broken" not in str(logs)
