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
from agi_bridge.call.number_entry import YES_KEY, Declined, NumberEntry
from agi_bridge.consent import ConsentError, Revocation

if TYPE_CHECKING:
    from agi_bridge.call.context import CallContext
    from agi_bridge.call.services import Services
    from agi_bridge.consent import RevocationResult
    from agi_bridge.settings import Line

WAIT_SECONDS: Final = 5.0
"""Longest that a caller waits for the database."""


async def ask_number(context: CallContext) -> str | None:
    """Ask the caller which number to revoke; return it in E.164, or None if none was given.

    Raises:
        AGIHangup: the caller has hung up.
        AGIAppError: a recording is missing on the PBX.
    """
    # A repeated press of the opt-out key is not the first digit of the number.
    if await await_key(context.channel, STAR, QUIET_SECONDS) == STAR:
        return None
    # "To stop receiving texts from us, press" - "one"
    entered = await NumberEntry(context, question=["opt-out-offer", YES_KEY]).obtain()
    return None if isinstance(entered, Declined) else entered.e164


async def revoke(
    services: Services, number: str, line: Line, reference: str
) -> RevocationResult | None:
    """Store a caller's revocation for this line's brand; None: it is not stored.

    Args:
        services: the ledger stores it.
        number: in E.164.
        line: the line that was called.
        reference: the call's own: one call revokes a number once.
    """
    request = Revocation(
        number=number, brand=line.brand, channel="ivr", actor="caller", reference=reference
    )
    storing = asyncio.ensure_future(services.ledger.revoke(request))
    await asyncio.wait({storing}, timeout=WAIT_SECONDS)
    if not storing.done():
        storing.cancel()  # should the database take it after all, all the better
        structlog.get_logger().error(
            "call.revocation_timed_out", line=line.name, seconds=WAIT_SECONDS
        )
        return None
    try:
        revoked = storing.result()
    except ConsentError as error:
        structlog.get_logger().error("call.revocation_not_stored", line=line.name, exc_info=error)
        return None
    if not revoked.already:
        services.metrics.revocations.add("ivr")
    return revoked
