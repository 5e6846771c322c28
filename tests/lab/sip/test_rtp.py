"""Sound and keys between two streams on the loopback."""

import asyncio
import struct
from array import array
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from agi_bridge.lab.errors import CallEndedError
from agi_bridge.lab.sip import rtp
from agi_bridge.lab.sip.rtp import RtpStream


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[tuple[RtpStream, RtpStream]]:
    """Two streams, the first silent until told, both pointed at each other."""
    here = await RtpStream.open("127.0.0.1", quiet=True)
    there = await RtpStream.open("127.0.0.1", quiet=True)
    here.remote = ("127.0.0.1", there.port)
    there.remote = ("127.0.0.1", here.port)
    yield here, there
    here.close()
    there.close()


async def test_what_is_played_arrives_in_frames_of_20_ms(
    pair: tuple[RtpStream, RtpStream],
) -> None:
    here, there = pair
    here.play(array("h", [1000] * 400))
    while len(there.packets) < 3:
        await there.news()
    first, second, third = there.packets
    assert second.timestamp - first.timestamp == 160
    assert third.sequence - first.sequence == 2
    heard = there.heard()
    assert len(heard) == 480
    assert all(abs(sample - 1000) < 40 for sample in heard[:400])
    assert set(heard[400:]) == {0}  # the last frame is filled up with silence


async def test_keys_arrive_once_each_with_rfc_4733_timing(
    pair: tuple[RtpStream, RtpStream],
) -> None:
    here, there = pair
    seen: list[bytes] = []
    there_received = there.datagram_received

    def note(data: bytes, addr: object) -> None:
        seen.append(data)
        there_received(data, addr)

    there.datagram_received = note  # type: ignore[method-assign]  # listen on the wire
    await here.press("5#", duration=0.08, gap=0.04)
    assert there.keys == "5#"
    events = [struct.unpack("!BBHIIBBH", data) for data in seen]
    five = [event for event in events if event[5] == 5]
    assert [event[7] for event in five] == [160, 320, 480, 640, 640, 640]  # grows; end thrice
    assert [bool(event[6] & 0x80) for event in five] == [False] * 3 + [True] * 3
    assert [bool(event[1] & 0x80) for event in five] == [True] + [False] * 5  # marker
    assert len({event[3] for event in five}) == 1  # one timestamp for the whole key
    hash_key = next(event for event in events if event[5] == 11)
    assert hash_key[3] - five[0][3] == 960  # 80 ms held, 40 ms between


async def test_a_line_that_is_not_quiet_sends_silence_also_between_keys(
    pair: tuple[RtpStream, RtpStream],
) -> None:
    here, there = pair
    here.quiet = False
    while len(there.packets) < 2:
        await there.news()
    await here.press("1", duration=0.02, gap=0.04)
    while len(there.packets) < 4:
        await there.news()
    assert set(there.heard()) == {0}


async def test_nothing_is_sent_before_anybody_listens() -> None:
    stream = await RtpStream.open("127.0.0.1")
    stream.play(array("h", [1000] * 160))
    await asyncio.wait({asyncio.ensure_future(stream.news())}, timeout=0.05)
    assert len(stream._sound) == 1
    stream.close()
    stream.close()  # once more does no harm


async def test_a_closed_stream_neither_keys_nor_hears_nor_has_a_port(
    pair: tuple[RtpStream, RtpStream],
) -> None:
    here, _ = pair
    here.close()
    for gone in (here.press("1"), here.news()):
        with pytest.raises(CallEndedError):
            await gone
    with pytest.raises(CallEndedError):
        _ = here.port


async def test_the_end_of_the_call_ends_the_keys_and_the_listening(
    pair: tuple[RtpStream, RtpStream],
) -> None:
    here, _ = pair
    pressing = asyncio.ensure_future(here.press("123456789"))
    listening = asyncio.ensure_future(here.news())
    await asyncio.sleep(0)
    here.close()
    with pytest.raises(CallEndedError):
        await pressing
    await listening


async def test_keys_given_up_are_not_pressed(pair: tuple[RtpStream, RtpStream]) -> None:
    here, there = pair
    pressing = asyncio.ensure_future(here.press("123", duration=0.04, gap=0.02))
    while there.keys != "1":
        await there.news()
    pressing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pressing
    await here.press("9", duration=0.04, gap=0.02)
    assert there.keys == "19"


async def test_only_keys_of_a_telephone_can_be_pressed(
    pair: tuple[RtpStream, RtpStream],
) -> None:
    with pytest.raises(ValueError, match="substring"):
        await pair[0].press("1x")
    assert not pair[0]._presses


async def test_strange_packets_are_dropped(pair: tuple[RtpStream, RtpStream]) -> None:
    here, _ = pair
    for packet in (
        b"short",
        struct.pack("!BBHII", 0x80, 8, 1, 1, 1) + b"\xd5" * 160,  # another codec
        struct.pack("!BBHII", 0x80, 101, 1, 1, 1),  # an event without a body
        struct.pack("!BBHIIBBH", 0x80, 101, 1, 1, 1, 99, 0x80, 160),  # no key of ours
    ):
        here.datagram_received(packet, ("127.0.0.1", 1))
    assert (here.packets, here.keys) == ([], "")


async def test_a_pause_between_two_recordings_is_heard_as_silence(
    pair: tuple[RtpStream, RtpStream],
) -> None:
    here, _ = pair
    loud = bytes((0x80,)) * 160
    here.packets = [
        rtp.Packet(10.0, 1, 160, loud),
        rtp.Packet(10.02, 2, 320, loud),
        rtp.Packet(10.10, 3, 99_000, loud),  # another recording, 60 ms of nothing before it
        rtp.Packet(10.101, 4, 99_160, loud),  # late or early: it follows by its timestamp
        rtp.Packet(10.101, 5, 7, loud),  # a jump without a pause
    ]
    heard = here.heard()
    silent = [index // 160 for index in range(0, len(heard), 160) if heard[index] == 0]
    assert silent == [2, 3, 4]
    assert len(heard) == 160 * 8


async def test_a_clock_that_was_stopped_does_not_catch_up_in_a_burst(
    pair: tuple[RtpStream, RtpStream],
) -> None:
    here, _ = pair
    here._next -= 10  # as if the machine had slept
    here._tick()
    assert here._next > asyncio.get_running_loop().time() - rtp._LATEST
