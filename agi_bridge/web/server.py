"""The listener of the web, inside the service's own event loop."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final, Self

import structlog
import uvicorn

from agi_bridge.web.app import build

if TYPE_CHECKING:
    from types import TracebackType

    from starlette.types import ASGIApp

    from agi_bridge.settings import Settings
    from agi_bridge.web.app import Revocations
    from agi_bridge.web.media import Media

MAX_CONNECTIONS: Final = 256
"""One more is refused with 503."""

IDLE_SECONDS: Final = 5
"""How long a connection is kept open for a next request."""

DRAIN_SECONDS: Final = 5
"""How long requests in progress may take to end when the web is closed."""

_MAX_HEADER_BYTES: Final = 16 * 1024


class Web:
    """Takes revocations if a token is set and serves recordings while its `async with` block runs.

    Args:
        settings: `[web]` and the lines.
        ledger: keeps what comes in.
        media: the recordings that a PBX fetches; None: it sees their files.
    """

    def __init__(self, settings: Settings, ledger: Revocations, media: Media | None = None) -> None:
        self._settings = settings
        self._ledger = ledger
        self._media = media
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
        listener = _listener(web.host, web.port)
        self._port = listener.getsockname()[1]
        self._server = _Server(build(self._settings, self._ledger, self._media))
        self._serving = asyncio.create_task(self._server.serve([listener]), name="web")
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


class _Server(uvicorn.Server):
    """uvicorn without a hand on the process: no signals, no logs of its own, no exit."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=IDLE_SECONDS,
                timeout_graceful_shutdown=DRAIN_SECONDS,
                h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
            )
        )

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # uvicorn's is a generator function, decorated
        """Leave signals to the service."""
        return nullcontext()


def _listener(host: str, port: int) -> socket.socket:
    """A socket that listens already: who connects before uvicorn is ready waits for it."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"web: {host} port {port}: {error.strerror}") from None
    return listener
