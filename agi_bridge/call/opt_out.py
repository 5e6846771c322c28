"""The opt-out key: a caller presses it to get no more texts.

The number that the caller shows is revoked at once. If the caller shows no number, or one without a
consent, they key the number that is texted, hear it read back, and press 1. The revocation is
stored even if they hang up at once.
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

WAIT_SECONDS: Final = 5.0
"""Longest time that a caller waits for the database."""

PAUSE_SECONDS: Final = 0.2
"""Silence between the key and the confirmation."""


async def ask_number(context: CallContext) -> str | None:
    """Ask the caller which number to revoke; return it in E.164, or None if none was given.

    Raises:
        AGIHangup: the caller has hung up.
        AGIAppError: a recording is missing on the PBX.
    """
    # A repeated press of the opt-out key is not the first digit of the number.
    if await await_key(context, STAR, QUIET_SECONDS) == STAR:
        return None
    # "To stop receiving texts from us, press" - "one"
    entered = await NumberEntry(context, question=["opt-out-offer", YES_KEY]).obtain()
    return None if isinstance(entered, Declined) else entered.e164


async def revoke(
    services: Services, number: str, context: CallContext, reference: str
) -> RevocationResult | None:
    """Store a caller's revocation with the reach that the line sets; None: it is not stored.

    Args:
        services: the ledger stores it.
        number: in E.164.
        context: the call.
        reference: identifies the request, so that one call revokes a number once.
    """
    line = context.line
    request = Revocation(
        number=number,
        **line.revocation_reach(),
        channel="ivr",
        actor="caller",
        reference=reference,
        dialogue=tuple(context.dialogue.take()),
    )
    storing = asyncio.ensure_future(services.ledger.revoke(request))
    await asyncio.wait({storing}, timeout=WAIT_SECONDS)
    if not storing.done():
        storing.cancel()  # if the database stores it later, that is what the caller wants
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
