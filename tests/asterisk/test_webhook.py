"""A real call whose hook is a webhook: the receiver's answer connects the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.bridge_fixture import AGREEMENT, BridgeFixture
from tests.support.call_env import SECRET, WEBHOOK

if TYPE_CHECKING:
    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk


async def test_a_signed_webhook_is_answered_and_connects_the_caller(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    bridge.fake_hook.secrets = [SECRET]
    await bridge.open({"hook": {**WEBHOOK, "url": bridge.fake_hook.url}})
    call = await pbx.call()
    await bridge.agrees(call)
    there = await far_end.next_call(within=20)
    await there.answered()
    await there.hang_up()
    await call.ended()
    await bridge.stored(*AGREEMENT, "accepted")
    events = await bridge.events()
    assert bridge.fake_hook.texted == {events[0].consent_id: 1}
    assert [e.body["hook_kind"] for e in events if e.type == "submitting"] == ["webhook"]
