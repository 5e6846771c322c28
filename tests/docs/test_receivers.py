"""The receivers in docs/receivers are run as they are, with the bridge's own client."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import httpx
import pytest

from agi_bridge.hook import (
    Agreement,
    HookClient,
    Outcome,
    Submission,
    SubmissionRequest,
    WebhookFormat,
)
from tests.support.web_serving import TOKEN as BRIDGE_TOKEN
from tests.support.web_serving import KeptRevocations, settings
from tests.support.web_serving import serving as bridge

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[2] / "docs" / "receivers"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
FORWARD = "+14155550199"
AUTH = "auth-token-of-twilio"
AT_TWILIO = "https://texts.example.com/twilio/messages"


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    import plain_receiver

    yield plain_receiver
    del sys.modules["plain_receiver"]


@pytest.fixture
def twilio(plain: Any) -> Any:
    del plain
    import twilio_sender

    yield twilio_sender
    for name in ("twilio_sender", "twilio_stops"):
        del sys.modules[name]


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def submit(
    url: str, consent: str = "a", *, secret: str = SECRET, text_before: str = "2100-01-01T00:00:00Z"
) -> Submission:
    agreement = Agreement(
        consent_id=consent,
        line="shop",
        brand="Example Store",
        purpose="info",
        language="en",
        disclosure_sha256="ab" * 32,
        agreed_at="2026-11-26T18:54:19.123Z",
        text_before=text_before,
    )
    format_ = WebhookFormat.with_secret(secret, idempotent=True)
    async with HookClient(url, format_=format_, total_seconds=60, connect_seconds=60) as client:
        return await client.submit(
            SubmissionRequest("+14155550123", "+14155550111", "", agreement=agreement)
        )


async def test_the_plain_receiver_texts_once_and_names_the_number_to_dial(
    plain: Any, tmp_path: Path
) -> None:
    sent: list[dict[str, str]] = []
    texts = plain.Texts(tmp_path / "texts.db")
    with serving(plain.receiver([OTHER, SECRET], texts, sent.append, FORWARD)) as url:
        first, again = await submit(url), await submit(url)
        await submit(url, "b")
    assert [first.reason, again.reason] == ["dial", "dial"]
    assert [each["consent_id"] for each in sent] == ["a", "b"]
    assert sent[0]["from"] == "+14155550123"


async def test_a_restart_of_the_receiver_sends_no_text_again(plain: Any, tmp_path: Path) -> None:
    sent: list[dict[str, str]] = []
    for _ in range(2):
        texts = plain.Texts(tmp_path / "texts.db")
        with serving(plain.receiver([SECRET], texts, sent.append)) as url:
            result = await submit(url)
            assert (result.outcome, result.reason) == (Outcome.ACCEPTED, "no_document")
    assert len(sent) == 1


async def test_after_its_time_a_receiver_sends_nothing_and_says_what_it_has_done(
    plain: Any, tmp_path: Path
) -> None:
    sent: list[dict[str, str]] = []
    late = "2026-11-26T19:04:19.123Z"
    with serving(plain.receiver([SECRET], plain.Texts(tmp_path / "t.db"), sent.append)) as url:
        await submit(url, "a")
        asked = await submit(url, "a", text_before=late)
        unknown = [await submit(url, "b", text_before=late) for _ in range(2)]
    assert asked.outcome is Outcome.ACCEPTED
    assert [(each.outcome, each.status) for each in unknown] == [(Outcome.REFUSED, 410)] * 2
    assert [each["consent_id"] for each in sent] == ["a"]


async def test_what_another_signed_is_refused_and_not_texted(plain: Any, tmp_path: Path) -> None:
    sent: list[dict[str, str]] = []
    texts = plain.Texts(tmp_path / "texts.db")
    with serving(plain.receiver([OTHER], texts, sent.append)) as url:
        result = await submit(url)
    assert (result.outcome, result.status, sent) == (Outcome.REFUSED, 401, [])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"webhook-timestamp": "soon", "webhook-signature": "v1,AAAA"},
        {"webhook-timestamp": "9" * 5_000, "webhook-signature": "v1,AAAA"},
        {"webhook-timestamp": "\u0661"},
        {"webhook-signature": "v1," * 2_000},
        {"content-length": "9" * 5_000},
        {"content-length": "-1"},
    ],
)
async def test_a_strangers_request_is_refused_without_a_traceback(
    plain: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str], headers: dict[str, str]
) -> None:
    sent: list[dict[str, str]] = []
    given = {"content-length": "2", "webhook-timestamp": str(int(time.time())), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    with serving(plain.receiver([SECRET], plain.Texts(tmp_path / "t.db"), sent.append)) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"POST / HTTP/1.1\r\n{head}\r\n{{}}".encode())
        status = (await reader.readline()).split()[1]
        writer.close()
    assert status in {b"401", b"413"}
    assert sent == []
    assert capfd.readouterr().err == ""


async def test_a_request_that_was_copied_is_refused_when_it_is_old(
    plain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, str]] = []
    monkeypatch.setattr(plain, "TOLERANCE_SECONDS", -1)
    with serving(plain.receiver([SECRET], plain.Texts(tmp_path / "t.db"), sent.append)) as url:
        assert (await submit(url)).status == 401
    assert sent == []


async def test_an_interrupted_text_is_never_sent_again(plain: Any, tmp_path: Path) -> None:
    def broken(_consent: dict[str, str]) -> None:
        raise OSError("the platform has gone")

    sent: list[dict[str, str]] = []
    with serving(plain.receiver([SECRET], plain.Texts(tmp_path / "t.db"), broken)) as url:
        failed = await submit(url)
    with serving(plain.receiver([SECRET], plain.Texts(tmp_path / "t.db"), sent.append)) as url:
        later = await submit(url)
    assert [failed.status, later.status] == [500, 409]
    assert [failed.outcome, later.outcome] == [Outcome.UNKNOWN] * 2
    assert sent == []


async def test_two_requests_with_one_key_at_the_same_time_are_one_text(
    plain: Any, tmp_path: Path
) -> None:
    entered, release = threading.Event(), threading.Event()
    sent: list[str] = []

    def slow(consent: dict[str, str]) -> None:
        entered.set()
        release.wait(60)
        sent.append(consent["consent_id"])

    with serving(plain.receiver([SECRET], plain.Texts(tmp_path / "t.db"), slow)) as url:
        first = asyncio.create_task(submit(url))
        await asyncio.to_thread(entered.wait, 60)
        second = await submit(url)
        release.set()
        assert (await first).outcome is Outcome.ACCEPTED
    assert (second.status, second.reason, sent) == (409, "try_again", ["a"])


@pytest.mark.parametrize(
    ("status", "outcome", "again"),
    [
        (201, "accepted", 1),
        (302, "unknown", 1),
        (400, "refused", 2),
        (408, "unknown", 1),
        (429, "unknown", 2),
        (500, "unknown", 1),
    ],
)
async def test_the_twilio_sender_asks_once_unless_twilio_refused(
    plain: Any, twilio: Any, tmp_path: Path, *, status: int, outcome: str, again: int
) -> None:
    asked: list[tuple[str, str, dict[str, list[str]]]] = []

    class Twilio(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["content-length"])).decode()
            asked.append((self.path, self.headers["authorization"], parse_qs(form)))
            self.send_response(status)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with serving(Twilio) as api:
        send = twilio.sender("AC1", "secret", "MG1", "Reply STOP to opt out.", api)
        handler = plain.receiver([SECRET], plain.Texts(tmp_path / "t.db"), send)
        with serving(handler) as url:
            first = await submit(url)
            await submit(url)
    assert first.outcome == outcome
    assert len(asked) == again
    path, login, form = asked[0]
    assert path == "/2010-04-01/Accounts/AC1/Messages.json"
    assert login == "Basic QUMxOnNlY3JldA=="
    assert form == {
        "To": ["+14155550123"],
        "MessagingServiceSid": ["MG1"],
        "Body": ["Reply STOP to opt out."],
    }


@contextlib.contextmanager
def texting(twilio: Any, plain: Any, folder: Path, stops: Any, api: str = "") -> Iterator[str]:
    """The Twilio example with its STOPs, as `main` puts it together."""
    send = twilio.sender("AC1", AUTH, "MG1", "Reply STOP to opt out.", api, stops=stops)
    handler = plain.receiver([SECRET], plain.Texts(folder / "t.db"), send)
    with serving(twilio.with_stops(handler, stops, AT_TWILIO, AUTH)) as url:
        yield url


async def written(url: str, *, token: str = AUTH, **form: str) -> int:
    """A customer wrote a message, which Twilio posts; returns the status that it gets."""
    message = {"MessageSid": "SM1", "From": "+14155550123", "To": "+14155550111", **form}
    signed = AT_TWILIO + "".join(f"{name}{message[name]}" for name in sorted(message))
    signature = base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()
    async with httpx.AsyncClient(trust_env=False) as client:
        headers = {"X-Twilio-Signature": signature}
        answer = await client.post(f"{url}/twilio/messages", data=message, headers=headers)
    return answer.status_code


async def test_stops_that_twilio_knows_of_are_revocations_once_the_bridge_is_back(
    plain: Any, twilio: Any, tmp_path: Path
) -> None:
    ledger = KeptRevocations()

    class Twilio(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            body = b'{"code": 21610, "status": 400}'
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    def stops_of(url: str) -> Any:
        post = twilio.poster(url, BRIDGE_TOKEN, "shop")
        return twilio.Stops(tmp_path / "stops.db", post)

    stops = stops_of("http://127.0.0.1:1")  # where nobody listens
    with serving(Twilio) as api, texting(twilio, plain, tmp_path, stops, api) as url:
        assert (await submit(url)).status == 422
        assert await written(url, Body=" Stop ") == 204
        assert await written(url, Body=" Stop ") == 204, "Twilio may post it twice"
        assert await written(url, Body="ARRET", OptOutType="STOP", MessageSid="SM2") == 204
        assert await written(url, Body="thank you", MessageSid="SM3") == 204
    assert await asyncio.to_thread(stops.deliver) == 3
    async with bridge(settings(tmp_path), ledger) as client:
        restarted = stops_of(str(client.base_url))
        assert await asyncio.to_thread(restarted.deliver) == 0
        assert await asyncio.to_thread(restarted.deliver) == 0
    assert [each.reference for each in ledger.revoked] == ["21610 a", "SM1", "SM2"]
    for each in ledger.revoked:
        assert (each.number, each.scope, each.actor) == ("+14155550123", "seller", "api:twilio")
        assert each.passed_on, "no person has to tell the platform"
        assert each.received is not None


async def test_a_message_that_twilio_did_not_sign_is_no_stop(
    plain: Any, twilio: Any, tmp_path: Path
) -> None:
    ledger = KeptRevocations()
    async with bridge(settings(tmp_path), ledger) as client:
        post = twilio.poster(str(client.base_url), BRIDGE_TOKEN)
        stops = twilio.Stops(tmp_path / "stops.db", post)
        with texting(twilio, plain, tmp_path, stops) as url:
            assert await written(url, Body="STOP", token="another") == 403
            async with httpx.AsyncClient(trust_env=False) as stranger:
                path = f"{url}/twilio/messages"
                for content in (b"", b"\xff", b"Body=STOP&Body=STOP", b"Body=STOP&From=%2B1"):
                    answer = await stranger.post(path, content=content)
                    assert answer.status_code in {400, 403}
            # What is not a number is not told for ever.
            assert await written(url, Body="STOP", From="whatsapp:none") == 204
        assert await asyncio.to_thread(stops.deliver) == 0
    assert ledger.revoked == []
