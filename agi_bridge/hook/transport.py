"""The hook's httpx transport: it knows whether a byte was sent, and limits what it reads.

`httpx.AsyncBaseTransport` on the loop's own connections and llhttp. What a general client leaves in
the dark is a fact here:

* Whether a byte of the request was handed to the connection: `Attempt.not_sent`. Exceptions do not
  tell, since a deadline may fall anywhere.
* One request, one connection, once: nothing is sent again, no redirect followed, no cookie kept.
* Each byte that comes back counts against a limit (see `response`), so that no server holds the
  loop or the memory, however it frames what it sends.

Nothing is taken from the environment: no proxy, no `.netrc`. Addresses are tried as RFC 8305 has
it ("happy eyeballs"); uvloop's `create_connection` does not, so aiohappyeyeballs opens the socket.

The reasons of a `NetworkError`: `name_lookup`, `connection_refused`, `unreachable`,
`connect_timeout`, `certificate`, `tls`, `connection_lost`, `truncated`, `bad_http`, `too_large`.
A gate adds its own, see `Gate`.
"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, Self, TypeAlias

import httpx
from aiohappyeyeballs import start_connection

from agi_bridge.hook.connection import Connection, NetworkError
from agi_bridge.hook.preparation import Preparation
from agi_bridge.hook.resolver import Resolver
from agi_bridge.hook.response import ResponseReader
from agi_bridge.hook.tls import TlsLink, TlsSessions

if TYPE_CHECKING:
    from agi_bridge.hook.resolver import Address

IDLE_SECONDS: Final = 15.0
"""How long a kept connection waits for the next request; most servers close theirs after more."""
_MARGIN_SECONDS: Final = 1.0
"""How much sooner than the server says in `Keep-Alive` a kept connection ends: a request that meets
the server's end on its way would make an outcome unknown."""
_ATTEMPT_DELAY: Final = 0.25
"""Seconds before the next address is tried beside the one that does not answer (RFC 8305, 5)."""
_PORTS: Final = {"http": 80, "https": 443}

Gate: TypeAlias = Callable[[], Awaitable[str | None]]
"""The last check before the first byte: None lets the request go, a stable word holds it back."""


class HeldBackError(NetworkError):
    """The gate refused: nothing was sent, and nothing is to be sent again now."""


@dataclass(slots=True)
class Attempt:
    """One try to send a request; given to the transport as the request's extension `attempt`.

    Attributes:
        gate: awaited when the connection is there, before the first byte.
        not_sent: it failed before a byte of the request was handed to the connection. False is the
            safe default: what was not seen to fail counts as sent.
        at_gate: the gate was asked and has not answered yet.
        response: what has come of the response; None until the request was handed over.
        prepared: a connection made ahead, taken before any other. If it could not be made just
            now, this try has failed with it.
    """

    gate: Gate | None = None
    prepared: Preparation | None = None
    not_sent: bool = False
    at_gate: bool = False
    response: ResponseReader | None = None


class HookTransport(httpx.AsyncBaseTransport):
    """Sends each request once, over its own connection or, if `keepalive`, a kept one.

    Of the request's extension `timeout` it heeds `connect`: seconds for look-up, connect and
    handshake together. All other time belongs to the caller, who cancels.

    Args:
        context: for https.
        max_bytes: of a response's body.
        keepalive: keep connections for further requests.
    """

    def __init__(self, context: ssl.SSLContext, *, max_bytes: int, keepalive: bool) -> None:
        self._context = context
        self._max_bytes = max_bytes
        self._keepalive = keepalive
        self._resolver = Resolver()
        self._sessions = TlsSessions()
        self._kept: dict[tuple[str, str, int], deque[Connection]] = {}
        self._expiry: dict[Connection, asyncio.TimerHandle] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the head of its response.

        Raises:
            NetworkError: there will be no response.
        """
        data = _head(request) + await request.aread()
        attempt: Attempt = request.extensions.get("attempt") or Attempt()
        try:
            connection = await self._ready(request, attempt)
        except BaseException:  # cancellation by a deadline too: nothing was handed over
            attempt.not_sent = True
            raise
        reader = attempt.response = ResponseReader(self._max_bytes)
        try:
            connection.send(data, reader)
            await connection.head()
        except BaseException:
            connection.close()
            raise
        assert reader.status is not None  # noqa: S101 - the head is there
        return httpx.Response(
            reader.status, headers=reader.headers, stream=_Body(self, request.url, connection)
        )

    def prepare(self, url: httpx.URL, connect_seconds: float, seconds: float) -> Preparation:
        """A connection to be made ahead; it belongs to who asked, and is closed with it."""
        return Preparation(self, url, connect_seconds, seconds)

    async def open_ahead(self, url: httpx.URL, connect_seconds: float) -> Connection:
        """A connection for a submission to come: a kept one, which nobody else gets meanwhile.

        Raises:
            NetworkError: there is none.
        """
        return self._take_kept(url) or await self._open(url, connect_seconds)

    async def aclose(self) -> None:
        """Close the kept connections and end look-ups; what is under way closes as it ends."""
        self._closed = True
        for connection, expiry in self._expiry.items():
            expiry.cancel()
            connection.close()
        self._expiry.clear()
        self._kept.clear()
        await self._resolver.close()

    def release(self, url: httpx.URL, connection: Connection) -> None:
        """A response has been read, or nobody wants the rest: keep its connection or close it."""
        seconds = min(IDLE_SECONDS, connection.idle_seconds - _MARGIN_SECONDS)
        connection.ends_at = asyncio.get_running_loop().time() + seconds
        if connection.release():
            self.keep(url, connection)

    def keep(self, url: httpx.URL, connection: Connection) -> None:
        """Keep a connection that waits for a request, as long as it may wait; or close it."""
        loop = asyncio.get_running_loop()
        left = connection.ends_at - loop.time()
        if self._closed or not self._keepalive or not connection.usable or left < 0:
            connection.close()
            return
        self._kept.setdefault(_origin(url), deque()).append(connection)
        self._expiry[connection] = loop.call_at(connection.ends_at, connection.close)

    async def _ready(self, request: httpx.Request, attempt: Attempt) -> Connection:
        """A connection that is open after the gate has let the request go."""
        connect_seconds = request.extensions.get("timeout", {}).get("connect")
        while True:
            prepared, attempt.prepared = attempt.prepared, None
            earlier = await prepared.take() if prepared is not None else None
            earlier = earlier or self._take_kept(request.url)
            if earlier is None and prepared is not None and (reason := prepared.failure()):
                raise NetworkError(reason)
            connection = earlier or await self._open(request.url, connect_seconds)
            try:
                await _pass(attempt)
                # The server may have ended it, and the loop not know it yet: a request would be
                # lost, and its outcome unknown.
                usable = await connection.catch_up()
            except BaseException:
                connection.close()
                raise
            if usable:
                return connection
            connection.close()
            if earlier is None:
                raise NetworkError("connection_lost")

    def _take_kept(self, url: httpx.URL) -> Connection | None:
        """The connection that was used last and is still open; others that are not are dropped."""
        kept = self._kept.get(_origin(url), ())
        while kept:
            connection = kept.pop()
            self._expiry.pop(connection).cancel()
            if connection.usable:
                return connection
        return None

    async def _open(self, url: httpx.URL, connect_seconds: float | None) -> Connection:
        """A fresh connection.

        Raises:
            NetworkError: there is none.
        """
        scheme, host, port = _origin(url)
        try:
            async with asyncio.timeout(connect_seconds):
                addresses = await self._resolver.addresses(host, port)
                return await self._connect(addresses, host if scheme == "https" else None)
        except TimeoutError:
            reason = "connect_timeout"
        except ssl.SSLCertVerificationError:
            reason = "certificate"
        except ssl.SSLError:
            reason = "tls"
        except (OSError, RuntimeError) as error:  # RuntimeError: uvloop's, for a socket that failed
            refused = isinstance(error, OSError) and error.errno == errno.ECONNREFUSED
            reason = "connection_refused" if refused else "unreachable"
        self._resolver.forget(host, port)
        raise NetworkError(reason)

    async def _connect(self, addresses: list[Address], server_name: str | None) -> Connection:
        connection = Connection()
        connection.ends_at = asyncio.get_running_loop().time() + IDLE_SECONDS
        if server_name is None:
            await _connect_socket(addresses, connection)
            return connection
        link = TlsLink(self._context, server_name, self._sessions, connection)
        try:
            await _connect_socket(addresses, link)
            await link.opened
        except BaseException:
            link.abort()
            raise
        return connection


class TransportOwner:
    """Opens a `HookTransport` with the block, and closes it at the block's end.

    Args:
        context: for https.
        max_bytes: of a response's body.
        keepalive: keep connections for further requests.
    """

    def __init__(self, context: ssl.SSLContext, *, max_bytes: int, keepalive: bool = False) -> None:
        self._new_transport = partial(
            HookTransport, context, max_bytes=max_bytes, keepalive=keepalive
        )
        self._transport: HookTransport | None = None

    async def __aenter__(self) -> Self:
        self._transport = self._new_transport()
        return self

    async def __aexit__(self, *_: object) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()


async def _connect_socket(addresses: list[Address], protocol: asyncio.Protocol) -> None:
    """Connect to the first address that answers."""
    loop = asyncio.get_running_loop()
    if len(addresses) == 1:  # nothing to race: half the processor time
        host, port = addresses[0][4][:2]
        await loop.create_connection(lambda: protocol, str(host), int(port))
        return
    sock = await start_connection(addresses, happy_eyeballs_delay=_ATTEMPT_DELAY)
    await loop.create_connection(lambda: protocol, sock=sock)


class _Body(httpx.AsyncByteStream, AsyncIterator[bytes]):
    """The body of a response: one piece, within the limit, or an error."""

    def __init__(self, transport: HookTransport, url: httpx.URL, connection: Connection) -> None:
        self._transport = transport
        self._url = url
        self._connection: Connection | None = connection
        self._read = False

    # Not a generator: the loop would have to keep a list of them for its end.
    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._connection is None or self._read:
            raise StopAsyncIteration
        self._read = True
        return await self._connection.body()

    async def aclose(self) -> None:
        """The response is done with."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._transport.release(self._url, connection)


async def _pass(attempt: Attempt) -> None:
    """Ask the gate.

    Raises:
        HeldBackError: it refused.
    """
    if attempt.gate is None:
        return
    attempt.at_gate = True
    refusal = await attempt.gate()
    attempt.at_gate = False
    if refusal is not None:
        raise HeldBackError(refusal)


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    """Scheme, host as DNS and certificates have it, and port."""
    host = url.raw_host.decode("ascii").removesuffix(".")
    return url.scheme, host, url.port or _PORTS[url.scheme]


def _head(request: httpx.Request) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    return b"\r\n".join([*lines, b"", b""])
