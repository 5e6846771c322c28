"""`[console]`: the console in a browser, its listener, and who may look and act."""

import hashlib
import re
from ipaddress import ip_address
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field, PlainSerializer, field_validator

from agi_bridge.net import is_loopback

from .sections import Section, is_host
from .types import AllowedNetwork, Count, FilledText, Host, ListOf, Text, invalid

Role: TypeAlias = Literal["look", "act"]
"""`look` sees all pages, numbers masked; `act` also changes things and sees numbers in full."""

SignIn: TypeAlias = Literal["password", "proxy", "none"]
"""How people sign in."""

_HASH: Final = re.compile(
    r"\$argon2id\$v=19\$m=\d{1,7},t=\d{1,3},p=\d{1,3}\$[\w+/]{8,}\$[\w+/]{16,}"
)
_USER: Final = re.compile(r"[^\W_][\w.@+-]{0,63}")
_HEADER: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")


def _password_hash(value: str) -> str:
    if value and not _HASH.fullmatch(value):
        raise invalid(
            "is not a hash of a password",
            "write the line that `agi-bridge console-password` prints",
        )
    return value


def _fingerprint(value: str) -> str:
    """What stands for a hash in the record of the configuration: it changes with the password."""
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:16]}" if value else ""


def _user_name(value: str) -> str:
    if not _USER.fullmatch(value):
        raise invalid(
            "is not a name", "use letters, digits and . @ + - _, at most 64, like alice or a@b.com"
        )
    return value


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise invalid("is not the name of a header", 'write it like "X-Remote-User"')
    return value


def _browser_host(value: str) -> str:
    name = value.strip("[]")
    if ":" in name and not _is_address(name):
        raise invalid("contains a port", "write the name alone, like console.example.com", "port")
    if not is_host(name):
        raise invalid("is not a host name", "write it like console.example.com")
    return name.lower()


def _is_address(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


PasswordHash = Annotated[
    str,
    AfterValidator(_password_hash),
    PlainSerializer(_fingerprint, when_used="json"),
    Field(repr=False),
]
"""An Argon2id hash (RFC 9106) in the usual string form; the record has its fingerprint alone."""


class ConsoleUser(Section):
    """`[[console.users]]`: one person who may use the console."""

    name: Annotated[FilledText, AfterValidator(_user_name)]
    """The name to sign in with; it stands in the ledger beside what the person does."""

    role: Role = "look"
    """`look`, or `act`."""

    password_hash: PasswordHash = ""
    """The hash of the password, made by `agi-bridge console-password`."""


class ConsoleSettings(Section):
    """`[console]`: what the service does, in a browser; off unless it is enabled."""

    enabled: bool = False
    """Whether to listen."""

    host: Host = "127.0.0.1"
    """The address to listen on: plain HTTP, so TLS is a reverse proxy's."""

    port: Annotated[Count, Field(ge=0, le=65535)] = 4582
    """The port to listen on; 0 picks a free one."""

    hosts: Annotated[tuple[Annotated[Text, AfterValidator(_browser_host)], ...], ListOf] = ()
    """Names by which browsers reach it, besides `host` and loopback; others are refused."""

    sign_in: SignIn = "password"
    """`password`, `proxy` (a header of a reverse proxy names the person), or `none`."""

    role: Role = "look"
    """With `none`: the role of everybody on this machine."""

    proxies: Annotated[tuple[AllowedNetwork, ...], ListOf] = ()
    """Addresses of reverse proxies. With `proxy`, `proxy_header` is believed from them; with
    `password`, the last address in their `X-Forwarded-For` is whose sign-ins are limited."""

    proxy_header: Annotated[Text, AfterValidator(_header)] = "X-Remote-User"
    """With `proxy`: the header that names the person; the proxy must remove a client's own."""

    session_hours: Annotated[Count, Field(ge=1, le=720)] = 12
    """How long a sign-in by password holds."""

    users: Annotated[tuple[ConsoleUser, ...], ListOf] = ()
    """The people, each with a role."""

    @field_validator("sign_in")
    @classmethod
    def _reached_by_this_machine_only(cls, value: SignIn, info: object) -> SignIn:
        data: dict[str, object] = getattr(info, "data", {})
        host = data.get("host")
        if value == "none" and data.get("enabled") and not (host and is_loopback(str(host))):
            raise invalid(
                "lets everybody in who reaches console.host",
                'set sign_in to "password" or "proxy", or host to 127.0.0.1',
                "open",
            )
        return value

    @field_validator("users")
    @classmethod
    def _names_differ(cls, value: tuple[ConsoleUser, ...]) -> tuple[ConsoleUser, ...]:
        if len({each.name.casefold() for each in value}) < len(value):
            raise invalid("has two people of one name", "give each their own name", "duplicate")
        return value

    @property
    def by_password(self) -> bool:
        """Whether people sign in on a page of the console."""
        return self.sign_in == "password"

    def user(self, name: str) -> ConsoleUser | None:
        """The person of a name, in any case; None: there is none."""
        wanted = name.casefold()
        return next((each for each in self.users if each.name.casefold() == wanted), None)
