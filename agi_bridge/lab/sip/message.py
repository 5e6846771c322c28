"""SIP messages as values: parsing, encoding and digest authentication. No socket.

The part of RFC 3261 (SIP), RFC 4566 (SDP) and RFC 7616 (digest) that a phone on loopback or a local
network needs: UDP, one stream of G.711 mu-law with RFC 4733 key events, no proxies (no Route
headers).
"""

import hashlib
import re
import secrets
from dataclasses import dataclass

CRLF = "\r\n"
_COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "c": "content-type",
    "l": "content-length",
}
"""Short forms of header names, RFC 3261 section 7.3.3."""


@dataclass(frozen=True, slots=True)
class SipMessage:
    """A request or a response.

    Attributes:
        start: request line or status line.
        headers: (name, value) in order; names as written.
        body: SDP, or empty.
    """

    start: str
    headers: tuple[tuple[str, str], ...]
    body: str = ""

    @property
    def status(self) -> int | None:
        """Status of a response; None for a request."""
        if not self.start.startswith("SIP/2.0 "):
            return None
        word = self.start.split(" ", 2)[1]
        return int(word) if word.isdecimal() else None

    @property
    def method(self) -> str:
        """Method of a request, or of the request that a response answers (CSeq)."""
        return self.first("CSeq").rpartition(" ")[2].upper()

    @property
    def uri(self) -> str:
        """Request URI; only for a request."""
        return self.start.split(" ")[1]

    @property
    def sequence(self) -> int:
        """The number in CSeq."""
        word = self.first("CSeq").partition(" ")[0]
        return int(word) if word.isdecimal() else 0

    @property
    def branch(self) -> str:
        """Branch of the topmost Via, which identifies the transaction (section 17.1.3)."""
        return parameter(self.first("Via"), "branch")

    def all(self, name: str) -> list[str]:
        """Return all values of a header, in order."""
        wanted = name.lower()
        return [value for key, value in self.headers if _long(key) == wanted]

    def first(self, name: str) -> str:
        """Return the first value of a header; empty when it is absent."""
        return next(iter(self.all(name)), "")

    def encode(self) -> bytes:
        """Return the bytes to send, with their Content-Length."""
        body = self.body.encode()
        lines = [self.start, *(f"{name}: {value}" for name, value in self.headers)]
        lines.append(f"Content-Length: {len(body)}")
        return (CRLF.join(lines) + CRLF * 2).encode() + body


def _long(name: str) -> str:
    lower = name.lower()
    return _COMPACT.get(lower, lower)


def parse(data: bytes) -> SipMessage | None:
    """Parse one datagram; None if it is not SIP (a keep-alive, noise)."""
    head, _, body = data.decode(errors="replace").partition(CRLF * 2)
    start, *lines = head.split(CRLF)
    if "SIP/2.0" not in start or len(start.split(" ")) < 3:  # noqa: PLR2004  # three words
        return None
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and headers:  # a folded line continues the one before
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}")
            continue
        name, _, value = line.partition(":")
        headers.append((name.strip(), value.strip()))
    message = SipMessage(start, tuple(headers), body)
    return message if message.method and message.first("Call-ID") else None


def parameter(value: str, name: str) -> str:
    """Return a `;name=value` parameter of a header's value; empty when absent."""
    found = re.search(rf";\s*{name}=([^;,\s>]+)", value, re.IGNORECASE)
    return found[1] if found else ""


def address(value: str) -> str:
    """Return the URI of a From, To or Contact value."""
    found = re.search(r"<([^<>]+)>", value)
    return found[1] if found else value.partition(";")[0].strip()


def user_of(uri: str) -> str:
    """Return the user part of a SIP URI, still escaped."""
    return uri.partition(":")[2].partition("@")[0].partition(";")[0]


def authorization(challenge: str, *, method: str, uri: str, user: str, password: str) -> str:
    """Return the Authorization value that answers a WWW-Authenticate challenge with MD5.

    RFC 7616 section 3.4, algorithm MD5, with or without qop=auth: the default of Asterisk's
    `res_pjsip_authenticator_digest`.
    """
    parameters = re.findall(r'(?<!\w)(\w+)="?([^",]*)"?', challenge)
    asked = {key.lower(): value for key, value in parameters}
    realm, nonce = asked.get("realm", ""), asked.get("nonce", "")
    secret = _md5(f"{user}:{realm}:{password}")
    request = _md5(f"{method}:{uri}")
    parts = [f'username="{user}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{uri}"']
    if "auth" in asked.get("qop", "").split(","):
        cnonce, count = secrets.token_hex(8), "00000001"
        response = _md5(f"{secret}:{nonce}:{count}:{cnonce}:auth:{request}")
        parts += [f"qop=auth, nc={count}", f'cnonce="{cnonce}"']
    else:
        response = _md5(f"{secret}:{nonce}:{request}")
    parts += [f'response="{response}"', "algorithm=MD5"]
    if "opaque" in asked:
        parts.append(f'opaque="{asked["opaque"]}"')
    return "Digest " + ", ".join(parts)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def sdp(host: str, port: int) -> str:
    """Return an offer or answer of one mu-law stream with RFC 4733 key events on payload 101."""
    lines = (
        "v=0",
        f"o=- 1 1 IN IP4 {host}",
        "s=call",
        f"c=IN IP4 {host}",
        "t=0 0",
        f"m=audio {port} RTP/AVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=sendrecv",
    )
    return "".join(line + CRLF for line in lines)


def media_address(body: str) -> tuple[str, int] | None:
    """Return the address where the other side expects sound; None if the SDP has none."""
    host = re.search(r"^c=IN IP4 (\S+)", body, re.MULTILINE)
    port = re.search(r"^m=audio (\d+)", body, re.MULTILINE)
    return (host[1], int(port[1])) if host and port else None
