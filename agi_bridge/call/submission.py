"""From an agreement to the hook's answer: stored first, sent once, its outcome stored.

Shielded from a hangup: a caller who presses 1 and hangs up has agreed, and is texted once.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from agi_bridge.agi import AGIError
from agi_bridge.call.plan import forward_number
from agi_bridge.consent import ConsentError, IllegalTransition, KnownOutage, State, Withheld
from agi_bridge.hook import Instructions, Outcome
from agi_bridge.speech import MissingPrompt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from agi_bridge.consent import Batch, ConsentRecord
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.hook import Hook, Submission
    from agi_bridge.settings import Line

T = TypeVar("T")

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
    return await _append(ledger, record.take())


class DeferredOutcomes:
    """Outcomes that the ledger did not take when they came. They wait here until it does.

    Those that still wait when the service ends count as unknown after its next start.
    """

    def __init__(self) -> None:
        self._waiting: list[Batch] = []

    def keep(self, batch: Batch) -> None:
        """Keep one for later."""
        self._waiting.append(batch)

    async def store(self, ledger: Ledger) -> None:
        """Store what waits.

        Raises:
            LedgerUnavailable: the ledger still takes nothing; what is left waits on.
        """
        while self._waiting:
            # One that is in the ledger was stored after all, or the consent was settled meanwhile.
            with suppress(IllegalTransition):
                await ledger.append(self._waiting[0])
            del self._waiting[0]


async def submit(
    ledger: Ledger, hook: Hook, record: ConsentRecord, line: Line, late: DeferredOutcomes
) -> Submission:
    """Call the hook with a stored consent and store what became of it; if need be, `late`."""
    submission = await hook.submit(from_=record.number, to=line.business_number, key=line.secret())
    record.submission_ended(
        _STATES[submission.outcome],
        reason=submission.reason,
        status=submission.status,
        attempts=submission.attempts,
        answer=submission.answer_sha256,
        forward=forward_number(submission.answer, line),
    )
    batch = record.take()
    # `not_sent` is not kept: it may be in the ledger though its storing failed, and another bridge
    # may be sending again. Stored a second time it would say that this attempt, too, was not sent.
    if not await _append(ledger, batch) and submission.outcome is not Outcome.NOT_SENT:
        late.keep(batch)
    if submission.outcome is Outcome.REFUSED:
        structlog.get_logger().error(
            "hook refused the consent: no text was sent; check hook_key and business_number",
            line=line.name,
            consent=record.id,
            reason=submission.reason,
            status=submission.status,
        )
    if isinstance(submission.answer, Instructions) and submission.answer.over_limit:
        structlog.get_logger().warning(
            "hook answer over the limit: the rest of it is left aside",
            line=line.name,
            consent=record.id,
            skipped=submission.answer.over_limit,
        )
    return submission


async def store_final_state(ledger: Ledger, record: ConsentRecord) -> None:
    """Store how a dialogue ended that brought no agreement; a fault is logged, the call goes on."""
    await _append(ledger, record.take())


async def wait_with_hold_prompts(
    waited_for: Coroutine[Any, Any, T], play: Callable[[str], Awaitable[None]]
) -> T:
    """Wait for the ledger or the hook without leaving the caller in silence.

    A caller who goes does not end it. Cancelled, it cancels what it waits for, and waits for its
    end.
    """
    work = asyncio.create_task(waited_for)
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


async def _append(ledger: Ledger, batch: Batch) -> bool:
    try:
        await ledger.append(batch)
    except Withheld:
        raise
    except KnownOutage:  # logged once, not for each caller
        return False
    except ConsentError as error:
        structlog.get_logger().error("consent not stored", consent=batch.consent_id, exc_info=error)
        return False
    return True
