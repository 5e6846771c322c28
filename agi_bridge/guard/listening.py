"""Sockets bound before anything else is done, so that a port that is taken costs nothing else."""

from __future__ import annotations

import errno
import socket
from typing import Final

_NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
"""What a machine without IPv6 says of an IPv6 address."""


def bind(host: str, port: int, name: str) -> list[socket.socket]:
    """Bind to every address that `host` stands for, without listening: nobody can connect yet.

    `localhost` stands for two addresses; on a machine without IPv6 it is enough to have the other.
    A port of 0 takes a free one, the same for each address. `name` is the listener's, for errors.

    Raises:
        OSError: none can be had, or one is in use; the text names listener, host and port.
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


def _bound(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    one = socket.socket(family, kind, protocol)
    try:
        # Connections of a server that has just ended do not count as in use.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setblocking(False)  # noqa: FBT003 - the event loop's
        one.bind(address)
    except OSError:
        one.close()
        raise
    return one
