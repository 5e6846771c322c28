"""Submits an agreement to the hook: stored first, sent once, then the outcome is stored.

The caller of these functions shields them from a hangup: a caller who presses 1 and hangs up has
agreed, and is texted once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from agi_bridge.agi import AGIError
from agi_bridge.call.plan import GoToDefault, Plan, plan_call
from agi_bridge.consent import ConsentError, KnownOutage, State, Withheld
from agi_bridge.hook import NEVER_TEXTED, Agreement, Instructions, Outcome, SubmissionRequest
from agi_bridge.observe import COUNTED_STATES
from agi_bridge.speech import MissingPrompt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from agi_bridge.call.services import Services
    from agi_bridge.consent import Batch, ConsentRecord
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.hook import Preparation, Submission
    from agi_bridge.settings import Line

T = TypeVar("T")

WINDOW: Final = timedelta(minutes=10)
"""How long after the agreement a text may still be sent: a later one would surprise the caller."""
HOLD_AFTER: Final = 0.4
"""Seconds of silence before the first hold prompt; most answers come sooner."""
HOLD_EVERY: Final = 3.0
"""Seconds of silence between two hold prompts."""

_STATES: Final = {
    Outcome.ACCEPTED: State.ACCEPTED,
    Outcome.REFUSED: State.REFUSED,
    Outcome.NOT_SENT: State.NOT_SENT,
    Outcome.UNKNOWN: State.UNKNOWN,
}


async def store(services: Services, line: Line, record: ConsentRecord) -> bool:
    """Store an agreement, together with the fact that it is about to be submitted.

    Returns whether it is stored. If not, nothing may be sent; the fault is logged.

    Raises:
        Withheld: a limit or a revocation forbids the agreement; nothing is stored.
    """
    record.submitting(services.sending_facts(line), context=services.settings.hook.context)
    try:
        return await _append(services, line, record.take())
    except Withheld as withheld:
        services.metrics.limits.add(line.name, withheld.reason)
        raise


@dataclass(frozen=True, slots=True)
class SubmissionResult:
    """The outcome of one submission, and the plan for the rest of the call."""

    submission: Submission
    plan: Plan


async def submit(
    services: Services,
    record: ConsentRecord,
    line: Line,
    language: str,
    prepared: Preparation | None = None,
) -> SubmissionResult:
    """Call the hook with a stored consent, plan the rest of the call, and store the outcome.

    An outcome that the ledger refuses is queued in `services.deferred_outcomes`.

    Args:
        services: ledger and hook.
        record: the consent; `submitting` is stored.
        line: the line that was called.
        language: the language in which the caller hears the plan.
        prepared: the connection that was made ahead.
    """
    submission = await services.hook.submit(
        SubmissionRequest(
            from_=record.number,
            to=line.business_number,
            key=line.secret(),
            gate=partial(_gate, services.ledger, record.id),
            prepared=prepared,
            agreement=_agreement(services, record),
        )
    )
    kind = getattr(submission.answer, "kind", submission.reason)
    # It has not texted and does not any more, as it was told: no refusal that wakes somebody.
    late = record.repeats and submission.status == NEVER_TEXTED
    counted = Outcome.NOT_SENT if late else submission.outcome
    services.metrics.hook_answered(line.name, counted, submission.status, kind, submission.seconds)
    if submission.answer is None:
        plan = Plan((GoToDefault(submission.reason),))
    else:
        plan = plan_call(submission.answer, line, language)
    record.submission_ended(
        _state(submission, record),
        reason=submission.reason,
        status=submission.status,
        attempts=submission.attempts,
        answer=submission.answer_sha256,
        forward=plan.forward_number,
    )
    batch = record.take()
    # `not_sent` is not queued: it may be in the ledger although storing it failed, and another
    # bridge may be sending again. Stored later, it would claim that this attempt was not sent.
    if not await _append(services, line, batch) and submission.outcome is not Outcome.NOT_SENT:
        services.deferred_outcomes.add(batch)
        services.resubmission_due.set()
        _count(services, line, batch)
    if submission.outcome is Outcome.REFUSED and not late:
        structlog.get_logger().error(
            "call.submission_refused",
            line=line.name,
            consent=record.id,
            reason=submission.reason,
            status=submission.status,
        )
    if isinstance(submission.answer, Instructions) and submission.answer.over_limit:
        structlog.get_logger().warning(
            "call.hook_answer_truncated",
            line=line.name,
            consent=record.id,
            skipped=submission.answer.over_limit,
        )
    return SubmissionResult(submission, plan)


def _state(submission: Submission, record: ConsentRecord) -> State:
    """The state that a submission leaves its consent in.

    A repetition that was not sent, or was turned away, leaves the first one unknown.
    """
    if record.repeats and submission.settles_nothing:
        return State.UNKNOWN
    return _STATES[submission.outcome]


def _agreement(services: Services, record: ConsentRecord) -> Agreement | None:
    """What a webhook is told about the consent; Instaply's hook has no field for it."""
    if services.settings.hook.kind == "instaply":
        return None
    facts = record.agreement
    text_before = datetime.fromisoformat(facts.agreed_at) + WINDOW
    return Agreement(
        consent_id=facts.consent_id,
        line=facts.line_id,
        brand=facts.brand,
        purpose=facts.purpose,
        language=facts.language,
        disclosure_sha256=facts.disclosure_sha256,
        agreed_at=facts.agreed_at,
        text_before=text_before.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


async def _gate(ledger: Ledger, consent_id: str) -> str | None:
    """Asked when the connection is there, before the first byte: None lets the request go.

    Making a connection takes up to three seconds. The caller may have revoked since, or the lease
    may be over. A ledger that does not answer lets nothing go.
    """
    try:
        return await ledger.may_send(consent_id)
    except ConsentError:
        return "ledger_unavailable"


async def store_final_state(services: Services, line: Line, record: ConsentRecord) -> None:
    """Store how a dialogue without agreement ended; a fault is logged and the call continues."""
    await _append(services, line, record.take())


async def wait_with_hold_prompts(
    waited_for: Coroutine[Any, Any, T], play: Callable[[str], Awaitable[None]]
) -> T:
    """Wait for the ledger or the hook, and play hold prompts meanwhile.

    A hangup does not end the work. If cancelled, it cancels the work and waits for its end.
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
            except (AGIError, MissingPrompt):  # hung up, or nothing to play: the work continues
                return await work
        return work.result()
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait({work})


async def _append(services: Services, line: Line, batch: Batch) -> bool:
    if not batch.events:
        return True
    clock = asyncio.get_running_loop().time
    began, stored = clock(), False
    try:
        await services.ledger.append(batch)
        stored = True
    except Withheld:
        stored = True  # the ledger has done its work
        raise
    except KnownOutage:  # already logged
        return False
    except ConsentError as error:
        structlog.get_logger().error(
            "call.consent_not_stored", consent=batch.consent_id, exc_info=error
        )
        return False
    finally:
        services.metrics.appended(clock() - began, stored=stored)
    _count(services, line, batch)
    if services.deferred_outcomes:  # the ledger takes writes again: what it refused is stored now
        services.resubmission_due.set()
    return True


def _count(services: Services, line: Line, batch: Batch) -> None:
    """Count the states that a consent has reached."""
    for event in batch.events:
        if event.type in COUNTED_STATES:
            services.metrics.consents.add(line.name, event.type)
