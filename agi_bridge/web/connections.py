"""Connections to the web: so many at once, and none for longer than it needs.

uvicorn has no deadline before the first byte, none for headers, none for a client that does not
read, and it answers 503 to everybody once too many are connected. Here whoever sends nothing is
the first to go, and every step has its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.net import PendingConnections

if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from uvicorn import Config

MAX_CONNECTIONS: Final = 256
"""Connections at once. Not a setting; `app.descriptors` counts file descriptors by it."""

HEAD_SECONDS: Final = 5.0
"""For the first byte and all headers, and between two requests: bytes in between do not count."""

EXCHANGE_SECONDS: Final = 30.0
"""From a request's headers to the last byte of the answer that the client takes. A body may take
ten of them, the ledger five."""

_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Retry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class ConnectionLimiter(ServerState):
    """What uvicorn's connections share, and which of them wait for a request.

    Args:
        places: connections at once.
    """

    def __init__(self, places: int) -> None:
        super().__init__()
        self._places = places
        self._waiting: PendingConnections[Connection] = PendingConnections()
        self._served: set[Connection] = set()
        self._crowded = RateLimitedEvent("web.too_many_connections")
        self.not_http = RateLimitedEvent("web.not_http")

    def entered(self, one: Connection) -> None:
        """Let a new connection in; if there is no place, the one that has waited longest goes."""
        self.waits(one)
        # Not uvicorn's count, which still has those that have just been sent away.
        count = len(self._waiting) + len(self._served)
        if count <= self._places:
            return
        out = self._waiting.evict()
        self._crowded.log(peer=out.source, connections=count)
        if out is one:  # all others are being served
            one.transport.write(_FULL)
            one.transport.close()
        else:
            out.transport.abort()

    def waits(self, one: Connection) -> None:
        """Note that a connection waits for a request."""
        self._served.discard(one)
        self._waiting.add(one, one.source)

    def serves(self, one: Connection) -> None:
        """Note that a request of this connection is being served."""
        self._waiting.discard(one)
        self._served.add(one)

    def left(self, one: Connection) -> None:
        """Forget a connection."""
        self._waiting.discard(one)
        self._served.discard(one)

    def close(self) -> None:
        """Say what was counted."""
        self._crowded.close()
        self.not_http.close()


class Connection(H11Protocol):
    """uvicorn's connection, with deadlines."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(server_state, ConnectionLimiter)  # noqa: S101 - for the type checker: `WebServer` gives it
        self._limiter = server_state
        self._deadline: asyncio.TimerHandle | None = None
        self.source = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.source = self.client[0] if self.client else ""
        self._within(HEAD_SECONDS)
        self._limiter.entered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._limiter.left(self)
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Read what has come; a request may begin."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._limiter.serves(self)
            self._within(EXCHANGE_SECONDS)

    def on_response_complete(self) -> None:
        """Wait for the next request, whether or not the rest of this one's body ever comes."""
        if not self.transport.is_closing():
            self._within(HEAD_SECONDS)
            self._limiter.waits(self)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, and count it."""
        self._limiter.not_http.log(peer=self.source)
        super().send_400_response(msg)

    def _within(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)
