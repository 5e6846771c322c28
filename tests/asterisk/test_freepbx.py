"""dialplan/agi-bridge-freepbx.conf, behind inbound routes of FreePBX: the GUI has the fallback."""

import pytest

from agi_bridge.lab.sip.call import Call, End
from agi_bridge.lab.sip.phone import SipPhone
from tests.asterisk.conftest import NOBODY, Pbx
from tests.support.canned_bridge import CannedBridge, result
from tests.support.heard import exact

pytestmark = pytest.mark.asterisk

ROUTE = "route14155550113"
"""A route to the Custom Destination with Return = Yes; its destination is extension 100."""
DYNAMIC = "route14155550114"
"""The same, but its destination is a Dynamic Route on the result."""
NO_RETURN = "route14155550115"
"""A route to a Custom Destination with Return = No."""
CHOSEN = {"context": "agi-bridge-freepbx", "extension": "chosen", "priority": "1"}
"""The default destination of a line that leaves it to the GUI."""


async def reaches(call: Call, phone: SipPhone, number: str) -> None:
    """The caller is connected to `phone`, which was called as `number`; then all hang up."""
    there = await phone.next_call()
    assert there.number == number
    await call.answered()
    await there.answered()
    await call.hang_up()
    await there.ended()


async def reaches_keys(call: Call, keys: str) -> None:
    """The caller hears the keys of a destination, which then hangs up."""
    await call.answered()
    await call.ended()
    assert call.media.keys == keys
    assert call.ended_by is End.THERE


@pytest.mark.parametrize("route", [ROUTE, DYNAMIC, NO_RETURN])
async def test_the_bridge_is_told_the_did_of_the_route(pbx: Pbx, route: str) -> None:
    async with CannedBridge("ANSWER", *result("done")) as bridge:
        await pbx.use_bridge(bridge.url)
        await (await pbx.call(route)).ended()
        did = route.removeprefix("route")
        assert f"?to={did}&" in bridge.calls[0]["agi_request"]


@pytest.mark.parametrize("value", ["done", "hangup"])
@pytest.mark.parametrize("route", [ROUTE, DYNAMIC])
async def test_a_finished_call_does_not_come_back_to_the_gui(
    pbx: Pbx, shop: SipPhone, value: str, route: str
) -> None:
    async with CannedBridge("ANSWER", *result(value)) as bridge:
        await pbx.use_bridge(bridge.url)
        call = await pbx.call(route)
        await call.ended()
        assert call.ended_by is End.THERE
        assert shop.calls == []
    assert "Returned from Custom Destination" not in pbx.log()


async def test_a_caller_who_has_talked_does_not_come_back_to_the_gui(
    pbx: Pbx, shop: SipPhone, far_end: SipPhone
) -> None:
    dial = 'EXEC Dial "PJSIP/+14155550171@trunk,20,g"'
    async with CannedBridge("ANSWER", dial) as bridge:  # stopped during the call: no result
        await pbx.use_bridge(bridge.url)
        call = await pbx.call(ROUTE)
        there = await far_end.next_call()
        await there.answered()
        await there.hang_up()
        await call.ended()
        assert shop.calls == []


async def test_the_default_destination_of_the_line_is_dialled(pbx: Pbx, far_end: SipPhone) -> None:
    wanted = result("default", default="PJSIP/+14155550171@trunk", ring="20", limit="600")
    async with CannedBridge("ANSWER", *wanted) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches(await pbx.call(ROUTE), far_end, "+14155550171")
    assert "Returned from Custom Destination" not in pbx.log()


async def test_the_default_destination_of_the_line_is_a_place_of_freepbx(
    pbx: Pbx, shop: SipPhone
) -> None:
    place = {"context": "ext-group", "extension": "600", "priority": "1"}
    async with CannedBridge("ANSWER", *result("default", **place)) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches_keys(await pbx.call(ROUTE), "60")
        assert shop.calls == []


async def test_the_number_of_the_hook_is_dialled(pbx: Pbx, far_end: SipPhone) -> None:
    wanted = result("dial", destination="PJSIP/+14155550171@trunk", ring="20", limit="600")
    async with CannedBridge("ANSWER", *wanted) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches(await pbx.call(ROUTE), far_end, "+14155550171")


@pytest.mark.parametrize("commands", [result("fallback"), result("default", **CHOSEN), []])
async def test_the_fallback_is_the_destination_in_the_gui(
    pbx: Pbx, shop: SipPhone, commands: list[str]
) -> None:
    await pbx.asterisk.set_global("AGI_BRIDGE_FALLBACK_GOTO", "elsewhere,s,1")  # not taken here
    async with CannedBridge("ANSWER", *commands) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches(await pbx.call(ROUTE), shop, "100")
    assert "Returned from Custom Destination" in pbx.log()


async def test_without_a_bridge_the_caller_reaches_the_destination_in_the_gui(
    pbx: Pbx, shop: SipPhone
) -> None:
    await pbx.use_bridge(NOBODY)
    await reaches(await pbx.call(ROUTE, answered=False), shop, "100")


async def test_a_dynamic_route_tells_the_default_from_the_fallback(
    pbx: Pbx, shop: SipPhone
) -> None:
    async with CannedBridge("ANSWER", *result("default", **CHOSEN)) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches(await pbx.call(DYNAMIC), shop, "100")
    async with CannedBridge("ANSWER", *result("fallback")) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches_keys(await pbx.call(DYNAMIC), "60")
    await pbx.use_bridge(NOBODY)
    await reaches_keys(await pbx.call(DYNAMIC, answered=False), "11")


@pytest.mark.parametrize("dialled", [NO_RETURN, "*457314155550115"])
async def test_without_a_destination_in_the_gui_the_caller_hears_an_apology(
    pbx: Pbx, shop: SipPhone, dialled: str
) -> None:
    await pbx.asterisk.set_global("AGI_BRIDGE_APOLOGY", "digits/1")
    call = await pbx.call(dialled)
    await call.ended()
    assert exact(call, pbx.sound("digits/1")).milliseconds > 300
    assert shop.calls == []
