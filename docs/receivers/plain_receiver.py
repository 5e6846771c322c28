"""A receiver of `hook.kind = "webhook"`, in Python's standard library: the smallest that is right.

It verifies the signature, sends one text for each consent however often it is asked, and answers
with the number that the caller is connected to. Copy it, and write your own `send_text`.

    WEBHOOK_SECRET=whsec_… python3 plain_receiver.py 8081

Put a reverse proxy with TLS in front if the bridge is another machine.
"""

import base64
import hmac
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TOLERANCE_SECONDS = 300
MAX_BODY = 65_536
MAX_DIGITS = 16


Consent = dict[str, str]


class InProgress(Exception):  # noqa: N818 - an answer, not a fault
    """Another request with this key has not ended."""


class NotSent(Exception):  # noqa: N818 - an answer, not a fault
    """The text has certainly not gone out.

    Attributes:
        status: what the bridge is told: 422 refuses, 429 asks for another try, 410 is too late.
    """

    def __init__(self, status: int = 422) -> None:
        super().__init__(status)
        self.status = status


class Texts:
    """Which consents were texted, in a file: a restart must not send a text again."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        with closing(self._open()) as database:
            database.execute("CREATE TABLE IF NOT EXISTS text (key TEXT PRIMARY KEY, sent INTEGER)")

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None)

    def once(self, key: str, send: Callable[[], None], before: float) -> None:
        """Send under a key that was not seen before; nothing from `before` on, in Unix time.

        The key is kept before the text is sent. A sending that was interrupted stays in progress:
        whether its text went out is for a person to find out. One that has certainly not gone out
        may be tried again.
        """
        database = self._open()
        try:
            find = "SELECT sent FROM text WHERE key = ?"
            if time.time() >= before and not database.execute(find, (key,)).fetchone():
                raise NotSent(410)
            inserted = database.execute("INSERT OR IGNORE INTO text VALUES (?, 0)", (key,)).rowcount
            if not inserted:
                (sent,) = database.execute(find, (key,)).fetchone()
                if not sent:
                    raise InProgress
                return
            try:
                send()
            except NotSent:
                database.execute("DELETE FROM text WHERE key = ?", (key,))
                raise
            database.execute("UPDATE text SET sent = 1 WHERE key = ?", (key,))
        finally:
            database.close()


def is_whole(text: str) -> bool:
    """Whether a header is a whole number; Python does not read one of thousands of digits."""
    return text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS


def is_genuine(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets signed this request in the last five minutes.

    The names of `headers` are in lower case.
    """
    at = headers.get("webhook-timestamp", "")
    if not is_whole(at) or abs(time.time() - int(at)) > TOLERANCE_SECONDS:
        return False
    signed = f"{headers.get('webhook-id', '')}.{at}.".encode() + body
    given = [part[3:] for part in headers.get("webhook-signature", "").split() if part[:3] == "v1,"]
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        wanted = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        if any(hmac.compare_digest(wanted.encode(), each.encode()) for each in given):
            return True
    return False


def send_text(consent: Consent) -> None:
    """Send the text: replace this by a call of your own platform."""
    print("text to the number of consent", consent["consent_id"], flush=True)


class Receiver(BaseHTTPRequestHandler):
    """Answers the bridge's requests; `receiver` fills in what it needs.

    Attributes:
        secrets: those of `hook.signing_secret`.
        texts: what was sent.
        send: sends one text; it raises `NotSent` if the platform refused it.
        forward: the number in E.164 that callers are connected to; empty: the line's default.
    """

    timeout = 10
    secrets: Sequence[str]
    texts: Texts
    send: Callable[[Consent], None]
    forward: str

    def do_POST(self) -> None:
        """Answer one request."""
        length = self.headers.get("content-length", "")
        if not is_whole(length) or int(length) > MAX_BODY:
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = self._status(body) if is_genuine(headers, body, self.secrets) else 401
        if status == 204 and self.forward:  # noqa: PLR2004 - accepted
            self._answer(200, f"<Response><Dial>{self.forward}</Dial></Response>")
        else:
            self._answer(status)

    def _status(self, body: bytes) -> int:
        try:
            data = json.loads(body)["data"]
            consent = {name: str(data[name]) for name in ("consent_id", "from", "to", "brand")}
            before = datetime.fromisoformat(data["text_before"]).timestamp()
        except (ValueError, KeyError, TypeError):
            return 400
        try:
            self.texts.once(consent["consent_id"], lambda: type(self).send(consent), before)
        except InProgress:
            return 409
        except NotSent as refused:
            return refused.status
        except Exception:  # noqa: BLE001 - whether a text went out is not known
            return 500
        return 204

    def _answer(self, status: int, document: str = "") -> None:
        content = document.encode()
        self.send_response(status)
        if content:
            self.send_header("Content-Type", "application/xml")
        if status != 204:  # noqa: PLR2004 - it has no body
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing: a body has a telephone number."""


def receiver(
    secrets: Sequence[str],
    texts: Texts,
    send: Callable[[Consent], None] = send_text,
    forward: str = "",
) -> type[Receiver]:
    """Make the request handler; the arguments are the attributes of `Receiver`."""
    given = {"secrets": secrets, "texts": texts, "send": staticmethod(send), "forward": forward}
    return type("Receiver", (Receiver,), given)


def main() -> None:
    """Serve on loopback."""
    secrets = os.environ["WEBHOOK_SECRET"].split()
    texts = Texts(os.environ.get("TEXTS_FILE", "texts.db"))
    handler = receiver(secrets, texts, forward=os.environ.get("FORWARD_TO", ""))
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
