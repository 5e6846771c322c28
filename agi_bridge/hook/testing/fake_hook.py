"""A fake hook: it answers as Instaply's page says, or as a webhook's receiver, and fails on demand.

For tests, demos and anyone who wants to try a line without texting a person. It answers GET and
POST on `/v1/ivr`, checks `key`, `from` and `to` as the vendor does, and sends the page's bodies
word for word, typographic quotes and missing brace included. A request with the headers of a
webhook (`hook.kind = "webhook"`) is read as one: its signature is checked, one text is counted for
each `Idempotency-Key`, and none after `text_before`.

Which answer: the scenario that is set, or with none set, the last two digits of `from`:

    01 say (no forwarding number)   02 not-linked   03 403   04 400   05 500
    06 slow    07 reset    08 garbage    09 empty (204)    any other: dial
"""

import asyncio
import contextlib
import hmac
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, cast

from agi_bridge.hook.testing.fake_api import API, FakeInstaplyApi
from agi_bridge.hook.testing.http_exchange import MAX_HEAD, answer, read_request, reset
from agi_bridge.hook.testing.scenarios import (
    BY_NUMBER,
    NO_TEXT,
    FakeResponse,
    Scenario,
    response_for,
)
from agi_bridge.hook.testing.webhook_receiver import facts, is_genuine, is_late, is_webhook
from agi_bridge.phone import mask

PATH: Final = "/v1/ivr"
DEFAULT_FORWARD: Final = "+14155550199"
_NOT_HTTP: Final = FakeResponse("400 Bad Request", "text/plain", "This is not HTTP.\n")
_ELSEWHERE: Final = FakeResponse("404 Not Found", "text/plain", f"The hook is {PATH}\n")
_OTHER_METHOD: Final = FakeResponse("405 Method Not Allowed", "text/plain", "GET or POST\n")
# A closed server's port is free again after a few turns of the loop, on uvloop.
_TURNS: Final = 1000


@dataclass(frozen=True, slots=True)
class Received:
    """One request, and what was done with it.

    Attributes:
        method: `GET` or `POST`.
        from_: the customer's number as sent, '' if missing.
        to: the business number as sent, '' if missing.
        key: the key as sent, '' if missing.
        context: the context as sent, None if absent.
        scenario: what the answer was chosen by.
        consent: the consent's id in a webhook, which is its idempotency key; None of Instaply's.
    """

    method: str
    from_: str = field(repr=False)
    to: str = field(repr=False)
    key: str = field(repr=False)
    context: str | None
    scenario: Scenario
    consent: str | None = None

    def describe(self, *, show_numbers: bool = False) -> str:
        """One line for a terminal. The key is never shown, numbers only if asked for."""
        shown = str if show_numbers else mask
        context = "" if self.context is None else f" context={self.context!r}"
        proof = f"key={'given' if self.key else 'missing'}"
        if self.consent is not None:
            proof = f"consent={self.consent}"
        return (
            f"{self.method} from={shown(self.from_)} to={shown(self.to)} "
            f"{proof}{context} -> {self.scenario}"
        )


class FakeHook:
    """A fake Instaply hook: an async context manager; change `scenario` while it runs.

    Args:
        scenario: for every request, or None to choose by number (`BY_NUMBER`).
        forward: what `<Dial>` holds.
        key: the only key that is not answered with 403; None accepts any.
        secrets: what signs webhooks (`whsec_…`); one that none of them signed is answered with
            401. None accepts any signature.
        api: Instaply's API; None: one without customers.
        host: address to listen on.
        port: 0 for any free one.
        on_request: called with each request that was understood, before it is answered.
        slow_seconds: how long `slow` waits at most for `hold`.

    Attributes:
        requests: all that was received, oldest first.
        api: Instaply's API, which it serves at `api_url`.
        texted: by the idempotency keys of webhooks that asked for a text: how often each asked.
        hold: `slow` answers once this is set.
        now: seconds since the epoch, for `text_before`.
    """

    def __init__(
        self,
        scenario: Scenario | str | None = None,
        *,
        forward: str = DEFAULT_FORWARD,
        key: str | None = None,
        secrets: Sequence[str] | None = None,
        api: FakeInstaplyApi | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        on_request: Callable[[Received], None] | None = None,
        slow_seconds: float = 30.0,
    ) -> None:
        self.requests: list[Received] = []
        self.texted: dict[str, int] = {}
        self.secrets = secrets
        self.now: Callable[[], float] = time.time
        self.api = api or FakeInstaplyApi()
        self.hold = asyncio.Event()
        self.forward = forward
        self._scenario = None if scenario is None else Scenario(scenario)
        self._key = key
        self._host = host
        self._port = port
        self._bound_before = False
        self._on_request = on_request
        self._slow_seconds = slow_seconds
        self._news = asyncio.Condition()
        self._calls: set[asyncio.Task[None]] = set()
        self._held: socket.socket | None = None  # bound and not listening: connections are refused
        self._server: asyncio.Server | None = None
        self._switching = asyncio.Lock()
        self._switch: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where the hook is, for the bridge's configuration."""
        return f"{self.api_url}{PATH}"

    @property
    def api_url(self) -> str:
        """Where Instaply's API is, for `web.instaply_api_url`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    @property
    def scenario(self) -> Scenario | None:
        """What is done with valid requests; settable while it runs.

        To and from `refuse` it takes a moment: await `settled` before relying on it.
        """
        return self._scenario

    @scenario.setter
    def scenario(self, scenario: Scenario | str | None) -> None:
        refused = self._scenario is Scenario.REFUSE
        self._scenario = None if scenario is None else Scenario(scenario)
        running = self._server is not None or self._held is not None
        if running and refused is not (self._scenario is Scenario.REFUSE):
            self._switch = asyncio.create_task(self._listen_or_refuse())

    async def settled(self) -> None:
        """Returns when connections are accepted or refused as the scenario says."""
        if self._switch is not None:
            await self._switch

    async def received(self, count: int = 1) -> Received:
        """Waits until so many requests have come; the last of them."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def __aenter__(self) -> Self:
        try:
            await self._listen_or_refuse()
        except BaseException:  # cancelled while opening: the port is given back
            self._close()
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await self.settled()
        finally:
            self._close()
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    def _close(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None
        if self._server is not None:
            self._server.close()
            self._server = None

    # Listening or refusing, on one and the same port

    async def _listen_or_refuse(self) -> None:
        async with self._switching:
            refuse = self._scenario is Scenario.REFUSE
            if refuse and self._held is None:
                self._close()
                self._held = await self._bound()
            elif not refuse and self._server is None:
                self._close()
                # Started in a second step, so that a cancelled first one leaves nothing open.
                self._server = await asyncio.start_server(
                    self._call,
                    sock=await self._bound(),
                    limit=MAX_HEAD,
                    backlog=1024,
                    start_serving=False,
                )
                await self._server.start_serving()

    async def _bound(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        bound = socket.socket(family)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for turn in range(_TURNS):
            try:
                bound.bind((self._host, self._port))
                break
            except OSError:
                if not self._bound_before or turn == _TURNS - 1:
                    bound.close()
                    raise
                await asyncio.sleep(0)
        self._bound_before = True
        self._port = bound.getsockname()[1]
        return bound

    # One connection

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())  # start_server made it
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone
        except asyncio.CancelledError:
            pass  # by leaving the block; Python 3.11's streams would log it as an error
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether the connection goes on."""
        try:
            request = await read_request(reader)
        except (ValueError, asyncio.LimitOverrunError):
            await answer(writer, _NOT_HTTP)
            return False
        method, headers, body = request.method, request.headers, request.body
        if request.path.startswith(API):
            await answer(writer, self.api.respond(method, request.path, headers, body))
        elif request.path != PATH:
            await answer(writer, _ELSEWHERE)
        elif method not in ("GET", "POST"):
            await answer(writer, _OTHER_METHOD)
        else:
            fields = request.fields()
            webhook = is_webhook(headers)
            if webhook:
                fields = facts(headers, body)
            genuine = not webhook or self.secrets is None or is_genuine(headers, body, self.secrets)
            if not await self._ivr(writer, method, fields, genuine=genuine):
                return False
        return request.keep_alive

    async def _ivr(
        self, writer: asyncio.StreamWriter, method: str, fields: Mapping[str, str], *, genuine: bool
    ) -> bool:
        consent = fields.get("consent_id")
        needed = ("key" if consent is None else "consent_id", "from", "to")
        missing = next((name for name in needed if not fields.get(name)), None)
        scenario = self._choose(fields, missing) if genuine else Scenario.UNAUTHORISED
        received = Received(
            method=method,
            from_=fields.get("from", ""),
            to=fields.get("to", ""),
            key=fields.get("key", ""),
            context=fields.get("context"),
            scenario=scenario,
            consent=consent,
        )
        if consent is not None and scenario not in NO_TEXT:
            self.texted[consent] = self.texted.get(consent, 0) + 1
        await self._note(received)
        if scenario is Scenario.RESET:
            reset(writer)
            return False
        if scenario is Scenario.SLOW:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.hold.wait(), self._slow_seconds)
        response = response_for(scenario, forward=self.forward, missing=missing or "to")
        await answer(writer, response)
        return True

    def _choose(self, fields: Mapping[str, str], missing: str | None) -> Scenario:
        """What is wrong with the request goes before what was asked for, as at the vendor's."""
        if missing is not None:
            return Scenario.MISSING
        if self._key is not None and not hmac.compare_digest(
            fields.get("key", self._key).encode(), self._key.encode()
        ):
            return Scenario.INVALID_KEY
        if fields.get("consent_id") not in self.texted and is_late(fields, self.now()):
            return Scenario.LATE
        return self._scenario or BY_NUMBER.get(fields["from"][-2:], Scenario.DIAL)

    async def _note(self, received: Received) -> None:
        async with self._news:
            self.requests.append(received)
            self._news.notify_all()
        if self._on_request is not None:
            self._on_request(received)


async def serve_fake_hook(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    scenario: Scenario | str | None = None,
    forward: str = DEFAULT_FORWARD,
    key: str | None = None,
    secrets: Sequence[str] | None = None,
    api: FakeInstaplyApi | None = None,
    on_request: Callable[[Received], None] | None = None,
    on_start: Callable[[FakeHook], None] | None = None,
) -> None:
    """Serves until cancelled: the command's whole life. `on_start` learns the URL.

    Raises:
        OSError: the address cannot be listened on.
    """
    fake_hook = FakeHook(
        scenario,
        forward=forward,
        key=key,
        secrets=secrets,
        api=api,
        host=host,
        port=port,
        on_request=on_request,
    )
    async with fake_hook:
        if on_start is not None:
            on_start(fake_hook)
        await asyncio.Event().wait()
