"""The hook's client: submits one number, and reports accepted, refused, not sent or unknown.

A submission sends a text message, and Instaply knows no idempotency key, so the question after a
failure is never "did it fail" but "can it have been sent":

* `not_sent`: no byte of the request can have reached the server. Tried once more, at once. A
  connection that was made ahead and failed within the last second is the first of the two tries.
* `unknown`: it may have been sent. Never repeated by software, unless the receiver is declared to
  be idempotent; then one without any answer is tried once more, too.
* `accepted`, `refused`: the hook said so.

A response that does not come to its end is incomplete by HTTP (RFC 9112, section 8), but the answer
in it may be whole: a document shows its own end. A whole `<Response>` counts, however the rest was
lost: no length and a reset, TLS without a farewell (`close_notify`), no last chunk, a length that
is too high, silence until the deadline. What was cut off can hold no verb.

One client serves a whole process: building its TLS context costs 18 ms. Each submission has a
connection of its own unless `keepalive` is set, because a connection that the server closes while
the request is on its way makes an outcome unknown that would have been known. One that is made
ahead waits for seconds, not for minutes, and is looked at once more before the first byte.

The network alone decides where a submission goes: proxies, `.netrc` and certificate files named in
the environment are ignored, since the request holds a secret and a person's number. Certificates
are checked against certifi's roots, or `ca_file` instead.
"""

import asyncio
import hashlib
import logging
import secrets
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import httpx

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
from agi_bridge.hook.connection import NetworkError
from agi_bridge.hook.errors import HookClosedError, HookConfigError
from agi_bridge.hook.preparation import Preparation
from agi_bridge.hook.request import InstaplyFormat, Method, RequestFormat, SubmissionRequest
from agi_bridge.hook.text import decode
from agi_bridge.hook.tls import tls_context
from agi_bridge.hook.transport import Attempt, HeldBackError, HookTransport, TransportOwner
from agi_bridge.net import is_loopback

# Less is too little for a second attempt, and a loop's timer may ring a millisecond early (uvloop).
_LEAST_SECONDS: Final = 0.01
# What names a coding (IANA, "HTTP Content Coding Registry"). Anything else is not a coding.
_CODINGS: Final = frozenset(
    {
        *("aes128gcm", "br", "compress", "dcb", "dcz", "deflate", "exi", "gzip"),
        *("pack200-gzip", "x-compress", "x-gzip", "zstd"),
    }
)
_HEADERS: Final = {
    "user-agent": "agi-bridge",
    "accept": "application/xml, text/xml, application/json;q=0.9, */*;q=0.1",
    "accept-encoding": "identity",
}
_INCOMPLETE: Final = frozenset({"bad_http", "truncated", "connection_lost", "timeout"})
"""Reasons why a response was not read to its end."""
_CONNECTION: Final = {True: "keep-alive", False: "close"}
_REFUSALS: Final = range(400, 500)  # RFC 9110, 15.5
NEVER_TEXTED: Final = 410
"""What a receiver answers to a repeated request if nothing went out under its key, and nothing
will. Any other refusal may be a proxy's, or of a receiver that has not looked at the key: 400 is
what the examples of Standard Webhooks' libraries answer to a signature, 422 what a framework
answers to a body that it does not know."""
# W3C Trace Context, 3.2.2.3 and 3.2.2.4. An id of zeroes is invalid, and as likely as a stolen key.
_TRACE_BYTES: Final = 16
_PARENT_BYTES: Final = 8
# httpx logs every URL at info, and a GET's URL holds the key and a person's number.
_LOUD_LOGGERS: Final = ("httpx", "httpcore")


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
        answer: what the hook said, None if no whole answer was read.
        status: the HTTP status, None if none came.
        reason: a stable word: the answer's kind or reason, or what the network did.
        attempts: 1 or 2; a second one only after a `not_sent` (also of a connection made ahead),
            or where an idempotent receiver gave no answer.
        seconds: from the first look-up to the end, retry included.
        answer_sha256: of the body as it came, hexadecimal; None if no whole answer was read.
        held_back: the gate did not let it go, so `not_sent` says nothing about the hook.
        trace_id: under which the hook may know the request, in hexadecimal; None if none was sent.
    """

    outcome: Outcome
    answer: Answer | None
    status: int | None
    reason: str
    attempts: int
    seconds: float
    answer_sha256: str | None
    held_back: bool = False
    trace_id: str | None = None

    @property
    def settles_nothing(self) -> bool:
        """Whether this answer to a repeated request says nothing about the request before it."""
        if self.outcome is Outcome.REFUSED:
            return self.status in _REFUSALS and self.status != NEVER_TEXTED
        return self.outcome is Outcome.NOT_SENT

    def after(self, attempts: int, seconds: float, trace_id: str | None) -> "Submission":
        """The same, with what is known once it is over."""
        return Submission(
            self.outcome,
            self.answer,
            self.status,
            self.reason,
            attempts,
            seconds,
            self.answer_sha256,
            self.held_back,
            trace_id,
        )


class HookClient(TransportOwner):
    """Submits numbers to one hook. Use it as an async context manager, once.

    Args:
        url: the hook's address; https, or http if the host is this machine.
        method, context: of `InstaplyFormat`, where no other format is given.
        format_: the kind of hook; None: Instaply's.
        connect_seconds: one look-up, connect and TLS handshake.
        total_seconds: everything, the second attempt included.
        max_bytes: of a body; a longer one is not read to its end.
        keepalive: reuse connections (see above).
        prepare_seconds: how long a connection that was made ahead is kept unused; 0: none is made.
        traceparent: send a random trace id (W3C Trace Context, 3.2).
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
        format_: RequestFormat | None = None,
        connect_seconds: float = 3.0,
        total_seconds: float = 8.0,
        max_bytes: int = MAX_BYTES,
        keepalive: bool = False,
        prepare_seconds: float = 0.0,
        traceparent: bool = False,
        ca_file: str | None = None,
    ) -> None:
        if connect_seconds <= 0 or total_seconds <= 0 or max_bytes <= 0:
            raise HookConfigError("limits", "seconds and bytes must be more than 0")
        self._url = checked_url(url)
        self._format = format_ or InstaplyFormat(method, context)
        # Reading has no separate limit: one deadline covers the whole submission.
        self._timeout = {"connect": connect_seconds}
        host = self._url.netloc.decode("ascii")
        self._headers = httpx.Headers(
            {"host": host, **_HEADERS, "connection": _CONNECTION[keepalive]}
        )
        self._total_seconds = total_seconds
        self._prepare_seconds = prepare_seconds
        self._traceparent = traceparent
        super().__init__(tls_context(ca_file), max_bytes=max_bytes, keepalive=keepalive)
        for name in _LOUD_LOGGERS:
            logger = logging.getLogger(name)
            if _drop_talk not in logger.filters:
                logger.addFilter(_drop_talk)

    def prepare(self) -> Preparation:
        """A connection for one submission that will come soon, to be made ahead by its `start`.

        Close it if no submission comes of it.

        Raises:
            HookClosedError: the client is not open.
        """
        if self._transport is None:
            raise HookClosedError("not_open", "the hook's client is not open")
        if self._prepare_seconds <= 0:
            return Preparation(None)
        return self._transport.prepare(self._url, self._timeout["connect"], self._prepare_seconds)

    async def submit(self, request: SubmissionRequest) -> Submission:
        """Hands one consented number to the hook. Never raises for what the network does.

        Cancelled, it closes its connection and leaves nothing behind but a name look-up in
        progress, which all submissions share and which ends with the client; whether the request
        had left is then unknown, so a caller that must know shields it.

        Raises:
            HookClosedError: the client is not open.
        """
        transport = self._transport
        if transport is None:
            raise HookClosedError("not_open", "the hook's client is not open")
        message = self._format.build(self._url, self._headers, request)
        trace_id = secrets.token_hex(_TRACE_BYTES) if self._traceparent else None
        loop = asyncio.get_running_loop()
        # The loop's clock tells when its turn began; the time that an answer took is measured.
        began = time.perf_counter()
        deadline = loop.time() + self._total_seconds
        _set_trace(message, trace_id)
        attempt = Attempt(request.gate, request.prepared)
        result = await self._attempt(transport, message, deadline, attempt)
        attempts = 1
        if self._is_tried_again(result) and deadline - loop.time() > _LEAST_SECONDS:
            _set_trace(message, trace_id)
            again = await self._attempt(transport, message, deadline, Attempt(request.gate))
            attempts = 2
            # The first request may have arrived, whatever kept or turned the second one back.
            if result.outcome is Outcome.NOT_SENT or not again.settles_nothing:
                result = again
        took = time.perf_counter() - began
        return result.after(attempts, took, trace_id)

    def _is_tried_again(self, result: Submission) -> bool:
        """Whether an attempt may be repeated at once: it left nothing, or the receiver knows it.

        A receiver that has answered is not asked again at once, whatever it said.
        """
        if result.outcome is Outcome.NOT_SENT:
            return not result.held_back
        lost = result.outcome is Outcome.UNKNOWN and result.status is None
        return lost and self._format.idempotent

    async def _attempt(
        self,
        transport: HookTransport,
        request: httpx.Request,
        deadline: float,
        attempt: Attempt,
    ) -> Submission:
        request.extensions = {"timeout": self._timeout, "attempt": attempt}
        status: int | None = None
        try:
            async with asyncio.timeout_at(deadline):
                response = await transport.handle_async_request(request)
                status = response.status_code
                try:
                    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - ours
                    body = b"".join([piece async for piece in response.stream])
                finally:
                    await response.aclose()
        # Whatever a server makes of HTTP, the outcome has to be recorded and the caller connected.
        # A fault of ours shows as `client_fault`.
        except Exception as error:  # noqa: BLE001 - the reason stands above
            return _failed(attempt, status, error, may_be_empty=self._format.may_be_empty)
        may_be_empty = self._format.may_be_empty
        return _answered(status, response.headers, body, may_be_empty=may_be_empty)


def _answered(
    status: int, headers: httpx.Headers, body: bytes, *, may_be_empty: bool
) -> Submission:
    """The result of an attempt that brought a body."""
    content_type = headers.get("content-type")
    answer = read_answer(status, content_type, body, may_be_empty=may_be_empty)
    if body and _is_coded(headers, body, content_type):
        answer = _without_body(status, "encoded", may_be_empty=may_be_empty)
    digest = hashlib.sha256(body).hexdigest()
    return Submission(_outcome(answer), answer, status, _reason(answer), 1, 0.0, digest)


def _set_trace(request: httpx.Request, trace_id: str | None) -> None:
    """Name the trace, and this attempt as the parent of what the hook does; nothing is told."""
    if trace_id is not None:
        parent = secrets.token_hex(_PARENT_BYTES)
        request.headers["traceparent"] = f"00-{trace_id}-{parent}-01"


def _failed(
    attempt: Attempt, status: int | None, error: Exception, *, may_be_empty: bool
) -> Submission:
    """The result of an attempt that brought no whole response."""
    reason = _why(attempt, error)
    if status is None and isinstance(error, NetworkError):
        status = error.status
    if reason in _INCOMPLETE and (response := attempt.response) is not None and response.body:
        assert response.status is not None  # noqa: S101 - the head comes before the body
        headers = httpx.Headers(response.headers)
        result = _answered(response.status, headers, response.body, may_be_empty=False)
        if isinstance(result.answer, Instructions):
            return result
    if status is not None and (reason == "too_large" or _is_refusal(status)):
        answer = _without_body(status, reason, may_be_empty=may_be_empty)
        return Submission(_outcome(answer), answer, status, _reason(answer), 1, 0.0, None)
    outcome = Outcome.NOT_SENT if attempt.not_sent else Outcome.UNKNOWN
    held_back = attempt.not_sent and (attempt.at_gate or isinstance(error, HeldBackError))
    return Submission(outcome, None, status, reason, 1, 0.0, None, held_back=held_back)


def _why(attempt: Attempt, error: Exception) -> str:
    """A stable word for a failure: never its text, which may hold the URL."""
    if isinstance(error, NetworkError):
        return error.reason
    if isinstance(error, TimeoutError):  # the deadline
        if attempt.at_gate:
            return "gate_timeout"
        return "connect_timeout" if attempt.not_sent else "timeout"
    return "gate_failed" if attempt.at_gate else "client_fault"


def _is_coded(headers: httpx.Headers, body: bytes, content_type: str | None) -> bool:
    """Whether the body is in a coding, which was not asked for: it is never unpacked.

    A header that names no coding says nothing, and one that names a coding lies if what came is
    XML or JSON as it stands.
    """
    named = headers.get("content-encoding", "").lower().split(",")
    if _CODINGS.isdisjoint(name.strip() for name in named):
        return False
    return decode(body, content_type).lstrip()[:1] not in ("<", "{")


def checked_url(url: str) -> httpx.URL:
    """The URL, if a key and a person's number may be sent there.

    Raises:
        HookConfigError: they may not.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise HookConfigError(
            "url_invalid", "the hook's URL is invalid"
        ) from None  # its text quotes it
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise HookConfigError("url_scheme", "the hook's URL must begin with https:// and a host")
    if parsed.userinfo or parsed.fragment:
        raise HookConfigError(
            "url_parts", "the hook's URL must not contain a user, password or fragment"
        )
    if parsed.scheme == "http" and not is_loopback(parsed.host):
        raise HookConfigError(
            "url_unencrypted", "the hook's URL must be https unless its host is this machine"
        )
    return parsed


def _without_body(status: int, reason: str, *, may_be_empty: bool) -> Answer:
    """The answer where only the status can be used: a 4xx says enough by itself."""
    if not _is_refusal(status):
        return Unusable(status, reason)
    if reason in _INCOMPLETE or may_be_empty:  # as without a body: a 403 then means the key
        return read_answer(status, None, b"", may_be_empty=may_be_empty)
    return Refusal(status, "client_error")


def _is_refusal(status: int) -> bool:
    return status in _REFUSALS


def _outcome(answer: Answer) -> Outcome:
    """Rules 4 and 5 of the record: what counts as accepted, refused and unknown."""
    if isinstance(answer, Refusal):
        return Outcome.REFUSED
    if isinstance(answer, Instructions):
        if answer.kind == "not_linked":
            return Outcome.REFUSED
        if answer.kind == "no_document":
            return Outcome.ACCEPTED
        if any(isinstance(verb, Dial | Say) for verb in answer.verbs):
            return Outcome.ACCEPTED
    return Outcome.UNKNOWN


def _reason(answer: Answer) -> str:
    return answer.kind if isinstance(answer, Instructions) else answer.reason


def _drop_talk(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
