"""The opt-out key: a caller who wants no more texts says so by pressing it.

The number that a caller shows is revoked at once. Whoever shows none, or one that never agreed to
anything, keys the number that is texted, hears it read back, and presses 1. What a caller has asked
for is stored even if they hang up at once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.call.keypad import QUIET_SECONDS, STAR, await_key
from agi_bridge.call.number_entry import YES_KEY, NumberEntry
from agi_bridge.consent import ConsentError, Revocation

if TYPE_CHECKING:
    from agi_bridge.agi import Channel
    from agi_bridge.consent import RevocationResult
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.observe import CallLogEntry
    from agi_bridge.settings import Line
    from agi_bridge.speech import Library

WAIT_SECONDS: Final = 5.0
"""Longest that a caller waits for the database."""


async def ask_whose(
    channel: Channel, line: Line, library: Library, call_line: CallLogEntry, language: str
) -> str | None:
    """Ask a caller who shows no number for it, in E.164; None if none came.

    Raises:
        AGIHangup: the caller has gone.
        AGIAppError: a recording is missing on the PBX.
    """
    # A doubled opt-out key does not begin the number.
    if await await_key(channel, STAR, QUIET_SECONDS) == STAR:
        return None
    # "To stop receiving texts from us, press" - "one"
    question = ["opt-out-offer", YES_KEY]
    entry = NumberEntry(channel, line, library, call_line, language, question=question)
    found = await entry.obtain()
    return None if isinstance(found, str) else found.e164


async def revoke(
    ledger: Ledger, number: str, line: Line, reference: str
) -> RevocationResult | None:
    """Store a caller's revocation for this line's brand; None: it is not stored.

    Args:
        ledger: stores it.
        number: in E.164.
        line: the line that was called.
        reference: the call's own: one call revokes a number once.
    """
    request = Revocation(
        number=number, brand=line.brand, channel="ivr", actor="caller", reference=reference
    )
    storing = asyncio.ensure_future(ledger.revoke(request))
    await asyncio.wait({storing}, timeout=WAIT_SECONDS)
    if not storing.done():
        storing.cancel()  # should the database take it after all, all the better
        structlog.get_logger().error(
            "revocation not stored in time", line=line.name, seconds=WAIT_SECONDS
        )
        return None
    try:
        return storing.result()
    except ConsentError as error:
        structlog.get_logger().error("revocation not stored", line=line.name, exc_info=error)
        return None
