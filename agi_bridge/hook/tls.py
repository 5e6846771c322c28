"""TLS over a plain connection, with sessions that later connections resume.

A loop's `create_connection(ssl=...)` takes no session, so every connection would check the server's
certificate again: half a millisecond of processor time, and with TLS 1.2 one round trip more.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import TYPE_CHECKING, Final, cast

import httpx

from agi_bridge.hook.errors import HookConfigError

if TYPE_CHECKING:
    from agi_bridge.hook.connection import Connection

_READ_BYTES: Final = 65_536


@cache
def _public_authorities() -> ssl.SSLContext:
    """Return a context that trusts certifi's certificates; all clients share it.

    Loading them takes longer than the rest of a client, and a reload builds another client.
    """
    return httpx.create_ssl_context(trust_env=False)


def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """Make the context of a client: certifi's roots, or those of a PEM file.

    Raises:
        HookConfigError: the file has no certificates.
    """
    if ca_file is None:
        return _public_authorities()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError:  # ssl.SSLError is one
        raise HookConfigError("ca_file", "ca_file contains no valid certificates") from None


class TlsSessions:
    """What servers have given to resume with: the latest of each, by name."""

    def __init__(self) -> None:
        self._sessions: dict[str, ssl.SSLSession] = {}

    def get(self, server_name: str) -> ssl.SSLSession | None:
        """The session to offer to a server; it may refuse, which costs nothing."""
        return self._sessions.get(server_name)

    def keep(self, server_name: str, session: ssl.SSLSession | None) -> None:
        """Keep a session if there is one."""
        if session is not None:
            self._sessions[server_name] = session


class TlsLink(asyncio.Protocol):
    """The protocol between a socket and a `Connection`: TLS (RFC 8446, `ssl.SSLObject`).

    It is the `Connection`'s transport, in so far as one is needed: `write`, `abort`, `is_closing`,
    `get_extra_info`.

    Attributes:
        opened: done when the handshake is; its exception tells why it failed.
    """

    __slots__ = (
        "_connection",
        "_incoming",
        "_open",
        "_outgoing",
        "_server_name",
        "_sessions",
        "_tls",
        "_transport",
        "opened",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        server_name: str,
        sessions: TlsSessions,
        connection: Connection,
    ) -> None:
        self._connection = connection
        self._server_name = server_name
        self._sessions = sessions
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_hostname=server_name,
            session=sessions.get(server_name),
        )
        self._transport: asyncio.Transport | None = None
        self._open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.opened.add_done_callback(_seen)

    # What the connection calls

    def write(self, data: bytes) -> None:
        """Encrypt and send."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._tls.write(rest) :]
        self._flush()

    def get_extra_info(self, name: str) -> object:
        """What the transport below knows, such as its socket."""
        return None if self._transport is None else self._transport.get_extra_info(name)

    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._transport is None or self._transport.is_closing()

    def abort(self) -> None:
        """Close at once, without a farewell; keep a session that is new.

        Reading one copies it, certificate included, so it is read only after a full handshake.
        """
        if self._open and not self._tls.session_reused:
            self._sessions.keep(self._server_name, self._tls.session)
        if self._transport is not None:
            self._transport.abort()

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._transport = cast("asyncio.Transport", transport)
        self._shake_hands()

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake, or decrypt."""
        self._incoming.write(data)
        if not self._open:
            self._shake_hands()
        if self._open:
            self._read()

    def eof_received(self) -> None:
        """The server sends no more."""
        if self._open:
            self._connection.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is closed."""
        self._transport = None
        if self._open:
            self._connection.connection_lost(error)
        else:
            self._fail(ssl.SSLEOFError("closed in the handshake"))  # its port was reached

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._flush()  # the alert that says why
            self._fail(error)
            if self._transport is not None:
                self._transport.close()
            return
        self._flush()
        self._open = True
        # This object is what the connection knows as its transport.
        self._connection.connection_made(cast("asyncio.Transport", self))
        if not self.opened.done():
            self.opened.set_result(None)

    def _read(self) -> None:
        try:
            while data := self._tls.read(_READ_BYTES):
                self._connection.data_received(data)
        except ssl.SSLWantReadError:
            self._flush()  # what TLS itself has to answer
            return
        except ssl.SSLZeroReturnError:
            pass
        except ssl.SSLError:  # bytes that are not TLS: nothing that follows can be believed
            self.abort()
            return
        self._connection.eof_received()  # the server's farewell
        if self._transport is not None:
            self._transport.close()

    def _flush(self) -> None:
        if self._transport is not None and self._outgoing.pending:
            self._transport.write(self._outgoing.read())

    def _fail(self, error: Exception) -> None:
        if not self.opened.done():
            self.opened.set_exception(error)


def _seen(opened: asyncio.Future[None]) -> None:
    """Take note of an error that nobody waits for any more."""
    if not opened.cancelled():
        opened.exception()
