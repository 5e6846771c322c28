"""The status listener: `/healthz`, `/readyz` and `/metrics` over plain HTTP.

It never keeps callers waiting: a port that is taken is one error in the log, is tried again every
minute, and calls are taken meanwhile. Nothing that it shows names a caller.
"""

from __future__ import annotations

import asyncio
import hmac
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import structlog
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.http_server import HttpListener
from agi_bridge.net import bind, bind_in_thread
from agi_bridge.status.exposition import CONTENT_TYPE

if TYPE_CHECKING:
    from starlette.requests import Request

    from agi_bridge.settings import StatusSettings
    from agi_bridge.status.status import Status

MAX_CONNECTIONS: Final = 32
"""Connections at once: a few Prometheus servers, balancers and administrators."""

RETRY_SECONDS: Final = 60.0
"""How long a port that is taken is left alone."""

_CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="agi-bridge metrics"'}
_NO_STORE: Final = {"Cache-Control": "no-store"}


def build_app(status: Status, token: str | None) -> Starlette:
    """Make the application. `token` is what `/metrics` asks for, if anything."""

    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n", headers=_NO_STORE)

    async def readyz(_request: Request) -> Response:
        judged = status.readiness()
        body = {"status": judged.level.value, "checks": dict(judged.checks)}
        return JSONResponse(body, 200 if judged.is_ready else 503, headers=_NO_STORE)

    async def metrics(request: Request) -> Response:
        if token is not None and not _authorised(request, token):
            return PlainTextResponse("a bearer token is required\n", 401, headers=_CHALLENGE)
        return Response(status.metrics_text(), media_type=CONTENT_TYPE, headers=_NO_STORE)

    routes = [Route(f"/{each.__name__}", each) for each in (healthz, readyz, metrics)]
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return app


def _authorised(request: Request, token: str) -> bool:
    """Whether a request carries the bearer token (RFC 6750, section 2.1)."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode("utf-8", "surrogateescape"), token.encode()
    )


class StatusServer:
    """Shows a status while `run` runs.

    Args:
        settings: `[status]`.
        status: what is shown.
    """

    def __init__(self, settings: StatusSettings, status: Status) -> None:
        self._settings = settings
        self._status = status
        self._refused = ""
        self.port: int | None = None
        """The port listened on; None while it does not listen."""
        self.listening = asyncio.Event()
        """Set while it listens."""

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            async with AsyncExitStack() as stack:
                if await self._listen(stack):
                    await asyncio.Event().wait()
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, stack: AsyncExitStack) -> bool:
        settings = self._settings
        log = structlog.get_logger()
        try:
            sockets = await bind_in_thread(lambda: bind(settings.host, settings.port, "status"))
            listener = HttpListener(
                build_app(self._status, settings.secret()),
                sockets,
                name="status",
                max_connections=MAX_CONNECTIONS,
                crowded=RateLimitedEvent("status.too_many_connections"),
                not_http=RateLimitedEvent("status.not_http"),
            )
            await stack.enter_async_context(listener)
        except OSError as error:
            if self._refused != str(error):  # once, not every minute
                self._refused = str(error)
                log.error(  # noqa: TRY400 - a traceback would say nothing more
                    "status.not_listening", reason=str(error), retry_after=RETRY_SECONDS
                )
            return False
        self.port = listener.port
        self.listening.set()
        stack.callback(self._closed)
        log.info("status.listening", host=settings.host, port=self.port)
        return True

    def _closed(self) -> None:
        self.port = None
        self.listening.clear()
