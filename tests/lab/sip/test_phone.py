"""Two telephones that call each other, with no PBX between them."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import pytest
import pytest_asyncio

from agi_bridge.lab.errors import CallEndedError, CallFailedError, PhoneError, RegistrationError
from agi_bridge.lab.sip import call as sip_call
from agi_bridge.lab.sip import transaction
from agi_bridge.lab.sip.call import Account, Call, End, State, response
from agi_bridge.lab.sip.message import SipMessage, parse
from agi_bridge.lab.sip.phone import Behaviour, SipPhone
from agi_bridge.lab.sip.transaction import Address, new_branch


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transaction, "T1", 0.02)
    monkeypatch.setattr(transaction, "GIVE_UP", 0.5)
    monkeypatch.setattr(sip_call, "_GOODBYE", 0.3)


@pytest_asyncio.fixture
async def there() -> AsyncIterator[SipPhone]:
    """The telephone that is called."""
    async with SipPhone(user="there", ring_seconds=0.0) as phone:
        yield phone


@pytest_asyncio.fixture
async def here(there: SipPhone) -> AsyncIterator[SipPhone]:
    """The telephone that calls."""
    async with SipPhone(user="here", server=there.address, quiet=True) as phone:
        yield phone


class Peer(asyncio.DatagramProtocol):
    """A far side that answers each request with the next of `statuses`; None is silence."""

    def __init__(self, *statuses: int | None, challenge: str = "") -> None:
        self.statuses = list(statuses)
        self.challenge = challenge
        self.requests: list[SipMessage] = []
        self.arrived: asyncio.Queue[SipMessage] = asyncio.Queue()
        self.messages: asyncio.Queue[SipMessage] = asyncio.Queue()
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    @property
    def address(self) -> Address:
        assert self.transport is not None
        host, port = self.transport.get_extra_info("sockname")
        return host, port

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        message = parse(data)
        if message is None:
            return
        if message.status is not None:
            self.messages.put_nowait(message)
            return
        self.requests.append(message)
        self.arrived.put_nowait(message)
        status = self.statuses.pop(0) if self.statuses else None
        if status is not None and message.method != "ACK":
            self.say(self.reply(message, status), addr)

    def reply(self, message: SipMessage, status: int) -> SipMessage:
        reply = response(message, 404 if status == 401 else status, to_tag="peer")
        if status != 401:
            return reply
        headers = (*reply.headers, ("WWW-Authenticate", self.challenge))
        return SipMessage("SIP/2.0 401 Unauthorized", headers)

    def say(self, message: SipMessage, to: tuple[str | int, int]) -> None:
        assert self.transport is not None
        self.transport.sendto(message.encode(), to)

    def ask(self, method: str, to: Address, *, call_id: str = "x", body: str = "") -> str:
        branch = new_branch()
        headers = (
            ("Via", f"SIP/2.0/UDP 127.0.0.1;branch={branch}"),
            ("From", "<sip:peer@127.0.0.1>;tag=peer"),
            ("To", "<sip:there@127.0.0.1>"),
            ("Call-ID", call_id),
            ("CSeq", f"1 {method}"),
            ("Contact", f"<sip:peer@127.0.0.1:{self.address[1]}>"),
        )
        self.say(SipMessage(f"{method} sip:there@127.0.0.1 SIP/2.0", headers, body), to)
        return branch


@pytest_asyncio.fixture
async def peer() -> AsyncIterator[Peer]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0))
    yield protocol
    transport.close()


async def connected(here: SipPhone, there: SipPhone) -> tuple[Call, Call]:
    call = await here.dial("100", caller_id="+15145550100", name="Jane")
    await call.answered()
    other = await there.next_call()
    await other.answered()
    return call, other


async def test_a_call_is_answered_keyed_and_hung_up(here: SipPhone, there: SipPhone) -> None:
    call, other = await connected(here, there)
    assert (other.number, other.caller) == ("100", "+15145550100")
    assert (call.status, other.status, call.state) == (200, 200, State.UP)
    await call.press("12", duration=0.04, gap=0.02)
    assert other.media.keys == "12"
    await call.hang_up()
    await other.ended()
    assert (call.ended_by, other.ended_by) == (End.HERE, End.THERE)
    await call.hang_up()  # once more does no harm


async def test_the_called_side_hangs_up(here: SipPhone, there: SipPhone) -> None:
    call, other = await connected(here, there)
    await other.hang_up()
    await call.ended()
    assert call.ended_by is End.THERE


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [
        (Behaviour.BUSY, 486),
        (Behaviour.CONGESTION, 503),
        (Behaviour.NOT_FOUND, 404),
        (Behaviour.DECLINE, 603),
    ],
)
async def test_a_refusal_has_a_status(
    here: SipPhone, there: SipPhone, behaviour: Behaviour, status: int
) -> None:
    there.behaviour = behaviour
    call = await here.dial("100")
    with pytest.raises(CallFailedError, match=str(status)) as failed:
        await call.answered()
    assert failed.value.status == status
    assert call.ended_by is End.REFUSED


async def test_a_call_given_up_while_it_rings(here: SipPhone, there: SipPhone) -> None:
    there.behaviour = Behaviour.RING
    call = await here.dial("100")
    other = await there.next_call()
    await call.hang_up()
    await other.ended()
    assert (call.status, other.status) == (487, 487)
    with pytest.raises(CallFailedError):
        await call.answered()
    with pytest.raises(CallEndedError):
        other.answer()
    with pytest.raises(CallEndedError):
        other.refuse()


async def test_a_ringing_telephone_is_answered_or_refused_by_hand(
    here: SipPhone, there: SipPhone
) -> None:
    there.behaviour = Behaviour.RING
    call = await here.dial("100")
    (await there.next_call()).answer()
    await call.answered()
    refused = await here.dial("100")
    await (await there.next_call()).hang_up()
    with pytest.raises(CallFailedError, match="480"):
        await refused.answered()


async def test_a_caller_may_give_up_before_the_telephone_answers_by_itself(
    here: SipPhone, there: SipPhone
) -> None:
    there.ring_seconds = 0.2
    call = await here.dial("100")
    other = await there.next_call()
    await call.hang_up()
    await other.ended()
    await asyncio.gather(*there._tasks)
    assert other.answered_at is None


async def test_nothing_can_be_done_in_a_call_that_is_not_up(
    here: SipPhone, there: SipPhone
) -> None:
    call, _ = await connected(here, there)
    await call.hang_up()
    with pytest.raises(CallEndedError):
        await call.press("1")
    with pytest.raises(CallEndedError):
        call.play(call.heard())


async def test_waiting_ends(here: SipPhone, there: SipPhone) -> None:
    there.behaviour = Behaviour.RING
    call = await here.dial("100")
    with pytest.raises(TimeoutError):
        await call.answered(within=0.01)
    with pytest.raises(TimeoutError):
        await call.ended(within=0.01)
    await there.next_call()
    with pytest.raises(TimeoutError):
        await there.next_call(within=0.01)


async def test_leaving_hangs_up(there: SipPhone) -> None:
    async with SipPhone(server=there.address) as phone:
        await connected(phone, there)
    await there.calls[0].ended()
    assert there.calls[0].ended_by is End.THERE


async def test_datagrams_that_get_lost_do_no_harm(
    here: SipPhone, there: SipPhone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lossy(phone: SipPhone) -> None:
        write, count = phone._transport._write, 0

        def every_second(data: bytes, to: Address) -> None:
            nonlocal count
            count += 1
            if count % 2 == 0:
                write(data, to)

        monkeypatch.setattr(phone._transport, "_write", every_second)

    lossy(here)
    lossy(there)
    call, other = await connected(here, there)
    async with asyncio.timeout(5):
        while other._reply is not None:  # until the ACK has come through
            await other.media.wait_for_media() if other.media.packets else await asyncio.sleep(0)
    await call.hang_up()
    await other.ended()


async def test_nobody_is_there(peer: Peer) -> None:
    async with SipPhone(server=peer.address) as phone:
        call = await phone.dial("100")
        with pytest.raises(CallFailedError, match="no reply") as failed:
            await call.answered()
        assert failed.value.status is None
        assert call.ended_by is None
        with pytest.raises(RegistrationError, match="no reply"):
            await phone.register()


async def test_giving_up_a_call_that_nobody_has_noticed_sends_no_cancel_in_vain(
    peer: Peer,
) -> None:
    async with SipPhone(server=peer.address) as phone:
        call = await phone.dial("100")
        await peer.arrived.get()
        await call.hang_up()
        assert call.state is State.OVER


async def test_a_call_answered_in_the_moment_it_is_given_up_is_ended_at_once(peer: Peer) -> None:
    async with SipPhone(server=peer.address) as phone:
        call = await phone.dial("100")
        invite = await peer.arrived.get()
        peer.say(peer.reply(invite, 180), phone.address)
        await call._heard.wait()
        await call.hang_up()  # the 487 never comes
        assert call.ended_by is End.HERE
        peer.say(peer.reply(invite, 200), phone.address)
        while (await peer.arrived.get()).method != "BYE":
            pass


async def test_a_call_answered_while_one_gives_up_is_hung_up(peer: Peer) -> None:
    async with SipPhone(server=peer.address) as phone:
        call = await phone.dial("100")
        invite = await peer.arrived.get()
        giving_up = asyncio.ensure_future(call.hang_up())
        await asyncio.sleep(0)
        peer.say(peer.reply(invite, 200), phone.address)
        while (await peer.arrived.get()).method != "BYE":
            pass
        await giving_up
        assert call.ended_by is End.HERE


async def test_early_media_is_heard_before_the_answer(peer: Peer) -> None:
    async with SipPhone(server=peer.address) as phone:
        call = await phone.dial("100")
        invite = await peer.arrived.get()
        progress = peer.reply(invite, 180)
        sdp = "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"
        peer.say(SipMessage(progress.start, progress.headers, sdp), phone.address)
        await call._heard.wait()
        assert call.media.remote == ("127.0.0.1", 4000)
        call.close()


async def test_a_registration_proves_the_password_and_is_taken_back(peer: Peer) -> None:
    peer.challenge = 'Digest realm="asterisk",nonce="n",opaque="o",qop="auth"'
    peer.statuses = [401, 200, 401, 200]
    async with SipPhone(user="me", password="secret", server=peer.address) as phone:
        await phone.register(60)
    first, second, _, last = peer.requests
    assert first.first("Authorization") == ""
    assert 'username="me"' in second.first("Authorization")
    assert "secret" not in second.encode().decode()
    assert (second.first("Expires"), last.first("Expires")) == ("60", "0")


async def test_a_call_proves_the_password(peer: Peer) -> None:
    peer.challenge = 'Digest realm="asterisk",nonce="n"'
    peer.statuses = [401, None, 200]
    async with SipPhone(user="me", password="secret", server=peer.address) as phone:
        call = await phone.dial("100")
        await call.answered()
        invites = [request for request in peer.requests if request.method == "INVITE"]
        assert [bool(invite.first("Authorization")) for invite in invites] == [False, True]
        assert invites[0].sequence < invites[1].sequence
        peer.statuses = [200]
        await call.hang_up()


@pytest.mark.parametrize("password", [None, "wrong"])
async def test_a_wrong_or_missing_password_is_refused_once(
    peer: Peer, password: str | None
) -> None:
    peer.challenge = 'Digest realm="asterisk",nonce="n"'
    peer.statuses = [401, 401]
    async with SipPhone(user="me", password=password, server=peer.address) as phone:
        with pytest.raises(RegistrationError, match="401"):
            await phone.register()
        assert len(peer.requests) == (1 if password is None else 2)


async def test_leaving_a_pbx_that_has_gone_does_not_wait(peer: Peer) -> None:
    peer.statuses = [200]
    async with SipPhone(server=peer.address) as phone:
        await phone.register()


async def test_a_telephone_without_a_pbx_cannot_dial(there: SipPhone) -> None:
    with pytest.raises(PhoneError) as caught:
        await there.dial("100")
    assert caught.value.code == "no_server"


@pytest.mark.parametrize(
    ("method", "status"), [("OPTIONS", 200), ("NOTIFY", 200), ("BYE", 481), ("UPDATE", 481)]
)
async def test_what_belongs_to_no_call_is_answered_too(
    there: SipPhone, peer: Peer, method: str, status: int
) -> None:
    peer.ask(method, there.address)
    assert (await peer.messages.get()).status == status


async def test_an_ack_that_belongs_to_no_call_is_not_answered(there: SipPhone, peer: Peer) -> None:
    peer.ask("ACK", there.address)
    peer.ask("OPTIONS", there.address)
    assert (await peer.messages.get()).method == "OPTIONS"


async def test_no_bye_is_sent_before_the_ack_has_come(there: SipPhone, peer: Peer) -> None:
    peer.ask("INVITE", there.address)
    call = await there.next_call()
    await call.answered()
    hanging_up = asyncio.ensure_future(call.hang_up())
    done, _ = await asyncio.wait({hanging_up}, timeout=0.05)
    assert not done
    assert peer.requests == []
    peer.ask("ACK", there.address)
    peer.statuses = [200]
    await hanging_up
    assert [request.method for request in peer.requests] == ["BYE"]


async def test_a_call_whose_ack_never_comes_is_hung_up_all_the_same(
    there: SipPhone, peer: Peer
) -> None:
    peer.statuses = [200]
    peer.ask("INVITE", there.address)
    call = await there.next_call()
    await call.answered()
    await call.hang_up()
    assert [request.method for request in peer.requests] == ["BYE"]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO"])
async def test_changes_within_a_call_are_accepted(there: SipPhone, peer: Peer, method: str) -> None:
    offer = "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n"
    peer.ask("INVITE", there.address, body=offer)
    while (await peer.messages.get()).status != 200:
        pass
    peer.ask("ACK", there.address)
    moves = method != "INFO"
    moved = offer.replace("4000", "4002") if moves else ""
    branch = peer.ask(method, there.address, body=moved)
    while (reply := await peer.messages.get()).branch != branch:
        pass
    assert reply.status == 200
    assert bool(reply.body) is moves
    assert there.calls[0].media.remote == ("127.0.0.1", 4002 if moves else 4000)
    there.calls[0].close()


async def test_a_cancel_that_comes_too_late_changes_nothing(there: SipPhone, peer: Peer) -> None:
    peer.ask("INVITE", there.address)
    call = await there.next_call()
    await call.answered()
    peer.ask("CANCEL", there.address)
    while (await peer.messages.get()).method != "CANCEL":
        pass
    assert call.state is State.UP
    call.close()


def test_an_account_never_shows_its_password() -> None:
    assert "secret" not in repr(Account("me", "secret", "127.0.0.1"))
