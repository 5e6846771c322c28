"""Instaply's API, as far as the bridge uses it: a customer's number, and who gets its messages.

    GET  /api/customers/ID/profile          docs.instaply.com/api/customer-profile
    GET  /api/webhooks/                     docs.instaply.com/api/webhooks
    POST /api/webhooks/, /api/webhooks/ID/update

Each request has the header `token`. The key belongs to a user and sees what that user sees, so 401,
403 and 404 are ordinary answers. The pages show no answer to the requests about webhooks: a list of
objects is expected, each with the fields that a webhook is created with and its `id`.

What comes back is untrusted: limited in bytes and depth, and a profile that shows another id than
the one that was asked for does not count.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from agi_bridge.hook.connection import NetworkError
from agi_bridge.hook.errors import HookClosedError, HookError
from agi_bridge.hook.tls import tls_context
from agi_bridge.hook.transport import TransportOwner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

API_URL: Final = "https://me.instaply.com"
MESSAGES: Final = "messages"
"""The event that a webhook subscribes to for what customers write."""
MAX_BYTES: Final = 262_144
"""Of an answer; a profile has less than 4 KiB, an organisation a few webhooks."""

_TEXT: Final = frozenset({"SMS", "TEXT", "MMS"})
"""Channels whose address is a telephone number that the business texts."""
_LONGEST: Final = 256
_MASKED: Final = re.compile(r"\*{3}|[\u2022\u25cf]{3}|\u2026|^\s*$")
"""What stands in a list for a header's value that it does not show."""
_BY_STATUS: Final = {401: "token_refused", 403: "forbidden", 404: "not_found"}
_HEADERS: Final = {
    "user-agent": "agi-bridge",
    "accept": "application/json",
    "accept-encoding": "identity",
    "connection": "close",
    "content-type": "application/json",
}


class InstaplyApiError(HookError):
    """The API did not give what was asked for. The text holds no number, token or body.

    `code` is one of `token_refused` (401), `forbidden` (403), `not_found` (404), `unavailable`
    (429, 5xx), `unreachable` (no answer), `bad_answer` (another status, too large, not the JSON
    that is documented), `other_customer` (the profile of somebody else), `no_number` (a profile
    without one), `other_channel` (the customer writes by WhatsApp or another channel) or
    `no_webhook_id` (a webhook that is to be changed is listed without its id).
    """


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as it is set up. Its `repr` has no header: they hold a token.

    Attributes:
        url: where it posts.
        enabled: whether it does.
        events: what it posts: `messages`, `transfers`.
        headers: what it sends along; None if the API does not show all of them, or if an update
            leaves them as they are.
        id: Instaply's id; empty for one that is to be created.
    """

    url: str
    enabled: bool = True
    events: tuple[str, ...] = (MESSAGES,)
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    id: str = ""

    def document(self) -> dict[str, object]:
        """The body of a request that creates or updates it."""
        document: dict[str, object] = {
            "url": self.url,
            "enabled": self.enabled,
            "subscribedEvents": [*self.events],
        }
        if self.headers is not None:
            document["extraHeaders"] = [
                {"name": name, "value": value} for name, value in self.headers.items()
            ]
        return document


class InstaplyApi(TransportOwner):
    """A client of the API: one request at a time, no retries. An async context manager.

    Args:
        token: the API key.
        url: the API's address: https, or http on loopback.
        ca_file: PEM file of the certificates to trust instead of certifi's.
        connect_seconds: look-up, connect and handshake together.
        total_seconds: a whole request.

    Raises:
        HookConfigError: ca_file has no certificates.
    """

    def __init__(
        self,
        token: str,
        url: str = API_URL,
        *,
        ca_file: str | None = None,
        connect_seconds: float = 3.0,
        total_seconds: float = 10.0,
    ) -> None:
        self._url = url.rstrip("/")
        self._headers = {**_HEADERS, "token": token}
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        super().__init__(tls_context(ca_file), max_bytes=MAX_BYTES)

    async def number(self, customer_id: str) -> str:
        """Return the telephone number in a customer's profile, as it is written there.

        Raises:
            InstaplyApiError: there is none, or nobody knows.
        """
        name = quote(customer_id, safe="")
        if not name.strip("."):  # "." and ".." change the path
            raise _error("not_found")
        return read_profile(await self._ask("GET", f"/api/customers/{name}/profile"), customer_id)

    async def webhooks(self) -> tuple[Webhook, ...]:
        """Return the organisation's webhooks.

        Raises:
            InstaplyApiError: the API does not list them.
        """
        return read_webhooks(await self._ask("GET", "/api/webhooks/"))

    async def create(self, webhook: Webhook) -> None:
        """Create a webhook.

        Raises:
            InstaplyApiError: it was not created, or nobody knows.
        """
        await self._ask("POST", "/api/webhooks/", webhook.document())

    async def update(self, webhook: Webhook) -> None:
        """Change the webhook of that id. Without headers, it keeps those that it has.

        Raises:
            InstaplyApiError: it was not changed, or nobody knows; `no_webhook_id` if its id cannot
                be part of a path.
        """
        name = quote(webhook.id, safe="")
        if not name.strip("."):  # the path would be another request's
            raise _error("no_webhook_id")
        await self._ask("POST", f"/api/webhooks/{name}/update", webhook.document())

    async def _ask(self, method: str, path: str, document: object = None) -> bytes:
        if self._transport is None:
            raise HookClosedError("not_open", "the client of Instaply's API is not open")
        content = b"" if document is None else json.dumps(document).encode("ascii")
        request = httpx.Request(
            method, f"{self._url}{path}", headers=self._headers, stream=httpx.ByteStream(content)
        )
        request.headers["content-length"] = str(len(content))
        request.extensions = {"timeout": {"connect": self._connect_seconds}}
        try:
            async with asyncio.timeout(self._total_seconds):
                response = await self._transport.handle_async_request(request)
                try:
                    _check(response.status_code)  # a refusal needs no body
                    assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - ours
                    body = b"".join([piece async for piece in response.stream])
                finally:
                    await response.aclose()
        except NetworkError as error:
            _check(error.status)  # a refusal, although its head was not read to its end
            bad = error.reason in {"bad_http", "too_large", "truncated"}
            raise _error("bad_answer" if bad else "unreachable") from None
        except TimeoutError:
            raise _error("unreachable") from None
        return body


def _check(status: int | None) -> None:
    """Raise for a status that is not 2xx; None is none."""
    if status is None or 200 <= status < 300:  # noqa: PLR2004 - RFC 9110, 15.3
        return
    if status in _BY_STATUS:
        raise _error(_BY_STATUS[status])
    if status == 429 or status >= 500:  # noqa: PLR2004 - RFC 6585, 4; RFC 9110, 15.6
        raise _error("unavailable")
    raise _error("bad_answer")


def read_profile(body: bytes, customer_id: str) -> str:
    """Return the number in a profile; see `InstaplyApi.number`."""
    profile = _read(body)
    if not isinstance(profile, dict):
        raise _error("bad_answer")
    if profile.get("id") is not None and _word(profile["id"]) != customer_id:
        raise _error("other_customer")
    channel = profile.get("channel")
    if channel is not None and str(channel).strip().upper() not in _TEXT:
        raise _error("other_channel")
    number = profile.get("phoneNumber")
    if not isinstance(number, str) or not 0 < len(number.strip()) <= _LONGEST:
        raise _error("no_number")
    return number.strip()


def read_webhooks(body: bytes) -> tuple[Webhook, ...]:
    """Return the webhooks of an answer: a list, or an object that holds one."""
    found = _read(body)
    if isinstance(found, dict):
        lists = [each for each in found.values() if isinstance(each, list)]
        # Which list holds the webhooks is not documented: of several, the one with objects.
        found = next((each for each in lists if any(isinstance(one, dict) for one in each)), None)
        found = found if found is not None else next(iter(lists), None)
    if not isinstance(found, list):
        raise _error("bad_answer")
    return tuple(_webhook(each) for each in found if isinstance(each, dict))


def _webhook(shown: Mapping[str, Any]) -> Webhook:
    events, headers = shown.get("subscribedEvents"), shown.get("extraHeaders")
    return Webhook(
        url=_word(shown.get("url")),
        enabled=shown.get("enabled", True) is not False,
        events=tuple(map(_word, events)) if isinstance(events, list) else (),
        headers=_pairs(headers) if isinstance(headers, list) else None,
        id=_word(shown.get("id", shown.get("webHookId"))),
    )


def _pairs(headers: Sequence[object]) -> dict[str, str] | None:
    """The headers by name in lower case; None if a value is not shown."""
    pairs = {}
    for each in headers:
        value = each.get("value") if isinstance(each, dict) else None
        if not isinstance(each, dict) or not isinstance(value, str) or _MASKED.search(value):
            return None
        pairs[_word(each.get("name")).lower()] = value
    return pairs


def _word(value: object) -> str:
    """An id or a name, written as a string or a number; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return ""
    if isinstance(value, int) and value.bit_length() > 64:  # noqa: PLR2004 - no id is longer
        return ""
    return str(value).strip()


def _read(body: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise _error("bad_answer") from None


def _error(code: str) -> InstaplyApiError:
    return InstaplyApiError(code, f"Instaply's API: {code}")
