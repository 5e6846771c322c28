"""What a submission asks for, and the request of each kind of hook that asks for it.

`instaply` is the vendor's: three fields, as its page has them. `webhook` is any program of the
business: one JSON document, signed (`agi_bridge.webhook_signature`). Its body is the same bytes at
every attempt, so that a receiver can tell a repetition by its key.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import httpx

from agi_bridge.hook.errors import HookConfigError
from agi_bridge.webhook_signature import InvalidSecret, read_secrets, signature_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agi_bridge.hook.preparation import Preparation
    from agi_bridge.hook.transport import Gate

Method: TypeAlias = Literal["GET", "POST"]

EVENT: Final = "consent.given"
"""The type of a webhook's event."""
_KEY_HEADER: Final = "idempotency-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What a webhook says of the consent that it texts under, besides the numbers.

    Attributes:
        consent_id: its id in the ledger: the key under which repetitions are one request.
        line: the name of the line that was called.
        brand: for whom the texts are.
        purpose: `info` or `marketing`.
        language: of the disclosure that was heard (BCP 47).
        disclosure_sha256: of that disclosure's text.
        agreed_at: when the caller agreed, RFC 3339 in UTC.
        text_before: from then on the receiver sends no text, and only says what it has done.
    """

    consent_id: str
    line: str
    brand: str
    purpose: str
    language: str
    disclosure_sha256: str
    agreed_at: str
    text_before: str


@dataclass(frozen=True, slots=True)
class SubmissionRequest:
    """One consented number to submit. Its `repr` has neither number nor key.

    Attributes:
        from_: the customer's mobile, E.164.
        to: the business number as the hook knows it, E.164.
        key: the organisation's key; a webhook is not given one.
        context: consent or campaign context, instead of the client's own.
        gate: asked in each attempt when the connection is there and nothing has been sent. The
            word that it returns is the reason of a `not_sent` that is not tried again; None lets
            the request go. If it fails, the reason is `gate_failed` or `gate_timeout`.
        prepared: a connection made ahead, used if it is still open.
        agreement: what a webhook says of the consent; Instaply has no field for it.
    """

    from_: str = field(repr=False)
    to: str
    key: str = field(repr=False)
    context: str | None = None
    gate: Gate | None = None
    prepared: Preparation | None = None
    agreement: Agreement | None = None


class RequestFormat(Protocol):
    """A kind of hook, as the client needs it.

    Attributes:
        idempotent: whether a request may be sent again whose answer was not received.
        may_be_empty: whether an answer without a document accepts.
    """

    @property
    def idempotent(self) -> bool: ...  # noqa: D102 - described above

    @property
    def may_be_empty(self) -> bool: ...  # noqa: D102 - described above

    def build(
        self, url: httpx.URL, headers: httpx.Headers, request: SubmissionRequest
    ) -> httpx.Request:
        """Make the HTTP request; it is made once for all attempts of a submission."""
        ...


@dataclass(frozen=True, slots=True)
class InstaplyFormat:
    """The vendor's request: key, from, to and context, in the body or in the query.

    Attributes:
        method: POST keeps key and number out of the URL; GET is there because the page shows it.
        context: sent with each submission that has none.
    """

    method: Method = "POST"
    context: str | None = None

    idempotent = False
    may_be_empty = False

    def __post_init__(self) -> None:
        if self.method not in ("GET", "POST"):
            raise HookConfigError("method", "the method must be GET or POST")

    def build(
        self, url: httpx.URL, headers: httpx.Headers, request: SubmissionRequest
    ) -> httpx.Request:
        """Make the HTTP request."""
        fields = {"key": request.key, "from": request.from_, "to": request.to}
        context = self.context if request.context is None else request.context
        if context is not None:
            fields["context"] = context
        if self.method == "GET":
            return httpx.Request("GET", url.copy_merge_params(fields), headers=headers)
        return _post(url, headers, _json(fields), {})


@dataclass(frozen=True, slots=True)
class WebhookFormat:
    """The request of `hook.kind = "webhook"`: a signed JSON document with the consent's facts.

    Attributes:
        keys: the secrets that sign; several while one replaces another.
        context: sent with each submission that has none.
        idempotent: the receiver texts once for an `Idempotency-Key`, however often it is asked.
        now: seconds since the epoch.
    """

    keys: tuple[bytes, ...] = field(repr=False)
    context: str | None = None
    idempotent: bool = False
    now: Callable[[], float] = time.time

    may_be_empty = True

    @classmethod
    def with_secret(
        cls, secret: str, *, context: str | None = None, idempotent: bool = False
    ) -> WebhookFormat:
        """Make the format from the secrets as they are written down, one a line.

        Raises:
            HookConfigError: the text contains no usable secrets.
        """
        try:
            keys = read_secrets(secret)
        except InvalidSecret as error:
            raise HookConfigError("signing_secret", f"the signing secret {error}") from None
        return cls(keys, context, idempotent)

    def build(
        self, url: httpx.URL, headers: httpx.Headers, request: SubmissionRequest
    ) -> httpx.Request:
        """Make the HTTP request.

        Raises:
            HookConfigError: the submission does not say under which consent.
        """
        agreement = request.agreement
        if agreement is None:
            raise HookConfigError("agreement", "a webhook needs the facts of the consent")
        data = {
            "consent_id": agreement.consent_id,
            "from": request.from_,
            "to": request.to,
            "line": agreement.line,
            "brand": agreement.brand,
            "purpose": agreement.purpose,
            "language": agreement.language,
            "disclosure_sha256": agreement.disclosure_sha256,
            "text_before": agreement.text_before,
        }
        context = self.context if request.context is None else request.context
        if context is not None:
            data["context"] = context
        body = _json({"type": EVENT, "timestamp": agreement.agreed_at, "data": data})
        signed = signature_headers(self.keys, agreement.consent_id, int(self.now()), body)
        return _post(url, headers, body, {_KEY_HEADER: agreement.consent_id, **signed})


def _json(fields: Mapping[str, object]) -> bytes:
    # ASCII escapes are JSON in every charset that a server may assume.
    return json.dumps(fields).encode("ascii")


def _post(
    url: httpx.URL, headers: httpx.Headers, content: bytes, more: dict[str, str]
) -> httpx.Request:
    # With a stream httpx adds no headers itself: half the processor time.
    request = httpx.Request("POST", url, headers=headers, stream=httpx.ByteStream(content))
    request.headers["content-type"] = "application/json"
    request.headers["content-length"] = str(len(content))
    if more:
        request.headers.update(more)
    return request
