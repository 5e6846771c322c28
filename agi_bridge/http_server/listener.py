"""Serves an ASGI application on sockets that are already bound."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Self

from uvicorn.config import Config
from uvicorn.server import Server

from agi_bridge.http_server.connections import Connection, ConnectionLimiter

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from types import TracebackType

    from starlette.types import ASGIApp

    from agi_bridge.diagnostics import RateLimitedEvent

IDLE_SECONDS: Final = 5
"""How long a connection is kept open for a next request."""

DRAIN_SECONDS: Final = 5
"""How long requests in progress may take to end when the listener is closed."""

_BACKLOG: Final = 128
"""Connections that the kernel may hold for us."""


class HttpListener:
    """Serves an application while its `async with` block runs.

    Args:
        app: what answers; it must not raise.
        sockets: bound, not listening; they are closed at the end.
        name: the task's name.
        max_connections: how many there may be at once.
        crowded: logged when a connection is closed to make room.
        not_http: logged when a connection sends something else than HTTP.
    """

    def __init__(
        self,
        app: ASGIApp,
        sockets: Sequence[socket.socket],
        *,
        name: str,
        max_connections: int,
        crowded: RateLimitedEvent,
        not_http: RateLimitedEvent,
    ) -> None:
        self._sockets = list(sockets)
        self._name = name
        self._limiter = ConnectionLimiter(max_connections, crowded, not_http)
        self._server = _Server(app, self._limiter)
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        port: int = self._sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            OSError: the sockets cannot be listened on; they are closed.
        """
        try:
            for each in self._sockets:
                each.listen(_BACKLOG)  # who connects before uvicorn is ready waits for it
        except OSError:
            for each in self._sockets:
                each.close()
            raise
        self._serving = asyncio.create_task(self._server.serve(self._sockets), name=self._name)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take no more requests; let those in progress end, for a while. Cancelled: at once."""
        serving, self._serving = self._serving, None
        if serving is None:
            return
        self._server.should_exit = True
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self._server.force_exit = True
            await asyncio.wait({serving})
            raise
        finally:
            self._limiter.close()
            for each in self._sockets:
                each.close()  # the server does, unless it ended before it began


class _Server(Server):
    """uvicorn without control of the process: no signals, no log lines, no exit."""

    def __init__(self, app: ASGIApp, limiter: ConnectionLimiter) -> None:
        super().__init__(
            Config(
                app,
                http=Connection,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="error",  # its warnings are one for each request that is not HTTP
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                backlog=_BACKLOG,
            )
        )
        self.server_state = limiter

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # uvicorn types the undecorated generator
        """Leave signals to the service."""
        return nullcontext()
