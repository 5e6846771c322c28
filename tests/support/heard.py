"""Did the caller hear this recording? Told from the RTP that a test telephone kept.

`exact` looks for the recording's own G.711 bytes: bit for bit, on a path that loses nothing.
`heard` correlates, frame by frame: for sound that was mixed, converted or came with gaps.
`share_heard` does so with each part by itself: for what a browser's jitter buffer gave out.
"""

import asyncio
import wave
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agi_bridge.lab.errors import CallEndedError
from agi_bridge.lab.sip import mulaw_encode
from agi_bridge.lab.sip.call import Call

_RATE = 8000
_FRAME = 400
"""Samples compared at a time: 50 ms."""

_SILENT = bytes((0xFF, 0x7F, 0xFE, 0x7E))
"""Codes of silence and of the noise around it."""

_ALIKE = 0.85
"""Least correlation of a frame that counts as heard."""

_SOUND = 1e6
"""Least energy of a frame that is worth comparing; quieter ones are pauses."""

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard of a recording.

    Attributes:
        milliseconds: of it, from its beginning, without a break; 0 when it was not heard.
        at: milliseconds from the first packet of sound to its beginning.
        likeness: mean correlation of what was heard, 1.0 for the same sound.
    """

    milliseconds: float
    at: float
    likeness: float


def recording(path: Path) -> "array[int]":
    """Return the samples of a WAV file as a PBX wants it: 16 bit, mono, 8 kHz."""
    with wave.open(str(path), "rb") as file:
        shape = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        assert shape == (1, 2, _RATE), f"{path.name}: {shape}"
        samples = array("h")
        samples.frombytes(file.readframes(file.getnframes()))
    return samples


def milliseconds(path: Path) -> float:
    """Return how long a recording is."""
    return len(recording(path)) * 1000 / _RATE


def exact(call: Call, what: "Path | array[int]") -> Heard:
    """Find the recording's own bytes in what was heard; 200 ms of its sound must be there."""
    wanted = _coded(what, what.stat().st_mtime_ns) if isinstance(what, Path) else mulaw_encode(what)
    got = b"".join(packet.payload for packet in call.media.packets)
    # Silence is everywhere: look for the first sound, and begin to count before it.
    lead = len(wanted) - len(wanted.lstrip(_SILENT))
    anchor = wanted[lead : lead + _RATE // 5]
    best = Heard(0.0, 0.0, 0.0)
    found = got.find(anchor) if anchor else -1
    while found >= 0:
        start = max(0, found - lead)
        same = _run(wanted[lead:], got[found:]) + found - start
        if same * 1000 / _RATE > best.milliseconds:
            best = Heard(same * 1000 / _RATE, start * 1000 / _RATE, 1.0)
        found = got.find(anchor, found + 1)
    return best


@lru_cache(maxsize=200)
def _coded(path: Path, changed: int) -> bytes:
    """Return a recording as Asterisk sends it; `changed` makes a rewritten file another one."""
    del changed
    # Asterisk codes four neighbouring samples alike, as the highest (main/ulaw.c, __ast_lin2mu).
    return mulaw_encode(array("h", (sample | 3 for sample in recording(path))))


def _run(wanted: bytes, got: bytes) -> int:
    """Return for how many bytes both are the same."""
    length = min(len(wanted), len(got))
    a, b = (np.frombuffer(data[:length], np.uint8) for data in (wanted, got))
    unlike = np.flatnonzero(a != b)
    return int(unlike[0]) if len(unlike) else length


def heard(call: Call, what: "Path | array[int]") -> Heard:
    """Find a recording, or samples, in what was heard, by correlation. Costly in a long call."""
    got = np.array(call.heard(), np.float64)
    wanted = np.array(recording(what) if isinstance(what, Path) else what, np.float64)
    if len(got) < _RATE // 5:
        return Heard(0.0, 0.0, 0.0)
    start = _best_start(got, wanted[:_RATE])
    compared, alike = 0, []
    while compared + _FRAME <= min(len(wanted), len(got) - start):
        a = got[start + compared : start + compared + _FRAME]
        b = wanted[compared : compared + _FRAME]
        if b @ b > _SOUND:
            likeness = float((a @ b) / (np.sqrt((a @ a) * (b @ b)) + 1))
            if likeness < _ALIKE:
                break
            alike.append(likeness)
        compared += _FRAME
    if not alike:
        return Heard(0.0, 0.0, 0.0)
    return Heard(compared * 1000 / _RATE, start * 1000 / _RATE, float(np.mean(alike)))


def share_heard(samples: Sequence[float], what: Path) -> float:
    """Return how much of a recording's sound is in samples at 8 kHz, from 0.0 to 1.0.

    It is looked for 100 ms at a time, each at its place within 100 ms: for sound that has passed a
    jitter buffer, which stretches and shortens it.
    """
    got = np.array(samples, np.float64)
    wanted = np.array(recording(what), np.float64)
    places: list[int | None] = []
    for at in range(0, len(wanted) - 2 * _FRAME, 2 * _FRAME):
        window = wanted[at : at + 2 * _FRAME]
        if window @ window <= _SOUND:
            continue
        start = _best_start(got, window)
        there = got[start : start + len(window)]
        if len(there) < len(window):
            places.append(None)
            continue
        likeness = (there @ window) / (np.sqrt((there @ there) * (window @ window)) + 1)
        places.append(start - at if likeness >= _ALIKE else None)
    found = [place for place in places if place is not None]
    if not found:
        return 0.0
    middle = float(np.median(found))
    return sum(abs(place - middle) <= 2 * _FRAME for place in found) / len(places)


async def hears(
    call: Call, what: "Path | array[int]", least: float | None = None, *, within: float = 10.0
) -> Heard:
    """Wait until a call has heard so much of a recording, or of samples.

    Args:
        call: the call that listens.
        what: the recording.
        least: milliseconds from its beginning; nearly all of it when None.
        within: seconds to wait; TimeoutError after that.
    """
    length = len(recording(what) if isinstance(what, Path) else what) * 1000 / _RATE
    wanted = max(0.0, length - 2 * _FRAME * 1000 / _RATE) if least is None else least
    waits = 0
    async with asyncio.timeout(within):
        while (found := exact(call, what)).milliseconds < wanted:
            waits += 1
            if waits % 20 == 0 and (alike := heard(call, what)).milliseconds >= wanted:
                return alike
            try:
                for _ in range(5):  # a tenth of a second
                    await call.media.wait_for_media()
            except CallEndedError:  # the last of it may have come late, and not byte for byte
                if (alike := heard(call, what)).milliseconds >= wanted:
                    return alike
                raise
    return found


def beginning(path: Path) -> bytes:
    """Return the first 200 ms of a recording as Asterisk sends them (see `exact`)."""
    return _coded(path, path.stat().st_mtime_ns)[: _RATE // 5]


async def arrives(call: Call, sound: bytes) -> None:
    """Wait until exactly these bytes have come: cheap enough for fifty calls at once."""
    async with asyncio.timeout(60):
        while sound not in b"".join(packet.payload for packet in call.media.packets[-200:]):
            await call.media.wait_for_media()


async def keyed(call: Call, keys: str, *, within: float = 10.0) -> None:
    """Wait until the other side has pressed exactly these keys."""
    async with asyncio.timeout(within):
        while call.media.keys != keys:
            await call.media.wait_for_media()


def _best_start(got: Samples, lead: Samples) -> int:
    """Return where the first second of a recording fits best (normalised cross-correlation)."""
    size = 1 << (len(got) + len(lead)).bit_length()
    spectrum = np.fft.rfft(got, size) * np.conj(np.fft.rfft(lead, size))
    places = max(1, len(got) - len(lead) // 4)
    match = np.fft.irfft(spectrum, size)[:places]
    window = np.concatenate(([0.0], np.cumsum(got * got), np.full(len(lead), float(got @ got))))
    energy = np.sqrt((window[len(lead) :] - window[: -len(lead)])[:places] * (lead @ lead)) + 1
    energy = np.maximum(energy, 0.2 * energy.max())  # or silence would fit anything
    return int(np.argmax(match / energy))
