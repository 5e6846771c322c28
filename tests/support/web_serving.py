"""A web over a real socket, and a ledger's stand-in that keeps what it is told."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from agi_bridge.consent import (
    CompletedConsent,
    Permission,
    PermissionQuestion,
    Reason,
    Reply,
    Revocation,
    RevocationResult,
)
from agi_bridge.settings import Settings
from agi_bridge.web import RevocationStore, StopLookups, WebServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

TOKEN = "3f1c9e0a7b5d4826"
INSTAPLY = "c2d0ab51e94f7736"
NUMBER = "+14155550123"

LINES = """
[lines.shop]
did = ["+14155550111"]
business_number = "+14155550111"
hook_key = {env = "SHOP_KEY"}
brand = "Example Store"
business_id = "1001"
dial_template = "PJSIP/{number}@trunk"
default = {kind = "hangup"}

[lines.paris]
did = ["+33142685300"]
business_number = "+33142685300"
hook_key = {env = "SHOP_KEY"}
brand = "Magasin d’exemple"
regions = ["FR"]
dial_template = "PJSIP/{number}@trunk"
default = {kind = "hangup"}
"""
BOTH = 'token = {env = "WEB"}\ninstaply_token = {env = "INSTAPLY"}\n'


@dataclass
class KeptRevocations:
    """What was to be kept, in order. Raises instead, if it is given something to raise."""

    revoked: list[Revocation] = field(default_factory=list)
    messages: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    error: Exception | None = None
    questions: list[PermissionQuestion] = field(default_factory=list)
    permission: Permission = field(default_factory=lambda: Permission(reason=Reason.NO_CONSENT))

    async def permissions(self, asked: Sequence[PermissionQuestion]) -> list[Permission]:
        if self.error is not None:
            raise self.error
        self.questions += asked
        return [self.permission] * len(asked)

    def forget(self) -> None:
        """Begin again."""
        self.revoked.clear()
        self.messages.clear()
        self.replies.clear()
        self.error = None

    async def revoke(self, request: Revocation) -> RevocationResult:
        if self.error is not None:
            raise self.error
        requests = [(old.reference, old.number, old.scope) for old in self.revoked]
        this = (request.reference, request.number, request.scope)
        if request.reference is not None and this in requests:
            return RevocationResult(f"revocation-{requests.index(this)}", 1, already=True)
        self.revoked.append(request)
        return RevocationResult(f"revocation-{len(self.revoked) - 1}", 1)

    async def complete(self, reply: Reply) -> list[CompletedConsent]:
        self.replies.append(reply)
        return [CompletedConsent(f"consent-{len(self.replies) - 1}", "shop")]

    async def record_message(
        self,
        customer_id: str,
        words: str,
        *,
        reference: str,
        business_id: str | None = None,
        received: str | None = None,
    ) -> str:
        del received
        if self.error is not None:
            raise self.error
        self.messages.append((customer_id, words, reference, business_id))
        return f"message-{len(self.messages) - 1}"


@dataclass(frozen=True)
class Services:
    """A client of a running web, and its ledger."""

    client: httpx.AsyncClient
    ledger: KeptRevocations


def settings(
    folder: Path,
    web: str = BOTH,
    lines: str = LINES,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    file = folder / "agi-bridge.toml"
    text = f'state_dir = "{folder}"\n[web]\nport = 0\n{web}\n{lines}'
    file.write_text(text, encoding="utf-8")
    own = {"SHOP_KEY": "key", "WEB": TOKEN, "INSTAPLY": INSTAPLY}
    return Settings.load(file, {**own, **(environ or {})})


@asynccontextmanager
async def serving(
    configured: Settings,
    ledger: RevocationStore,
    token: str | None = TOKEN,
    lookups: StopLookups | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a running web, with a bearer token unless it is None."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with (
        WebServer(configured, ledger, lookups=lookups) as web,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{web.port}", headers=headers, trust_env=False
        ) as client,
    ):
        yield client


def error_of(response: httpx.Response) -> dict[str, str]:
    """Return the error of a refusal, which contains no number."""
    assert response.headers["content-type"] == "application/json"
    assert NUMBER[2:] not in response.text
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "field", "problem", "fix"}
    error: dict[str, str] = body["error"]
    return error
