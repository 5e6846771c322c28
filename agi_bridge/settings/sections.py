"""Tables that all lines share: `[agi]`, `[hook]`, `[web]`, `[log]`.

Each field's docstring is the one sentence that `agi-bridge.example.toml` gives as its reason.
Within a table a field is checked against the ones above it, so that one bad value does not
hide what is wrong with the others.
"""

import ipaddress
import re
import ssl
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from agi_bridge.net import is_loopback

from .secret import SecretPlace
from .types import (
    AbsolutePath,
    AllowedNetwork,
    Count,
    FilledText,
    Host,
    ListOf,
    Seconds,
    Text,
    invalid,
)

_LABEL: Final = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")


class Section(BaseModel):
    """What every table has in common: unknown keys are refused, values do not change."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        hide_input_in_errors=True,
    )


class AgiSettings(Section):
    """`[agi]`: where Asterisk finds the bridge, and how much it may ask of it."""

    host: Host = "127.0.0.1"
    """The address to listen on: FastAGI has neither encryption nor passwords."""

    port: Annotated[Count, Field(ge=0, le=65535)] = 4573
    """4573 is FastAGI's own; 0 takes a free one. FreePBX often has 4573 in use."""

    allow: Annotated[tuple[AllowedNetwork, ...], ListOf] = ()
    """Networks whose machines may connect: needed as soon as `host` is not this machine alone."""

    token: SecretPlace | None = None
    """A word that every AGI URL must carry (`?token=`), for networks shared with others."""

    max_calls: Annotated[Count, Field(ge=1, le=100_000)] = 1000
    """Calls at once; one more is refused in words, so that the dialplan takes its fallback."""

    max_call_seconds: Annotated[Seconds, Field(ge=60, le=86_400)] = 10_800.0
    """Longest a call may hold the bridge: a stuck channel must not hold its place for ever."""

    @field_validator("allow")
    @classmethod
    def _guarded(
        cls, value: tuple[AllowedNetwork, ...], info: ValidationInfo
    ) -> tuple[AllowedNetwork, ...]:
        host = info.data.get("host")
        if not value and host is not None and not is_loopback(host):
            raise invalid(
                "is empty although agi.host can be reached from other machines",
                'name the PBX, like ["192.0.2.10/32"], or set agi.host = "127.0.0.1"',
            )
        return value

    def secret(self) -> str | None:
        """Return the token, or None where none is asked for."""
        return None if self.token is None else self.token.reveal()


class HookSettings(Section):
    """`[hook]`: the HTTP call that has the text sent."""

    url: Text = "https://hooks.instaply.com/v1/ivr"
    """Where consents are submitted; plain http only to this machine."""

    method: Literal["GET", "POST"] = "POST"
    """With GET the key stands in the URL and so in logs on the way; the vendor takes both."""

    context: FilledText | None = None
    """Free text sent along with each submission; left out if not set."""

    connect_seconds: Annotated[Seconds, Field(gt=0, le=30)] = 3.0
    """Longest wait for a connection: the caller is listening to silence."""

    total_seconds: Annotated[Seconds, Field(gt=0, le=60)] = 8.0
    """Longest wait for the whole answer; after it the call goes to its default destination."""

    max_bytes: Annotated[Count, Field(ge=1024, le=16_777_216)] = 65_536
    """Longest answer that is read: what comes from outside gets a limit."""

    keepalive: bool = False
    """Reusing connections is faster, but one that just closed makes an outcome unknown."""

    prepare_seconds: Annotated[Seconds, Field(ge=0, le=300)] = 30.0
    """How long a connection is kept that was made while the number is read back; 0: none is."""

    ca_file: AbsolutePath | None = None
    """Certificates to trust instead of the system's, for a proxy of your own."""

    breaker_failures: Annotated[Count, Field(ge=0, le=1000)] = 5
    """Failures in a row after which callers no longer wait for the hook; 0: they always do."""

    breaker_seconds: Annotated[Seconds, Field(gt=0, le=3600)] = 30.0
    """How long they do not, before one submission tries the hook again."""

    @field_validator("url")
    @classmethod
    def _safe_url(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            raise invalid("is not a URL", "write it like https://host/path") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise invalid("is not an http or https URL", "write it like https://host/path")
        if not _is_host(parts.hostname) or parts.port == 0:
            raise invalid("has no valid host and port", "write it like https://host/path")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise invalid(
                "would send the key and phone numbers unencrypted",
                "use https (http is for 127.0.0.1, ::1 and localhost only)",
            )
        if parts.username is not None or parts.query or parts.fragment:
            raise invalid(
                "holds more than a host and a path",
                "leave out user, password, query and fragment: key, from, to and context"
                " are added to it",
            )
        return value

    @field_validator("total_seconds")
    @classmethod
    def _not_shorter(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("connect_seconds", value):
            raise invalid(
                "is shorter than hook.connect_seconds", "make it at least as long as connecting"
            )
        return value

    @field_validator("ca_file")
    @classmethod
    def _readable(cls, value: AbsolutePath | None) -> AbsolutePath | None:
        if value is not None:
            try:
                with value.open("rb"):
                    pass
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
            except ssl.SSLError:
                raise invalid(
                    "holds no certificates that can be read",
                    "name a readable file of certificates in PEM form",
                ) from None
            except OSError as error:
                raise invalid(
                    f"names a file that cannot be read ({error.strerror})",
                    "name a readable file of certificates in PEM form",
                ) from None
        return value


def _is_host(host: str) -> bool:
    """Tell whether a host is an IP address or consists of valid DNS labels (RFC 1035, 2.3.4)."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return all(_LABEL.fullmatch(label) for label in host.removesuffix(".").split("."))
    return True


class WebSettings(Section):
    """`[web]`: it listens only if a token is set, since whoever holds one may revoke."""

    host: Host = "127.0.0.1"
    """The address to listen on; TLS is a reverse proxy's job."""

    port: Annotated[Count, Field(ge=0, le=65535)] = 4580
    """The port to listen on; 0 takes a free one."""

    token: SecretPlace | None = None
    """The bearer token of `POST /v1/revocations`; not set: the path does not exist."""

    instaply_token: SecretPlace | None = None
    """The bearer token of `POST /v1/instaply/messages`; not set: the path does not exist."""

    customers: AbsolutePath | None = None
    """A CSV file (`customer_id,number`) that says whose number an Instaply customer has."""

    @property
    def enabled(self) -> bool:
        """Tell whether there is anything to listen for."""
        return self.token is not None or self.instaply_token is not None

    def secret(self) -> str | None:
        """Return the token for revocations, or None."""
        return None if self.token is None else self.token.reveal()

    def instaply_secret(self) -> str | None:
        """Return the token for Instaply's messages, or None."""
        return None if self.instaply_token is None else self.instaply_token.reveal()


class LogSettings(Section):
    """`[log]`: how much is written."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """At info, one line per call and the service's own start and end."""
