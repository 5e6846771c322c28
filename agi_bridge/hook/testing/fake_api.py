"""A fake of Instaply's API: customers' profiles, and webhooks, as the vendor's pages show them."""

from __future__ import annotations

import hmac
import json
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from agi_bridge.hook.testing.scenarios import FakeResponse

if TYPE_CHECKING:
    from collections.abc import Mapping

API: Final = "/api/"
"""What every path of it begins with."""
_PROFILE: Final = re.compile(r"/api/customers/([^/]+)/profile")
_WEBHOOK: Final = re.compile(r"/api/webhooks/([^/]+)/update")
_JSON: Final = "application/json; charset=utf-8"


class FakeInstaplyApi:
    """The API, without a server: `FakeHook` answers with it.

    Args:
        token: the only key that is not answered with 401; None accepts any.

    Attributes:
        customers: profiles by customer id; see `add`.
        asked: method and path of every request, oldest first.
        webhooks: what has been set up, by id.
        answer: what every request is answered with instead; None: as documented.
        shows_headers: whether a list of webhooks has their headers.
    """

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.customers: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        self.webhooks: dict[str, dict[str, Any]] = {}
        self.answer: FakeResponse | None = None
        self.shows_headers = True

    def add(self, customer_id: str, number: str | None, **more: object) -> None:
        """Give a customer a profile; the fields are the page's."""
        self.customers[customer_id] = {
            "id": customer_id,
            "type": "prospect",
            "editable": True,
            "pictureHref": "https://api.instaply.com/files/…",
            "displayName": "Alan Johnson",
            "emailAddress": "aj@example.com",
            "phoneNumber": number,
            "firstName": "Alan",
            "lastName": "Johnson",
            "company": "JLB Credit",
            "channel": "SMS",
            "customerData": [{"name": "COMPANY", "value": "Acme"}],
            "lastSurveys": {"nps": {"createdAt": 123456789, "text": "8"}},
            **more,
        }

    def respond(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> FakeResponse:
        """Answer a request; header names are lower-case."""
        self.asked.append((method, path))
        if self.answer is not None:
            return self.answer
        if self.token is not None and not hmac.compare_digest(
            headers.get("token", "").encode(), self.token.encode()
        ):
            return _json("401 Unauthorized", {"error": "unauthorized"})
        return self._route(method, path, body) or _json("404 Not Found", {"error": "not found"})

    def _route(self, method: str, path: str, body: bytes) -> FakeResponse | None:
        if (found := _PROFILE.fullmatch(path)) and method == "GET":
            profile = self.customers.get(unquote(found[1]))
            return None if profile is None else _json("200 OK", profile)
        if path == "/api/webhooks/" and method == "GET":
            return _json("200 OK", [self._shown(each) for each in self.webhooks.values()])
        if path == "/api/webhooks/" and method == "POST":
            return self._store(str(len(self.webhooks) + 1), body)
        if (found := _WEBHOOK.fullmatch(path)) and method == "POST" and found[1] in self.webhooks:
            return self._store(found[1], body)
        return None

    def _store(self, id_: str, body: bytes) -> FakeResponse:
        try:
            given = json.loads(body)
        except ValueError:
            given = None
        if not isinstance(given, dict):
            return _json("400 Bad Request", {"error": "not JSON"})
        webhook = {"enabled": True, **self.webhooks.get(id_, {}), **given, "id": int(id_)}
        if not str(webhook.get("url", "")).startswith("https://"):
            return _json("400 Bad Request", {"error": "url must be https"})
        self.webhooks[id_] = webhook
        return _json("200 OK", self._shown(webhook))

    def _shown(self, webhook: Mapping[str, Any]) -> dict[str, Any]:
        hidden = () if self.shows_headers else ("extraHeaders",)
        return {name: value for name, value in webhook.items() if name not in hidden}


def _json(status: str, document: object) -> FakeResponse:
    return FakeResponse(status, _JSON, json.dumps(document))
