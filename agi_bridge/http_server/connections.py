"""HTTP connections: limits on their number, and a deadline for each step of a request.

uvicorn has no deadline before the first byte, none for headers, none for a client that does not
read, no limit on headers, and it answers 503 to everybody once too many are connected. Here a
connection that sends nothing, or does not read, is the first to go, and every step has its time.

The callers' event loop is this one: no connection may hold it. A turn of the loop parses a few
kilobytes of a connection; a request that is refused is the connection's last, and what follows it
is not parsed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from agi_bridge.net import PendingConnections

if TYPE_CHECKING:
    import asyncio
    from typing import Any

    from uvicorn import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from agi_bridge.diagnostics import RateLimitedEvent

MAX_BODY_BYTES: Final = 64 * 1024
"""Longest body of a request; the longest that makes sense has a few hundred bytes."""

HEAD_SECONDS: Final = 5.0
"""For the first byte and all headers, and between two requests: bytes in between do not count."""

EXCHANGE_SECONDS: Final = 30.0
"""From a request's headers to the last byte of the answer that the client takes. A body may take
ten of them, the ledger five."""

CLOSING_SECONDS: Final = 2.0
"""After the last answer, for what the client is still sending: closed sooner, TCP would reset the
connection, and the answer be lost with it (RFC 9112, 9.6)."""

MAX_HEAD_BYTES: Final = 16 * 1024
"""Request line and headers together."""

_MAX_FRAMED_BYTES: Final = 8 * MAX_BODY_BYTES
"""A body with its framing: the longest body in chunks of one byte has six times as many."""

_MAX_DROPPED_BYTES: Final = 1024 * 1024
"""What is read, and dropped, after the last answer."""

_PARSED_BYTES: Final = 4096
"""Bytes of a connection that are parsed in a turn of the event loop: as chunks of one byte, the
worst there is, they take about a millisecond."""

_UPGRADE: Final = re.compile(rb"\r\nupgrade:[^\r]*", re.IGNORECASE)

_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Retry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class ConnectionLimiter(ServerState):
    """What uvicorn's connections share, and which of them wait for a request.

    Args:
        places: connections at once.
        crowded: logged when a connection is closed to make room.
        not_http: logged when a connection sends something else than HTTP.
    """

    def __init__(self, places: int, crowded: RateLimitedEvent, not_http: RateLimitedEvent) -> None:
        super().__init__()
        self._places = places
        self._waiting: PendingConnections[Connection] = PendingConnections()
        self._served: set[Connection] = set()
        self._crowded = crowded
        self.not_http = not_http

    def entered(self, one: Connection) -> None:
        """Let a new connection in; if there is no place, the one that has waited longest goes."""
        self.waits(one)
        # Not uvicorn's count, which still has those that have just been sent away.
        count = len(self._waiting) + len(self._served)
        if count <= self._places:
            return
        out = self._waiting.evict()
        self._crowded.log(peer=out.source, connections=count)
        if out is one:  # all others are being served
            one.transport.write(_FULL)
            one.transport.close()
        else:
            out.transport.abort()

    def waits(self, one: Connection) -> None:
        """Note that a connection waits for a request."""
        self._served.discard(one)
        self._waiting.add(one, one.source)

    def serves(self, one: Connection) -> None:
        """Note that a request of this connection is being served."""
        self._waiting.discard(one)
        self._served.add(one)

    def left(self, one: Connection) -> None:
        """Forget a connection."""
        self._waiting.discard(one)
        self._served.discard(one)

    def close(self) -> None:
        """Say what was counted."""
        self._crowded.close()
        self.not_http.close()


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with deadlines and limits, and without pipelining.

    A client that sends a request before the last one is answered gets that answer, and the
    connection closed (RFC 9112, 9.3.2: it sends the others again).
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(server_state, ConnectionLimiter)  # noqa: S101 - for the type checker: `HttpListener` gives it
        self._limiter = server_state
        self._deadline: asyncio.TimerHandle | None = None
        self._next_turn: asyncio.Handle | None = None
        self._unparsed = bytearray()
        self._head = bytearray()
        self._body_bytes = self._dropped_bytes = 0
        self._head_ended = self._request_ended = False
        self._upgrade = self._declined = self._last = self._closing = False
        self.source = ""

    # -- asyncio's protocol

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a request."""
        super().connection_made(transport)
        self.flow: _Reading = _Reading(transport)
        self.source = self.client[0] if self.client else ""
        self._within(HEAD_SECONDS)
        self._limiter.entered(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The end."""
        self._limiter.left(self)
        self._forget_unparsed()
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, a little in each turn of the event loop."""
        self._unset_keepalive_if_required()
        if self._closing:
            self._dropped_bytes += len(data)
            if self._dropped_bytes > _MAX_DROPPED_BYTES:
                self.flow.hold()
            return
        self._unparsed += data
        if self._next_turn is None and not self._last:
            self._parse()

    def pause_writing(self) -> None:
        """A client that does not read has no better right to its place than one that is idle."""
        super().pause_writing()
        self._limiter.waits(self)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._serves()

    # -- the parser's callbacks

    def on_message_begin(self) -> None:
        """A request begins."""
        if self._answering():
            self._last = True
            raise _PipelinedRequest
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Serve a request whose body may still be to come."""
        if self.parser.get_method() == b"CONNECT":  # a tunnel, which is not an offer to be declined
            raise _TunnelRequest
        if self.parser.should_upgrade():
            self._upgrade = True
            raise _UpgradeRequest
        super().on_headers_complete()
        self._head_ended = True
        self.cycle.transport = cast("asyncio.Transport", _Answers(self))
        self._within(EXCHANGE_SECONDS)
        # After the application's first step: what it refuses at once is never "being served".
        self.loop.call_soon(self._serves)

    def on_message_complete(self) -> None:
        """Note that a request has come whole."""
        self._request_ended = True
        super().on_message_complete()

    # -- uvicorn's

    def on_response_complete(self) -> None:
        """Wait for the next request, unless there is more of this one."""
        if not self._closing and (self._unparsed or not self._request_ended):
            self.close()
        if self._closing:
            return
        self._head.clear()
        self._body_bytes = 0
        self._head_ended = self._request_ended = self._declined = False
        self._within(HEAD_SECONDS)
        self._limiter.waits(self)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP, and count it."""
        del msg
        self._limiter.not_http.log(peer=self.source)
        self._refuse("400 Bad Request", "is not HTTP/1.1", "send it as RFC 9112 has it")

    def close(self) -> None:
        """Close once the answer is taken, or `CLOSING_SECONDS` have passed."""
        if self._closing:
            return
        self._closing = True
        unread = not self._request_ended or bool(self._unparsed)
        self._forget_unparsed()
        self._within(CLOSING_SECONDS)
        self._limiter.waits(self)
        if unread:
            self.flow.release()
            self.transport.write_eof()
        else:
            self.transport.close()

    # -- parsing

    def _parse(self) -> None:
        """Parse the next few bytes, and the others in the next turns."""
        self._next_turn = None
        limit = _PARSED_BYTES
        if not self._head_ended:
            limit = min(limit, MAX_HEAD_BYTES - len(self._head))
        some = bytes(self._unparsed[:limit])
        del self._unparsed[:limit]
        if self._head_ended:
            self._body_bytes += len(some)
        else:
            self._head += some
        self._feed(some)
        if self._closing:
            return
        if not self._head_ended and len(self._head) >= MAX_HEAD_BYTES:
            fix = f"send at most {MAX_HEAD_BYTES} bytes of them"
            self._refuse("431 Request Header Fields Too Large", "has too long headers", fix)
        elif self._body_bytes > _MAX_FRAMED_BYTES:
            fix = f"send at most {MAX_BODY_BYTES} bytes"
            self._refuse("413 Content Too Large", "is too long", fix)
        elif self._last:
            self.flow.hold()
        elif self._unparsed:
            self.flow.hold()
            self._next_turn = self.loop.call_soon(self._parse)
        else:
            self.flow.release()

    def _feed(self, some: bytes) -> None:
        try:
            self.parser.feed_data(some)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # Callbacks' exceptions too: httptools wraps them.
            if self._upgrade and not self._declined:
                self._decline_upgrade()
            elif not self._last:
                self.send_400_response("")
        if self._last and not self._closing:
            self.cycle.keep_alive = False

    def _decline_upgrade(self) -> None:
        """Serve a request that offers another protocol as if it did not (RFC 9110, 7.8).

        Java's client offers HTTP/2 with every request. httptools takes what follows the headers
        for that protocol, and has no way to decline: it is given the request without the offer.
        Once: a request that is still another protocol's then is refused.
        """
        head, end, body = bytes(self._head).lstrip(b"\r\n").partition(b"\r\n\r\n")
        plain = _UPGRADE.sub(b"", head)
        self._upgrade, self._declined = False, True
        self.parser = httptools.HttpRequestParser(self)
        self._feed(plain + end + body)

    def _refuse(self, status: str, problem: str, fix: str) -> None:
        """Answer in place of the application, unless that has begun to, and close."""
        self._request_ended = False  # what follows is not read
        if not (self._answering() and self.cycle.response_started):
            error = {"error": {"field": "", "problem": problem, "fix": fix}}
            body = json.dumps(error, separators=(",", ":"))
            self.transport.write(
                f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
            )
        if self._answering():
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.close()

    def _serves(self) -> None:
        if self._answering() and not self._closing:
            self._limiter.serves(self)

    def _answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle  # None before the first request
        return cycle is not None and not cycle.response_complete

    def _forget_unparsed(self) -> None:
        self._unparsed.clear()
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None

    def _within(self, seconds: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)


class _PipelinedRequest(Exception):  # noqa: N818 - ends the parsing, no error
    """A request begins before the last one is answered."""


class _UpgradeRequest(Exception):  # noqa: N818 - ends the parsing, no error
    """A request offers another protocol."""


class _TunnelRequest(Exception):  # noqa: N818 - ends the parsing, no error
    """A request wants a tunnel, which only a proxy makes."""


class _Reading(FlowControl):
    """Whether to read: uvicorn's reasons, and that something is still to be parsed."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._held = False

    def hold(self) -> None:
        """Read no more, whatever uvicorn wants."""
        self._held = True
        self.pause_reading()

    def release(self) -> None:
        """Read again."""
        self._held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Read again, unless there is something to be parsed."""
        if not self._held:
            super().resume_reading()


class _Answers:
    """What uvicorn has of the transport to write an answer: to close it is the connection's."""

    def __init__(self, connection: Connection) -> None:
        self._transport = connection.transport
        self.close = connection.close
        self.write = self._transport.write
        self.is_closing = self._transport.is_closing
