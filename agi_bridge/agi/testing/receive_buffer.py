"""The bytes that the simulated PBX has received, read line by line (`fgets` in `run_agi`)."""

import asyncio
from collections.abc import Awaitable


class ReceiveBuffer:
    """Received bytes, and an event for every change: bytes, the end, or a wake-up."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._changed = asyncio.Event()
        self.closed: bool = False
        """Whether the server has closed its side; unread lines may remain."""

    def feed(self, data: bytes) -> None:
        """Append bytes from the server."""
        self._bytes += data
        self._changed.set()

    def end(self) -> None:
        """Note that the server has closed its side."""
        self.closed = True
        self._changed.set()

    def wake(self) -> None:
        """Wake the reader for another reason."""
        self._changed.set()

    @property
    def has_data(self) -> bool:
        """Whether there are unread bytes."""
        return bool(self._bytes)

    def read_line(self) -> str | None:
        """Remove and return the next line without its line feed; None if it is incomplete."""
        end = self._bytes.find(b"\n")
        if end < 0:
            return None
        line = self._bytes[:end].decode("utf-8", "surrogateescape")
        del self._bytes[: end + 1]
        return line

    def changed(self) -> Awaitable[bool]:
        """Return an awaitable for the next change after this call."""
        self._changed.clear()
        return self._changed.wait()
