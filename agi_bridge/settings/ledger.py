"""`[ledger]`: where consents are kept, under which keys, how long, and what proves it later."""

from typing import Annotated, TypedDict
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from agi_bridge.net import is_loopback

from .secret import KeyPlace, Secret, SecretPlace
from .sections import Section
from .types import (
    AbsolutePath,
    CommandLine,
    Count,
    FilledText,
    Seconds,
    Text,
    invalid,
    readable_certificates,
    table,
)

_SECRET_WORDS = frozenset({"password", "sslpassword"})
"""Parameters of libpq that hold a secret (PostgreSQL manual, "Parameter Key Words")."""


class KeyTexts(TypedDict):
    """The keys as they are written, None where the file in `state_dir/keys` is the place."""

    vault: str | None
    lookup: str | None
    signing: str | None


class CheckpointSettings(Section):
    """`[ledger.checkpoints]`: signed heads of the chain, and where copies of them go."""

    file: AbsolutePath | None = None
    """A file to append them to; not set: `checkpoints.jsonl` in `state_dir`."""

    syslog: bool = False
    """Send each to syslog too: a log that leaves this machine is beyond an attacker's reach."""

    command: Annotated[tuple[FilledText, ...], CommandLine] = ()
    """Program and arguments that take each on standard input, to put it beyond this machine."""

    every_events: Annotated[Count, Field(ge=1, le=1_000_000)] = 100
    """Sign one after this many events: later ones could be cut off unseen until the next."""

    every_seconds: Annotated[Seconds, Field(ge=1, le=86_400)] = 3600.0
    """Sign one after this time at the latest, if anything has happened."""

    timestamp_url: Text = ""
    """A time stamping authority (RFC 3161): its stamps bound what your own key could back-date."""

    timestamp_ca: AbsolutePath | None = None
    """The authority's root certificates in PEM; not set: any stamp is kept, verifiers judge it."""

    @field_validator("timestamp_url")
    @classmethod
    def _http(cls, value: str) -> str:
        if not value:
            return value
        fix = "write it like http://timestamp.example/tsr, or leave it empty"
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            raise invalid("is not a URL", fix, "invalid") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise invalid("is not an http or https URL", fix, "invalid")
        if parts.username is not None or parts.query or parts.fragment:
            raise invalid("contains more than a host and a path", fix, "extra_parts")
        return value

    @field_validator("timestamp_ca")
    @classmethod
    def _certificates(cls, value: AbsolutePath | None) -> AbsolutePath | None:
        return None if value is None else readable_certificates(value)


class LedgerSettings(Section):
    """`[ledger]`: the record of consent."""

    url: Text = ""
    """A PostgreSQL database that several bridges may share; empty: a SQLite file in `state_dir`."""

    password: SecretPlace | None = None
    """PostgreSQL's password, if its server asks for one."""

    vault_key: KeyPlace | None = None
    """What seals personal data at rest; not set: a file made at the first start."""

    lookup_key: KeyPlace | None = None
    """What numbers are looked up by without being readable; not set: a file, made likewise."""

    signing_key: KeyPlace | None = None
    """What checkpoints are signed with (Ed25519); not set: a file made at the first start."""

    retention_days: Annotated[Count, Field(ge=1, le=36_525)] = 1826
    """How long a consent's personal data is kept after the last text or the revocation."""

    details_days: Annotated[Count, Field(ge=1, le=36_525)] = 90
    """How long the raw digits are kept, and a caller ID that is not the number keyed."""

    checkpoints: Annotated[CheckpointSettings, BeforeValidator(table)] = CheckpointSettings()
    """Signed heads of the chain."""

    @field_validator("url")
    @classmethod
    def _postgresql(cls, value: str) -> str:
        if not value:
            return value
        value = _one_form(value)
        try:
            parts = urlsplit(value)
            _ = parts.port
        except ValueError:
            raise invalid("is not a URL", _URL_FIX) from None
        if parts.scheme != "postgresql":
            raise invalid("is not a postgresql:// URL", _URL_FIX)
        words = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        if parts.password is not None or words & _SECRET_WORDS:
            raise invalid(
                "contains a password",
                'remove it and set ledger.password = {env = "NAME"} or {file = "/path"}',
                "plain_secret",
            )
        if not parts.path.strip("/"):
            raise invalid("does not name a database", _URL_FIX, "missing")
        return value

    @field_validator("password")
    @classmethod
    def _somebodys(cls, value: Secret | None, info: ValidationInfo) -> Secret | None:
        url = info.data.get("url")
        if value is not None and url is not None and urlsplit(url).username is None:
            raise invalid(
                "is set, but ledger.url has no user",
                "add the user to ledger.url, like postgresql://user@host/database, or remove this",
                "unused",
            )
        return value

    @field_validator("details_days")
    @classmethod
    def _not_longer(cls, value: int, info: ValidationInfo) -> int:
        if value > info.data.get("retention_days", value):
            raise invalid(
                "is longer than ledger.retention_days",
                "make it at most ledger.retention_days",
                "too_large",
            )
        return value

    def key_texts(self) -> KeyTexts:
        """Return the keys that the configuration places elsewhere than in `state_dir/keys`."""
        return KeyTexts(
            vault=_text(self.vault_key),
            lookup=_text(self.lookup_key),
            signing=_text(self.signing_key),
        )

    def database_url(self) -> str:
        """Return `url` with the password in it, for the driver alone; empty if there is no URL."""
        password = _text(self.password)
        if password is None:
            return self.url
        parts = urlsplit(self.url)
        user, _, host = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()

    @property
    def travels_open(self) -> bool:
        """Tell whether the database is on another machine and nothing demands encryption."""
        parts = urlsplit(self.url)
        pairs = parse_qsl(parts.query)
        hosts = [host for name, host in pairs if name == "host"] or [parts.hostname or ""]
        near = all(map(_is_near, hosts))
        words = dict(pairs)
        return not near and words.get("sslmode") not in {"require", "verify-ca", "verify-full"}


_URL_FIX = 'write it like "postgresql://user@host:5432/database", or leave it empty for SQLite'


def _is_near(host: str) -> bool:
    """Whether a host of the URL is this machine: a socket's folder, or loopback, with any port."""
    if not host or host.startswith(("/", "%2F", "%2f")) or is_loopback(host):
        return True
    name, _, port = host.rpartition(":")
    return port.isdigit() and is_loopback(name.strip("[]"))


def _one_form(url: str) -> str:
    """Write several hosts as `?host=A:1&host=B:2`.

    libpq and people also write `@A:1,B:2/`, which urllib and SQLAlchemy do not read. A server that
    is tried first stays the first.
    """
    scheme, mark, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    user, at, hosts = place.rpartition("@")
    if not mark or "," not in hosts:
        return url
    database, _, query = path.partition("?")
    listed = "&".join(f"host={quote(host, safe=':[]')}" for host in hosts.split(","))
    return f"{scheme}://{user}{at}{slash}{database}?{'&'.join(filter(None, (listed, query)))}"


def _text(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()
