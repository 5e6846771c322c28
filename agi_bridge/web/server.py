"""The HTTP listener of the web, in the service's event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self

import structlog

from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.http_server import HttpListener
from agi_bridge.net import bind, bind_in_thread
from agi_bridge.web.app import build_app
from agi_bridge.web.queries import QueryRates, always_open

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from types import TracebackType

    from starlette.applications import Starlette
    from starlette.types import Receive, Scope, Send

    from agi_bridge.observe import Metrics
    from agi_bridge.settings import Settings
    from agi_bridge.web.app import RevocationStore
    from agi_bridge.web.lookups import StopLookups
    from agi_bridge.web.media import RecordingEndpoint
    from agi_bridge.web.queries import Hours

MAX_CONNECTIONS: Final = 256
"""Maximum of concurrent connections. Not a setting; `app.descriptors` counts with it."""


class WebServer:
    """Takes revocations if a token is set, and serves recordings, during its `async with` block.

    Args:
        settings: `[web]` and the lines.
        ledger: stores revocations and messages.
        media: the recordings that a PBX fetches; None if it reads the files.
        sockets: bound sockets to use instead of `[web]`'s host and port.
        max_connections: the maximum of concurrent connections.
        metrics: counts requests and revocations.
        hours: whether a number may be texted at a moment, by a line's hours.
        lookups: finds out whose a STOP is that was stored without a number; it runs as a task of
            its own.
    """

    def __init__(
        self,
        settings: Settings,
        ledger: RevocationStore,
        media: RecordingEndpoint | None = None,
        *,
        sockets: Sequence[socket.socket] | None = None,
        max_connections: int = MAX_CONNECTIONS,
        metrics: Metrics | None = None,
        hours: Hours = always_open,
        lookups: StopLookups | None = None,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._media = media
        self._sockets = sockets
        self._max_connections = max_connections
        self._metrics = metrics
        self._hours = hours
        self.lookups = lookups
        self._rates = QueryRates()
        self._app: Starlette | None = None
        self._listener: HttpListener | None = None

    def use(self, settings: Settings) -> None:
        """Use other settings for requests that begin from now on; the listener stays."""
        self._settings = settings
        if self._listener is None or self._app is None:
            return
        before, self._app = self._app, self._build()
        before.state.failed_tokens.close()

    def _build(self) -> Starlette:
        return build_app(
            self._settings,
            self._ledger,
            self._media,
            self._metrics,
            self._hours,
            rates=self._rates,
            on_message=None if self.lookups is None else self.lookups.notify,
        )

    @property
    def port(self) -> int | None:
        """The port it listens on; None if it does not listen."""
        return None if self._listener is None else self._listener.port

    async def __aenter__(self) -> Self:
        """Start to listen.

        Raises:
            OSError: the address cannot be listened on.
        """
        web = self._settings.web
        if not web.enabled and self._media is None:
            return self
        sockets = (
            await bind_in_thread(lambda: bind(web.host, web.port, "web"))
            if self._sockets is None
            else self._sockets
        )
        self._app = self._build()

        async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
            """Pass a request to the current application, which a reload replaces."""
            assert self._app is not None  # noqa: S101 - for the type checker: it was set above
            await self._app(scope, receive, send)

        listener = HttpListener(
            dispatch,
            sockets,
            name="web",
            max_connections=self._max_connections,
            crowded=RateLimitedEvent("web.too_many_connections"),
            not_http=RateLimitedEvent("web.not_http"),
        )
        await listener.__aenter__()
        self._listener = listener
        structlog.get_logger().info(
            "web.started",
            host=web.host,
            port=listener.port,
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
        """Accept no more requests, and wait a while for those in progress. Cancelled: stop now."""
        listener, self._listener = self._listener, None
        if listener is None or self._app is None:
            return
        try:
            await listener.__aexit__(exc_type, exc, traceback)
        finally:
            self._app.state.failed_tokens.close()
