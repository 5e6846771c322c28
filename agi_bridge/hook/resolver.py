"""DNS look-ups for the hook's connections: shared, cached briefly, cancelled with the client.

A look-up runs in a thread that nothing can stop. If name servers hang, a hundred calls must not
hold a hundred threads; so all of them wait for one. What was found is remembered for some seconds,
less than any resolver's own cache would keep it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Final, TypeAlias

from agi_bridge.hook.connection import NetworkError

REMEMBERED: Final = 10.0
"""Seconds for which the addresses of a host are taken as they were."""

Address: TypeAlias = tuple[
    int, int, int, str, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
]
"""As `getaddrinfo` gives it: family, type, protocol, name, and what a socket connects to."""


class Resolver:
    """Finds the addresses of hosts."""

    def __init__(self) -> None:
        self._asking: dict[tuple[str, int], asyncio.Task[list[Address]]] = {}
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}

    async def addresses(self, host: str, port: int) -> list[Address]:
        """Return the addresses of a host, best first as the system orders them.

        Cancelled, it leaves the look-up to the other callers that wait for it.

        Raises:
            NetworkError: `name_lookup`.
        """
        loop = asyncio.get_running_loop()
        place = (host, port)
        until, found = self._known.get(place, (0.0, []))
        if loop.time() < until:
            return found
        asking = self._asking.get(place)
        if asking is None:
            asking = self._asking[place] = loop.create_task(self._ask(host, port))
            asking.add_done_callback(lambda task: self._asked(place, task))
        try:
            return await asyncio.shield(asking)
        except (OSError, UnicodeError):  # UnicodeError: a label that no name may have
            raise NetworkError("name_lookup") from None

    def forget(self, host: str, port: int) -> None:
        """None of the addresses could be reached: the next connection asks again."""
        self._known.pop((host, port), None)

    async def close(self) -> None:
        """End what is being asked."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    def _asked(self, place: tuple[str, int], task: asyncio.Task[list[Address]]) -> None:
        del self._asking[place]
        if not task.cancelled():
            task.exception()  # its waiters have it; there may be none left

    async def _ask(self, host: str, port: int) -> list[Address]:
        loop = asyncio.get_running_loop()
        try:
            ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            found = await look_up(host, port)
            until = loop.time() + REMEMBERED
        else:  # no name, so nothing to look up
            found = list(
                socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            )
            until = float("inf")
        self._known[host, port] = (until, found)
        return found


async def look_up(host: str, port: int) -> list[Address]:
    """Ask the system.

    Raises:
        OSError: it does not know.
    """
    loop = asyncio.get_running_loop()
    return list(await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
