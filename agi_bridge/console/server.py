"""The console's listener: plain HTTP in an event loop of its own, apart from the calls'."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.console.app import Console
from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.http_server import HttpListener
from agi_bridge.net import RETRY_SECONDS, RetriedListener, bind, bind_in_thread

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from agi_bridge.console.passwords import PasswordCheck
    from agi_bridge.console.service import Service

MAX_CONNECTIONS: Final = 512
"""Connections at once: some hundred open pages, of which each keeps one."""


class ConsoleServer(RetriedListener):
    """Shows the console while `run` runs, in any event loop: the service gives it one of its own.

    Args:
        service: what is shown.
        check: checks the passwords; None: as a console does.
    """

    def __init__(self, service: Service, check: PasswordCheck | None = None) -> None:
        super().__init__()
        self._service = service
        self._check = check

    async def _listen(self, stack: AsyncExitStack) -> int:
        given = self._service.settings.console
        sockets = await bind_in_thread(lambda: bind(given.host, given.port, "console"))
        console = Console(self._service, self._check)
        listener = HttpListener(
            console.app,
            sockets,
            name="console",
            max_connections=MAX_CONNECTIONS,
            crowded=RateLimitedEvent("console.too_many_connections"),
            not_http=RateLimitedEvent("console.not_http"),
        )
        await stack.enter_async_context(listener)
        stack.push_async_callback(console.close)  # before the listener, which waits for streams
        return listener.port

    def _log_listening(self, port: int) -> None:
        self._service.report_problem(None)
        given = self._service.settings.console
        structlog.get_logger().info(
            "console.listening", host=given.host, port=port, sign_in=given.sign_in
        )

    def _log_refused(self, reason: str) -> None:
        self._service.report_problem(reason)
        structlog.get_logger().error(
            "console.not_listening", reason=reason, retry_after=RETRY_SECONDS
        )
