"""Serves the opt-in page of a line, for the public link that carriers ask for.

One page, GET and HEAD, no parameters: it is rendered once, and nothing of a request is used. A
reverse proxy adds TLS.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse
from starlette.routing import Route

from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.http_server import HttpListener
from agi_bridge.net import bind_in_thread

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

MAX_CONNECTIONS: Final = 64
"""Connections at once; a page takes one for a moment."""

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; media-src data:; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
"""Of every answer: the page loads nothing and runs nothing, whatever stands in it."""


def build_optin_app(html: str) -> Starlette:
    """The application: the page at `/`, and nothing else."""

    async def answer(_: Request) -> Response:
        return HTMLResponse(html, headers=HEADERS)

    async def refuse(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = error.headers if isinstance(error, HTTPException) else None
        return PlainTextResponse("", status, {**(headers or {}), **HEADERS})

    return Starlette(
        routes=[Route("/", answer, methods=["GET"])], exception_handlers={HTTPException: refuse}
    )


async def serve_page(
    html: str, bind: Callable[[], Sequence[socket.socket]], ready: Callable[[int], None]
) -> None:
    """Serve a page until cancelled; `ready` is told the port.

    Raises:
        OSError: the address cannot be listened on.
    """
    listener = HttpListener(
        build_optin_app(html),
        await bind_in_thread(lambda: list(bind())),
        name="optin_page",
        max_connections=MAX_CONNECTIONS,
        crowded=RateLimitedEvent("optin_page.too_many_connections"),
        not_http=RateLimitedEvent("optin_page.not_http"),
    )
    async with listener:
        ready(listener.port)
        await asyncio.Event().wait()
