"""The status listener: plain HTTP, apart from the web.

It never keeps callers waiting: a port that is taken is one error in the log, is tried again every
minute, and calls are taken meanwhile. The HTTP server is loaded in a thread, once calls are taken.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.net import bind, bind_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from agi_bridge.http_server import HttpListener
    from agi_bridge.settings import StatusSettings
    from agi_bridge.status.status import Status

MAX_CONNECTIONS: Final = 32
"""Connections at once: a few Prometheus servers, balancers and administrators."""

RETRY_SECONDS: Final = 60.0
"""How long a port that is taken is left alone."""


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
            make_listener = await asyncio.to_thread(_load_http_server)
            sockets = await bind_in_thread(lambda: bind(settings.host, settings.port, "status"))
            listener = make_listener(self._status, settings.secret(), sockets)
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


def _load_http_server() -> Callable[[Status, str | None, list[socket]], HttpListener]:
    """Return what makes the listener. Blocks: loading it would be a twentieth of the start."""
    from agi_bridge.http_server import HttpListener  # noqa: PLC0415 - the reason stands above
    from agi_bridge.status.pages import build_app  # noqa: PLC0415 - the reason stands above

    def make_listener(status: Status, token: str | None, sockets: list[socket]) -> HttpListener:
        return HttpListener(
            build_app(status, token),
            sockets,
            name="status",
            max_connections=MAX_CONNECTIONS,
            crowded=RateLimitedEvent("status.too_many_connections"),
            not_http=RateLimitedEvent("status.not_http"),
        )

    return make_listener
