"""Stands in for the command `openssl` on a machine that has only its library.

Just what VERIFY.txt asks of it: Ed25519 signatures checked, a public key turned into DER.
"""

from __future__ import annotations

import os
import shutil
import sys
from itertools import pairwise
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def search_path(folder: Path) -> str:
    """A PATH with a command `openssl` in it: the machine's own if there is one."""
    usual = "/usr/local/bin:/usr/bin:/bin"
    if shutil.which("openssl", path=usual) is None:
        command = folder / "openssl"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
        command.chmod(0o755)
    return f"{Path(sys.executable).parent}:{usual}:{folder}"


def main(arguments: list[str]) -> int:
    """Answer as openssl does."""
    given = dict(pairwise(arguments))
    key = _key(Path(given.get("-inkey", given.get("-in", ""))).read_bytes())
    if arguments[0] == "pkey":
        der = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        os.write(1, key.public_bytes(*der))
        return 0
    try:
        key.verify(Path(given["-sigfile"]).read_bytes(), Path(given["-in"]).read_bytes())
    except InvalidSignature:
        os.write(1, b"Signature Verification Failure\n")
        return 1
    os.write(1, b"Signature Verified Successfully\n")
    return 0


def _key(text: bytes) -> Ed25519PublicKey:
    load = serialization.load_pem_public_key
    if not text.startswith(b"-----"):
        load = serialization.load_der_public_key
    key = load(text)
    assert isinstance(key, Ed25519PublicKey)
    return key


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
