"""From an agreement to the hook's answer: stored first, sent once, its outcome stored.

Shielded from a hangup: a caller who presses 1 and hangs up has agreed, and is texted once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.agi import AGIError
from agi_bridge.call.route import forward_number
from agi_bridge.consent import ConsentError, State, Withheld
from agi_bridge.hook import Outcome
from agi_bridge.speech import MissingPrompt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agi_bridge.consent import ConsentRecord, Ledger
    from agi_bridge.hook import Hook, Submission
    from agi_bridge.settings import Line

HOLD_AFTER: Final = 0.4
"""Seconds of silence before a caller is asked to wait; most answers come sooner."""
HOLD_EVERY: Final = 3.0
"""Seconds of silence between two such prompts."""

_STATES: Final = {
    Outcome.ACCEPTED: State.ACCEPTED,
    Outcome.REFUSED: State.REFUSED,
    Outcome.NOT_SENT: State.NOT_SENT,
    Outcome.UNKNOWN: State.UNKNOWN,
}


async def store(ledger: Ledger, record: ConsentRecord, *, context: str | None = None) -> bool:
    """Make an agreement durable, and with it that it is about to be submitted.

    Returns whether it is stored. If not, nothing may be sent; the fault is on one line of the log.

    Raises:
        Withheld: the agreement may not be taken; nothing is stored.
    """
    record.submitting(context=context)
    return await _append(ledger, record)


async def submit(ledger: Ledger, hook: Hook, record: ConsentRecord, line: Line) -> Submission:
    """Call the hook with a stored consent and store what became of it."""
    submission = await hook.submit(from_=record.number, to=line.business_number, key=line.secret())
    record.settled(
        _STATES[submission.outcome],
        reason=submission.reason,
        status=submission.status,
        attempts=submission.attempts,
        answer=submission.answer_sha256,
        forward=forward_number(submission.answer, line),
    )
    await _append(ledger, record)
    if submission.outcome is Outcome.REFUSED:
        structlog.get_logger().error(
            "hook refused the consent: no text was sent; check hook_key and business_number",
            line=line.name,
            consent=record.id,
            reason=submission.reason,
            status=submission.status,
        )
    return submission


async def store_ending(ledger: Ledger, record: ConsentRecord) -> None:
    """Store how a dialogue ended that brought no agreement; a fault is logged, the call goes on."""
    await _append(ledger, record)


async def keep_company(
    work: asyncio.Task[Submission], play: Callable[[str], Awaitable[None]]
) -> Submission:
    """Wait for `work` without leaving the caller in silence; a caller who goes does not end it.

    Cancelled, it cancels `work` and waits for its end.
    """
    prompts = ["please-wait", "please-hold"]
    silence = HOLD_AFTER
    try:
        while not (await asyncio.wait({work}, timeout=silence))[0]:
            if not prompts:
                prompts = ["please-wait"]
            silence = HOLD_EVERY
            try:
                await play(prompts.pop())
            except (AGIError, MissingPrompt):  # gone, or nothing to play: the work goes on
                return await work
        return work.result()
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait({work})


async def _append(ledger: Ledger, record: ConsentRecord) -> bool:
    batch = record.take()
    try:
        await ledger.append(batch)
    except Withheld:
        raise
    except ConsentError as error:
        structlog.get_logger().error("consent not stored", consent=record.id, exc_info=error)
        return False
    return True
