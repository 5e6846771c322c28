"""Handles one call: finds its line, runs the dialogue, stores, submits, and acts on the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from agi_bridge import phone
from agi_bridge.agi import AGIError, AGIHangup
from agi_bridge.call import opt_out, variables
from agi_bridge.call.consent_dialogue import ConsentDialogue, OptedOut, may_be_texted_now
from agi_bridge.call.context import CallContext, called_did, called_numbers
from agi_bridge.call.execute import PlanExecutor, announce_default
from agi_bridge.call.metadata import call_metadata
from agi_bridge.call.plan import GoToDefault, Plan, connects, speaks
from agi_bridge.call.submission import (
    store,
    store_final_state,
    submit,
    wait_with_hold_prompts,
)
from agi_bridge.call.variables import Result
from agi_bridge.consent import (
    ConsentError,
    ConsentRecord,
    Dialogue,
    KnownOutage,
    State,
    Withheld,
)
from agi_bridge.hook import Outcome
from agi_bridge.observe import CallLogEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from agi_bridge.agi import Channel
    from agi_bridge.call.services import Services
    from agi_bridge.call.submission import SubmissionResult
    from agi_bridge.consent import ActiveConsent, CallMetadata, RevocationResult
    from agi_bridge.history import RecordedCall


T = TypeVar("T")

LEFT_TO_PBX: Final = "left_to_pbx"
"""The result in the log of a call that a stop left inside a Dial: how it ended is not known."""


class CallHandler:
    """Handles every call from Asterisk; an instance is a `Handler` for `agi.Server`.

    Args:
        services: what its calls work with.
        ended: called at the end of each call.
    """

    def __init__(self, services: Services, ended: Callable[[], None] = lambda: None) -> None:
        self._services = services
        self._ended = ended

    async def __call__(self, channel: Channel) -> None:
        """Handle one call, and write one log line however it ends."""
        log_entry = CallLogEntry(channel.environment.unique_id)
        recorded = self._services.history.begin(log_entry, channel.environment.unique_id)
        try:
            call = self._received(channel, log_entry, recorded)
            if call is None:
                await channel.refuse("no line is configured for the number called")
            else:
                await call.run()
        finally:
            self._ended()
            log_entry.write()
            self._services.history.end(recorded)
            self._services.metrics.call_ended(log_entry)

    def _received(
        self, channel: Channel, log_entry: CallLogEntry, recorded: RecordedCall
    ) -> Call | None:
        """Find the line of a call and what is known at its beginning; None if it has no line."""
        services, query = self._services, channel.environment.query
        called = called_numbers(channel.environment, query)
        line = services.settings.line_for(called)
        if line is None:
            log_entry.note(ended="no_line", called=phone.mask(next(filter(None, called), "")))
            services.metrics.refusals.add("no_line")
            return None
        log_entry.note(line=line.name)
        caller = phone.caller_id(channel.environment.caller_id, region=line.regions[0])
        recorded.caller = None if caller is None else caller.e164
        did = called_did(line, called)
        recorded.did = did if did in line.did else phone.mask(did)
        context = CallContext(
            channel,
            line,
            services.library_for(line),
            log_entry,
            caller,
            services.dialled_calls,
            dialogue=Dialogue(lambda: log_entry.elapsed_ms),
            recorded=recorded,
        )
        metadata = call_metadata(context, did, query, config_sha256=services.config_sha256)
        return Call(services, context, metadata)


class Call:
    """One call on one line."""

    __slots__ = (
        "_caller_is_trusted",
        "_consent_id",
        "_context",
        "_dialogue",
        "_executor",
        "_preparation",
        "_record",
        "_services",
    )

    def __init__(self, services: Services, context: CallContext, metadata: CallMetadata) -> None:
        self._services = services
        self._context = context
        self._consent_id: str | None = None  # once it is stored
        self._caller_is_trusted = metadata.caller_is_trusted
        rules = services.agreement_rules(context.line)
        self._record = ConsentRecord(metadata, rules, context.dialogue)
        self._preparation = services.hook.prepare()
        self._dialogue = ConsentDialogue(context, self._record, self._preparation.start)
        self._executor = PlanExecutor(context)

    async def run(self) -> None:
        """Run the call. The last step sets the result variables for the dialplan."""
        try:
            async with self._context.channel.until_hangup():
                result = await self._run_dialogue()
        except AGIHangup:
            result = Result.HANGUP
        finally:
            self._executor.close()
            self._preparation.close()
        async with self._context.channel.shielded():
            await self._store_final_state()
            if self._context.channel.released:
                self._note_release()
                return
            if result is Result.HANGUP:
                self._context.log_entry.note(ended="caller")
                self._context.log_entry.record("hung_up")
            await self._set_result_variables(result)

    def _note_release(self) -> None:
        """Say what a stop of the service did with a call; nobody can be told but the log."""
        leg = self._executor.dialling
        if leg is None:
            self._context.log_entry.note(ended="drain_forced", result=Result.DEFAULT)
            self._context.log_entry.record("released", "drain_forced")
        else:
            self._context.log_entry.note(left=leg, ended=LEFT_TO_PBX, result=LEFT_TO_PBX)
            self._context.log_entry.record("released", LEFT_TO_PBX)

    async def _run_dialogue(self) -> Result:
        try:
            await self._context.channel.answer()
            self._context.log_entry.record("answered")
            await announce_default(self._context.channel, self._context.line)
            plan = await self._consent()
        except AGIHangup:
            raise
        except Exception as error:  # noqa: BLE001 - after any fault, the caller goes to the default
            plan = await self._handle_fault(error)
        for reason in plan.forward_refused:
            structlog.get_logger().error(
                "call.forward_refused", line=self._context.line.name, reason=reason
            )
            self._services.metrics.forward_refusals.add(self._context.line.name, reason)
        try:
            return await self._executor.execute(plan.steps)
        except AGIHangup:
            raise
        except Exception as error:  # noqa: BLE001 - the dialplan knows the default destination
            structlog.get_logger().error(
                "call.failed", line=self._context.line.name, exc_info=error
            )
            self._context.log_entry.note(ended="fault")
            self._context.log_entry.record("fault")
            return Result.DEFAULT

    async def _consent(self) -> Plan:
        active = await self._active_consent()
        if active is not None:
            return await self._submit_returning_caller(active)
        refusal = await self._dialogue.obtain()
        reached = "agreed" if refusal is None else "declined"
        self._context.log_entry.step(reached)
        self._context.log_entry.record(reached)
        if refusal is None:
            return await self._submit()
        self._context.log_entry.note(declined=refusal.reason)
        if isinstance(refusal, OptedOut):
            return await self._opt_out()
        await self._wait_for(self._store_final_state())
        heard = refusal.reason not in {"disclosure_not_heard", "question_not_heard"}
        plan = Plan((GoToDefault(refusal.reason),))
        return await self._announce("declined" if heard else "not-confirmed", plan)

    async def _active_consent(self) -> ActiveConsent | None:
        """Return the active consent of the number shown, if the line skips returning callers."""
        line = self._context.line
        if line.consent.returning != "skip" or self._context.caller is None:
            return None
        if not self._caller_is_trusted:  # anyone can show another's number
            return None
        try:
            return await self._wait_for(
                self._services.ledger.active_consent(
                    self._context.caller.e164,
                    line.brand,
                    line.purpose,
                    max_age_days=line.consent.consent_days,
                    wordings=self._wordings(),
                )
            )
        except KnownOutage:  # already logged
            return None
        except ConsentError as error:  # the caller is asked again
            structlog.get_logger().error("call.consent_lookup_failed", exc_info=error)
            return None

    def _wordings(self) -> frozenset[str]:
        """The SHA-256 of the line's disclosure in each of its languages: a new one asks again."""
        line, library = self._context.line, self._context.library
        return frozenset(
            library.prompt(line.disclosure, language).text_sha256 for language in line.languages
        )

    async def _submit_returning_caller(self, active: ActiveConsent) -> Plan:
        """Submit under an earlier consent: the caller is told so, and may opt out."""
        context, caller = self._context, self._context.caller
        assert caller is not None  # noqa: S101 - _active_consent() has checked it
        context.log_entry.record("returning")
        known = active.language in context.line.languages
        await context.set_language(active.language if known else context.line.languages[0])
        if not may_be_texted_now(caller.e164, context.line):
            return await self._decline("quiet_hours")
        refusal = await self._dialogue.greet_returning()
        if isinstance(refusal, OptedOut):
            context.log_entry.note(declined=refusal.reason)
            return await self._opt_out()
        if refusal is not None:
            return await self._decline(refusal.reason)
        self._record.returned(
            active.consent_id,
            region=caller.region,
            max_age_days=context.line.consent.consent_days,
            language=active.language,
            disclosure_sha256=active.disclosure_sha256,
        )
        return await self._submit()

    async def _decline(self, reason: str) -> Plan:
        self._context.log_entry.note(declined=reason)
        return await self._announce("declined", Plan((GoToDefault(reason),)))

    async def _announce(self, prompt: str, plan: Plan) -> Plan:
        """Announce the outcome and return the plan.

        The prompt ends with "Connecting you". If the plan connects nobody, the caller hears the
        text of the hook or of the line instead, or at least a goodbye.
        """
        if connects(plan.steps, self._context.line):
            await self._executor.play(prompt)
        elif not speaks(plan.steps, self._context.line):
            await self._executor.play("goodbye")
        else:
            self._executor.play_if_unspoken(prompt)
        return plan

    async def _opt_out(self) -> Plan:
        """Revoke the caller's consent; ask for the number if the number shown has no consent."""
        shown = None
        if self._context.caller is not None:
            shown = await self._revoke(self._context.caller.e164, "shown")
            if shown is None:
                return await self._not_opted_out()
        if shown is None or not shown.consents:
            number = await opt_out.ask_number(self._context)
            if number is None and shown is None:
                return await self._decline("opt_out_without_number")
            if number is not None and await self._revoke(number, "keyed") is None:
                return await self._not_opted_out()
        return await self._announce_opt_out()

    async def _announce_opt_out(self) -> Plan:
        """Say that no more texts come. Where nobody is connected, the ending says so.

        Without the short pause, the key that the caller still holds would cover the first word.
        """
        plan = Plan((GoToDefault("opted_out"),))
        await self._context.channel.wait_for_digit(opt_out.PAUSE_SECONDS)
        if connects(plan.steps, self._context.line):
            await self._executor.play("opted-out")
            return plan
        await self._executor.play("no-more-texts")
        if not speaks(plan.steps, self._context.line):
            await self._executor.play("goodbye")
        return plan

    async def _revoke(self, number: str, which: str) -> RevocationResult | None:
        async with self._context.channel.shielded():
            reference = f"{self._record.id} {which}"
            revoked = await self._wait_for(
                opt_out.revoke(self._services, number, self._context, reference)
            )
            await self._wait_for(
                store_final_state(self._services, self._context.line, self._record)
            )
        reached = "not_revoked" if revoked is None else "revoked"
        self._context.log_entry.step(reached)
        self._context.log_entry.record(reached, which)
        if which == "keyed":
            self._context.recorded.number = number
        return revoked

    async def _not_opted_out(self) -> Plan:
        self._context.log_entry.note(declined="not_opted_out")
        return await self._announce("not-confirmed", Plan((GoToDefault("not_opted_out"),)))

    async def _submit(self) -> Plan:
        """Store the agreement, then call the hook, even if the caller hangs up meanwhile."""
        services, record = self._services, self._record
        async with self._context.channel.shielded():
            try:
                result = await self._wait_for(self._store_and_submit())
            except Withheld as withheld:
                self._context.log_entry.record("withheld", withheld.reason)
                record.withheld(withheld.reason)
                await self._wait_for(self._store_final_state())
                return await self._decline(withheld.reason)
            if result is None:
                self._context.log_entry.record("not_stored")
                self._context.log_entry.note(hook="not_called")
                return await self._announce("not-confirmed", Plan((GoToDefault("not_stored"),)))
            submission = result.submission
            self._context.log_entry.step("answer")
            self._context.log_entry.record(
                "hook",
                submission.outcome,
                submission.status,
                submission.reason,
                round(submission.seconds * 1000),
            )
            self._context.log_entry.note(
                hook=submission.outcome,
                hook_reason=submission.reason,
                hook_skipped=getattr(submission.answer, "skipped", ()) or None,
                trace=submission.trace_id,
            )
            await self._note_in_cdr()
            if submission.outcome in {Outcome.NOT_SENT, Outcome.UNKNOWN}:
                services.resubmission_due.set()
        self._executor.prefetch(result.plan.steps)
        accepted = submission.outcome is Outcome.ACCEPTED
        return await self._announce("accepted" if accepted else "not-confirmed", result.plan)

    async def _note_in_cdr(self) -> None:
        """Set the consent's id in the call detail record: before a Dial, or it is not in it."""
        field = self._services.settings.agi.cdr_field
        if not field or self._consent_id is None:
            return
        try:
            await self._context.channel.set_variable(variables.CDR.format(field), self._consent_id)
        except AGIError as error:  # Asterisk has closed the connection
            structlog.get_logger().debug("call.cdr_not_set", exc_info=error)

    async def _store_and_submit(self) -> SubmissionResult | None:
        """Store the agreement, then call the hook; None means not stored, so nothing was sent.

        Raises:
            Withheld: a limit or a revocation forbids the agreement.
        """
        services, record = self._services, self._record
        self._preparation.start()  # beside the ledger, where it was not begun or has expired
        if not await store(services, self._context.line, record):
            return None
        self._consent_id = record.id
        self._context.recorded.number = record.number
        self._context.log_entry.note(consent=record.id)
        self._context.log_entry.record("stored")
        self._context.log_entry.record("asked")
        self._context.log_entry.step("hook")
        return await submit(
            services, record, self._context.line, self._context.language, self._preparation
        )

    async def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the ledger or the hook; the caller hears hold prompts meanwhile."""
        return await wait_with_hold_prompts(work, self._executor.play_or_raise)

    async def _store_final_state(self) -> None:
        await store_final_state(self._services, self._context.line, self._record)

    async def _handle_fault(self, error: Exception) -> Plan:
        """Log and record a fault of the bridge; tell the caller that the text is not confirmed."""
        structlog.get_logger().error("call.failed", line=self._context.line.name, exc_info=error)
        self._context.log_entry.record("fault")
        if self._record.state in {State.DISCLOSED, State.ENTERED}:
            self._record.ended(State.DECLINED, "fault")
            await self._wait_for(
                store_final_state(self._services, self._context.line, self._record)
            )
        return await self._announce("not-confirmed", Plan((GoToDefault("fault"),)))

    async def _set_result_variables(self, result: Result) -> None:
        self._context.log_entry.note(result=result)
        given = {
            variables.LANGUAGE: self._context.language,
            variables.CONSENT: self._consent_id,
            variables.RESULT: result,
        }
        try:
            await self._executor.note_dial_status()
            for name, value in given.items():
                if value is not None:
                    await self._context.channel.set_variable(name, value)
        except AGIError as error:  # Asterisk has closed the connection
            structlog.get_logger().debug("call.result_not_set", exc_info=error)
