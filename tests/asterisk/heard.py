"""Did the caller hear this recording? Told from the RTP that a test telephone kept.

`exact` looks for the recording's own G.711 bytes: bit for bit, on a path that loses nothing.
`heard` correlates, frame by frame: for sound that was mixed, converted or came with gaps.
"""

import asyncio
import wave
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agi_bridge.tools import g711
from agi_bridge.tools.sip_call import Call

_RATE = 8000
_FRAME = 400
"""Samples compared at a time: 50 ms."""

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


def exact(call: Call, path: Path) -> Heard:
    """Find the recording's own bytes in what was heard; the first 200 ms must be there."""
    # Asterisk codes four neighbouring samples alike, as the highest (main/ulaw.c, __ast_lin2mu).
    wanted = g711.encode(array("h", (sample | 3 for sample in recording(path))))
    got = b"".join(packet.payload for packet in call.media.packets)
    start = got.find(wanted[: _RATE // 5])
    if start < 0:
        return Heard(0.0, 0.0, 0.0)
    length = min(len(wanted), len(got) - start)
    a, b = (
        np.frombuffer(data, np.uint8) for data in (wanted[:length], got[start : start + length])
    )
    unlike = np.flatnonzero(a != b)
    same = int(unlike[0]) if len(unlike) else length
    return Heard(same * 1000 / _RATE, start * 1000 / _RATE, 1.0)


def heard(call: Call, what: "Path | array[int]") -> Heard:
    """Find a recording, or samples, in what was heard, by correlation."""
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
    async with asyncio.timeout(within):
        while (found := heard(call, what)).milliseconds < wanted:
            for _ in range(5):  # a tenth of a second: correlating is work
                await call.media.news()
    return found


async def keyed(call: Call, keys: str, *, within: float = 10.0) -> None:
    """Wait until the other side has pressed exactly these keys."""
    async with asyncio.timeout(within):
        while call.media.keys != keys:
            await call.media.news()


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
