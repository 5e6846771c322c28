"""Which recording does the caller hear? Told from the very bytes of the sound that arrives.

A private PBX without loss sends a recording's own G.711 bytes, packet by packet, each recording
from the beginning of a packet. So a recording is recognised when its packets come one after
another, and known to be heard out when the last of them has come. Nothing here asks the bridge.
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
from agi_bridge.lab.sip import g711
from agi_bridge.lab.sip.rtp import FRAME, RATE, RtpStream

_SURE = 8
"""Packets in a row, from the first that is not silent, after which a recording is recognised."""

_SILENT = bytes((g711.SILENCE,)) * FRAME
_TONE_PACKETS = 10
_PURE = 0.8  # least part of the sound's energy that a tone must hold


@dataclass(frozen=True, slots=True)
class ReferencePrompt:
    """A recording that may be heard.

    Attributes:
        name: what it is called.
        text: what it says.
        packets: its sound as the PBX sends it, without the last, shorter packet.
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
        coded = g711.encode(array("h", (samples | 3).tobytes()))
        packets = tuple(coded[at : at + FRAME] for at in range(0, len(coded) - FRAME + 1, FRAME))
        first = next((at for at, packet in enumerate(packets) if packet != _SILENT), len(packets))
        return cls(name, text, packets, first)

    @property
    def seconds(self) -> float:
        """Length, to a packet."""
        return len(self.packets) * FRAME / RATE


Tell: TypeAlias = Callable[[ReferencePrompt], None]


@dataclass(slots=True, eq=False)
class _Maybe:
    """A recording that fits what was heard so far; `at` is the packet expected next."""

    known: ReferencePrompt
    at: int
    told: bool = False


class PromptRecognizer:
    """Recognises recordings in the sound of one call.

    Args:
        known: the recordings.
        on_begin: told of a recording when it is recognised.
        on_end: told of it when it has been heard out.
    """

    def __init__(
        self,
        known: Iterable[ReferencePrompt],
        on_begin: Tell = lambda _: None,
        on_end: Tell = lambda _: None,
    ) -> None:
        self._starts: defaultdict[bytes, list[ReferencePrompt]] = defaultdict(list)
        for each in known:
            if each.first < len(each.packets):
                self._starts[each.packets[each.first]].append(each)
        self._on_begin, self._on_end = on_begin, on_end
        self._maybe: list[_Maybe] = []
        self._begun: set[str] = set()
        self._ended: set[str] = set()
        self._over = False
        self._news = asyncio.Condition()

    def hear(self, packet: bytes) -> None:
        """Take the next packet of sound."""
        going_on = []
        for maybe in self._maybe:
            if maybe.known.packets[maybe.at] == packet:
                maybe.at += 1
                going_on.append(maybe)
        going_on += [_Maybe(known, known.first + 1) for known in self._starts.get(packet, ())]
        self._maybe = [maybe for maybe in going_on if not self._heard_out(maybe)]

    def _heard_out(self, maybe: _Maybe) -> bool:
        known = maybe.known
        if not maybe.told and maybe.at - known.first >= min(
            _SURE, len(known.packets) - known.first
        ):
            maybe.told = True
            self._begun.add(known.name)
            self._on_begin(known)
        if maybe.at < len(known.packets):
            return False
        self._ended.add(known.name)
        self._on_end(known)
        return True

    async def listen(self, stream: RtpStream) -> None:
        """Hear a call, packet by packet, to its end."""
        heard = 0
        try:
            while True:
                new = stream.packets[heard:]
                heard += len(new)
                for packet in new:
                    self.hear(packet.payload)
                async with self._news:
                    self._news.notify_all()
                await stream.news()
        except CallEndedError:
            self._over = True
            async with self._news:
                self._news.notify_all()

    async def begins(self, name: str, within: float) -> None:
        """Wait until a recording is recognised.

        Raises:
            TimeoutError: it was not, for so many seconds.
            CallEndedError: the call ended before.
        """
        await self._wait(self._begun, name, within)

    async def ends(self, name: str, within: float) -> None:
        """Wait until a recording has been heard out; raises as `begins`."""
        await self._wait(self._ended, name, within)

    async def _wait(self, names: set[str], name: str, within: float) -> None:
        async with asyncio.timeout(within), self._news:
            await self._news.wait_for(lambda: name in names or self._over)
        if name not in names:
            raise CallEndedError(f"the call ended before {name!r} was heard")


def tone(hertz: float, seconds: float) -> "array[int]":
    """Return a tone as samples, a quarter as loud as can be."""
    moments = np.arange(round(seconds * RATE)) / RATE
    wave = (8000 * np.sin(2 * np.pi * hertz * moments)).astype(np.int16)
    return array("h", wave.tobytes())


def is_tone(samples: Sequence[int], hertz: float) -> bool:
    """Tell whether a tone is nearly all there is in a sound."""
    sound = np.asarray(samples, dtype=np.float64)
    energy = float(sound @ sound)
    turns = np.exp(-2j * np.pi * hertz * np.arange(len(sound)) / RATE)
    return energy > 0 and 2 * abs(sound @ turns) ** 2 / (len(sound) * energy) > _PURE


async def hears_tone(stream: RtpStream, hertz: float, within: float) -> None:
    """Wait until a call's latest sound is a tone.

    Raises:
        TimeoutError: it was not, for so many seconds.
        CallEndedError: the call ended before.
    """
    async with asyncio.timeout(within):
        while True:
            latest = b"".join(packet.payload for packet in stream.packets[-_TONE_PACKETS:])
            if len(latest) >= _TONE_PACKETS * FRAME and is_tone(g711.decode(latest), hertz):
                return
            await stream.news()
