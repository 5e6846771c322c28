"""A time stamping authority of the tests' own: `openssl ts` behind a small server on loopback.

It has a root, and an authority under it, both made at first use in a folder of the test run. A test
says what time the authority's clock shows, and may have it misbehave.
"""

from __future__ import annotations

import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from agi_bridge.consent.signing import TimestampAuthority, read_certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CONFIGURATION = """\
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/authority.pem
signer_key = {folder}/authority.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256
accuracy = secs:1
ess_cert_id_alg = sha256
"""
_OF_MANY = """\
certs = {folder}/middle.pem
clock_precision_digits = 3
ordering = yes
tsa_name = yes
ess_cert_id_chain = yes
"""
"""What large authorities do: a certificate between root and authority, and parts of seconds."""
_MIDDLE = """\
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
"""
_EXTENSIONS = """\
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
"""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass
class Authority:
    """One authority: its files, and what it does to requests while it is served."""

    folder: Path
    url: str = ""
    answer: Callable[[bytes], bytes] | None = None
    """What to answer in place of a stamp."""
    status: int = 200
    asked: list[bytes] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The root certificate, in PEM: what a verifier is given."""
        return self.folder / "root.pem"

    def client(self, *, trusted: bool = True) -> TimestampAuthority:
        """What asks this authority."""
        return TimestampAuthority(self.url, read_certificates(self.root) if trusted else ())

    def reply(self, query: bytes) -> bytes:
        """The stamp for a query, as `openssl ts` makes it."""
        (self.folder / "query").write_bytes(query)
        _openssl(
            self.folder,
            "ts",
            "-reply",
            "-config",
            "tsa.cnf",
            "-queryfile",
            "query",
            "-out",
            "reply",
        )
        return (self.folder / "reply").read_bytes()


def make_authority(folder: Path, *, large: bool = False) -> Authority:
    """Make the keys and certificates of an authority; a large one has another above it."""
    folder.mkdir(parents=True)
    _openssl(
        folder, "req", "-x509", *_KEY, "-keyout", "root.key", "-out", "root.pem", "-days", "3650",
        "-subj", f"/CN=Root of {folder.name}",
    )  # fmt: skip
    if large:
        _certify(folder, "middle", _MIDDLE, by="root")
    _certify(folder, "authority", _EXTENSIONS, by="middle" if large else "root")
    configuration = _CONFIGURATION + (_OF_MANY if large else "")
    (folder / "tsa.cnf").write_text(configuration.format(folder=folder))
    (folder / "serial").write_text("01\n")
    return Authority(folder)


def _certify(folder: Path, name: str, extensions: str, *, by: str) -> None:
    """Make a key and a certificate of it."""
    _openssl(
        folder, "req", *_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr",
        "-subj", f"/CN={name.capitalize()} of {folder.name}",
    )  # fmt: skip
    (folder / f"{name}.ext").write_text(extensions)
    _openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{by}.pem", "-CAkey", f"{by}.key",
        "-set_serial", "2", "-days", "3650", "-extfile", f"{name}.ext", "-out", f"{name}.pem",
    )  # fmt: skip


@contextmanager
def serving(authority: Authority) -> Iterator[Authority]:
    """Serve an authority on a port of loopback while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["content-length"]))
            authority.asked.append(query)
            body = (authority.answer or authority.reply)(query)
            self.send_response(authority.status)
            self.send_header("content-type", "application/timestamp-reply")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    authority.url = f"http://127.0.0.1:{server.server_port}/tsr"
    try:
        yield authority
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S603,S607 - our own arguments
