"""Messages of an outbox, made and claimed for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.consent import PUSHED, PushFailure
from tests.support.consent_builders import NUMBER, settle, submitting

if TYPE_CHECKING:
    import pytest

    from agi_bridge.consent import PushMessage
    from agi_bridge.consent.ledger import Ledger

OTHER, THIRD = "+14155550124", "+14155550125"
ROUTES = dict.fromkeys(PUSHED, ("crm",))
HELD = 60.0
HERE, ELSEWHERE = "a" * 64, "b" * 64
"""Two addresses of an endpoint."""


async def accepted(ledger: Ledger, number: str = NUMBER) -> str:
    record = submitting(number)
    await ledger.append(record.take())
    settle(record)
    await ledger.append(record.take())
    return record.id


async def claim(ledger: Ledger, limit: int = 10) -> list[PushMessage]:
    return [*(await ledger.outbox.claim("crm", HERE, limit, HELD)).messages]


async def fail(ledger: Ledger, message: PushMessage, *, pause: float, seconds: float = 0.0) -> None:
    """Note that an endpoint failed with its only message."""
    failure = PushFailure(message.key, "timeout", seconds)
    await ledger.outbox.settle(HERE, [], [failure], pause=pause)


class Clock:
    """The database's clock as these bridges read it, ahead by what has passed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *bridges: Ledger) -> None:
        self.passed = 0.0
        for each in bridges:
            real = each._writer.database_now
            monkeypatch.setattr(
                each._writer, "database_now", lambda t, real=real: real(t) + self.passed
            )
