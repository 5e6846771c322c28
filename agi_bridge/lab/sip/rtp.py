"""One RTP stream of a test telephone: a 20 ms clock that talks and keys, and an ear that keeps all.

RTP is RFC 3550 (payload type 0, G.711 mu-law, RFC 3551); keys are RFC 4733 events on payload
type 101.
"""

import asyncio
import secrets
import struct
from array import array
from collections import deque
from dataclasses import dataclass
from typing import cast

from agi_bridge.lab.errors import CallEndedError
from agi_bridge.lab.sip import g711

FRAME = 160
"""Samples in a packet: 20 ms at 8,000 a second."""

RATE = 8000
"""Samples a second."""

KEYS = "0123456789*#ABCD"
"""Keys by their event number, RFC 4733 section 3.2."""

_PCMU, _EVENT = 0, 101
_HEADER = struct.Struct("!BBHII")
_PAYLOAD = struct.Struct("!BBH")
_END = 0x80
_VOLUME = 10  # dBm0 below zero, as common telephones send it
_LATEST = 0.2  # seconds the clock may be late before it gives up catching up


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet of sound that was heard.

    Attributes:
        at: when it came, in seconds of the event loop's clock.
        sequence, timestamp: of the RTP header.
        payload: mu-law bytes.
    """

    at: float
    sequence: int
    timestamp: int
    payload: bytes


@dataclass(slots=True, eq=False)
class DtmfEvent:
    """A key on its way: `sent` of `duration` + `gap` samples have gone out since `start`."""

    event: int
    duration: int
    gap: int
    done: "asyncio.Future[None]"
    start: int = 0
    sent: int = 0


class RtpStream(asyncio.DatagramProtocol):
    """Both directions of one call's sound.

    Attributes:
        packets: everything heard, in order of arrival.
        keys: the keys that the other side pressed.
        remote: where sound is sent; nothing is sent while it is None.
        quiet: send nothing but what `play` and `press` queue, instead of a silent line's packets.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.packets: list[Packet] = []
        self.keys = ""
        self.remote: tuple[str, int] | None = None
        self.quiet = quiet
        self._last_event: int | None = None
        self._news = asyncio.Event()
        self._sound: deque[bytes] = deque()
        self._presses: deque[DtmfEvent] = deque()
        self._sequence = secrets.randbelow(1 << 15)
        self._timestamp = secrets.randbelow(1 << 30)
        self._source = secrets.randbits(32)
        self._transport: asyncio.DatagramTransport | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._next = 0.0

    @classmethod
    async def open(cls, host: str, *, quiet: bool = False) -> "RtpStream":
        """Return a stream on a free port of `host`, its clock running."""
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_datagram_endpoint(
            lambda: cls(quiet=quiet), local_addr=(host, 0)
        )
        stream.start()
        return stream

    def start(self) -> None:
        """Start the clock; `open` does."""
        self._next = asyncio.get_running_loop().time()
        self._tick()

    @property
    def port(self) -> int:
        """Local UDP port."""
        if self._transport is None:
            raise CallEndedError("the stream is closed")
        return int(self._transport.get_extra_info("sockname")[1])

    def play(self, samples: "array[int]") -> None:
        """Say these samples (16 bit, 8 kHz) after what is already queued."""
        coded = g711.encode(samples)
        self._sound.extend(coded[start : start + FRAME] for start in range(0, len(coded), FRAME))

    async def press(self, keys: str, *, duration: float = 0.1, gap: float = 0.1) -> None:
        """Press keys one after another; returns after the last gap.

        Args:
            keys: of `KEYS`.
            duration: seconds that each key is held.
            gap: seconds of nothing after each key.

        Raises:
            CallEndedError: the call ended before the last key was sent.
            ValueError: not a telephone's key.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None:
            raise CallEndedError("no key can be pressed: the call is over")
        presses = [
            DtmfEvent(KEYS.index(key), int(duration * RATE), int(gap * RATE), loop.create_future())
            for key in keys
        ]
        self._presses.extend(presses)
        try:
            for press in presses:
                await press.done
        finally:  # whoever waited was cancelled: the rest is not pressed behind their back
            for press in presses:
                if press in self._presses:
                    self._presses.remove(press)

    async def news(self) -> None:
        """Wait for the next packet of sound, or key, from the other side.

        Raises:
            CallEndedError: the call is over; nothing will come any more.
        """
        if self._transport is None:
            raise CallEndedError("nothing more will be heard: the call is over")
        self._news.clear()
        await self._news.wait()

    def heard(self) -> "array[int]":
        """Return what was heard as samples, silence where nothing came.

        Packets are put where they arrived, to 20 ms; within a run without a gap in their timestamps
        they follow each other exactly. (Asterisk's timestamps jump between two recordings.)
        """
        samples = array("h")
        after: int | None = None
        for packet in self.packets:
            frames = round((packet.at - self.packets[0].at) * RATE / FRAME)
            if packet.timestamp != after:
                samples.extend([0] * max(0, frames * FRAME - len(samples)))
            samples.extend(g711.decode(packet.payload))
            after = (packet.timestamp + len(packet.payload)) & 0xFFFFFFFF
        return samples

    def close(self) -> None:
        """Stop the clock and give the port back; keys not yet sent raise `CallEndedError`."""
        if self._clock is not None:
            self._clock.cancel()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        self._news.set()
        while self._presses:
            done = self._presses.popleft().done
            if not done.done():
                done.set_exception(CallEndedError("the call ended while a key was pressed"))
                done.exception()  # whoever waited may be gone already

    # ---- asyncio.DatagramProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the socket."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Keep sound and keys; anything else is dropped."""
        del addr
        if len(data) < _HEADER.size:
            return
        _, kind, sequence, timestamp, _ = _HEADER.unpack_from(data)
        kind &= 0x7F
        if kind == _PCMU:
            now = asyncio.get_running_loop().time()
            self.packets.append(Packet(now, sequence, timestamp, data[_HEADER.size :]))
            self._news.set()
        elif kind == _EVENT and len(data) >= _HEADER.size + _PAYLOAD.size:
            event, flags, _ = _PAYLOAD.unpack_from(data, _HEADER.size)
            # The end of an event is sent three times with one timestamp (RFC 4733 section 2.5.1.4).
            if flags & _END and timestamp != self._last_event and event < len(KEYS):
                self._last_event = timestamp
                self.keys += KEYS[event]
                self._news.set()

    # ---- the clock

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        if self.remote is not None:
            if self._presses:
                self._send_key(self._presses[0])
            elif self._sound or not self.quiet:
                sound = self._sound.popleft() if self._sound else b""
                self._send(_PCMU, sound.ljust(FRAME, bytes((g711.SILENCE,))))
            self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
        self._next += FRAME / RATE
        if loop.time() - self._next > _LATEST:
            self._next = loop.time()
        self._clock = loop.call_at(self._next, self._tick)

    def _send_key(self, press: DtmfEvent) -> None:
        """Send the next 20 ms of a key, or of the gap after it."""
        if press.sent == 0:
            press.start = self._timestamp
        first, press.sent = press.sent == 0, press.sent + FRAME
        if press.sent <= press.duration or first:
            last = press.sent + FRAME > press.duration
            payload = _PAYLOAD.pack(press.event, _VOLUME | (_END if last else 0), press.sent)
            for _ in range(3 if last else 1):
                self._send(_EVENT | (0x80 if first else 0), payload, press.start)
        elif not self.quiet:
            self._send(_PCMU, bytes((g711.SILENCE,)) * FRAME)
        if press.sent >= press.duration + press.gap:
            self._presses.popleft()
            if not press.done.done():
                press.done.set_result(None)

    def _send(self, kind: int, payload: bytes, timestamp: int | None = None) -> None:
        if self._transport is None or self.remote is None:
            return
        moment = self._timestamp if timestamp is None else timestamp
        header = _HEADER.pack(0x80, kind, self._sequence, moment, self._source)
        self._transport.sendto(header + payload, self.remote)
        self._sequence = (self._sequence + 1) & 0xFFFF
