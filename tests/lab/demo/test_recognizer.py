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
from agi_bridge.lab.sip import g711
from agi_bridge.lab.sip.rtp import FRAME, Packet, RtpStream
from agi_bridge.speech import SHIPPED

SILENT = bytes((g711.SILENCE,)) * FRAME


@pytest.fixture(scope="module")
def known() -> dict[str, ReferencePrompt]:
    names = ("busy", "goodbye", "you-entered")
    return {name: ReferencePrompt.of(SHIPPED / "en" / f"{name}.wav", name, name) for name in names}


class Notes:
    """An ear that writes down what it is sure of."""

    def __init__(self, known: dict[str, ReferencePrompt]) -> None:
        self.told: list[str] = []
        self.ear = PromptRecognizer(
            known.values(),
            lambda each: self.told.append(f"begins {each.name}"),
            lambda each: self.told.append(f"ends {each.name}"),
        )

    def hear(self, *packets: bytes) -> None:
        for packet in packets:
            self.ear.hear(packet)


def test_recordings_are_recognised_and_known_to_be_heard_out(
    known: dict[str, ReferencePrompt],
) -> None:
    notes = Notes(known)
    notes.hear(SILENT, *known["busy"].packets, b"\xfe" * 70, SILENT, *known["goodbye"].packets)
    assert notes.told == ["begins busy", "ends busy", "begins goodbye", "ends goodbye"]


def test_a_recording_that_is_cut_short_is_not_heard_out(known: dict[str, ReferencePrompt]) -> None:
    notes = Notes(known)
    notes.hear(*known["busy"].packets[:-10], *known["goodbye"].packets)
    assert notes.told == ["begins busy", "begins goodbye", "ends goodbye"]


def test_a_recording_with_a_packet_missing_or_changed_is_not_heard_out(
    known: dict[str, ReferencePrompt],
) -> None:
    packets = known["busy"].packets
    notes = Notes(known)
    notes.hear(*packets[:30], *packets[31:])
    notes.hear(*packets[:30], bytes(FRAME), *packets[31:])
    assert notes.told == ["begins busy", "begins busy"]


def test_silence_and_what_is_not_known_are_nothing(known: dict[str, ReferencePrompt]) -> None:
    silent = ReferencePrompt("silence", "", (SILENT,) * 20, 20)
    notes = Notes({**known, "silence": silent})
    notes.hear(*[SILENT] * 100, *[bytes(FRAME)] * 20)
    assert notes.told == []


def test_the_shipped_prompts_are_told_apart() -> None:
    all_of_them = {
        str(path): ReferencePrompt.of(path, str(path), "")
        for path in sorted(SHIPPED.glob("en/*.wav"))
    }
    notes = Notes(all_of_them)
    for each in all_of_them.values():
        notes.hear(*each.packets)
    assert notes.told == [f"{what} {name}" for name in all_of_them for what in ("begins", "ends")]


async def test_waiting_for_a_recording_ends_with_it_or_with_the_call(
    known: dict[str, ReferencePrompt],
) -> None:
    stream = await RtpStream.open("127.0.0.1", quiet=True)
    notes = Notes(known)
    listening = asyncio.create_task(notes.ear.listen(stream))
    waits = [
        asyncio.create_task(wait)
        for wait in (
            notes.ear.begins("busy", 5),
            notes.ear.ends("busy", 5),
            notes.ear.begins("goodbye", 5),
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
    coded = g711.encode(tone(440.0, 0.2))
    waiting = asyncio.create_task(hears_tone(stream, 440.0, 5.0))
    await asyncio.sleep(0)
    stream.packets.append(Packet(0.0, 0, 0, bytes(FRAME)))
    for at in range(0, len(coded), FRAME):
        stream.datagram_received(bytes(12) + coded[at : at + FRAME], None)
    await waiting
    stream.close()
