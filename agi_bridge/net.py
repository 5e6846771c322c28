"""Listening sockets and listeners, the loopback rule, and which pending connection to close.

Both servers use it (FastAGI and HTTP). It holds no protocol and no settings.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from abc import ABC, abstractmethod
from contextlib import AsyncExitStack, suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

RETRY_SECONDS: Final = 60.0
"""How long a port that is taken is left alone."""
_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""Error numbers of a machine without IPv6 for an IPv6 address."""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach the host.

    True for `localhost` (RFC 6761, 6.3) and for a loopback address, with or without the brackets of
    an IPv6 URL. Any other name is False, because it could resolve to anything.
    """
    name = host.strip("[]")
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int, name: str) -> list[socket.socket]:
    """Bind to every address of `host` without listening, so that nobody can connect yet.

    Binding comes before any other start-up work: a port in use is then found at once. `localhost`
    has two addresses; on a machine without IPv6 the IPv4 address is enough. Port 0 takes a free
    port, the same for each address. `name` is the listener's name, for error texts.

    Raises:
        OSError: no address is available, or the port is in use; the text names the listener, the
            host and the port.
    """
    bound: list[socket.socket] = []
    absent: OSError | None = None
    try:
        for family, kind, protocol, _, address in dict.fromkeys(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        ):
            chosen = bound[0].getsockname()[1] if bound else port
            try:
                bound.append(_bound(family, kind, protocol, (address[0], chosen, *address[2:])))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                absent = error
        if absent is not None and not bound:
            raise absent
    except OSError as error:
        for one in bound:
            one.close()
        raise OSError(error.errno, f"{name}: {host} port {port}: {error.strerror}") from None
    return bound


async def bind_in_thread(bind_all: Callable[[], list[socket.socket]]) -> list[socket.socket]:
    """Bind in a thread, as looking up a name can block. A cancellation leaves no socket open.

    Raises:
        OSError: what `bind_all` raises.
    """
    binding = asyncio.ensure_future(asyncio.to_thread(bind_all))
    try:
        return await asyncio.shield(binding)
    except asyncio.CancelledError:
        # The thread cannot be interrupted: what it still binds belongs to nobody.
        with suppress(OSError):
            for each in await binding:
                each.close()
        raise


def _bound(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    one = socket.socket(family, kind, protocol)
    try:
        # Connections of a server that has just stopped do not keep the port in use.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setblocking(False)  # noqa: FBT003 - the event loop's
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one


class RetriedListener(ABC):
    """A listener that calls do not depend on: if its port is taken, it is tried again every minute.

    Belongs to one event loop.

    Attributes:
        port: the port listened on; None while it does not listen.
        listening: set while it listens.
    """

    def __init__(self) -> None:
        self.port: int | None = None
        self.listening = asyncio.Event()
        self._refused = ""

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            async with AsyncExitStack() as stack:
                try:
                    self.port = await self._listen(stack)
                except OSError as error:
                    if self._refused != str(error):  # once, not every minute
                        self._refused = str(error)
                        self._log_refused(str(error))
                else:
                    stack.callback(self._closed)
                    self.listening.set()
                    self._log_listening(self.port)
                    await asyncio.Event().wait()
            await asyncio.sleep(RETRY_SECONDS)

    @abstractmethod
    async def _listen(self, stack: AsyncExitStack) -> int:
        """Begin to listen until the stack is closed; return the port.

        Raises:
            OSError: the port is taken, or the host has no address here.
        """

    @abstractmethod
    def _log_listening(self, port: int) -> None:
        """Write that it listens."""

    @abstractmethod
    def _log_refused(self, reason: str) -> None:
        """Write why it does not listen."""

    def _closed(self) -> None:
        self.port = None
        self.listening.clear()


class PendingConnections(Generic[T]):
    """Connections that have not sent a request yet, by peer address, oldest first.

    A silent connection costs a file descriptor for as long as its peer likes. Refusing new
    connections when all slots are taken would serve the peers that took them: the new one may be a
    caller. So the oldest pending connection is closed instead, of the address that holds the most.
    One machine can push out only its own connections until it holds no more than any other.

    The owner decides how many may wait; `evict` names the connection to close.
    """

    def __init__(self) -> None:
        self._addresses: dict[T, str] = {}
        self._by_address: dict[str, dict[T, None]] = {}  # dicts, because they keep their order

    def __len__(self) -> int:
        return len(self._addresses)

    def add(self, connection: T, address: str) -> None:
        """Add a connection that is not pending yet."""
        self._addresses[connection] = address
        self._by_address.setdefault(address, {})[connection] = None

    def evict(self) -> T:
        """Remove and return the oldest connection of the address that holds the most.

        There must be at least one pending connection.
        """
        most = max(self._by_address.values(), key=len)
        oldest = next(iter(most))
        self.discard(oldest)
        return oldest

    def discard(self, connection: T) -> None:
        """Remove a connection if it is pending."""
        address = self._addresses.pop(connection, None)
        if address is None:
            return
        same_address = self._by_address[address]
        del same_address[connection]
        if not same_address:
            del self._by_address[address]
