"""The bytes a PBX has received, by lines (`fgets` in `run_agi`)."""

import asyncio
from collections.abc import Awaitable


class ReceiveBuffer:
    """Lines as they come, and the news that something has come."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._news = asyncio.Event()
        self.closed = False
        """The server has closed its side; lines may still be there."""

    def feed(self, data: bytes) -> None:
        """Take bytes from the server."""
        self._bytes += data
        self._news.set()

    def end(self) -> None:
        """Note that the server has closed."""
        self.closed = True
        self._news.set()

    def poke(self) -> None:
        """Wake whoever waits, as something else has happened."""
        self._news.set()

    @property
    def filled(self) -> bool:
        """Whether there are bytes that nobody has read."""
        return bool(self._bytes)

    def take(self) -> str | None:
        """Take the next line without its line feed; None if there is no whole one."""
        end = self._bytes.find(b"\n")
        if end < 0:
            return None
        line = self._bytes[:end].decode("utf-8", "surrogateescape")
        del self._bytes[: end + 1]
        return line

    def news(self) -> Awaitable[bool]:
        """Give something to await until anything comes, counted from this call on."""
        self._news.clear()
        return self._news.wait()
