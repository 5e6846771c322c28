"""Tells the bridge of each STOP that Twilio knows, so that it asks for no more texts.

Twilio knows of one in two ways: a customer writes it, and Twilio posts the message to the address
of the messaging service ("Incoming Messages, send a webhook"); or a text is refused because the
customer wrote STOP before (error 21610). Each is kept in a file until the bridge has it.

`twilio_sender.py` uses this if BRIDGE_URL is set.
"""

import base64
import hmac
import json
import sqlite3
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

PATH = "/twilio/messages"
AGAIN_SECONDS = 30.0
MAX_FORM = 65_536
STOP_WORDS = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
)
"""What Twilio takes for a STOP by default. A person has to read other messages."""

Post = Callable[[str, str, str], None]


class Stops:
    """STOPs that the bridge has not been told of, in a file: a restart must not lose one.

    Args:
        path: of the file.
        post: tells the bridge of one: the number, when it was asked for, and what identifies the
            request. It raises an exception if the bridge has not taken it.
    """

    def __init__(self, path: str | Path, post: Post) -> None:
        self._path = path
        self._post = post
        self.news = threading.Event()
        with closing(self._open()) as database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS stop (key TEXT PRIMARY KEY, number TEXT, at TEXT)"
            )

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, isolation_level=None)

    def add(self, key: str, number: str) -> None:
        """Keep a STOP; the same one, by its key, only once."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        with closing(self._open()) as database:
            database.execute("INSERT OR IGNORE INTO stop VALUES (?, ?, ?)", (key, number, at))
        self.news.set()

    def deliver(self) -> int:
        """Tell the bridge of all that are kept; return how many it has not taken."""
        with closing(self._open()) as database:
            kept = database.execute("SELECT key, number, at FROM stop ORDER BY at").fetchall()
            failed = 0
            for key, number, at in kept:
                try:
                    self._post(number, at, key)
                except Exception as error:  # noqa: BLE001 - kept, and sent again
                    failed += 1
                    name = type(error).__name__
                    print("the bridge has not taken a STOP:", name, file=sys.stderr, flush=True)
                else:
                    database.execute("DELETE FROM stop WHERE key = ?", (key,))
        return failed

    def run(self) -> None:
        """Tell the bridge of each, again and again; for a thread of its own."""
        while True:
            self.news.clear()
            self.news.wait(AGAIN_SECONDS if self.deliver() else None)


def poster(url: str, token: str, line: str = "") -> Post:
    """Make what tells the bridge.

    Args:
        url: the bridge's address, without a path.
        token: that of `web.token`.
        line: whose `revocation_scope` says how far a STOP reaches; empty: it reaches every brand.
    """

    def post(number: str, at: str, key: str) -> None:
        fields = {"number": number, "received": at, "channel": "twilio", "passed_on": True}
        request = urllib.request.Request(  # noqa: S310 - the address is ours
            f"{url.rstrip('/')}/v1/revocations",
            data=json.dumps(fields | ({"line": line} if line else {})).encode(),
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
                "Idempotency-Key": key,
            },
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
                answer.read(65_536)
        except urllib.error.HTTPError as error:
            with error:
                if _code(error.read(65_536), "error") != "invalid_number":
                    raise
            print("a STOP came from what is not a number", file=sys.stderr, flush=True)

    return post


def is_from_twilio(url: str, form: Mapping[str, str], signature: str, token: str) -> bool:
    """Whether Twilio signed a message to this address (twilio.com/docs/usage/security).

    Args:
        url: the address as Twilio has it.
        form: what it posted.
        signature: the header `X-Twilio-Signature`.
        token: the account's auth token.
    """
    signed = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    wanted = base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1"))
    return hmac.compare_digest(wanted, signature.encode())


def take_message(stops: Stops, body: bytes, signature: str, url: str, token: str) -> int:
    """Take a message that a customer wrote; return the status to answer with."""
    try:
        pairs = urllib.parse.parse_qsl(body.decode("utf-8"), keep_blank_values=True)
    except ValueError:
        return 400
    form = dict(pairs)
    if len(form) < len(pairs) or not is_from_twilio(url, form, signature, token):
        return 403
    stops_by_word = form.get("Body", "").strip().upper() in STOP_WORDS
    if form.get("OptOutType") == "STOP" or stops_by_word:
        if not {"MessageSid", "From"} <= form.keys():
            return 400
        stops.add(form["MessageSid"], form["From"])
    return 204


def refused_as_stopped(answer: bytes) -> bool:
    """Whether Twilio refused a text because its receiver wrote STOP: error 21610."""
    return _code(answer) == 21610  # noqa: PLR2004 - Twilio's number


def _code(answer: bytes, *where: str) -> object:
    """The code of an error in JSON, or in the object there; None if there is none."""
    try:
        found = json.loads(answer)
        for name in where:
            found = found[name]
        return found["code"]
    except (ValueError, KeyError, TypeError):
        return None
