"""Whose YES a message is: from the webhook, over real sockets, to a consent that is complete."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import REPLY_DAYS, Act
from agi_bridge.hook.testing import FakeResponse
from tests.support.consent_builders import SENDING, confirmed, settle
from tests.support.lookup_env import TOKEN, recent
from tests.support.verified import stands
from tests.support.web_serving import BOTH, LINES, NUMBER, settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.lookup_env import Env

BUSINESS = 1001
"""Of the shop."""
CONFIRMING = LINES.replace(
    "[lines.paris]",
    """
consent = {confirm_by_reply = true}
workflow = {sample = "Example Store: reply YES to get marketing texts, STOP to stop."}
[lines.paris]""",
)
"""Lines of which the shop waits for a YES."""


@pytest.fixture
async def asking(env: Env, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Env:
    """A line that waits for a YES by text, which is written now."""
    web = f'{BOTH}instaply_api_token = {{env = "API"}}\n'
    web += f'instaply_api_url = "{env.vendor.api_url}"\n'
    env.settings = settings(tmp_path, web, CONFIRMING, environ={"API": TOKEN})
    env.sent, env.business, env.notifies = datetime.now(UTC), BUSINESS, True
    recent(monkeypatch, env.sent, minutes=1)
    return env


async def unfinished(env: Env) -> str:
    """A consent that waits for a YES; returns its id."""
    record = confirmed(NUMBER, brand="Example Store", confirm_by_reply=True)
    record.submitting(SENDING)
    await env.ledger.append(record.take())
    settle(record)
    await env.ledger.append(record.take())
    return record.id


async def test_a_yes_completes_a_consent_once_its_number_was_looked_up(asking: Env) -> None:
    consent = await unfinished(asking)
    asking.vendor.api.add("cust_001", NUMBER)
    assert await asking.says("Yes please") == 202
    assert [each.kind for each in await asking.open()] == ["message"]
    await asking.lookups.round()
    [replied] = await asking.of(Act.REPLIED)
    assert replied.consent_id == consent
    assert await asking.open() == []
    assert await asking.of(Act.REVOCATION) == []
    assert asking.metrics.stop_lookups.total(outcome="completed") == 1
    await asking.ledger.checkpoint()
    assert await stands(asking.ledger)


async def test_a_yes_of_a_customer_who_has_nothing_to_confirm_leaves_the_list(asking: Env) -> None:
    asking.vendor.api.add("cust_001", NUMBER)
    await asking.says("YES")
    await asking.lookups.round()
    assert await asking.of(Act.REPLIED) == []
    assert await asking.open() == []
    assert asking.metrics.stop_lookups.total(outcome="nothing_waits") == 1


async def test_a_yes_survives_a_restart_and_an_api_that_is_away(asking: Env) -> None:
    await unfinished(asking)
    asking.vendor.api.answer = FakeResponse("503 Service Unavailable", "text/plain", "later")
    await asking.says("YES")
    await asking.lookups.round()
    assert len(await asking.open()) == 1
    asking.vendor.api.answer = None
    asking.vendor.api.add("cust_001", NUMBER)
    asking.restarted()
    await asking.lookups.round()
    assert len(await asking.of(Act.REPLIED)) == 1


async def test_a_yes_that_is_a_week_old_leaves_the_list_and_completes_nothing(
    asking: Env, monkeypatch: pytest.MonkeyPatch
) -> None:
    await unfinished(asking)
    asking.vendor.api.add("cust_001", NUMBER)
    await asking.says("YES")
    recent(monkeypatch, asking.sent, days=REPLY_DAYS, minutes=1)
    await asking.lookups.round()
    assert asking.vendor.api.asked == []
    assert await asking.of(Act.REPLIED) == []
    assert await asking.open() == []


async def test_without_a_line_that_waits_a_yes_is_forgotten(env: Env) -> None:
    assert await env.says("YES") == 204
    assert await env.open() == []
