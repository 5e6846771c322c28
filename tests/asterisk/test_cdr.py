"""The consent's id in Asterisk's call records: set before the call is dialled on, it is in them."""

from __future__ import annotations

import asyncio
import csv
from typing import TYPE_CHECKING

import pytest

from tests.asterisk.conftest import CDR_FIELDS
from tests.support.bridge_fixture import AGREEMENT, BridgeFixture

if TYPE_CHECKING:
    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk


async def records(pbx: Pbx, count: int) -> list[dict[str, str]]:
    """The records that Asterisk has written since the test began, once there are so many."""
    path = pbx.asterisk.directory / "log" / "cdr-custom" / "calls.csv"
    async with asyncio.timeout(10):
        while True:
            rows = list(csv.reader(path.read_text().splitlines())) if path.exists() else []
            if len(rows) - pbx.records_before >= count:
                return [dict(zip(CDR_FIELDS, row, strict=True)) for row in rows][
                    pbx.records_before :
                ]
            await pbx.asterisk.channels()  # asking takes long enough to be no busy loop


async def channels_in(pbx: Pbx, application: str) -> list[str]:
    """The names of the channels that run an application."""
    shown = await pbx.asterisk.cli("core show channels concise")
    rows = [line.split("!") for line in shown.splitlines() if "!" in line]
    return [row[0] for row in rows if row[5] == application]


async def test_the_record_of_a_connected_call_has_the_consent(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone
) -> None:
    bridge.agi = {"cdr_field": "agi_bridge_consent"}
    await bridge.open()
    call = await pbx.call()
    await bridge.agrees(call)
    there = await far_end.next_call(within=20)
    await there.answered()
    consent = (await bridge.events())[0].consent_id
    # Now the bridge is inside EXEC Dial: what the record has, it has had since before.
    (caller,) = await channels_in(pbx, "Dial")
    assert consent in await pbx.asterisk.cli(f"core show channel {caller}")
    await there.hang_up()
    await call.ended()
    await bridge.stored(*AGREEMENT, "accepted")
    written = await records(pbx, 1)
    assert {each["agi_bridge_consent"] for each in written} == {consent}
    assert "ANSWERED" in {each["disposition"] for each in written}


async def test_the_record_of_a_call_without_consent_has_none(
    pbx: Pbx, bridge: BridgeFixture, shop: SipPhone
) -> None:
    bridge.agi = {"cdr_field": "agi_bridge_consent"}
    await bridge.open()
    call = await pbx.call()
    await bridge.hears(call, "disclosure")
    await call.press("*")
    there = await shop.next_call(within=20)
    await there.answered()
    await call.hang_up()
    written = await records(pbx, 1)
    assert {each["agi_bridge_consent"] for each in written} == {""}
