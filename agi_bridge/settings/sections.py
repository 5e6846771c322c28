"""Tables that all lines share: `[agi]`, `[hook]`, `[web]`, `[log]`.

Each field's docstring says what `agi-bridge.example.toml` says about it. Within a table a field is
checked against the fields above it, so that one invalid value does not hide other faults.
"""

import ipaddress
import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from agi_bridge.net import is_loopback

from .secret import SecretPlace, SigningPlace, SigningSecret
from .types import (
    AbsolutePath,
    AllowedNetwork,
    CdrField,
    Count,
    FilledText,
    Host,
    ListOf,
    Seconds,
    Text,
    invalid,
    readable_certificates,
)

_LABEL: Final = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")


class Section(BaseModel):
    """Base of all tables: unknown keys are refused, values are frozen."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
    )


class AgiSettings(Section):
    """`[agi]`: the FastAGI listener and its limits."""

    host: Host = "127.0.0.1"
    """The address to listen on: FastAGI has neither encryption nor passwords."""

    port: Annotated[Count, Field(ge=0, le=65535)] = 4573
    """4573 is FastAGI's port; 0 picks a free one. FreePBX often uses 4573 itself."""

    allow: Annotated[tuple[AllowedNetwork, ...], ListOf] = ()
    """Networks that may connect; required if `host` is reachable from other machines."""

    token: SecretPlace | None = None
    """A secret that every AGI URL must carry (`?token=`), for networks shared with others."""

    max_calls: Annotated[Count, Field(ge=1, le=100_000)] = 1000
    """Calls at the same time; further calls are refused, and the dialplan takes its fallback."""

    max_call_seconds: Annotated[Seconds, Field(ge=60, le=86_400)] = 10_800.0
    """Longest time in seconds that a call may last, so that a stuck channel frees its place."""

    drain_seconds: Annotated[Seconds, Field(ge=0, le=3600)] = 240.0
    """Longest that a stop waits for dialogues; the callers left go to the default destination."""

    cdr_field: CdrField = ""
    """The CDR variable that gets the id of a call's consent, before a Dial; empty: none."""

    @field_validator("allow")
    @classmethod
    def _guarded(
        cls, value: tuple[AllowedNetwork, ...], info: ValidationInfo
    ) -> tuple[AllowedNetwork, ...]:
        host = info.data.get("host")
        if not value and host is not None and not is_loopback(host):
            raise invalid(
                "must not be empty if agi.host is reachable from other machines",
                'name the PBX, like ["192.0.2.10/32"], or set agi.host = "127.0.0.1"',
                "empty",
            )
        return value

    def secret(self) -> str | None:
        """Return the token, or None if none is required."""
        return None if self.token is None else self.token.reveal()


INSTAPLY_URL: Final = "https://hooks.instaply.com/v1/ivr"


class HookSettings(Section):
    """`[hook]`: the HTTP request that makes Instaply, or a webhook's receiver, send the text."""

    kind: Literal["instaply", "webhook"] = "instaply"
    """Who is asked: Instaply, or any program of yours by a signed webhook (docs/webhook.md)."""

    url: Text = INSTAPLY_URL
    """Where consents are submitted; plain http only to loopback."""

    signing_secret: SigningPlace | None = None
    """What signs webhooks: `whsec_` and base64, one a line; two while one replaces the other."""

    idempotent: bool = False
    """The webhook's receiver texts once for an Idempotency-Key, so it may be asked again."""

    method: Literal["GET", "POST"] = "POST"
    """With GET the key is in the URL, and so in proxies' logs; the vendor accepts both."""

    context: FilledText | None = None
    """Free text sent with each submission; omitted if not set."""

    connect_seconds: Annotated[Seconds, Field(gt=0, le=30)] = 3.0
    """Longest wait for a connection: the caller hears silence."""

    total_seconds: Annotated[Seconds, Field(gt=0, le=60)] = 8.0
    """Longest wait for the whole answer; then the call goes to its default destination."""

    max_bytes: Annotated[Count, Field(ge=1024, le=16_777_216)] = 65_536
    """Longest answer, in bytes, that is read."""

    keepalive: bool = False
    """Reuse connections: faster, but one that has just closed makes an outcome unknown."""

    prepare_seconds: Annotated[Seconds, Field(ge=0, le=300)] = 10.0
    """How long a connection is kept that was made while the number is read back; 0: none is."""

    traceparent: bool = False
    """Send a random trace id (W3C Trace Context), which the call's log line has too."""

    ca_file: AbsolutePath | None = None
    """Certificates to trust instead of the system's, for your own proxy."""

    breaker_failures: Annotated[Count, Field(ge=0, le=1000)] = 5
    """Failures in a row after which the circuit opens and no caller waits; 0: it never opens."""

    breaker_seconds: Annotated[Seconds, Field(gt=0, le=3600)] = 30.0
    """How long the circuit stays open before one submission tries the hook again."""

    @field_validator("url")
    @classmethod
    def _safe_url(cls, value: str, info: ValidationInfo) -> str:
        if info.data.get("kind") == "webhook" and value == INSTAPLY_URL:
            raise invalid(
                'is not set, but hook.kind = "webhook" needs it',
                "write the address of your receiver, like https://texts.example.com/consents",
                "missing",
            )
        return safe_url(value, "key, from, to and context are added")

    @field_validator("signing_secret")
    @classmethod
    def _signed(cls, value: SigningSecret | None, info: ValidationInfo) -> SigningSecret | None:
        if info.data.get("kind") == "webhook" and value is None:
            raise invalid(
                'is not set, but hook.kind = "webhook" needs it',
                'write {file = "/path"}; the file contains whsec_ and the output of'
                " openssl rand -base64 32",
                "missing",
            )
        return value

    @field_validator("idempotent")
    @classmethod
    def _declared(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic calls it
        if value and info.data.get("kind") == "instaply":
            raise invalid(
                "is true, but Instaply texts again for every request",
                'remove it, or set hook.kind = "webhook"',
                "kind",
            )
        return value

    @field_validator("method")
    @classmethod
    def _in_the_body(
        cls, value: Literal["GET", "POST"], info: ValidationInfo
    ) -> Literal["GET", "POST"]:
        if value == "GET" and info.data.get("kind") == "webhook":
            raise invalid("must be POST for a webhook", "remove hook.method", "kind")
        return value

    @field_validator("total_seconds")
    @classmethod
    def _not_shorter(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("connect_seconds", value):
            raise invalid(
                "is shorter than hook.connect_seconds",
                "make it at least as long as hook.connect_seconds",
                "too_small",
            )
        return value

    @field_validator("ca_file")
    @classmethod
    def _readable(cls, value: AbsolutePath | None) -> AbsolutePath | None:
        return None if value is None else readable_certificates(value)


def safe_url(value: str, added: str = "") -> str:
    """Return a URL to which a secret and phone numbers may be sent, or refuse it.

    `added` says what a request adds to it by itself.
    """
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise invalid("is not a URL", "write it like https://host/path") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise invalid("is not an http or https URL", "write it like https://host/path")
    if not is_host(parts.hostname) or parts.port == 0:
        raise invalid("has an invalid host or port", "write it like https://host/path", "host")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise invalid(
            "would send a secret and phone numbers unencrypted",
            "use https; http is only for 127.0.0.1, ::1 and localhost",
            "unencrypted",
        )
    if parts.username is not None or parts.query or parts.fragment:
        raise invalid(
            "must contain only a host and a path",
            f"remove user, password, query and fragment{added and f'; {added}'}",
            "extra_parts",
        )
    return value


def is_host(host: str) -> bool:
    """Tell whether a host is an IP address or consists of valid DNS labels (RFC 1035, 2.3.4)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))
    return True


class QuerySettings(Section):
    """`[[web.query]]`: one system that may ask whether numbers may be texted."""

    name: FilledText
    """Which system it is, for the log."""

    token: SecretPlace
    """Its bearer token, so that each system's can be changed without the others'."""

    per_minute: Annotated[Count, Field(ge=1, le=1_000_000)] = 600
    """Numbers it may ask about in a minute: nobody finds out by asking who has agreed."""


class WebSettings(Section):
    """`[web]`: the HTTP listener for revocations, Instaply's messages, queries and recordings."""

    host: Host = "127.0.0.1"
    """The address to listen on; a reverse proxy adds TLS."""

    port: Annotated[Count, Field(ge=0, le=65535)] = 4580
    """The port to listen on; 0 picks a free one."""

    token: SecretPlace | None = None
    """The bearer token of `POST /v1/revocations`; not set: the path does not exist."""

    instaply_token: SecretPlace | None = None
    """The bearer token of `POST /v1/instaply/messages`; not set: the path does not exist."""

    instaply_api_token: SecretPlace | None = None
    """The key of Instaply's API, by which a STOP's number is looked up; not set: none is."""

    instaply_api_url: Text = "https://me.instaply.com"
    """Where Instaply's API is; plain http only to loopback."""

    customers: AbsolutePath | None = None
    """A CSV file (`customer_id,number`) with the numbers of Instaply's customers."""

    query: Annotated[tuple[QuerySettings, ...], ListOf] = ()
    """The systems that may use `POST /v1/consents/query`; none: the path does not exist."""

    @field_validator("instaply_api_url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        return safe_url(value)

    @field_validator("query")
    @classmethod
    def _names_differ(cls, value: tuple[QuerySettings, ...]) -> tuple[QuerySettings, ...]:
        if len({each.name for each in value}) < len(value):
            raise invalid("has two systems of one name", "give each its own name", "duplicate")
        return value

    @property
    def enabled(self) -> bool:
        """Tell whether a token is set for any path, or a system may ask."""
        return self.token is not None or self.instaply_token is not None or bool(self.query)

    def secret(self) -> str | None:
        """Return the token for revocations, or None."""
        return None if self.token is None else self.token.reveal()

    def instaply_secret(self) -> str | None:
        """Return the token for Instaply's messages, or None."""
        return None if self.instaply_token is None else self.instaply_token.reveal()

    def instaply_api_secret(self) -> str | None:
        """Return the key of Instaply's API, or None."""
        return None if self.instaply_api_token is None else self.instaply_api_token.reveal()

    def query_secrets(self) -> dict[str, str]:
        """Return the tokens of the systems that may ask, by the systems' names."""
        return {each.name: each.token.reveal() for each in self.query}


class LogSettings(Section):
    """`[log]`: the level of the log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """At info: one line per call, and the service's start and stop."""
