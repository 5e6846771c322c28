"""The status listener: plain HTTP, apart from the web.

The HTTP server is loaded in a thread, once calls are taken.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.net import RETRY_SECONDS, RetriedListener, bind, bind_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AsyncExitStack
    from socket import socket

    from agi_bridge.http_server import HttpListener
    from agi_bridge.settings import StatusSettings
    from agi_bridge.status.status import Status

MAX_CONNECTIONS: Final = 32
"""Connections at once: a few Prometheus servers, balancers and administrators."""


class StatusServer(RetriedListener):
    """Shows a status while `run` runs.

    Args:
        settings: `[status]`.
        status: what is shown.
    """

    def __init__(self, settings: StatusSettings, status: Status) -> None:
        super().__init__()
        self._settings = settings
        self._status = status

    async def _listen(self, stack: AsyncExitStack) -> int:
        settings = self._settings
        make_listener = await asyncio.to_thread(_load_http_server)
        sockets = await bind_in_thread(lambda: bind(settings.host, settings.port, "status"))
        listener = make_listener(self._status, settings.secret(), sockets)
        await stack.enter_async_context(listener)
        return listener.port

    def _log_listening(self, port: int) -> None:
        structlog.get_logger().info("status.listening", host=self._settings.host, port=port)

    def _log_refused(self, reason: str) -> None:
        structlog.get_logger().error(
            "status.not_listening", reason=reason, retry_after=RETRY_SECONDS
        )


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
