"""The caller's audio on descriptor 3 of a classic AGI program started by EAGI().

Asterisk writes what the caller says to a pipe, descriptor 3 of the program (`launch_script`), while
a command waits or none runs (`run_agi`). FastAGI has no such channel.
"""

import asyncio
import os
from contextlib import suppress

FRAME_BYTES = 320
"""20 ms of the usual format: 8,000 samples a second, 16 bit, little-endian, one channel."""

_PIPE_BYTES = 65_536


class AudioStream:
    """Raw sound, in the order in which it comes; read by one task.

        async for sound in channel.audio: ...

    The format is signed linear at 8 kHz, or what the dialplan set in EAGI_AUDIO_FORMAT. The pipe
    holds about four seconds; what comes while it is full is lost, because Asterisk does not wait.
    It also holds what came while a command ran: `discard` it before you listen for an answer.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._ready: asyncio.Future[None] | None = None
        self._closed = False
        os.set_blocking(descriptor, False)

    async def read(self, size: int = FRAME_BYTES) -> bytes:
        """Return up to `size` bytes as soon as there are some; none at the end of the call.

        Raises:
            RuntimeError: another task is reading.
        """
        while not self._closed:
            try:
                return os.read(self._descriptor, size)
            except BlockingIOError:
                await self._readable()
        return b""

    def discard(self) -> None:
        """Drop what the caller has said so far: after a prompt the pipe is full of what came in it.

        Raises:
            RuntimeError: another task is reading.
        """
        if self._ready is not None:
            raise RuntimeError("another task reads the sound")
        with suppress(BlockingIOError):
            while not self._closed and os.read(self._descriptor, _PIPE_BYTES):
                pass

    def __aiter__(self) -> "AudioStream":
        return self

    async def __anext__(self) -> bytes:
        sound = await self.read()
        if not sound:
            raise StopAsyncIteration
        return sound

    def close(self) -> None:
        """End the stream; a pending `read` returns nothing. The descriptor stays open."""
        self._closed = True
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    async def _readable(self) -> None:
        if self._ready is not None:
            raise RuntimeError("another task reads the sound")
        loop = asyncio.get_running_loop()
        ready = self._ready = loop.create_future()
        loop.add_reader(self._descriptor, _wake, ready)
        try:
            await ready
        finally:
            loop.remove_reader(self._descriptor)
            self._ready = None


def _wake(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)
