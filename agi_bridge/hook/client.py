"""One submission to the hook, with an outcome that can be believed.

A submission sends a text message and the hook knows no idempotency key, so the question after a
failure is never "did it fail" but "can it have been sent":

* `not_sent`: no byte of the request can have reached the server. Tried once more, at once.
* `unknown`: it may have been sent. Never repeated by software.
* `accepted`, `refused`: the hook said so.

One client serves a whole process: building its TLS context costs 18 ms. Each submission has a
fresh connection unless `keepalive` is set, because a kept connection that the server has just
closed makes an outcome unknown that would have been known.

The network alone decides where a submission goes: proxies, `.netrc` and certificate files named in
the environment are ignored (httpx's `trust_env`), since the request holds a secret and a person's
number. Certificates are checked against certifi's roots, or `ca_file` instead.
"""

import asyncio
import hashlib
import ipaddress
import json
import logging
import ssl
from dataclasses import dataclass, replace
from enum import StrEnum
from types import TracebackType
from typing import Final, Literal, Self

import httpx
from httpx_aiohttp import AiohttpTransport

from agi_bridge.hook.answer import (
    MAX_BYTES,
    Answer,
    Dial,
    Instructions,
    Refusal,
    Say,
    Unusable,
    read_answer,
)
from agi_bridge.hook.connection import Attempt, current_attempt, open_transport, why
from agi_bridge.hook.errors import HookClosedError, HookConfigError

Method = Literal["GET", "POST"]

# Less is no time for a second attempt; and a loop's timer may ring a millisecond early (uvloop).
_LEAST_SECONDS: Final = 0.01
_PLAIN: Final = frozenset({"", "identity"})
_HEADERS: Final = {
    "user-agent": "agi-bridge",
    "accept": "application/xml, text/xml, application/json;q=0.9, */*;q=0.1",
    "accept-encoding": "identity",
}
_CONNECTION: Final = {True: "keep-alive", False: "close"}
# httpx logs every URL at info, and a GET's URL holds the key and a person's number.
_LOUD_LOGGERS: Final = ("httpx", "httpcore", "aiohttp.client")


class Outcome(StrEnum):
    """What became of a submission."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Submission:
    """The result of one submission.

    Attributes:
        outcome: what became of it.
        answer: what the hook said, None if nothing was read to its end.
        status: the HTTP status, None if none came.
        reason: a stable word: the answer's kind or reason, or what the network did.
        attempts: 1 or 2; a second one only after a `not_sent`.
        seconds: from the first look-up to the end, retry included.
        answer_sha256: of the body as it came, hexadecimal; None if it was not read to its end.
    """

    outcome: Outcome
    answer: Answer | None
    status: int | None
    reason: str
    attempts: int
    seconds: float
    answer_sha256: str | None


class HookClient:
    """Submits numbers to one hook. Use it as an async context manager, once.

    Args:
        url: the hook's address; https, or http if the host is this machine.
        method: POST keeps key and number out of the URL; GET is there because the page shows it.
        context: sent as `context` with each submission that brings none of its own.
        connect_seconds: one look-up, connect and TLS handshake.
        total_seconds: everything, the second attempt included.
        max_bytes: of a body; a longer one is not read to its end.
        keepalive: reuse connections (see above).
        ca_file: PEM file of the certificates to trust instead of certifi's.

    Raises:
        HookConfigError: an argument cannot work. Its text holds neither URL nor key.
    """

    def __init__(
        self,
        url: str,
        *,
        method: Method = "POST",
        context: str | None = None,
        connect_seconds: float = 3.0,
        total_seconds: float = 8.0,
        max_bytes: int = MAX_BYTES,
        keepalive: bool = False,
        ca_file: str | None = None,
    ) -> None:
        if method not in ("GET", "POST"):
            raise HookConfigError("the method is GET or POST")
        if connect_seconds <= 0 or total_seconds <= 0 or max_bytes <= 0:
            raise HookConfigError("seconds and bytes are more than 0")
        self._url = _checked(url)
        self._method = method
        self._context = context
        # "pool" becomes the limit of all of the connector's `connect`, look-up and handshake too.
        # Reading has no limit of its own: one deadline stands over the whole submission.
        self._extensions = {"timeout": {"connect": connect_seconds, "pool": connect_seconds}}
        self._headers = httpx.Headers({**_HEADERS, "connection": _CONNECTION[keepalive]})
        if method == "POST":
            self._headers["content-type"] = "application/json"
        self._total_seconds = total_seconds
        self._max_bytes = max_bytes
        self._keepalive = keepalive
        self._tls = _tls_context(ca_file)
        self._transport: AiohttpTransport | None = None
        for name in _LOUD_LOGGERS:
            logger = logging.getLogger(name)
            if _drop_talk not in logger.filters:
                logger.addFilter(_drop_talk)

    async def __aenter__(self) -> Self:
        self._transport = open_transport(self._tls, keepalive=self._keepalive)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            await transport.aclose()

    async def submit(
        self, *, from_: str, to: str, key: str, context: str | None = None
    ) -> Submission:
        """Hands one consented number to the hook. Never raises for what the network does.

        Cancelled, it closes its connection and leaves nothing behind but a name look-up in
        progress, which all submissions share and which ends with the client; whether the request
        had left is then unknown, so a caller that must know shields it.

        Args:
            from_: the customer's mobile, E.164.
            to: the business number as the hook knows it, E.164.
            key: the organisation's key.
            context: consent or campaign context, instead of the client's own.

        Raises:
            HookClosedError: the client is not open.
        """
        transport = self._transport
        if transport is None:
            raise HookClosedError("the hook's client is not open")
        fields = {"key": key, "from": from_, "to": to}
        if (told := context if context is not None else self._context) is not None:
            fields["context"] = told
        request = self._request(fields)
        loop = asyncio.get_running_loop()
        started = loop.time()
        deadline = started + self._total_seconds
        result = await self._attempt(transport, request, deadline)
        attempts = 1
        again = result.outcome is Outcome.NOT_SENT and deadline - loop.time() > _LEAST_SECONDS
        if again:
            result = await self._attempt(transport, request, deadline)
            attempts = 2
        return replace(result, attempts=attempts, seconds=loop.time() - started)

    def _request(self, fields: dict[str, str]) -> httpx.Request:
        url, content = self._url, None
        if self._method == "GET":
            url = url.copy_merge_params(fields)
        else:
            # ASCII escapes are JSON in every charset that a server may assume.
            content = json.dumps(fields).encode("ascii")
        return httpx.Request(
            self._method, url, headers=self._headers, content=content, extensions=self._extensions
        )

    async def _attempt(
        self, transport: AiohttpTransport, request: httpx.Request, deadline: float
    ) -> Submission:
        attempt = Attempt()
        token = current_attempt.set(attempt)
        status: int | None = None
        try:
            async with asyncio.timeout_at(deadline):
                response = await transport.handle_async_request(request)
                status = response.status_code
                try:
                    body = await self._body(response)
                finally:
                    await response.aclose()
        # Whatever two HTTP libraries may raise on what a server sends: the outcome has to be
        # recorded and the caller connected. A fault of ours shows as `client_fault`.
        except Exception as error:  # noqa: BLE001 - the reason stands above
            outcome = Outcome.NOT_SENT if attempt.not_sent else Outcome.UNKNOWN
            word = why(error)
            if attempt.not_sent and word == "timeout":
                word = "connect_timeout"  # the deadline fell while connecting
            return Submission(outcome, None, status, word, 1, 0.0, None)
        finally:
            current_attempt.reset(token)
        digest = None
        if isinstance(body, str):
            answer = _without_body(status, body)
        else:
            answer = read_answer(status, response.headers.get("content-type"), body)
            digest = hashlib.sha256(body).hexdigest()
        return Submission(_outcome(answer), answer, status, _reason(answer), 1, 0.0, digest)

    async def _body(self, response: httpx.Response) -> bytes | str:
        """The body, or why it is not read: `encoded` (it was not asked for) or `too_large`."""
        if response.headers.get("content-encoding", "").strip().lower() not in _PLAIN:
            return "encoded"
        chunks: list[bytes] = []
        size = 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size > self._max_bytes:
                return "too_large"
            chunks.append(chunk)
        return b"".join(chunks)


def _checked(url: str) -> httpx.URL:
    """The URL, if a key and a person's number may be sent there."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise HookConfigError("the hook's URL cannot be read") from None  # its text quotes it
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise HookConfigError("the hook's URL begins with https:// and a host")
    if parsed.userinfo or parsed.fragment:
        raise HookConfigError("the hook's URL holds no user, password or fragment")
    if parsed.scheme == "http" and not _is_loopback(parsed.host):
        raise HookConfigError("the hook's URL is https unless its host is this machine")
    return parsed


def _is_loopback(host: str) -> bool:
    """`localhost` (RFC 6761, 6.3) or a loopback address; other names could resolve to anything."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tls_context(ca_file: str | None) -> ssl.SSLContext:
    if ca_file is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError:  # ssl.SSLError is one
        raise HookConfigError("ca_file holds no certificates that can be read") from None


def _without_body(status: int, reason: str) -> Answer:
    """The answer where only the status was read: a 4xx says enough by itself."""
    if 400 <= status < 500:  # noqa: PLR2004 - RFC 9110, 15.5
        return Refusal(status, "client_error")
    return Unusable(status, reason)


def _outcome(answer: Answer) -> Outcome:
    """Rules 4 and 5 of the record: what counts as accepted, refused and unknown."""
    if isinstance(answer, Refusal):
        return Outcome.REFUSED
    if isinstance(answer, Instructions):
        if answer.kind == "not_linked":
            return Outcome.REFUSED
        if any(isinstance(verb, Dial | Say) for verb in answer.verbs):
            return Outcome.ACCEPTED
    return Outcome.UNKNOWN


def _reason(answer: Answer) -> str:
    return answer.kind if isinstance(answer, Instructions) else answer.reason


def _drop_talk(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
