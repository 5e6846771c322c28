"""The listener of the web, inside the service's own event loop."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Self

import structlog
import uvicorn

from agi_bridge.net import bind
from agi_bridge.web.app import build_app
from agi_bridge.web.connections import MAX_CONNECTIONS, Connection, ConnectionLimiter

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from types import TracebackType

    from starlette.applications import Starlette

    from agi_bridge.settings import Settings
    from agi_bridge.web.app import RevocationStore
    from agi_bridge.web.media import RecordingEndpoint

IDLE_SECONDS: Final = 5
"""How long a connection is kept open for a next request."""

DRAIN_SECONDS: Final = 5
"""How long requests in progress may take to end when the web is closed."""

_BACKLOG: Final = 128
"""Connections that the kernel may hold for us."""


class WebServer:
    """Takes revocations if a token is set and serves recordings while its `async with` block runs.

    Args:
        settings: `[web]` and the lines.
        ledger: keeps what comes in.
        media: the recordings that a PBX fetches; None: it sees their files.
        sockets: bound already, instead of `[web]`'s host and port.
        max_connections: how many there may be at once.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: RevocationStore,
        media: RecordingEndpoint | None = None,
        *,
        sockets: Sequence[socket.socket] | None = None,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._media = media
        self._sockets = sockets
        self._max_connections = max_connections
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None
        self._port: int | None = None

    @property
    def port(self) -> int | None:
        """The port listened on; None while it does not listen."""
        return self._port

    async def __aenter__(self) -> Self:
        """Begin to listen.

        Raises:
            OSError: the address cannot be listened on.
        """
        web = self._settings.web
        if not web.enabled and self._media is None:
            return self
        sockets = list(
            await asyncio.to_thread(bind, web.host, web.port, "web")
            if self._sockets is None
            else self._sockets
        )
        try:
            for each in sockets:
                each.listen(_BACKLOG)  # who connects before uvicorn is ready waits for it
        except OSError:
            for each in sockets:
                each.close()
            raise
        self._port = sockets[0].getsockname()[1]
        self._server = _Server(
            build_app(self._settings, self._ledger, self._media), self._max_connections
        )
        self._serving = asyncio.create_task(self._server.serve(sockets), name="web")
        structlog.get_logger().info(
            "web: listening",
            host=web.host,
            port=self._port,
            revocations=web.enabled,
            recordings=self._media is not None,
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take no more requests; let those in progress end, for a while. Cancelled: at once."""
        server, serving = self._server, self._serving
        self._server = self._serving = self._port = None
        if server is None or serving is None:
            return
        server.should_exit = True
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.force_exit = True
            await asyncio.wait({serving})
            raise
        finally:
            server.say_what_was_counted()


class _Server(uvicorn.Server):
    """uvicorn without a hand on the process: no signals, no logs of its own, no exit."""

    def __init__(self, app: Starlette, max_connections: int) -> None:
        super().__init__(
            uvicorn.Config(
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
        self._app = app
        self._limiter = ConnectionLimiter(max_connections)
        self.server_state = self._limiter

    def say_what_was_counted(self) -> None:
        """Have the log told of refusals that it has not been told of."""
        self._limiter.close()
        self._app.state.failed_tokens.close()

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # uvicorn's is a generator function, decorated
        """Leave signals to the service."""
        return nullcontext()
