"""A key of the business, told by its fingerprint or by a file."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agi_bridge.consent.signing import ledger_id_of
from agi_bridge.evidence.errors import BadPublicKey
from agi_bridge.evidence.export.verify import trusted_chain
from tests.support.error_codes import coded

if TYPE_CHECKING:
    from pathlib import Path

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()
RAW = KEY.public_bytes_raw()
PEM = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def test_a_fingerprint_is_the_chains_id_in_either_case() -> None:
    assert trusted_chain(ledger_id_of(RAW).upper()) == ledger_id_of(RAW)


@pytest.mark.parametrize("text", [KEY.public_bytes(*PEM), base64.b64encode(RAW) + b"\n"])
def test_a_file_may_be_pem_or_base64(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "key").write_bytes(text)
    assert trusted_chain(str(tmp_path / "key")) == ledger_id_of(RAW)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"no key",
        base64.b64encode(RAW[:31]),
        b"-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n",
        pytest.param(
            x25519.X25519PrivateKey.generate().public_key().public_bytes(*PEM), id="X25519"
        ),
    ],
)
def test_another_file_is_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "key").write_bytes(text)
    with pytest.raises(BadPublicKey, check=coded("public_key_invalid")):
        trusted_chain(str(tmp_path / "key"))


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadPublicKey, check=coded("public_key_invalid")):
        trusted_chain(str(tmp_path / "key"))
