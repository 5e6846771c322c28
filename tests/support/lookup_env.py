"""Look-ups of whose messages are: a ledger, a vendor, and a time that the test turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import Act, Filter
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import generate_keys
from agi_bridge.hook.testing import FakeHook
from agi_bridge.observe import Metrics
from agi_bridge.web import MESSAGES, StopLookups
from tests.support.web_serving import BOTH, INSTAPLY, serving, settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.consent import StoredEvent, Summary
    from agi_bridge.settings import Settings
    from agi_bridge.web.lookup_queue import LookupQueue

TOKEN = "key-of-a-user"
SENT = datetime.fromtimestamp(1700000000, UTC)
"""When customers write, unless a test says otherwise."""


@dataclass
class Env:
    """A ledger, a vendor, and look-ups whose time the test turns."""

    settings: Settings
    ledger: Ledger
    vendor: FakeHook
    time: float = 1000.0
    sent: datetime = SENT
    business: int | None = None
    notifies: bool = False
    metrics: Metrics = field(default_factory=Metrics)
    lookups: StopLookups = field(init=False)

    def __post_init__(self) -> None:
        self.restarted()

    def restarted(self) -> None:
        self.lookups = StopLookups(
            lambda: self.settings, self.ledger, self.metrics, lambda: self.time
        )

    async def says(self, words: str = "STOP", customer: str | None = "cust_001", n: int = 1) -> int:
        """A customer writes; returns the status that the webhook was answered with."""
        data: dict[str, Any] = {"fromCustomer": True, "messageId": n, "messageBody": words}
        if customer is not None:
            data["customerId"] = customer
        if self.business is not None:
            data["businessId"] = self.business
        at = int(self.sent.timestamp() * 1000)
        payload = {"eventType": "message", "timestamp": at, "data": data}
        lookups = self.lookups if self.notifies else None
        async with serving(self.settings, self.ledger, INSTAPLY, lookups) as client:
            return (await client.post(MESSAGES, json=payload)).status_code

    @property
    def queue(self) -> LookupQueue:
        return self.lookups._queue

    async def open(self) -> list[Summary]:
        return await self.ledger.summaries(Filter(open_=True))

    async def of(self, type_: Act) -> list[StoredEvent]:
        return [each for each in await self.ledger.events() if each.type is type_]


@pytest.fixture
async def env(tmp_path: Path) -> AsyncIterator[Env]:
    async with (
        FakeHook() as vendor,
        await Ledger.open(tmp_path / "consents.db", generate_keys()) as ledger,
    ):
        vendor.api.token = TOKEN
        web = f'{BOTH}instaply_api_token = {{env = "API"}}\ninstaply_api_url = "{vendor.api_url}"\n'
        yield Env(settings(tmp_path, web, environ={"API": TOKEN}), ledger, vendor)


def recent(monkeypatch: pytest.MonkeyPatch, sent: datetime = SENT, **since: float) -> None:
    """Read messages at a time after they were sent."""

    class At(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:  # as the original, whose result is its own class
            del tz
            return sent + timedelta(**since)

    monkeypatch.setattr("agi_bridge.web.lookups.datetime", At)
