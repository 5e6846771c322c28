"""The PBX itself, with the files of asterisk-conf/."""

import math
import re
import socket
from array import array
from pathlib import Path

import pytest

from agi_bridge.lab.asterisk.server import Asterisk, free_port, share_path
from agi_bridge.lab.errors import AsteriskError, CallFailedError, RegistrationError
from agi_bridge.lab.sip.call import End
from agi_bridge.lab.sip.phone import Behaviour, SipPhone
from tests.asterisk.conftest import NOBODY, Pbx
from tests.support.heard import exact, hears

pytestmark = pytest.mark.asterisk


def tone(hertz: float, seconds: float) -> "array[int]":
    """A sound that no recording resembles: a rising tone."""
    count = int(seconds * 8000)
    turn = 2 * math.pi * hertz / 8000
    return array("h", (int(8000 * math.sin(turn * i * (1 + i / count))) for i in range(count)))


async def test_it_boots_with_the_shipped_files_and_nothing_to_complain_about(
    asterisk_binary: Path,
) -> None:
    async with Asterisk(asterisk_binary, agi_url=NOBODY) as pbx:
        complaints = [
            line for line in pbx.log().splitlines() if re.search(r"\] (WARNING|ERROR)\[", line)
        ]
        assert complaints == []
        assert "127.0.0.1:" in await pbx.cli("pjsip show transports")
    assert not pbx.directory.exists()


class Untouched(Asterisk):
    """As shipped: the admin has written no account yet."""

    def _pjsip(self) -> str:
        return super()._pjsip().split("[softphone]", maxsplit=1)[0]


async def test_as_shipped_nobody_is_let_in(asterisk_binary: Path) -> None:
    async with Untouched(asterisk_binary, agi_url=NOBODY) as pbx:
        assert re.findall(
            r"^ Endpoint: +([^<\s]+)", await pbx.cli("pjsip show endpoints"), re.MULTILINE
        ) == ["trunk"]
        assert "No objects found" in await pbx.cli("pjsip show auths")
        for user in ("softphone", "100", "trunk", "trunk-aor"):
            for password in (None, "", "password", user):
                async with SipPhone(user=user, password=password, server=pbx.sip) as phone:
                    with pytest.raises(RegistrationError):
                        await phone.register()
                    call = await phone.dial("+14155550111")
                    with pytest.raises(CallFailedError):
                        await call.answered()
        (contact,) = re.findall(r"Contact: +(\w\S+/\S+)", await pbx.cli("pjsip show contacts"))
        assert contact.startswith("trunk-aor/")  # where the trunk leads to: nobody has registered


def test_no_account_of_the_shipped_file_waits_for_its_password() -> None:
    """What has no password on file has none on Asterisk before 20.12, 21.7 and 22.2."""
    text = (share_path("asterisk-conf") / "pjsip.conf").read_text()
    sections = {
        name: dict(re.findall(r"^(\w+) *= *(\S+)", body, re.MULTILINE))
        for name, made_of, body in re.findall(r"^\[([\w-]+)\](\(.*\))?([^[]*)", text, re.MULTILINE)
        if made_of != "(!)"  # a template is nothing by itself
    }
    assert set(sections) == {"global", "transport-udp", "trunk", "trunk-aor"}
    assert sections["trunk"]["identify_by"] == "ip"
    assert "type" in sections["trunk-aor"]


async def test_a_wrong_password_is_refused(pbx: Pbx) -> None:
    async with SipPhone(user="softphone", password="wrong", server=pbx.asterisk.sip) as phone:
        with pytest.raises(RegistrationError) as refused:
            await phone.register()
        assert refused.value.status == 401
        call = await phone.dial("600")
        with pytest.raises(CallFailedError) as failed:
            await call.answered()
        assert failed.value.status == 401


async def test_two_telephones_register_talk_and_key(pbx: Pbx, shop: SipPhone) -> None:
    call = await pbx.call("100", name="Jane Doe")
    there = await shop.next_call()
    assert there.caller == "+15145550100"
    here_says, there_says = tone(400, 0.6), tone(900, 0.6)
    call.play(here_says)
    there.play(there_says)
    await call.press("0123456789*#", duration=0.06, gap=0.06)
    await hears(call, there_says)
    await hears(there, here_says)
    assert there.media.keys == "0123456789*#"
    await call.hang_up()
    await there.ended()
    assert (call.ended_by, there.ended_by) == (End.HERE, End.THERE)


async def test_the_echo_extension_plays_the_caller_back(pbx: Pbx) -> None:
    call = await pbx.call("600")
    sound = tone(500, 0.5)
    call.play(sound)
    await hears(call, sound)


async def test_the_other_side_hangs_up(pbx: Pbx, shop: SipPhone) -> None:
    call = await pbx.call("100")
    there = await shop.next_call()
    await there.hang_up()
    await call.ended()
    assert call.ended_by is End.THERE


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [(Behaviour.BUSY, 486), (Behaviour.CONGESTION, 503), (Behaviour.NOT_FOUND, 404)],
)
async def test_a_refusal_reaches_the_caller(
    pbx: Pbx, shop: SipPhone, behaviour: Behaviour, status: int
) -> None:
    shop.behaviour = behaviour
    call = await pbx.call("100", answered=False)
    with pytest.raises(CallFailedError) as failed:
        await call.answered()
    assert failed.value.status in {status, 480, 503}  # Asterisk words it by its own cause codes
    assert (await shop.next_call()).status == status


async def test_a_caller_gives_up_while_it_rings(pbx: Pbx, shop: SipPhone) -> None:
    shop.behaviour = Behaviour.RING
    call = await pbx.call("100", answered=False)
    there = await shop.next_call()
    await call.hang_up()
    await there.ended()
    assert (call.status, there.status, there.ended_by) == (487, 487, End.THERE)


async def test_what_is_played_is_heard_bit_for_bit(pbx: Pbx) -> None:
    call = await pbx.call()  # no bridge, no shop: the apology
    apology = pbx.sound("vm-nobodyavail")
    found = await hears(call, apology, 500)
    assert found.likeness > 0.99
    assert exact(call, apology).milliseconds >= 500
    await call.hang_up()


async def test_a_port_that_is_taken_is_named(asterisk_binary: Path) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        with pytest.raises(AsteriskError, match=f"cannot use UDP port {port}"):
            async with Asterisk(asterisk_binary, agi_url=NOBODY, sip_port=port):
                pass


async def test_more_accounts_may_be_added(asterisk_binary: Path) -> None:
    async with (
        Asterisk(asterisk_binary, agi_url=NOBODY, accounts={"alice": "a long word"}) as pbx,
        SipPhone(user="alice", password="a long word", server=pbx.sip) as alice,
    ):
        await alice.register()
        assert "alice" in await pbx.cli("pjsip show contacts")
        call = await alice.dial("600")
        await call.answered()


async def test_a_global_variable_counts_for_the_next_call(pbx: Pbx) -> None:
    await pbx.asterisk.set_global("AGI_BRIDGE_APOLOGY", "digits/1&digits/2")
    assert "AGI_BRIDGE_APOLOGY=digits/1&digits/2\n" in await pbx.asterisk.cli(
        "dialplan show globals"
    )
    assert pbx.asterisk.pid > 0


def test_the_shipped_files_log_no_keys_and_hold_no_password() -> None:
    for file in share_path("asterisk-conf").glob("*.conf"):
        settings = [line.partition(";")[0] for line in file.read_text().splitlines()]
        assert not [line for line in settings if line.startswith(("password", "secret"))]
        if file.name == "logger.conf":
            assert "dtmf" not in "".join(settings)
