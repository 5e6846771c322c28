"""One RTP stream of a test phone: sends sound and keys every 20 ms, and records what it receives.

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
from agi_bridge.lab.sip.g711 import MULAW_SILENCE, mulaw_decode, mulaw_encode

FRAME = 160
"""Samples in a packet: 20 ms at 8,000 per second."""

RATE = 8000
"""Samples per second."""

KEYS = "0123456789*#ABCD"
"""Keys by their event number, RFC 4733 section 3.2."""

_PCMU, _EVENT = 0, 101
_HEADER = struct.Struct("!BBHII")
_PAYLOAD = struct.Struct("!BBH")
_END = 0x80
_VOLUME = 10  # -10 dBm0, a usual level
_MAX_LAG = 0.2  # seconds; a clock later than this skips ahead


@dataclass(frozen=True, slots=True)
class Packet:
    """A received packet of sound.

    Attributes:
        at: when it arrived, in seconds of the event loop's clock.
        sequence, timestamp: from the RTP header.
        payload: mu-law bytes.
    """

    at: float
    sequence: int
    timestamp: int
    payload: bytes


@dataclass(slots=True, eq=False)
class DtmfEvent:
    """A key being sent: `sent` of `duration` + `gap` samples are sent since `start`."""

    event: int
    duration: int
    gap: int
    done: "asyncio.Future[None]"
    start: int = 0
    sent: int = 0


class RtpStream(asyncio.DatagramProtocol):
    """The sound of one call, in both directions.

    Attributes:
        packets: all received packets, in order of arrival.
        keys: the keys that the other side pressed.
        remote: where sound is sent; nothing is sent while it is None.
        quiet: send only what `play` and `press` queue, and no packets of silence.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.packets: list[Packet] = []
        self.keys = ""
        self.remote: tuple[str, int] | None = None
        self.quiet = quiet
        self._last_event: int | None = None
        self._media_arrived = asyncio.Event()
        self._sound: deque[bytes] = deque()
        self._dtmf_events: deque[DtmfEvent] = deque()
        self._sequence = secrets.randbelow(1 << 15)
        self._timestamp = secrets.randbelow(1 << 30)
        self._source = secrets.randbits(32)
        self._transport: asyncio.DatagramTransport | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._next = 0.0

    @classmethod
    async def open(cls, host: str, *, quiet: bool = False) -> "RtpStream":
        """Open a stream on a free port of `host` and start its clock."""
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_datagram_endpoint(
            lambda: cls(quiet=quiet), local_addr=(host, 0)
        )
        stream.start()
        return stream

    def start(self) -> None:
        """Start the clock; `open` calls it."""
        self._next = asyncio.get_running_loop().time()
        self._tick()

    @property
    def port(self) -> int:
        """Local UDP port."""
        if self._transport is None:
            raise CallEndedError("stream_closed", "the stream is closed")
        return int(self._transport.get_extra_info("sockname")[1])

    def play(self, samples: "array[int]") -> None:
        """Queue samples (16 bit, 8 kHz) to be sent."""
        coded = mulaw_encode(samples)
        self._sound.extend(coded[start : start + FRAME] for start in range(0, len(coded), FRAME))

    async def press(self, keys: str, *, duration: float = 0.1, gap: float = 0.1) -> None:
        """Press keys one after another; return after the last gap.

        Args:
            keys: characters of `KEYS`.
            duration: seconds that each key is held.
            gap: seconds of silence after each key.

        Raises:
            CallEndedError: the call ended before the last key was sent.
            ValueError: not a key.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None:
            raise CallEndedError("call_over", "cannot press a key: the call is over")
        events = [
            DtmfEvent(KEYS.index(key), int(duration * RATE), int(gap * RATE), loop.create_future())
            for key in keys
        ]
        self._dtmf_events.extend(events)
        try:
            for event in events:
                await event.done
        finally:  # if cancelled, the remaining keys are not pressed
            for event in events:
                if event in self._dtmf_events:
                    self._dtmf_events.remove(event)

    async def wait_for_media(self) -> None:
        """Wait for the next packet of sound, or key, from the other side.

        Raises:
            CallEndedError: the call is over.
        """
        if self._transport is None:
            raise CallEndedError("call_over", "cannot receive sound: the call is over")
        self._media_arrived.clear()
        await self._media_arrived.wait()

    def heard(self) -> "array[int]":
        """Return the received samples, with silence where no packet arrived.

        Packets are placed by arrival time, to 20 ms. Packets with consecutive timestamps follow
        each other exactly. (Asterisk's timestamps jump between two recordings.)
        """
        samples = array("h")
        after: int | None = None
        for packet in self.packets:
            frames = round((packet.at - self.packets[0].at) * RATE / FRAME)
            if packet.timestamp != after:
                samples.extend([0] * max(0, frames * FRAME - len(samples)))
            samples.extend(mulaw_decode(packet.payload))
            after = (packet.timestamp + len(packet.payload)) & 0xFFFFFFFF
        return samples

    def close(self) -> None:
        """Stop the clock and close the socket; unsent keys raise `CallEndedError`."""
        if self._clock is not None:
            self._clock.cancel()
        if self._transport is not None:
            self._transport.close()
            self._transport = None
        self._media_arrived.set()
        while self._dtmf_events:
            done = self._dtmf_events.popleft().done
            if not done.done():
                done.set_exception(
                    CallEndedError("call_over", "the call ended while a key was pressed")
                )
                done.exception()  # no "never retrieved" warning

    # ---- asyncio.DatagramProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport."""
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        """Store sound and keys; drop anything else."""
        del addr
        if len(data) < _HEADER.size:
            return
        _, kind, sequence, timestamp, _ = _HEADER.unpack_from(data)
        kind &= 0x7F
        if kind == _PCMU:
            now = asyncio.get_running_loop().time()
            self.packets.append(Packet(now, sequence, timestamp, data[_HEADER.size :]))
            self._media_arrived.set()
        elif kind == _EVENT and len(data) >= _HEADER.size + _PAYLOAD.size:
            event, flags, _ = _PAYLOAD.unpack_from(data, _HEADER.size)
            # The end of an event is sent three times with one timestamp (RFC 4733 section 2.5.1.4).
            if flags & _END and timestamp != self._last_event and event < len(KEYS):
                self._last_event = timestamp
                self.keys += KEYS[event]
                self._media_arrived.set()

    # ---- the clock

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        if self.remote is not None:
            if self._dtmf_events:
                self._send_key(self._dtmf_events[0])
            elif self._sound or not self.quiet:
                sound = self._sound.popleft() if self._sound else b""
                self._send(_PCMU, sound.ljust(FRAME, bytes((MULAW_SILENCE,))))
            self._timestamp = (self._timestamp + FRAME) & 0xFFFFFFFF
        self._next += FRAME / RATE
        if loop.time() - self._next > _MAX_LAG:
            self._next = loop.time()
        self._clock = loop.call_at(self._next, self._tick)

    def _send_key(self, dtmf: DtmfEvent) -> None:
        """Send the next 20 ms of a key, or of the gap after it."""
        if dtmf.sent == 0:
            dtmf.start = self._timestamp
        first, dtmf.sent = dtmf.sent == 0, dtmf.sent + FRAME
        if dtmf.sent <= dtmf.duration or first:
            last = dtmf.sent + FRAME > dtmf.duration
            payload = _PAYLOAD.pack(dtmf.event, _VOLUME | (_END if last else 0), dtmf.sent)
            for _ in range(3 if last else 1):
                self._send(_EVENT | (0x80 if first else 0), payload, dtmf.start)
        elif not self.quiet:
            self._send(_PCMU, bytes((MULAW_SILENCE,)) * FRAME)
        if dtmf.sent >= dtmf.duration + dtmf.gap:
            self._dtmf_events.popleft()
            if not dtmf.done.done():
                dtmf.done.set_result(None)

    def _send(self, kind: int, payload: bytes, timestamp: int | None = None) -> None:
        if self._transport is None or self.remote is None:
            return
        moment = self._timestamp if timestamp is None else timestamp
        header = _HEADER.pack(0x80, kind, self._sequence, moment, self._source)
        self._transport.sendto(header + payload, self.remote)
        self._sequence = (self._sequence + 1) & 0xFFFF
