"""Sends the texts of `plain_receiver.py` through Twilio's REST API, with the standard library.

    export WEBHOOK_SECRET=whsec_… TWILIO_ACCOUNT_SID=AC… TWILIO_AUTH_TOKEN=…
    TWILIO_MESSAGING_SERVICE_SID=MG… TEXT="…" python3 twilio_sender.py 8081

Twilio keeps the list of STOPs, and the bridge has to know of them: with
BRIDGE_URL=https://… BRIDGE_TOKEN=… (that of `web.token`) and TWILIO_WEBHOOK_URL=https://…/twilio/messages
each one is told to the bridge (`twilio_stops.py`). Give Twilio that address for incoming messages.

Twilio's API takes no idempotency key. So a text is sent at most once: the key is kept before Twilio
is asked, and a request to Twilio without an answer is not repeated (`Texts.once`).
"""

import base64
import os
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.server import ThreadingHTTPServer

from plain_receiver import MAX_BODY, Consent, NotSent, Receiver, Texts, is_whole, receiver
from twilio_stops import PATH, Stops, poster, refused_as_stopped, take_message

API = "https://api.twilio.com"
SECONDS = 6
"""Less than `hook.total_seconds`: the bridge is to hear what became of it."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would take the login elsewhere, and the text nowhere."""

    def redirect_request(self, *_: object) -> None:
        """Make no other request: a redirect is an `HTTPError`."""


def sender(
    account: str,
    token: str,
    service: str,
    text: str,
    api: str = API,
    *,
    stops: Stops | None = None,
) -> Callable[[Consent], None]:
    """Make what sends one text.

    Args:
        account: the Twilio account's SID.
        token: its auth token.
        service: the messaging service, which has the sender's numbers and answers STOP.
        text: the first text, as the line's `workflow.sample` promises it.
        api: Twilio's address.
        stops: takes what Twilio refuses because of a STOP.
    """
    url = f"{api}/2010-04-01/Accounts/{urllib.parse.quote(account)}/Messages.json"
    opener = urllib.request.build_opener(NoRedirect)
    login = base64.b64encode(f"{account}:{token}".encode()).decode()

    def send(consent: Consent) -> None:
        form = {"To": consent["from"], "MessagingServiceSid": service, "Body": text}
        request = urllib.request.Request(  # noqa: S310 - the address is ours
            url,
            data=urllib.parse.urlencode(form).encode(),
            headers={"Authorization": f"Basic {login}"},
            method="POST",
        )
        try:
            with opener.open(request, timeout=SECONDS) as answer:
                answer.read(65_536)
        except urllib.error.HTTPError as error:
            with error:
                refusal = error.read(65_536)
            if stops is not None and refused_as_stopped(refusal):
                stops.add(f"21610 {consent['consent_id']}", consent["from"])
            if error.code == 429:  # noqa: PLR2004 - too many requests: later
                raise NotSent(429) from None
            if 400 <= error.code < 500 and error.code != 408:  # noqa: PLR2004 - it refused
                raise NotSent from None
            raise

    return send


def with_stops(handler: type[Receiver], stops: Stops, url: str, token: str) -> type[Receiver]:
    """Make a request handler that also takes the messages of customers, which Twilio posts.

    Args:
        handler: that of the bridge's requests.
        stops: takes their STOPs.
        url: the address that Twilio posts to, as Twilio has it.
        token: the account's auth token, which signs.
    """

    class WithStops(handler):  # type: ignore[misc, valid-type]  # mypy takes no variable as a base
        def do_POST(self) -> None:  # noqa: N802 - the name that `http.server` calls
            if self.path.partition("?")[0] != PATH:
                super().do_POST()
                return
            length = self.headers.get("content-length", "")
            if not is_whole(length) or int(length) > MAX_BODY:
                self._answer(413)
                return
            signature = self.headers.get("x-twilio-signature", "")
            self._answer(take_message(stops, self.rfile.read(int(length)), signature, url, token))

    return WithStops


def main() -> None:
    """Serve on loopback."""
    environ = os.environ
    stops = None
    if "BRIDGE_URL" in environ:
        post = poster(environ["BRIDGE_URL"], environ["BRIDGE_TOKEN"], environ.get("LINE", ""))
        stops = Stops(environ.get("STOPS_FILE", "stops.db"), post)
        threading.Thread(target=stops.run, daemon=True).start()
    send = sender(
        environ["TWILIO_ACCOUNT_SID"],
        environ["TWILIO_AUTH_TOKEN"],
        environ["TWILIO_MESSAGING_SERVICE_SID"],
        environ["TEXT"],
        environ.get("TWILIO_API", API),
        stops=stops,
    )
    texts = Texts(environ.get("TEXTS_FILE", "texts.db"))
    handler = receiver(
        environ["WEBHOOK_SECRET"].split(), texts, send, environ.get("FORWARD_TO", "")
    )
    if stops is not None:
        url, token = environ["TWILIO_WEBHOOK_URL"], environ["TWILIO_AUTH_TOKEN"]
        handler = with_stops(handler, stops, url, token)
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), handler) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
