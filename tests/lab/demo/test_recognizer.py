"""What the demonstration's telephones recognise in the sound that reaches them."""

from __future__ import annotations

import asyncio

import pytest

from agi_bridge.lab.demo.recognizer import (
    PromptRecognizer,
    ReferencePrompt,
    hears_tone,
    is_tone,
    tone,
)
from agi_bridge.lab.errors import CallEndedError
from agi_bridge.lab.sip import MULAW_SILENCE, mulaw_encode
from agi_bridge.lab.sip.rtp import FRAME, Packet, RtpStream
from agi_bridge.speech import SHIPPED

SILENT = bytes((MULAW_SILENCE,)) * FRAME


@pytest.fixture(scope="module")
def known() -> dict[str, ReferencePrompt]:
    names = ("busy", "goodbye", "you-entered")
    return {name: ReferencePrompt.of(SHIPPED / "en" / f"{name}.wav", name, name) for name in names}


class Events:
    """A recognizer that records its callbacks."""

    def __init__(self, known: dict[str, ReferencePrompt]) -> None:
        self.events: list[str] = []
        self.recognizer = PromptRecognizer(
            known.values(),
            lambda each: self.events.append(f"begins {each.name}"),
            lambda each: self.events.append(f"ends {each.name}"),
        )

    def feed(self, *packets: bytes) -> None:
        for packet in packets:
            self.recognizer.feed(packet)


def test_recordings_are_recognised_and_known_to_be_heard_out(
    known: dict[str, ReferencePrompt],
) -> None:
    recorded = Events(known)
    recorded.feed(SILENT, *known["busy"].packets, b"\xfe" * 70, SILENT, *known["goodbye"].packets)
    assert recorded.events == ["begins busy", "ends busy", "begins goodbye", "ends goodbye"]


def test_a_recording_that_is_cut_short_is_not_heard_out(known: dict[str, ReferencePrompt]) -> None:
    recorded = Events(known)
    recorded.feed(*known["busy"].packets[:-10], *known["goodbye"].packets)
    assert recorded.events == ["begins busy", "begins goodbye", "ends goodbye"]


def test_a_recording_with_a_packet_missing_or_changed_is_not_heard_out(
    known: dict[str, ReferencePrompt],
) -> None:
    packets = known["busy"].packets
    recorded = Events(known)
    recorded.feed(*packets[:30], *packets[31:])
    recorded.feed(*packets[:30], bytes(FRAME), *packets[31:])
    assert recorded.events == ["begins busy", "begins busy"]


def test_silence_and_what_is_not_known_are_nothing(known: dict[str, ReferencePrompt]) -> None:
    silent = ReferencePrompt("silence", "", (SILENT,) * 20, 20)
    recorded = Events({**known, "silence": silent})
    recorded.feed(*[SILENT] * 100, *[bytes(FRAME)] * 20)
    assert recorded.events == []


def test_the_shipped_prompts_are_told_apart() -> None:
    all_of_them = {
        str(path): ReferencePrompt.of(path, str(path), "")
        for path in sorted(SHIPPED.glob("en/*.wav"))
    }
    recorded = Events(all_of_them)
    for each in all_of_them.values():
        recorded.feed(*each.packets)
    assert recorded.events == [
        f"{what} {name}" for name in all_of_them for what in ("begins", "ends")
    ]


async def test_waiting_for_a_recording_ends_with_it_or_with_the_call(
    known: dict[str, ReferencePrompt],
) -> None:
    stream = await RtpStream.open("127.0.0.1", quiet=True)
    recorded = Events(known)
    listening = asyncio.create_task(recorded.recognizer.listen(stream))
    waits = [
        asyncio.create_task(wait)
        for wait in (
            recorded.recognizer.wait_begin("busy", 5),
            recorded.recognizer.wait_end("busy", 5),
            recorded.recognizer.wait_begin("goodbye", 5),
        )
    ]
    for packet in known["busy"].packets:
        stream.datagram_received(bytes(12) + packet, None)
    await asyncio.gather(*waits[:2])
    stream.close()
    with pytest.raises(CallEndedError, match="goodbye"):
        await waits[2]
    await listening


def test_a_tone_is_told_from_another_and_from_silence() -> None:
    assert is_tone(tone(440.0, 0.2), 440.0)
    assert not is_tone(tone(440.0, 0.2), 620.0)
    assert not is_tone([0] * 1600, 440.0)


async def test_waiting_for_a_tone_ends_when_it_is_heard() -> None:
    stream = await RtpStream.open("127.0.0.1", quiet=True)
    coded = mulaw_encode(tone(440.0, 0.2))
    waiting = asyncio.create_task(hears_tone(stream, 440.0, 5.0))
    await asyncio.sleep(0)
    stream.packets.append(Packet(0.0, 0, 0, bytes(FRAME)))
    for at in range(0, len(coded), FRAME):
        stream.datagram_received(bytes(12) + coded[at : at + FRAME], None)
    await waiting
    stream.close()
