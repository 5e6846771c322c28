"""Serves the page of the telephone in the browser, on loopback only.

The page gets an account of the test PBX with its password. Other sites cannot read it: names other
than the loopback's are refused, which ends DNS rebinding, and nothing is shared across origins.
"""

from __future__ import annotations

import asyncio
import json
from importlib.resources import files
from mimetypes import guess_type
from typing import TYPE_CHECKING, Final, Self

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.http_server import HttpListener
from agi_bridge.lab.errors import AsteriskError
from agi_bridge.net import bind, bind_in_thread

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from importlib.resources.abc import Traversable
    from types import TracebackType
    from typing import Any

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from agi_bridge.lab.browser.call_feed import CallFeed

HOST: Final = "127.0.0.1"
MAX_CONNECTIONS: Final = 64
LOOK_SECONDS: Final = 0.25
"""Between two looks at the call."""
STREAM_SECONDS: Final = 20.0
"""After which a stream of events ends, and the browser asks again: the HTTP server ends an answer
after 30 seconds."""

_PAGE: Final = files("agi_bridge.lab.browser") / "page"
_PAGE_FILES: Final = {
    "/": "index.html",
    "/phone.js": "phone.js",
    "/call.js": "call.js",
    "/loopback.js": "loopback.js",
    "/style.css": "style.css",
}
_FOLLOWING: Final = files("agi_bridge.console") / "static" / "following.js"
"""How pages follow a stream, which the console's do as well."""
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self)",
    "Cache-Control": "no-store",
}


class PhonePage:
    """The page, during its `async with` block.

    Args:
        websocket: where the PBX takes SIP.
        account: the user name and the password there.
        destinations: numbers to call, each with its description.
        answers: what the fake hook answers to numbers with these last digits, each with its text.
        sip_js: the files of SIP.js, by their path in the package.
        feed: the calls.
        uniqueid_of: Asterisk's unique id of the call with a SIP Call-ID; None: it has none yet.
    """

    def __init__(
        self,
        *,
        websocket: str,
        account: tuple[str, str],
        destinations: Sequence[tuple[str, str]],
        answers: Mapping[str, str],
        sip_js: Mapping[str, bytes],
        feed: CallFeed,
        uniqueid_of: Callable[[str], Awaitable[str | None]],
    ) -> None:
        self._websocket = websocket
        self._phone = {
            "websocket": websocket,
            "host": HOST,
            "user": account[0],
            "password": account[1],
            "destinations": [{"number": number, "text": text} for number, text in destinations],
            "answers": [{"digits": digits, "text": text} for digits, text in answers.items()],
        }
        self._sip_js = sip_js
        self._feed = feed
        self._uniqueid_of = uniqueid_of
        self._closing = asyncio.Event()
        self._listener: HttpListener | None = None

    @property
    def url(self) -> str:
        """The page's address."""
        assert self._listener is not None  # noqa: S101 - used within the block
        return f"http://{HOST}:{self._listener.port}/"

    async def __aenter__(self) -> Self:
        """Begin to listen on a free port.

        Raises:
            OSError: no port can be listened on.
        """
        listener = HttpListener(
            self._app(),
            await bind_in_thread(lambda: bind(HOST, 0, "phone page")),
            name="phone page",
            max_connections=MAX_CONNECTIONS,
            crowded=RateLimitedEvent("phone_page.too_many_connections"),
            not_http=RateLimitedEvent("phone_page.not_http"),
        )
        self._listener = await listener.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End streams of events, then stop to listen."""
        self._closing.set()
        if self._listener is not None:
            await self._listener.__aexit__(exc_type, exc, traceback)

    def _app(self) -> Starlette:
        policy = (
            f"default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
            f"connect-src 'self' {self._websocket}; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )
        app = Starlette(
            routes=[
                *(Route(path, _static(_PAGE / name)) for path, name in _PAGE_FILES.items()),
                Route("/following.js", _static(_FOLLOWING)),
                Route("/sip.js/{path:path}", self._module),
                Route("/phone.json", self._settings),
                Route("/events", self._events),
            ],
            middleware=[
                Middleware(_WithHeaders, headers={"Content-Security-Policy": policy, **_HEADERS}),
                Middleware(
                    TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False
                ),
            ],
        )
        app.router.redirect_slashes = False
        return app

    async def _module(self, request: Request) -> Response:
        found = self._sip_js.get(path := request.path_params["path"])
        if found is None or not path.endswith(".js"):
            return PlainTextResponse("", 404)
        return Response(found, media_type="text/javascript")

    async def _settings(self, _: Request) -> Response:
        return JSONResponse(self._phone)

    async def _events(self, request: Request) -> Response:
        call_id = request.query_params.get("call", "")
        return StreamingResponse(self._stream(call_id), media_type="text/event-stream")

    async def _own(self, call_id: str) -> str | None:
        try:
            return await self._uniqueid_of(call_id)
        except AsteriskError:  # it is ending
            return None

    async def _stream(self, call_id: str) -> AsyncIterator[str]:
        """Yield a call each time it has changed (HTML, section 9.2), or without one the newest."""
        yield "retry: 250\n\n"
        clock = asyncio.get_running_loop().time
        over, sent = clock() + STREAM_SECONDS, None
        uniqueid = None if call_id else ""
        first = True  # a page that shows another call is told that its own is not there yet
        while clock() < over and not self._closing.is_set():
            if uniqueid is None:
                uniqueid = await self._own(call_id)
            call: dict[str, Any] | None = (
                None if uniqueid is None else await self._feed.look(uniqueid)
            )
            if call != sent or first:
                first = False
                sent = call
                yield f"data: {json.dumps(call)}\n\n"
            try:
                await asyncio.wait_for(self._closing.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue


class _WithHeaders:
    """Adds headers to every answer, also to errors."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self._app = app
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _static(file: Traversable) -> Any:  # noqa: ANN401 - an endpoint of starlette
    body = file.read_bytes()
    kind, _ = guess_type(file.name)

    async def answer(_: Request) -> Response:
        return Response(body, media_type=kind)

    return answer
