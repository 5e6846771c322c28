"""Recognizes prompts in the RTP audio that a SIP phone receives; it does not ask the bridge.

An Asterisk on the same machine sends the exact G.711 bytes of a recording, without loss, and each
recording starts at a packet boundary. A prompt is recognized when its packets arrive in sequence,
and has ended when the last of them has arrived.
"""

import asyncio
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeAlias

import numpy as np
import soundfile

from agi_bridge.lab.errors import CallEndedError
from agi_bridge.lab.sip import FRAME, MULAW_SILENCE, RATE, RtpStream, mulaw_decode, mulaw_encode

_MIN_PACKETS = 8
"""Packets in a row, from the first that is not silent, after which a prompt is recognized."""

_SILENT = bytes((MULAW_SILENCE,)) * FRAME
_TONE_PACKETS = 10
_MIN_TONE_SHARE = 0.8  # minimum share of the signal's energy in the tone


@dataclass(frozen=True, slots=True)
class ReferencePrompt:
    """A recording to recognize.

    Attributes:
        name: its name.
        text: its text.
        packets: its audio as the PBX sends it, without the last, shorter packet.
        first: the first packet that is not silent.
    """

    name: str
    text: str
    packets: tuple[bytes, ...] = field(repr=False)
    first: int

    @classmethod
    def of(cls, path: Path, name: str, text: str) -> Self:
        """Read a recording: WAV, 16 bit, one channel, 8 kHz."""
        samples, _ = soundfile.read(path, dtype="int16")
        # Asterisk codes four neighbouring samples alike, as the highest (ulaw.c, __ast_lin2mu).
        coded = mulaw_encode(array("h", (samples | 3).tobytes()))
        packets = tuple(coded[at : at + FRAME] for at in range(0, len(coded) - FRAME + 1, FRAME))
        first = next((at for at, packet in enumerate(packets) if packet != _SILENT), len(packets))
        return cls(name, text, packets, first)

    @property
    def seconds(self) -> float:
        """Length in seconds, rounded down to a whole packet."""
        return len(self.packets) * FRAME / RATE


PromptCallback: TypeAlias = Callable[[ReferencePrompt], None]


@dataclass(slots=True, eq=False)
class _Match:
    """A prompt whose packets match so far; `at` is the index of the next expected packet."""

    prompt: ReferencePrompt
    at: int
    reported: bool = False


class PromptRecognizer:
    """Recognizes prompts in the audio of one call.

    Args:
        prompts: the recordings to recognize.
        on_begin: called when a prompt is recognized.
        on_end: called when its last packet has arrived.
    """

    def __init__(
        self,
        prompts: Iterable[ReferencePrompt],
        on_begin: PromptCallback = lambda _: None,
        on_end: PromptCallback = lambda _: None,
    ) -> None:
        self._starts: defaultdict[bytes, list[ReferencePrompt]] = defaultdict(list)
        for each in prompts:
            if each.first < len(each.packets):
                self._starts[each.packets[each.first]].append(each)
        self._on_begin, self._on_end = on_begin, on_end
        self._matches: list[_Match] = []
        self._begun: set[str] = set()
        self._ended: set[str] = set()
        self._call_ended = False
        self._changed = asyncio.Condition()

    def feed(self, packet: bytes) -> None:
        """Process the next packet of audio."""
        advanced = []
        for match in self._matches:
            if match.prompt.packets[match.at] == packet:
                match.at += 1
                advanced.append(match)
        advanced += [_Match(prompt, prompt.first + 1) for prompt in self._starts.get(packet, ())]
        self._matches = [match for match in advanced if not self._advance(match)]

    def _advance(self, match: _Match) -> bool:
        prompt = match.prompt
        if not match.reported and match.at - prompt.first >= min(
            _MIN_PACKETS, len(prompt.packets) - prompt.first
        ):
            match.reported = True
            self._begun.add(prompt.name)
            self._on_begin(prompt)
        if match.at < len(prompt.packets):
            return False
        self._ended.add(prompt.name)
        self._on_end(prompt)
        return True

    async def listen(self, stream: RtpStream) -> None:
        """Process a call's audio, packet by packet, until the call ends."""
        heard = 0
        try:
            while True:
                new = stream.packets[heard:]
                heard += len(new)
                for packet in new:
                    self.feed(packet.payload)
                async with self._changed:
                    self._changed.notify_all()
                await stream.wait_for_media()
        except CallEndedError:
            self._call_ended = True
            async with self._changed:
                self._changed.notify_all()

    async def wait_begin(self, name: str, within: float) -> None:
        """Wait until a prompt is recognized.

        Raises:
            TimeoutError: not within `within` seconds.
            CallEndedError: the call ended first.
        """
        await self._wait(self._begun, name, within)

    async def wait_end(self, name: str, within: float) -> None:
        """Wait until a prompt has ended; raises as `wait_begin`."""
        await self._wait(self._ended, name, within)

    async def _wait(self, names: set[str], name: str, within: float) -> None:
        async with asyncio.timeout(within), self._changed:
            await self._changed.wait_for(lambda: name in names or self._call_ended)
        if name not in names:
            raise CallEndedError("call_over", f"the call ended before {name!r} was heard")


def tone(hertz: float, seconds: float) -> "array[int]":
    """Return a sine tone as 16-bit samples, at a quarter of full scale."""
    moments = np.arange(round(seconds * RATE)) / RATE
    wave = (8000 * np.sin(2 * np.pi * hertz * moments)).astype(np.int16)
    return array("h", wave.tobytes())


def is_tone(samples: Sequence[int], hertz: float) -> bool:
    """Return whether a tone of this frequency makes up most of the signal's energy."""
    sound = np.asarray(samples, dtype=np.float64)
    energy = float(sound @ sound)
    phasor = np.exp(-2j * np.pi * hertz * np.arange(len(sound)) / RATE)
    return energy > 0 and 2 * abs(sound @ phasor) ** 2 / (len(sound) * energy) > _MIN_TONE_SHARE


async def hears_tone(stream: RtpStream, hertz: float, within: float) -> None:
    """Wait until the latest audio of a call is a tone.

    Raises:
        TimeoutError: not within `within` seconds.
        CallEndedError: the call ended first.
    """
    async with asyncio.timeout(within):
        while True:
            latest = b"".join(packet.payload for packet in stream.packets[-_TONE_PACKETS:])
            if len(latest) >= _TONE_PACKETS * FRAME and is_tone(mulaw_decode(latest), hertz):
                return
            await stream.wait_for_media()
