"""Posts one body to one address, once, and reads `Retry-After`: for messages that are retried.

The hook's transport does it: no redirect is followed, nothing is taken from the environment, each
byte that comes back counts against a limit, and one deadline is over everything.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from agi_bridge.hook.client import checked_url
from agi_bridge.hook.connection import NetworkError
from agi_bridge.hook.errors import HookClosedError
from agi_bridge.hook.tls import tls_context
from agi_bridge.hook.transport import Attempt, TransportOwner

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES: Final = 16_384
"""Of an answer's body, which nobody reads."""


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of a request.

    Attributes:
        status: the HTTP status; None if no whole head came.
        reason: a stable word: `answered`, or what the network did (see `hook.transport`), or
            `timeout`.
        retry_after: the seconds of a `Retry-After` header; None if there is none.
    """

    status: int | None
    reason: str
    retry_after: float | None = None


class Poster(TransportOwner):
    """Posts to one address. Use it as an async context manager, once.

    Args:
        url: https, or http if the host is this machine.
        connect_seconds: one look-up, connect and TLS handshake.
        total_seconds: everything.
        ca_file: PEM file of the certificates to trust instead of certifi's.

    Raises:
        HookConfigError: an argument cannot work. Its text does not contain the URL.
    """

    def __init__(
        self,
        url: str,
        *,
        connect_seconds: float = 5.0,
        total_seconds: float = 15.0,
        ca_file: str | None = None,
    ) -> None:
        self._url = checked_url(url)
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        super().__init__(tls_context(ca_file), max_bytes=MAX_BYTES)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> Posted:
        """Post a body of JSON. Never raises for what the network does.

        Raises:
            HookClosedError: it is not open.
        """
        if self._transport is None:
            raise HookClosedError("not_open", "the poster is not open")
        request = httpx.Request(
            "POST",
            self._url,
            headers={
                "host": self._url.netloc.decode("ascii"),
                "user-agent": "agi-bridge",
                "accept": "*/*",
                "accept-encoding": "identity",
                "connection": "close",
                "content-type": "application/json",
                "content-length": str(len(body)),
                **headers,
            },
            stream=httpx.ByteStream(body),
            extensions={"timeout": {"connect": self._connect_seconds}, "attempt": Attempt()},
        )
        try:
            async with asyncio.timeout(self._total_seconds):
                response = await self._transport.handle_async_request(request)
                await response.aclose()  # the status is the answer
        except NetworkError as error:
            # A status line before a head without end says nothing: what is stored answers whole.
            return Posted(None, error.reason)
        except TimeoutError:
            return Posted(None, "timeout")
        return Posted(response.status_code, "answered", _retry_after(response.headers))


def _retry_after(headers: httpx.Headers) -> float | None:
    """The seconds that a server asks to wait; a date is not read (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    return float(value) if value.isdecimal() and len(value) < 10 else None  # noqa: PLR2004 - digits
