"""FastAGI over TCP: who may call, how many at once, for how long, and how to stop."""

import asyncio
import hmac
import socket
from collections.abc import Iterable, Sequence
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
from agi_bridge.net import PendingConnections, bind, is_loopback

Network = IPv4Network | IPv6Network

_NAMES_KEPT = 1024
"""Addresses remembered, of peers let in and of peers turned away."""


class Server:
    """A FastAGI server: one task with one `Channel` for each call.

        async with Server(handler) as server:
            await server.serve_forever()

    Leaving the block closes the listener and cancels what still runs; call `drain` before to let
    calls end. FastAGI has neither encryption nor authentication: beyond loopback it takes `allow`,
    the networks whose peers may connect, and should have a `token` that callers put into the URL
    (``agi://host/script?token=...``).

    A connection is pending until its environment has been read. `Limits.max_pending` connections
    may be pending, plus one for each free call slot; then a new one evicts the oldest of the
    address that holds the most. Refusals are logged at once, then once a minute with their count.

    Args:
        sockets: bound already (`agi_bridge.net.bind`), instead of `host` and `port`.

    Raises:
        ValueError: `host` is not a loopback address and `allow` is empty, or it is no network.
        OSError: on entering, the address cannot be had.
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
        sockets: Sequence[socket.socket] | None = None,
    ) -> None:
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
        self._peers: dict[str, bool] = {}
        self._strangers = RateLimitedEvent("agi.peer_refused")
        self._crowded = RateLimitedEvent("agi.connection_evicted")
        self._busy = RateLimitedEvent("agi.call_refused")
        self._tokens = RateLimitedEvent("agi.token_refused")
        self._broken = RateLimitedEvent("agi.session_aborted")
        if not self._allow and not is_loopback(host):
            raise ValueError(
                "agi.allow is empty: to listen on an address that others can reach, "
                "list the networks of your PBX there, e.g. 10.0.0.5/32"
            )

    # -- the server's life ------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        sockets = (
            await asyncio.to_thread(bind, self._host, self._port, "agi")
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
        """The port listened on: the one chosen by the system if 0 was asked for."""
        if not self._listeners or not self._listeners[0].sockets:
            return self._port
        port: int = self._listeners[0].sockets[0].getsockname()[1]
        return port

    @property
    def calls(self) -> int:
        """How many calls there are now."""
        return len(self._calls)

    async def serve_forever(self) -> None:
        """Serve until the listener is closed by `drain`, or this is cancelled."""
        if not self._listeners:
            raise RuntimeError("the server has not been entered")
        for listener in self._listeners:
            await listener.wait_closed()

    async def drain(self, seconds: float) -> None:
        """Stop: close the listener, let calls end for `seconds`, then cancel the rest.

        Closing comes first because ``hagi://`` moves on to the next server only when it cannot
        connect; a connection that is accepted and dropped is a caller lost.
        """
        for listener in self._listeners:
            listener.close()
        # Connections without a call count too: Asterisk has chosen us for a caller already.
        await _within(seconds, self._empty)
        for task in self._calls.values():
            task.cancel()
        await _within(self._limits.hangup_seconds, self._idle)
        for connection in self._connections.copy():
            connection.abort()
        await self._empty.wait()  # what was closed or aborted ends in the loop's next rounds
        for tally in (self._strangers, self._crowded, self._busy, self._tokens, self._broken):
            tally.close()

    # -- peers and calls --------------------------------------------------------------------------

    def connected(self, connection: Connection, transport: asyncio.Transport) -> bool:
        """Give a new connection a place to wait in; False if the peer has to go at once."""
        peername = transport.get_extra_info("peername")
        address: str = peername[0] if peername else ""
        self._connections[connection] = address
        self._empty.clear()
        if self._allow and not (address and self._allowed(address)):
            return False  # with no list only loopback can reach us
        self._wait(connection)
        return True

    def _wait(self, connection: Connection) -> None:
        """Have a connection wait, for its environment or its end; another may have to go for it."""
        self._pending.add(connection, self._connections[connection])
        # Places of calls that there are not serve a burst of callers, whose blocks are unread yet.
        if len(self._pending) + self.calls > self._limits.max_pending + self._limits.max_calls:
            crowded_out = self._pending.evict()
            self._crowded.log(
                peer=self._connections[crowded_out], waiting=len(self._pending), calls=self.calls
            )
            crowded_out.refuse_now(b"failure busy\n")
            crowded_out.close()

    def started(self, connection: Connection, environment: Environment) -> None:
        """Begin a call whose environment is read, or refuse it."""
        if self._token is not None:
            given = environment.query.get("token", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, self._token):
                self._tokens.log(call=environment.unique_id, peer=self._connections[connection])
                connection.refuse_now(b"failure token\n")
                return
        if len(self._calls) >= self._limits.max_calls:
            self._busy.log(calls=len(self._calls))
            connection.refuse_now(b"failure busy\n")
            return
        self._pending.discard(connection)
        channel = Channel(connection, environment, self._limits, self._applications)
        task = asyncio.get_running_loop().create_task(self._call(connection, channel))
        connection.task = task
        self._calls[connection] = task
        self._idle.clear()

    def ended(self, connection: Connection, error: AGIError | None) -> None:
        """Forget a connection that is gone."""
        address = self._connections.pop(connection)
        self._pending.discard(connection)
        if not self._connections:
            self._empty.set()
        if not connection.begun:
            log.debug("agi.probe_closed", reason=str(error) if error else "closed before a call")
        elif isinstance(connection.fault, AGIProtocolError):
            self._broken.log(reason=str(connection.fault), peer=address)

    async def _call(self, connection: Connection, channel: Channel) -> None:
        try:
            await run_handler(channel, self._handler, self._on_error)
        except asyncio.CancelledError:
            log.warning("agi.call_cancelled", call=channel.environment.unique_id)
        finally:
            if connection in self._connections:
                self._wait(connection)  # for a peer that reads nothing to take what was written
                connection.close()
            del self._calls[connection]
            if not self._calls:
                self._idle.set()

    def _allowed(self, peer: str) -> bool:
        known = self._peers.get(peer)
        if known is None:
            address = ip_address(peer.partition("%")[0])
            if isinstance(address, IPv6Address) and address.ipv4_mapped:
                address = address.ipv4_mapped
            known = any(address in network for network in self._allow)
            if len(self._peers) >= _NAMES_KEPT:
                self._peers.clear()
            self._peers[peer] = known
            if not known:
                self._strangers.log(peer=peer)
        return known


async def _within(seconds: float, event: asyncio.Event) -> None:
    """Wait for the event, so many seconds at most.

    Not with `asyncio.timeout`: until Python 3.11.3 it lets its own cancellation out of a task that
    somebody else has cancelled before, and a server is often left by such a task.
    """
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=seconds)
    finally:
        waiting.cancel()
