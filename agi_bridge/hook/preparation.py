"""A connection to the hook that is made ahead, while the caller hears their number read back.

Look-up, connect and TLS handshake take three round trips or more. Made ahead, they are over when
the caller presses 1, and the request leaves at once. Nothing is sent on it before.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import httpx

from agi_bridge.hook.connection import Connection, NetworkError

RECENT_SECONDS: Final = 1.0
"""How long ago a connection may have failed to count as a submission's first attempt. To try twice
more would keep the caller waiting, for a time-out each, and find the same."""
_NOWHERE: Final = httpx.URL()


class ConnectionSource(Protocol):
    """What opens connections ahead: the transport."""

    async def open_ahead(self, url: httpx.URL, connect_seconds: float) -> Connection:
        """Give a connection; see `HookTransport.open_ahead`."""
        ...

    def keep(self, url: httpx.URL, connection: Connection) -> None:
        """Take back one that is not needed, and keep or close it."""
        ...


class Preparation:
    """At most one connection, for one submission of one call.

    It is closed when the server closes it, unused after some seconds, and by `close`. A submission
    that finds none makes its own; one that could not be made is its first attempt: see `failure`.

    Args:
        source: gives a connection; None if none is to be made ahead.
        url: where to.
        connect_seconds: one look-up, connect and TLS handshake.
        seconds: how long it is kept unused.
    """

    __slots__ = (
        "_connect_seconds",
        "_connection",
        "_expiry",
        "_failed",
        "_opening",
        "_seconds",
        "_source",
        "_url",
        "_wanted",
    )

    def __init__(
        self,
        source: ConnectionSource | None,
        url: httpx.URL = _NOWHERE,
        connect_seconds: float = 0.0,
        seconds: float = 0.0,
    ) -> None:
        self._source = source
        self._url = url
        self._connect_seconds = connect_seconds
        self._wanted = source is not None
        self._seconds = seconds
        self._opening: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._failed: tuple[float, str] | None = None

    def start(self) -> None:
        """Begin to connect, unless already begun; replace a connection that has ended."""
        if not self._wanted or self._opening is not None:
            return
        if self._connection is not None and self._connection.usable:
            return
        self._drop()
        self._failed = None
        self._opening = asyncio.get_running_loop().create_task(self._open())

    async def take(self) -> Connection | None:
        """Hand over the connection, with a wait for one that is being made; None: there is none.

        No other is made afterwards.
        """
        self._wanted = False
        if self._opening is not None:
            await asyncio.wait({self._opening})
        connection, self._connection = self._connection, None
        self._drop()
        if connection is not None and not connection.usable:
            connection.close()
            return None
        return connection

    def failure(self) -> str | None:
        """The reason why the network let no connection be made just now; None: it did, or long ago.

        It can be asked once: the next submission makes its own attempts.
        """
        failed, self._failed = self._failed, None
        if failed is None:
            return None
        at, reason = failed
        return reason if asyncio.get_running_loop().time() - at <= RECENT_SECONDS else None

    def close(self) -> None:
        """Drop what was made or is being made; make nothing more."""
        self._wanted = False
        if self._opening is not None:
            self._opening.cancel()
        self._drop()

    async def _open(self) -> None:
        assert self._source is not None  # noqa: S101 - none is wanted without one
        try:
            connection = await self._source.open_ahead(self._url, self._connect_seconds)
        except NetworkError as error:
            self._failed = asyncio.get_running_loop().time(), error.reason
            return
        except Exception:  # noqa: BLE001 - the submission connects again, and reports
            return
        finally:
            self._opening = None
        loop = asyncio.get_running_loop()
        # Given back, it is kept no longer than that either.
        connection.ends_at = min(connection.ends_at, loop.time() + self._seconds)
        self._connection = connection
        self._expiry = loop.call_later(self._seconds, self._drop)

    def _drop(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        if self._connection is not None:
            assert self._source is not None  # noqa: S101 - it came from there
            self._source.keep(self._url, self._connection)
            self._connection = None
