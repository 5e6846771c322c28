"""Requests and responses over a network that loses and repeats."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio

from agi_bridge.lab.sip import transaction as sip_transaction
from agi_bridge.lab.sip.message import SipMessage
from agi_bridge.lab.sip.transaction import Address, Retransmitter, SipTransport, new_branch


class Side(SipTransport):
    """A transport that notes what reaches it, and can lose what it sends."""

    def __init__(self) -> None:
        super().__init__(self.note)
        self.requests: asyncio.Queue[SipMessage] = asyncio.Queue()
        self.heard: list[bytes] = []
        self.lose = 0
        self.peer: Address = ("", 0)

    def note(self, request: SipMessage, came_from: Address) -> None:
        self.peer = came_from
        self.requests.put_nowait(request)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        self.heard.append(data)
        super().datagram_received(data, addr)

    def _write(self, data: bytes, to: Address) -> None:
        if self.lose:
            self.lose -= 1
            return
        super()._write(data, to)

    @property
    def address(self) -> Address:
        return "127.0.0.1", self.port


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_transaction, "T1", 0.01)
    monkeypatch.setattr(sip_transaction, "T2", 0.02)


def _same(side: Side) -> Side:
    return side


@pytest_asyncio.fixture
async def sides() -> AsyncIterator[tuple[Side, Side]]:
    loop = asyncio.get_running_loop()
    both = Side(), Side()
    for side in both:
        await loop.create_datagram_endpoint(partial(_same, side), local_addr=("127.0.0.1", 0))
    yield both
    for side in both:
        side.close()


def request(method: str = "OPTIONS") -> SipMessage:
    return SipMessage(
        f"{method} sip:you@127.0.0.1 SIP/2.0",
        (
            ("Via", f"SIP/2.0/UDP 127.0.0.1;branch={new_branch()}"),
            ("From", "<sip:me@127.0.0.1>;tag=1"),
            ("To", "<sip:you@127.0.0.1>"),
            ("Call-ID", "one"),
            ("CSeq", f"1 {method}"),
        ),
    )


def answer(message: SipMessage, status: int) -> SipMessage:
    return SipMessage(f"SIP/2.0 {status} Whatever", message.headers)


async def test_a_lost_request_is_sent_again_until_it_is_answered(
    sides: tuple[Side, Side],
) -> None:
    here, there = sides
    here.lose = 3
    transaction = here.request(request(), there.address)
    got = await there.requests.get()
    there.respond(answer(got, 200), got, there.peer)
    final = await transaction.final
    assert final is not None
    assert final.status == 200


async def test_a_lost_response_is_sent_again_and_the_request_is_seen_once(
    sides: tuple[Side, Side],
) -> None:
    here, there = sides
    transaction = here.request(request(), there.address)
    got = await there.requests.get()
    there.lose = 2
    there.respond(answer(got, 200), got, there.peer)
    final = await transaction.final
    assert final is not None
    assert there.requests.empty()
    assert len(there.heard) >= 3


async def test_nobody_answers(sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = sides
    monkeypatch.setattr(sip_transaction, "GIVE_UP", 0.05)
    transaction = here.request(request(), there.address)
    assert await transaction.final is None


async def test_a_first_response_stops_the_repeating_but_not_the_waiting(
    sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = sides
    monkeypatch.setattr(sip_transaction, "GIVE_UP", 0.05)
    provisional: list[int | None] = []
    transaction = here.request(
        request("INVITE"),
        there.address,
        on_provisional=lambda message: provisional.append(message.status),
    )
    got = await there.requests.get()
    there.respond(answer(got, 180), got, there.peer)
    await transaction.heard.wait()
    until = asyncio.get_running_loop().time() + 0.1  # longer than GIVE_UP
    done, _ = await asyncio.wait({transaction.final}, timeout=0.1)
    assert not done
    assert asyncio.get_running_loop().time() >= until - 0.01
    assert provisional == [180]


@pytest.mark.parametrize("status", [486, 603])
async def test_every_refusal_of_an_invite_is_acknowledged(
    sides: tuple[Side, Side], status: int
) -> None:
    here, there = sides
    transaction = here.request(request("INVITE"), there.address)
    got = await there.requests.get()
    there.respond(answer(got, status), got, there.peer)
    await transaction.final
    first = await there.requests.get()
    there.respond(answer(got, status), got, there.peer)  # our ACK was lost, they think
    second = await there.requests.get()
    assert (first.method, second.method) == ("ACK", "ACK")
    assert first.branch == got.branch  # section 17.1.1.3


async def test_a_repeated_answer_is_told_apart(sides: tuple[Side, Side]) -> None:
    here, there = sides
    repeated: asyncio.Queue[SipMessage] = asyncio.Queue()
    transaction = here.request(request("INVITE"), there.address, on_repeated=repeated.put_nowait)
    got = await there.requests.get()
    there.respond(answer(got, 200), got, there.peer)
    await transaction.final
    assert repeated.empty()
    there.respond(answer(got, 200), got, there.peer)
    assert (await repeated.get()).status == 200


async def test_noise_and_answers_nobody_waits_for_are_dropped(
    sides: tuple[Side, Side],
) -> None:
    here, there = sides
    here.write(answer(request(), 200), there.address)
    here._write(b"\r\n\r\n", there.address)
    here.write(request("MESSAGE"), there.address)
    assert (await there.requests.get()).method == "MESSAGE"
    assert len(there.heard) == 3


async def test_closing_ends_what_still_waits(sides: tuple[Side, Side]) -> None:
    here, there = sides
    transaction = here.request(request(), there.address)
    here.close()
    assert await transaction.final is None
    assert here.port == 0
    here.write(request(), there.address)  # says nothing
    here.close()


async def test_only_so_many_answers_are_remembered(
    sides: tuple[Side, Side], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = sides
    monkeypatch.setattr(sip_transaction, "_REMEMBERED", 2)
    for _ in range(4):
        transaction = here.request(request(), there.address)
        got = await there.requests.get()
        there.respond(answer(got, 200), got, there.peer)
        await transaction.final
    assert len(there._answered) == 2


async def test_repeating_slows_down_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sip_transaction, "GIVE_UP", 0.05)
    sent: asyncio.Queue[None] = asyncio.Queue()
    repeater = Retransmitter(lambda: sent.put_nowait(None))
    for _ in range(4):  # waits of 10, 20, 20 ms, never longer than T2
        await sent.get()
    assert repeater._timer is None
    repeater.stop()
