"""The PostgreSQL primary is lost below a call: real SIP, a real Asterisk, a bridge's own process.

In `make test` the same happens below a simulated PBX (tests/consent/ledger/test_failover.py).
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from agi_bridge.hook.testing import Scenario
from tests.support.bridge_fixture import AGREEMENT, NUMBER, BridgeFixture
from tests.support.failover import FORMS, Pair
from tests.support.heard import hears
from tests.support.verified import verified

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx

pytestmark = [pytest.mark.asterisk, pytest.mark.long, pytest.mark.timeout(180)]

LATER = "+14155550124"


@pytest.fixture
def pair() -> Iterator[Pair]:
    with Pair.running() as pair:
        yield pair


async def rings(**phones: SipPhone) -> str:
    """Which of these telephones rings next; it answers, and hangs up."""
    waiting = {
        asyncio.create_task(each.next_call(within=60)): name for name, each in phones.items()
    }
    done, others = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    (task,) = done
    there = await task
    await there.answered()
    await there.hang_up()
    return waiting[task]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("moment", ["asked", "read_back", "agreeing", "submitting"])
async def test_a_primary_that_is_lost_in_mid_call_costs_no_consent(
    pbx: Pbx,
    bridge: BridgeFixture,
    far_end: SipPhone,
    shop: SipPhone,
    pair: Pair,
    *,
    moment: str,
    form: str,
) -> None:
    bridge.ledger_url = pair.url(form)
    hook = bridge.fake_hook
    async with bridge.process(digits="own") as process:
        hook.scenario = Scenario.SLOW if moment == "submitting" else None
        call = await pbx.call()
        if moment == "asked":
            await bridge.hears(call, "disclosure")
            await asyncio.to_thread(pair.lose_primary)
        await bridge.keys(call)
        if moment == "read_back":
            await hears(call, bridge.prompts / "en" / "you-entered.wav", 200, within=40)
            await asyncio.to_thread(pair.lose_primary)
        moves = asyncio.create_task(asyncio.sleep(0))
        if moment == "agreeing":
            await hears(call, bridge.prompts / "en" / "confirm-number.wav", 200, within=40)
            moves = asyncio.create_task(asyncio.to_thread(pair.lose_primary))
        await bridge.answers(call)
        if moment == "submitting":
            await hook.received()
            await asyncio.to_thread(pair.lose_primary)
            hook.scenario = None
            hook.hold.set()
        place = await rings(forward=far_end, default=shop)
        await moves
        await call.ended()
        assert place == "forward"
        await bridge.stored(*AGREEMENT, "accepted", within=60)

        call = await pbx.call()  # the next caller
        await bridge.agrees(call, LATER[2:])
        assert await rings(forward=far_end, default=shop) == "forward"
        await call.ended()
        await bridge.stored(*AGREEMENT, "accepted", *AGREEMENT, "accepted", within=60)
        process.send_signal(signal.SIGTERM)  # it signs its last checkpoint
        assert await process.wait() == 0
    assert Counter(each.from_ for each in hook.requests) == {NUMBER: 1, LATER: 1}
    async with bridge.reading() as ledger:
        report = await verified(ledger)
    faults = {fault.code for _, verdict in report.verdicts for fault in verdict.faults}
    assert faults <= {"recording_too_short"}  # the prompts of these tests are cut
