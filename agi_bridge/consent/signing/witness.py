"""Requests and verifies time stamps of checkpoints from an outside authority (RFC 3161).

The signing key can write anything about its own past. A stamp by somebody else bounds that:

* everything up to the stamped checkpoint is older than the stamp's time;
* the hash of the stamp is chained as a `witnessed` event, and nobody knew it before the stamp was
  made, so everything after that event is younger.

A stamp is kept as the authority sent it (`TimeStampResp` in DER, what `openssl ts` calls a reply).
Whether to believe an authority is for the person who verifies: its root certificate is given to
`is_trusted_by`, never taken from the stamp.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from agi_bridge.consent.errors import BadStamp, WitnessFailed
from agi_bridge.consent.signing.der import is_der, sorted_certificates, unwrapped, values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from rfc3161_client import TimeStampRequest, TimeStampResponse
    from rfc3161_client.tsp import Accuracy

SECONDS: Final = 10.0
"""How long an authority may take: the next checkpoint must not wait for a hung one."""
MAX_BYTES: Final = 65_536
"""Longest stamp. Real ones have 2 to 8 KiB, most of it certificates."""

_SHA256: Final = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
_GENERALIZED_TIME: Final = re.compile(rb"[0-9]{14}(\.[0-9]*[1-9])?Z")
_GRANTED: Final = 0  # RFC 3161, section 2.4.2
_UNREADABLE: Final = (
    ValueError, TypeError, LookupError, ArithmeticError, x509.InvalidVersion,
    x509.DuplicateExtension, x509.UnsupportedGeneralNameType,
)  # fmt: skip
"""What the libraries raise at bytes that are not a stamp."""
_HEADERS: Final = {
    "content-type": "application/timestamp-query",  # RFC 3161, section 3.4
    "accept": "application/timestamp-reply",
    "user-agent": "agi-bridge",
}


@dataclass(frozen=True, slots=True)
class Stamp:
    """One time stamp. Its signature counts only where `is_trusted_by` says so."""

    der: bytes = field(repr=False)
    """The authority's whole answer."""
    at_ms: int
    """The time that it states, in milliseconds since the epoch."""
    accuracy_ms: int
    """How far that time may be from the true one, as the authority states; 0 if it does not."""
    imprint: str
    """The SHA-256 of what was stamped, in hexadecimal."""
    signer: str
    """The first 32 hex digits of the SHA-256 of the signing certificate; empty without one."""

    @classmethod
    def parse(cls, der: bytes) -> Self:
        """Read a stamp.

        Raises:
            BadStamp: it is not a granted stamp with a SHA-256.
        """
        try:
            return cls._read(der)
        except _UNREADABLE:
            raise BadStamp("is not a time stamp in DER (RFC 3161)") from None

    @classmethod
    def _read(cls, der: bytes) -> Self:
        if not is_der(der):
            raise ValueError
        response = _decode(der)
        if response.status != _GRANTED:
            raise BadStamp(f"is a refusal (status {response.status})", code="stamp_refused")
        info = response.tst_info
        if info.message_imprint.hash_algorithm != _SHA256:
            raise BadStamp("stamps another kind of hash than SHA-256")
        return cls(
            der,
            round(info.gen_time.timestamp()) * 1000 + _milliseconds_past(der),
            _milliseconds(info.accuracy),
            info.message_imprint.message.hex(),
            _signer(response),
        )

    @property
    def sha256(self) -> str:
        """The SHA-256 of the stamp, as a `witnessed` event has it."""
        return hashlib.sha256(self.der).hexdigest()

    def covers(self, line: str) -> bool:
        """Whether it stamps a checkpoint's line."""
        return hashlib.sha256(line.encode()).hexdigest() == self.imprint

    def is_trusted_by(self, roots: Sequence[x509.Certificate]) -> bool:
        """Whether an authority under one of these root certificates signed it.

        The certificates have to be valid at the time that the stamp states, not now.
        """
        return any(map(self._leads_to, roots))

    def _leads_to(self, root: x509.Certificate) -> bool:
        response = _decode(self.der)
        try:
            embedded = _certificates(response)
            others = [each for each in embedded if each != root]
            verifier = VerifierBuilder(roots=[root], intermediates=others).build()
            return verifier.verify(response, bytes.fromhex(self.imprint))
        except (VerificationError, *_UNREADABLE):
            return False


class TimestampAuthority:
    """Asks one authority for stamps. Blocks; meant for a thread.

    Args:
        url: where it takes requests. Plain HTTP will do: a stamp is signed, and holds no secret.
        roots: its root certificates. A stamp that none of them leads to is refused; empty takes
            any, and leaves the question to those who verify.
        seconds: how long it may take.
    """

    def __init__(
        self, url: str, roots: Sequence[x509.Certificate] = (), seconds: float = SECONDS
    ) -> None:
        self._url = url
        self._roots = tuple(roots)
        self._seconds = seconds

    @property
    def name(self) -> str:
        """The authority's host."""
        return urlsplit(self._url).hostname or ""

    def stamp(self, line: str) -> Stamp:
        """Have a checkpoint's line stamped.

        Raises:
            WitnessFailed: there is no stamp of this line; the text says why, without the URL.
        """
        request = (
            TimestampRequestBuilder()
            .data(line.encode())
            .hash_algorithm(HashAlgorithm.SHA256)
            .cert_request(cert_request=True)
            .build()
        )
        try:
            stamp = Stamp.parse(self._ask(request))
        except BadStamp as error:
            raise WitnessFailed(f"{self.name}: the answer {error}", code=error.code) from None
        nonce = _decode(stamp.der).tst_info.nonce
        if not stamp.covers(line) or nonce != request.nonce:
            raise WitnessFailed(
                f"{self.name}: the answer is a stamp of something else", code="stamp_of_other"
            )
        if self._roots and not stamp.is_trusted_by(self._roots):
            raise WitnessFailed(
                f"{self.name}: the answer is not signed under timestamp_ca", code="stamp_untrusted"
            )
        return stamp

    def _ask(self, request: TimeStampRequest) -> bytes:
        try:
            with (
                httpx.Client(timeout=self._seconds, trust_env=False) as client,
                client.stream(
                    "POST", self._url, content=request.as_bytes(), headers=_HEADERS
                ) as response,
            ):
                if response.status_code != httpx.codes.OK:
                    raise WitnessFailed(
                        f"{self.name}: HTTP status {response.status_code}", code="http_status"
                    )
                return _body(response.iter_bytes())
        except httpx.TimeoutException:
            raise WitnessFailed(f"{self.name}: not done in time", code="timeout") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise WitnessFailed(
                f"{self.name}: {type(error).__name__}", code="unreachable"
            ) from None


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates in a file in PEM.

    Raises:
        BadStamp: it cannot be read, or has none.
    """
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise BadStamp(f"{path}: cannot be read ({error.strerror})", code="unreadable") from None
    except ValueError:
        raise BadStamp(f"{path}: holds no certificates in PEM", code="no_certificates") from None


def _body(parts: Iterable[bytes]) -> bytes:
    body = bytearray()
    for part in parts:
        body += part
        if len(body) > MAX_BYTES:
            raise BadStamp(f"is longer than {MAX_BYTES // 1024} KiB", code="stamp_too_long")
    return bytes(body)


def _decode(der: bytes) -> TimeStampResponse:
    return decode_timestamp_response(sorted_certificates(der))


def _milliseconds_past(der: bytes) -> int:
    """The part of a second in a stamp's time, which the client drops, in milliseconds.

    Raises:
        ValueError: the time is not written as in DER.
    """
    _status, token = values(unwrapped(der))
    _kind, held = values(unwrapped(token))
    _version, _hashes, encapsulated, *_ = values(unwrapped(unwrapped(held)))
    _kind, octets = values(unwrapped(encapsulated))
    _version, _policy, _imprint, _serial, at, *_ = values(unwrapped(unwrapped(unwrapped(octets))))
    written = _GENERALIZED_TIME.fullmatch(unwrapped(at))
    if written is None:
        raise ValueError("not a time in DER")
    return round(float(written[1] or 0) * 1000)


def _milliseconds(accuracy: Accuracy | None) -> int:
    """An accuracy, rounded up; 0 if the authority states none."""
    if accuracy is None:
        return 0
    return accuracy.seconds * 1000 + (accuracy.millis or 0) - (-(accuracy.micros or 0) // 1000)


def _certificates(response: TimeStampResponse) -> list[x509.Certificate]:
    return [*map(x509.load_der_x509_certificate, response.signed_data.certificates)]


def _signer(response: TimeStampResponse) -> str:
    """The fingerprint of the certificate that the signature names."""
    names = {(each.issuer, each.serial_number) for each in response.signed_data.signer_infos}
    for certificate in _certificates(response):
        if (certificate.issuer, certificate.serial_number) in names:
            encoded = certificate.public_bytes(serialization.Encoding.DER)
            return hashlib.sha256(encoded).hexdigest()[:32]
    return ""
