"""One connection to the hook: it carries one request at a time and knows whether a byte left."""

from __future__ import annotations

import asyncio
import select
from typing import Final, cast

import httpx

from agi_bridge.hook.response import ResponseError, ResponseReader

_NEWS: Final = select.POLLIN | select.POLLRDHUP
"""A server's end is readable too; errors are always told."""


class NetworkError(httpx.TransportError):
    """What the network did; the text is the reason and nothing else.

    Attributes:
        reason: a stable word, see `transport`.
        status: of a response whose head could not be read to its end; else None.
    """

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class Connection(asyncio.Protocol):
    """An open connection, TLS included where the hook's address says so."""

    __slots__ = ("_error", "_reader", "_transport", "_waiter", "ends_at", "usable")

    def __init__(self) -> None:
        self.ends_at = 0.0
        """Until when it may wait for a request, by the loop's clock."""
        self.usable = False
        """Whether a request may be sent: open, and the server has neither closed nor spoken."""
        self._transport: asyncio.Transport | None = None
        self._reader: ResponseReader | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._error: NetworkError | None = None

    def send(self, request: bytes, reader: ResponseReader) -> None:
        """Write a whole request; the reader gets what comes back.

        From here on the request may have reached the server, whatever follows.
        """
        assert self._transport is not None  # noqa: S101 - `usable` was asked
        self.usable = False
        self._reader = reader
        self._transport.write(request)

    async def head(self) -> ResponseReader:
        """The reader, once it has the head of the final response.

        Raises:
            NetworkError: it will not have it.
        """
        reader = self._busy()
        while reader.status is None:
            await self._more()
        return reader

    async def body(self) -> bytes:
        """The whole body.

        Raises:
            NetworkError: it is too large, or does not come to its end.
        """
        reader = self._busy()
        while not reader.complete:
            await self._more()
        return reader.body

    @property
    def idle_seconds(self) -> float:
        """How long the server keeps the connection open after this response, as far as it says."""
        return self._busy().idle_seconds

    async def catch_up(self) -> bool:
        """Let the loop read what the kernel has of the server by now; return whether it is usable.

        Data that arrived on an idle connection may be the server's close, or a TLS session ticket,
        after which the connection is still good.
        """
        while self.usable and self._has_news():  # noqa: ASYNC110 - nothing announces that it was read
            await asyncio.sleep(0)
        return self.usable

    def _has_news(self) -> bool:
        assert self._transport is not None  # noqa: S101 - `usable` was asked
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket").fileno(), _NEWS)
        return bool(poll.poll(0))

    def release(self) -> bool:
        """The response has been dealt with; return whether another request may follow.

        If not, the connection is closed.
        """
        reader, self._reader = self._reader, None
        transport = self._transport
        done = reader is not None and reader.complete and reader.keepable and self._error is None
        if done and transport is not None and not transport.is_closing():
            self.usable = True
            return True
        self.close()
        return False

    def close(self) -> None:
        """Close at once: nothing is waited for, no farewell of TLS is exchanged."""
        self.usable = False
        if self._transport is not None:
            self._transport.abort()

    def _busy(self) -> ResponseReader:
        assert self._reader is not None  # noqa: S101 - a request was sent
        return self._reader

    async def _more(self) -> None:
        """Wait for news from the server."""
        if self._error is not None:
            raise self._error
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: ResponseError) -> None:
        if self._error is None:
            self._error = NetworkError(error.reason, error.status)
        self.close()
        self._wake()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is open."""
        self._transport = cast("asyncio.Transport", transport)
        self.usable = True

    def data_received(self, data: bytes) -> None:
        """Read on; what nobody asked for ends the connection."""
        reader = self._reader
        if reader is None:
            self.close()
            return
        if self._error is not None:
            return
        try:
            reader.feed(data)
        except ResponseError as error:
            self._fail(error)
        else:
            if reader.status is not None:
                self._wake()

    def eof_received(self) -> None:
        """The server sends no more, which may be how a body ends."""
        self.usable = False
        if self._reader is None or self._error is not None:
            return
        try:
            self._reader.end()
        except ResponseError as error:
            self._fail(error)
        else:
            self._wake()

    def connection_lost(self, _error: Exception | None) -> None:
        """The connection is closed."""
        self.usable = False
        if self._error is None:
            self._error = NetworkError("connection_lost")
        self._wake()
