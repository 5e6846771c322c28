"""The console's listener: plain HTTP in an event loop of its own, apart from the calls'.

It never keeps callers waiting: a port that is taken is one error in the log, and is tried again
every minute.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.console.app import Console
from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.http_server import HttpListener
from agi_bridge.net import bind, bind_in_thread

if TYPE_CHECKING:
    from agi_bridge.console.passwords import PasswordCheck
    from agi_bridge.console.service import Service

MAX_CONNECTIONS: Final = 512
"""Connections at once: some hundred open pages, of which each keeps one."""

RETRY_SECONDS: Final = 60.0
"""How long a port that is taken is left alone."""


class ConsoleServer:
    """Shows the console while `run` runs. Belongs to one event loop, which need not be the calls'.

    Args:
        service: what is shown.
        check: checks the passwords; None: as a console does.
    """

    def __init__(self, service: Service, check: PasswordCheck | None = None) -> None:
        self._service = service
        self._check = check
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
        given = self._service.settings.console
        try:
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
        except OSError as error:
            if self._refused != str(error):  # once, not every minute
                self._refused = str(error)
                structlog.get_logger().error(
                    "console.not_listening", reason=str(error), retry_after=RETRY_SECONDS
                )
            return False
        stack.push_async_callback(console.close)  # before the listener, which waits for streams
        self.port = listener.port
        self.listening.set()
        stack.callback(self._closed)
        structlog.get_logger().info(
            "console.listening", host=given.host, port=self.port, sign_in=given.sign_in
        )
        return True

    def _closed(self) -> None:
        self.port = None
        self.listening.clear()
