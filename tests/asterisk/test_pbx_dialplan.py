"""dialplan/agi-bridge.conf: whatever the bridge does, the caller reaches somebody."""

import asyncio

import pytest

from agi_bridge.lab.sip.call import Call, End
from agi_bridge.lab.sip.phone import Behaviour, SipPhone
from tests.asterisk.conftest import NOBODY, Pbx
from tests.support.canned_bridge import CLOSE, RESET, CannedBridge, result
from tests.support.heard import exact, keyed

pytestmark = pytest.mark.asterisk

PLACE = {"context": "elsewhere", "extension": "s", "priority": "1"}


async def reaches(call: Call, phone: SipPhone, number: str) -> Call:
    """The caller is connected to `phone`, which was called as `number`; then all hang up."""
    there = await phone.next_call()
    assert there.number == number
    await call.answered()
    await there.answered()
    await call.hang_up()
    await there.ended()
    return there


async def reaches_elsewhere(call: Call) -> None:
    await call.answered()
    await call.ended()
    assert call.media.keys == "42"
    assert call.ended_by is End.THERE


async def test_no_bridge_listens_so_the_fallback_rings(pbx: Pbx, shop: SipPhone) -> None:
    call = await pbx.call(answered=False)
    there = await reaches(call, shop, "100")
    assert there.caller == "+15145550100"


@pytest.mark.parametrize("ends", [CLOSE, RESET])
@pytest.mark.parametrize("commands", [(), ("ANSWER",), ("ANSWER", "VERBOSE hello")])
async def test_a_bridge_that_breaks_off_leaves_the_caller_to_the_fallback(
    pbx: Pbx, shop: SipPhone, commands: tuple[str, ...], ends: str
) -> None:
    async with CannedBridge(*commands, ends=ends) as bridge:
        await pbx.use_bridge(bridge.url)
        call = await pbx.call(answered=False)
        await reaches(call, shop, "100")


async def test_a_bridge_that_breaks_off_while_it_plays_leaves_the_caller_to_the_fallback(
    pbx: Pbx, shop: SipPhone
) -> None:
    async with CannedBridge("ANSWER", 'STREAM FILE vm-instructions ""') as bridge:
        await pbx.use_bridge(bridge.url)
        call = await pbx.call()
        await asyncio.wait_for(bridge.in_call.wait(), 5)
    # Leaving the block has cut the connection in the middle of the recording.
    await reaches(call, shop, "100")


async def test_a_bridge_that_refuses_leaves_the_caller_to_the_fallback(
    pbx: Pbx, shop: SipPhone
) -> None:
    async with CannedBridge("failure: too many calls") as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches(await pbx.call(answered=False), shop, "100")


@pytest.mark.parametrize("first", ["refuses", "nobody"])
async def test_the_second_bridge_is_asked_when_the_first_refuses(
    pbx: Pbx, shop: SipPhone, first: str
) -> None:
    async with (
        CannedBridge("failure: draining") as refusing,
        CannedBridge("ANSWER", *result("done")) as second,
    ):
        url = refusing.url if first == "refuses" else NOBODY
        await pbx.use_bridge(url, second.url)
        call = await pbx.call()
        await call.ended()
        assert call.ended_by is End.THERE
        assert len(second.calls) == 1
        assert shop.calls == []


async def test_both_bridges_refuse_so_the_fallback_rings(pbx: Pbx, shop: SipPhone) -> None:
    async with CannedBridge("failure: draining") as refusing:
        await pbx.use_bridge(refusing.url, NOBODY)
        await reaches(await pbx.call(answered=False), shop, "100")


@pytest.mark.parametrize(
    "trace", ['SET VARIABLE AGI_BRIDGE_CONSENT "0197"', 'SET VARIABLE DIALSTATUS "BUSY"']
)
async def test_the_second_bridge_does_not_take_a_call_that_the_first_had_begun(
    pbx: Pbx, shop: SipPhone, trace: str
) -> None:
    # The failing STREAM FILE makes AGISTATUS say FAILURE, as if nobody had listened.
    async with (
        CannedBridge(trace, 'STREAM FILE no-such-recording ""') as first,
        CannedBridge(*result("done")) as second,
    ):
        await pbx.use_bridge(first.url, second.url)
        await reaches(await pbx.call(answered=False), shop, "100")
        assert second.calls == []


@pytest.mark.parametrize("value", ["done", "hangup"])
async def test_a_finished_call_is_hung_up(pbx: Pbx, shop: SipPhone, value: str) -> None:
    async with CannedBridge("ANSWER", *result(value)) as bridge:
        await pbx.use_bridge(bridge.url)
        call = await pbx.call()
        await call.ended()
        assert call.ended_by is End.THERE
        assert shop.calls == []


async def test_the_default_destination_is_a_place_in_the_dialplan(pbx: Pbx) -> None:
    async with CannedBridge(*result("default", **PLACE)) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches_elsewhere(await pbx.call(answered=False))


async def test_extension_and_priority_of_the_default_destination_may_be_left_out(pbx: Pbx) -> None:
    async with CannedBridge(*result("default", context="elsewhere")) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches_elsewhere(await pbx.call(answered=False))


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("default", {}),
        ("default", {"context": "no-such-context", "extension": "s", "priority": "1"}),
        ("dial", {}),
        ("a word of a later version", {}),
    ],
)
async def test_a_result_that_leads_nowhere_leads_to_the_fallback(
    pbx: Pbx, shop: SipPhone, value: str, place: dict[str, str]
) -> None:
    async with CannedBridge(*result(value, **place)) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches(await pbx.call(answered=False), shop, "100")


async def test_the_dialplan_dials_the_number_when_asked(pbx: Pbx, far_end: SipPhone) -> None:
    wanted = result("dial", destination="PJSIP/+14155550171@trunk", ring="20", limit="600")
    async with CannedBridge("ANSWER", *wanted) as bridge:
        await pbx.use_bridge(bridge.url)
        call = await pbx.call()
        there = await far_end.next_call()
        await there.answered()
        alive = await pbx.asterisk.cli("core show channels concise")
        called = next(line.split("!")[0] for line in alive.splitlines() if "/trunk-" in line)
        about = await pbx.asterisk.cli(f"core show channel {called}")
        assert "AGI_BRIDGE" not in about  # nothing of ours is inherited by the called channel
        assert there.number == "+14155550171"
        await there.hang_up()
        await call.ended()
        assert call.ended_by is End.THERE
    assert '"PJSIP/+14155550171@trunk,20,S(600)"' in pbx.log()


async def test_ring_and_talk_limits_have_defaults(pbx: Pbx, far_end: SipPhone) -> None:
    wanted = result("dial", destination="PJSIP/+14155550171@trunk")
    async with CannedBridge(*wanted) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches(await pbx.call(answered=False), far_end, "+14155550171")
    assert '"PJSIP/+14155550171@trunk,30,S(7200)"' in pbx.log()


@pytest.mark.parametrize(
    "behaviour", [Behaviour.BUSY, Behaviour.CONGESTION, Behaviour.NOT_FOUND, Behaviour.RING]
)
async def test_an_unanswered_number_leads_to_the_default_destination(
    pbx: Pbx, far_end: SipPhone, behaviour: Behaviour
) -> None:
    far_end.behaviour = behaviour
    wanted = result("dial", destination="PJSIP/+14155550171@trunk", ring="1", limit="600", **PLACE)
    async with CannedBridge(*wanted) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches_elsewhere(await pbx.call(answered=False))
    assert len(far_end.calls) == 1


@pytest.mark.parametrize(
    "destination",
    [
        "PJSIP/+14155550171@trunk,300,tT",  # sets options
        "PJSIP/+14155550171@trunk^x",
        "PJSIP/${AGI_BRIDGE_URL}@trunk",
    ],
)
async def test_a_destination_that_is_more_than_a_destination_is_never_dialled(
    pbx: Pbx, far_end: SipPhone, destination: str
) -> None:
    async with CannedBridge(*result("dial", destination=destination, **PLACE)) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches_elsewhere(await pbx.call(answered=False))
    assert far_end.calls == []


async def test_several_numbers_of_the_hook_ring_together(
    pbx: Pbx, shop: SipPhone, far_end: SipPhone
) -> None:
    far_end.behaviour = Behaviour.RING
    both = "PJSIP/+14155550171@trunk&PJSIP/100"
    async with CannedBridge(*result("dial", destination=both)) as bridge:
        await pbx.use_bridge(bridge.url)
        call = await pbx.call(answered=False)
        await far_end.next_call()
        await reaches(call, shop, "100")


async def test_a_line_whose_default_does_not_answer_either_goes_to_the_fallback(
    pbx: Pbx, shop: SipPhone
) -> None:
    async with CannedBridge("ANSWER", *result("fallback")) as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches(await pbx.call(), shop, "100")


async def test_a_bridge_that_dies_leaves_the_caller_to_the_default_that_it_named_first(
    pbx: Pbx, far_end: SipPhone
) -> None:
    named = 'SET VARIABLE AGI_BRIDGE_DEFAULT "PJSIP/+14155550171@trunk"'
    async with CannedBridge(named, "ANSWER") as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches(await pbx.call(), far_end, "+14155550171")


async def test_a_bridge_that_dies_after_an_answered_dial_rings_nobody_else(
    pbx: Pbx, shop: SipPhone, far_end: SipPhone
) -> None:
    dial = 'EXEC Dial "PJSIP/+14155550171@trunk,20,g"'
    async with CannedBridge("ANSWER", dial) as bridge:  # and then no AGI_BRIDGE_RESULT
        await pbx.use_bridge(bridge.url)
        call = await pbx.call()
        there = await far_end.next_call()
        await there.answered()
        await there.hang_up()
        await call.ended()
        assert shop.calls == []


async def test_a_bridge_that_dies_during_the_bridged_call_does_not_end_it(
    pbx: Pbx, shop: SipPhone, far_end: SipPhone
) -> None:
    async with CannedBridge("ANSWER", 'EXEC Dial "PJSIP/+14155550171@trunk,20,g"') as bridge:
        await pbx.use_bridge(bridge.url)
        call = await pbx.call()
        there = await far_end.next_call()
        await there.answered()
    await there.press("5")  # the bridge has gone: they still hear each other
    await keyed(call, "5")
    await there.hang_up()
    await call.ended()
    assert shop.calls == []


async def test_a_bridge_that_dies_after_a_busy_dial_leaves_the_caller_to_the_fallback(
    pbx: Pbx, shop: SipPhone, far_end: SipPhone
) -> None:
    far_end.behaviour = Behaviour.BUSY
    async with CannedBridge("ANSWER", 'EXEC Dial "PJSIP/+14155550171@trunk,20,g"') as bridge:
        await pbx.use_bridge(bridge.url)
        await reaches(await pbx.call(), shop, "100")


async def test_a_caller_who_hangs_up_rings_nobody(pbx: Pbx, shop: SipPhone) -> None:
    async with CannedBridge("ANSWER", "WAIT FOR DIGIT 10000") as bridge:
        await pbx.use_bridge(bridge.url)
        call = await pbx.call()
        await call.hang_up()
        await pbx.silent()
        assert shop.calls == []


@pytest.mark.parametrize("behaviour", [Behaviour.BUSY, Behaviour.RING])
async def test_the_fallback_does_not_answer_so_the_caller_hears_an_apology(
    pbx: Pbx, shop: SipPhone, behaviour: Behaviour
) -> None:
    shop.behaviour = behaviour
    await pbx.asterisk.set_global("AGI_BRIDGE_FALLBACK_RING", "1")
    await pbx.asterisk.set_global("AGI_BRIDGE_APOLOGY", "digits/1&digits/2")
    call = await pbx.call()
    await call.ended()
    first, second = exact(call, pbx.sound("digits/1")), exact(call, pbx.sound("digits/2"))
    assert first.milliseconds > 300
    assert second.at > first.at


async def test_without_a_fallback_the_caller_hears_an_apology_in_the_chosen_language(
    pbx: Pbx,
) -> None:
    await pbx.asterisk.set_global("AGI_BRIDGE_FALLBACK", "")
    await pbx.asterisk.set_global("AGI_BRIDGE_APOLOGY", "digits/3")
    async with CannedBridge(*result("default", language="fr")) as bridge:
        await pbx.use_bridge(bridge.url)
        call = await pbx.call()
        await call.ended()
    assert exact(call, pbx.sound("digits/3", "fr")).milliseconds > 300
    assert exact(call, pbx.sound("digits/3", "en")).milliseconds == 0


async def test_the_fallback_may_be_a_place_in_the_dialplan(pbx: Pbx) -> None:
    await pbx.asterisk.set_global("AGI_BRIDGE_FALLBACK_GOTO", "elsewhere,s,1")
    await reaches_elsewhere(await pbx.call(answered=False))


async def test_a_fallback_that_does_not_exist_is_passed_over(pbx: Pbx, shop: SipPhone) -> None:
    await pbx.asterisk.set_global("AGI_BRIDGE_FALLBACK_GOTO", "nowhere,s,1")
    await reaches(await pbx.call(answered=False), shop, "100")


async def test_a_fallback_that_leads_back_ends_in_an_apology(pbx: Pbx) -> None:
    await pbx.asterisk.set_global("AGI_BRIDGE_FALLBACK_GOTO", "elsewhere,back,1")
    await pbx.asterisk.set_global("AGI_BRIDGE_APOLOGY", "digits/1")
    call = await pbx.call()
    await call.ended()
    assert exact(call, pbx.sound("digits/1")).milliseconds > 300


def request(bridge: CannedBridge, query: str) -> str:
    """The URL that the bridge is asked by: the number, then the call's own id."""
    return f"{bridge.url}{query}&linkedid={bridge.calls[0]['agi_uniqueid']}"


@pytest.mark.parametrize(
    ("dialled", "query"),
    [
        ("+14155550111", "?to=%2B14155550111"),
        ("4155550111", "?to=4155550111"),
        ("0033612345678", "?to=0033612345678"),
        ("1,2&3*4", "?to=1234"),  # only a number gets into the URL
        ("no-did", "?to="),
        ("named-did", "?to=%2B14155550112"),
        ("*457314155550115", "?to=14155550115"),
    ],
)
async def test_the_bridge_is_told_the_number_that_was_dialled(
    pbx: Pbx, dialled: str, query: str
) -> None:
    async with CannedBridge("ANSWER", *result("done")) as bridge:
        await pbx.use_bridge(bridge.url)
        call = await pbx.call(dialled)
        await call.ended()
        assert bridge.calls[0]["agi_request"] == request(bridge, query)
        assert bridge.calls[0]["agi_callerid"] == "+15145550100"


async def test_the_token_goes_with_the_number(pbx: Pbx) -> None:
    await pbx.asterisk.set_global("AGI_BRIDGE_TOKEN", "s3cret")
    async with CannedBridge("ANSWER", *result("done")) as bridge:
        await pbx.use_bridge(bridge.url)
        await (await pbx.call()).ended()
        expected = request(bridge, "?to=%2B14155550111") + "&token=s3cret"
        assert bridge.calls[0]["agi_request"] == expected


async def test_what_the_trunk_vouches_for_goes_with_the_number(pbx: Pbx) -> None:
    await pbx.asterisk.set_global("AGI_BRIDGE_ATTESTATION", "A")
    async with CannedBridge("ANSWER", *result("done")) as bridge:
        await pbx.use_bridge(bridge.url)
        await (await pbx.call()).ended()
        expected = request(bridge, "?to=%2B14155550111") + "&attestation=A"
        assert bridge.calls[0]["agi_request"] == expected


async def test_a_number_of_its_own_may_have_a_bridge_of_its_own(pbx: Pbx) -> None:
    async with CannedBridge("ANSWER", *result("done")) as bridge:
        await pbx.asterisk.set_global("OWN_URL", bridge.url)
        await (await pbx.call("own-bridge")).ended()
        assert bridge.calls[0]["agi_request"] == request(bridge, "?to=%2B14155550114")
