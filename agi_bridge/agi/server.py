"""The FastAGI server over TCP: access control, limits, one task per call, draining.

The protocol is in `connection`; running a handler is in `session`.
"""

import asyncio
import hmac
import socket
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import TracebackType
from typing import Self

from agi_bridge.agi.channel import Channel
from agi_bridge.agi.commands import SAFE_APPLICATIONS
from agi_bridge.agi.connection import Connection
from agi_bridge.agi.environment import Environment
from agi_bridge.agi.errors import AGIError, AGIProtocolError
from agi_bridge.agi.limits import Limits
from agi_bridge.agi.session import Handler, OnError, log, run_handler
from agi_bridge.diagnostics import RateLimitedEvent
from agi_bridge.net import PendingConnections, bind, bind_in_thread, is_loopback

Network = IPv4Network | IPv6Network

OnRefused = Callable[[str], None]
"""Called with the reason for each connection that became no call."""

_MAX_CACHED_PEERS = 1024
"""Peer addresses whose check is cached."""


class Server:
    """A FastAGI server: one task with one `Channel` for each call.

        async with Server(handler) as server:
            await server.serve_forever()

    Leaving the block closes the listener and cancels running calls; call `drain` first to let
    them end. FastAGI has neither encryption nor authentication: beyond loopback it takes `allow`,
    the networks whose peers may connect, and should have a `token` that callers put into the URL
    (``agi://host/script?token=...``).

    A connection is pending until its environment has been read. `Limits.max_pending` connections
    may be pending, plus one for each free call slot; then a new one evicts the oldest of the
    address that holds the most. Refusals are logged at once, then once a minute with their count.

    Args:
        on_refused: called with the reason for each connection that became no call: `peer`,
            `evicted`, `token`, `busy` or `protocol`. Must not raise.
        sockets: already bound sockets (`agi_bridge.net.bind`), instead of `host` and `port`.

    Raises:
        ValueError: `host` is not a loopback address and `allow` is empty, or `allow` is invalid.
        OSError: on entering, the address is not available.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        host: str = "127.0.0.1",
        port: int = 4573,
        limits: Limits | None = None,
        allow: Iterable[str | Network] = (),
        token: str | None = None,
        applications: frozenset[str] = SAFE_APPLICATIONS,
        on_error: OnError | None = None,
        on_refused: OnRefused | None = None,
        sockets: Sequence[socket.socket] | None = None,
    ) -> None:
        self._on_refused = on_refused or _ignore
        self._handler = handler
        self._host = host
        self._port = port
        self._limits = limits or Limits()
        self._allow = tuple(ip_network(network) for network in allow)
        self._token = token.encode() if token else None
        self._applications = applications
        self._on_error = on_error
        self._sockets = sockets
        self._listeners: list[asyncio.Server] = []
        self._connections: dict[Connection, str] = {}  # with their addresses
        self._pending: PendingConnections[Connection] = PendingConnections()
        self._calls: dict[Connection, asyncio.Task[None]] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._empty = asyncio.Event()
        self._empty.set()
        self.finished: asyncio.Event = asyncio.Event()
        """Set while there is neither a connection nor a call."""
        self.finished.set()
        self._peers: dict[str, bool] = {}
        self._refused_peers = RateLimitedEvent("agi.peer_refused")
        self._evictions = RateLimitedEvent("agi.connection_evicted")
        self._refused_calls = RateLimitedEvent("agi.call_refused")
        self._refused_tokens = RateLimitedEvent("agi.token_refused")
        self._aborted_sessions = RateLimitedEvent("agi.session_aborted")
        if not self._allow and not is_loopback(host):
            raise ValueError(
                "agi.allow is empty: to listen on an address that others can reach, "
                "list the networks of your PBX there, e.g. 10.0.0.5/32"
            )

    # -- life cycle -------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        sockets = (
            await bind_in_thread(lambda: bind(self._host, self._port, "agi"))
            if self._sockets is None
            else list(self._sockets)
        )
        try:
            while sockets:
                listener = await loop.create_server(
                    lambda: Connection(self, self._limits),
                    sock=sockets[0],
                    backlog=self._limits.backlog,
                )
                self._listeners.append(listener)
                del sockets[0]
        except BaseException:
            for each in sockets:
                each.close()
            for listener in self._listeners:
                listener.close()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.drain(0.0)

    @property
    def port(self) -> int:
        """The port that the server listens on; the one that the system chose if `port` was 0."""
        if not self._listeners or not self._listeners[0].sockets:
            return self._port
        port: int = self._listeners[0].sockets[0].getsockname()[1]
        return port

    @property
    def calls(self) -> int:
        """The number of current calls."""
        return len(self._calls)

    async def serve_forever(self) -> None:
        """Serve until `drain` closes the listener, or this is cancelled."""
        if not self._listeners:
            raise RuntimeError("the server has not been entered")
        for listener in self._listeners:
            await listener.wait_closed()

    def reconfigure(self, limits: Limits, applications: frozenset[str]) -> None:
        """Use other limits and applications for connections and calls that begin from now on."""
        self._limits = limits
        self._applications = applications

    def stop_listening(self) -> None:
        """Close the listener; calls in progress go on.

        ``hagi://`` moves on to the next server only when it cannot connect. A connection that is
        accepted and dropped loses its caller.
        """
        for listener in self._listeners:
            listener.close()

    def release_calls(self) -> int:
        """Let go of all calls (`Channel.release`) and pending connections; return how many calls.

        Their handlers may still end what is shielded from a hangup.
        """
        calls = [connection for connection in self._calls if not connection.closed]
        for connection in calls:
            connection.release()
        for connection in self._connections.keys() - self._calls.keys():
            connection.abort()
        return len(calls)

    async def drain(self, seconds: float) -> None:
        """Stop: close the listener, wait `seconds` for calls to end, then cancel the rest."""
        self.stop_listening()
        # Pending connections count too: Asterisk has already chosen this server for a caller. And
        # so do calls whose connection is closed: they may be storing what the caller agreed to.
        await _within(seconds, self.finished)
        for task in self._calls.values():
            task.cancel()
        await _within(self._limits.hangup_seconds, self._idle)
        for connection in self._connections.copy():
            connection.abort()
        await self._empty.wait()  # closed connections end in the next rounds of the loop
        for tally in (
            self._refused_peers,
            self._evictions,
            self._refused_calls,
            self._refused_tokens,
            self._aborted_sessions,
        ):
            tally.close()

    # -- peers and calls --------------------------------------------------------------------------

    def connected(self, connection: Connection, transport: asyncio.Transport) -> bool:
        """Add a new connection to the pending ones; False if its peer is not allowed."""
        peername = transport.get_extra_info("peername")
        address: str = peername[0] if peername else ""
        self._connections[connection] = address
        self._empty.clear()
        self.finished.clear()
        if self._allow and not (address and self._allowed(address)):
            self._on_refused("peer")
            return False  # without a list only loopback can connect
        self._add_pending(connection)
        return True

    def _add_pending(self, connection: Connection) -> None:
        """Add a connection that waits for its environment or its end; evict another if full."""
        self._pending.add(connection, self._connections[connection])
        # Free call slots count too: they serve a burst of callers with unread environments.
        if len(self._pending) + self.calls > self._limits.max_pending + self._limits.max_calls:
            evicted = self._pending.evict()
            self._evictions.log(
                peer=self._connections[evicted], waiting=len(self._pending), calls=self.calls
            )
            self._on_refused("evicted")
            evicted.refuse_now(b"failure busy\n")
            evicted.close()

    def started(self, connection: Connection, environment: Environment) -> None:
        """Start the call whose environment has been read, or refuse it."""
        if self._token is not None:
            given = environment.query.get("token", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, self._token):
                self._refused_tokens.log(
                    call=environment.unique_id, peer=self._connections[connection]
                )
                self._on_refused("token")
                connection.refuse_now(b"failure token\n")
                return
        if len(self._calls) >= self._limits.max_calls:
            self._refused_calls.log(calls=len(self._calls))
            self._on_refused("busy")
            connection.refuse_now(b"failure busy\n")
            return
        self._pending.discard(connection)
        channel = Channel(connection, environment, self._limits, self._applications)
        task = asyncio.get_running_loop().create_task(self._call(connection, channel))
        connection.task = task
        self._calls[connection] = task
        self._idle.clear()

    def ended(self, connection: Connection, error: AGIError | None) -> None:
        """Remove a closed connection."""
        address = self._connections.pop(connection)
        self._pending.discard(connection)
        if not self._connections:
            self._empty.set()
            self._note_finished()
        if not connection.begun:
            log.debug(
                "agi.probe_closed",
                reason=error.code if isinstance(error, AGIProtocolError) else "closed_before_call",
            )
        elif isinstance(connection.fault, AGIProtocolError):
            self._aborted_sessions.log(reason=connection.fault.code, peer=address)
            self._on_refused("protocol")

    async def _call(self, connection: Connection, channel: Channel) -> None:
        try:
            await run_handler(channel, self._handler, self._on_error)
        except asyncio.CancelledError:
            log.warning("agi.call_cancelled", call=channel.environment.unique_id)
        finally:
            if connection in self._connections:
                self._add_pending(connection)  # bounded, in case the peer does not read
                connection.close()
            del self._calls[connection]
            if not self._calls:
                self._idle.set()
                self._note_finished()

    def _note_finished(self) -> None:
        if not self._calls and not self._connections:
            self.finished.set()

    def _allowed(self, peer: str) -> bool:
        known = self._peers.get(peer)
        if known is None:
            address = ip_address(peer.partition("%")[0])
            if isinstance(address, IPv6Address) and address.ipv4_mapped:
                address = address.ipv4_mapped
            known = any(address in network for network in self._allow)
            if len(self._peers) >= _MAX_CACHED_PEERS:
                self._peers.clear()
            self._peers[peer] = known
            if not known:
                self._refused_peers.log(peer=peer)
        return known


def _ignore(_reason: str) -> None:
    """The default `on_refused`: does nothing."""


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for the event for at most `seconds`.

    Not with `asyncio.timeout`: until Python 3.11.3 its own cancellation leaves a task that was
    already cancelled, and such a task often closes a server.
    """
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=seconds)
    finally:
        waiting.cancel()
