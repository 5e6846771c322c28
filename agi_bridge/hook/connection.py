"""The hook's connections: aiohttp's connector, watched so that "not a byte was sent" is a fact.

The exceptions do not tell. The httpx transport maps aiohttp's *any* lost connection, also one lost
after the request was read, to `httpx.ConnectTimeout` (`AIOHTTP_EXC_MAP`), and aiohttp by itself
sends a GET again when a kept connection breaks (`ClientSession._request`,
`retry_persistent_connection`). Both would text a person twice. So the place where a connection is
had or not had is watched itself: `BaseConnector.connect` returns before any byte of the request is
written, TLS included.
"""

import errno
import ssl
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ClientRequest
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace


@dataclass(slots=True)
class Attempt:
    """One try to submit, as its connection saw it.

    Attributes:
        connecting: a connection was asked for.
        not_sent: getting it failed, so no byte of the request can have left. False is the safe
            default: what was not seen to fail counts as sent.
    """

    connecting: bool = False
    not_sent: bool = False


current_attempt: Final[ContextVar[Attempt]] = ContextVar("current_attempt")
"""The try that the running task is making; the connector finds it here."""


class WatchedConnector(aiohttp.TCPConnector):
    """Notes in the current attempt whether a connection was had, and gives it only one."""

    async def connect(
        self,
        req: "ClientRequest",
        traces: list["Trace"],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature is aiohttp's
    ) -> "Connection":
        """A connection for this request, from name look-up to the end of the TLS handshake.

        Raises:
            aiohttp.ClientConnectionError: it cannot be had; also if this attempt had one before.
        """
        attempt = current_attempt.get()
        if attempt.connecting:
            raise aiohttp.ServerDisconnectedError("one attempt, one connection")
        attempt.connecting = True
        try:
            return await super().connect(req, traces, timeout)
        except BaseException:  # cancellation by the deadline too: nothing was sent
            attempt.not_sent = True
            raise


def open_transport(context: ssl.SSLContext, *, keepalive: bool) -> AiohttpTransport:
    """The transport of httpx over aiohttp's connections, to be built once, inside the running loop.

    The transport alone, without `httpx.AsyncClient` above it: no redirects are followed, no cookies
    kept, no URL is logged, and a submission costs half the CPU. Nothing is taken from the
    environment (proxies, `.netrc`). The connections are not limited in number: how many calls there
    are is decided where calls are let in.
    """
    connector = WatchedConnector(ssl=context, limit=0, force_close=not keepalive)
    session = aiohttp.ClientSession(
        connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
    )
    # The session is ours, so the transport's own certificates and limits are not used.
    return AiohttpTransport(verify=context, trust_env=False, client=session)


def why(error: BaseException) -> str:
    """A stable word for a failure of the network: never its text, which may hold the URL.

    `name_lookup`, `certificate`, `tls`, `connect_timeout`, `connection_refused`, `unreachable`,
    `timeout`, `truncated`, `bad_http`, `connection_lost`; `client_fault` for what no network does.
    """
    if isinstance(error, httpx.HTTPError) and error.__cause__ is not None:
        error = error.__cause__  # what aiohttp said, before the transport translated it
    if getattr(error, "errno", None) == errno.ECONNREFUSED:
        return "connection_refused"
    for kind, word in _WORDS:
        if isinstance(error, kind):
            return word
    return "client_fault"


# Most particular first: the later classes are bases of the earlier ones.
_WORDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (aiohttp.ClientConnectorDNSError, "name_lookup"),
    (aiohttp.ClientConnectorCertificateError, "certificate"),
    (aiohttp.ClientSSLError, "tls"),
    (aiohttp.ConnectionTimeoutError, "connect_timeout"),
    (aiohttp.ClientConnectorError, "unreachable"),
    (TimeoutError, "timeout"),
    (aiohttp.ClientPayloadError, "truncated"),
    (aiohttp.ClientResponseError, "bad_http"),
    (aiohttp.ClientConnectionError, "connection_lost"),
    (OSError, "connection_lost"),
)
