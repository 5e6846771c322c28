"""The story of a call: find the line, obtain consent, store it, submit it, plan, follow."""

from __future__ import annotations

import asyncio
import platform
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog

from agi_bridge import __version__, phone
from agi_bridge.agi import AGIError, AGIHangup
from agi_bridge.call import opt_out, variables
from agi_bridge.call.called_number import called_did, called_numbers
from agi_bridge.call.consent_dialogue import ConsentDialogue, OptedOut, may_be_texted_now
from agi_bridge.call.execute import PlanExecutor, announce_default
from agi_bridge.call.plan import GoToDefault, Plan, connects, plan, speaks
from agi_bridge.call.submission import (
    DeferredOutcomes,
    store,
    store_final_state,
    submit,
    wait_with_hold_prompts,
)
from agi_bridge.call.variables import Result
from agi_bridge.consent import (
    AgreementRules,
    CallMetadata,
    CircuitOpen,
    ConsentError,
    ConsentRecord,
    State,
    Withheld,
)
from agi_bridge.hook import Outcome
from agi_bridge.observe import CallLine
from agi_bridge.observe.clock import clock_synchronised

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from agi_bridge.agi import Channel
    from agi_bridge.consent import ActiveConsent, Ledger, Revoked
    from agi_bridge.hook import Hook, Submission
    from agi_bridge.settings import Line, Settings
    from agi_bridge.speech import Library


T = TypeVar("T")

SOFTWARE: Final = f"agi-bridge {__version__}"
"""What the record of consent names as the program in force."""
SERVER: Final = platform.node()
"""What it names as the machine."""
ATTESTATIONS: Final = frozenset("ABC")
"""Levels of STIR/SHAKEN: full, partial, gateway (ATIS-1000074)."""


@dataclass(frozen=True, slots=True)
class Services:
    """What all calls share.

    `library` is what all lines share, `lines` what those hear, by name, that have prompts of their
    own. `unsent` is set when a call has left a consent that is to be sent again; `late` keeps the
    outcomes that the ledger did not take.
    """

    settings: Settings
    library: Library
    ledger: Ledger
    hook: Hook
    config_sha256: str
    lines: Mapping[str, Library] = field(default_factory=dict)
    unsent: asyncio.Event = field(default_factory=asyncio.Event)
    late: DeferredOutcomes = field(default_factory=DeferredOutcomes)

    def library_for(self, line: Line) -> Library:
        """Return what callers of a line hear."""
        return self.lines.get(line.name, self.library)


class CallHandler:
    """Takes every call that Asterisk hands over; an instance is a `Handler` for `agi.Server`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, channel: Channel) -> None:
        """Serve one call, and leave one line in the log however it ends."""
        call_line = CallLine(channel.environment.unique_id)
        try:
            called = called_numbers(channel.environment)
            line = self._services.settings.line_for(called)
            if line is None:
                call_line.note(ended="no_line", called=phone.mask(next(filter(None, called), "")))
                await channel.refuse("no line is configured for the number called")
                return
            call_line.note(line=line.name)
            await Call(self._services, channel, line, called, call_line).run()
        finally:
            call_line.write()


class Call:
    """One call on one line."""

    __slots__ = (
        "_call_line",
        "_caller",
        "_channel",
        "_consent_id",
        "_dialogue",
        "_follower",
        "_library",
        "_line",
        "_record",
        "_services",
    )

    def __init__(
        self,
        services: Services,
        channel: Channel,
        line: Line,
        called: tuple[str | None, ...],
        call_line: CallLine,
    ) -> None:
        self._services = services
        self._channel = channel
        self._line = line
        self._call_line = call_line
        self._consent_id: str | None = None  # once it is stored
        self._caller = phone.caller_id(channel.environment.caller_id, region=line.regions[0])
        caller = None if self._caller is None else self._caller.e164
        self._record = ConsentRecord(_facts(services, channel, line, called, caller), _rules(line))
        self._library = services.library_for(line)
        self._dialogue = ConsentDialogue(
            channel, line, self._library, self._record, call_line, caller=caller
        )
        self._follower = PlanExecutor(channel, line, self._library, call_line)

    async def run(self) -> None:
        """Tell the story; the last act of all is to tell the dialplan how it ended."""
        try:
            async with self._channel.until_hangup():
                result = await self._run_dialogue()
        except AGIHangup:
            self._call_line.note(ended="caller")
            result = Result.HANGUP
        finally:
            self._follower.close()
        async with self._channel.shielded():
            await store_final_state(self._services.ledger, self._record)
            await self._set_result_variables(result)

    async def _run_dialogue(self) -> Result:
        try:
            await self._channel.answer()
            await announce_default(self._channel, self._line)
            route = await self._consent()
        except AGIHangup:
            raise
        except Exception as error:  # noqa: BLE001 - whatever breaks, the caller reaches somebody
            route = await self._handle_fault(error)
        for reason in route.forward_refused:
            structlog.get_logger().error(
                "forward number not dialled", line=self._line.name, reason=reason
            )
        try:
            return await self._follower.follow(route.steps)
        except AGIHangup:
            raise
        except Exception as error:  # noqa: BLE001 - the same; the dialplan knows the default
            structlog.get_logger().error("call failed", line=self._line.name, exc_info=error)
            self._call_line.note(ended="fault")
            return Result.DEFAULT

    async def _consent(self) -> Plan:
        live = await self._live_consent()
        if live is not None:
            return await self._submit_returning_caller(live)
        refusal = await self._dialogue.obtain()
        self._follower.language = self._dialogue.language
        self._call_line.step("agreed" if refusal is None else "declined")
        if refusal is None:
            return await self._submit()
        self._call_line.note(declined=refusal.reason)
        if isinstance(refusal, OptedOut):
            return await self._opt_out()
        await self._wait_for(store_final_state(self._services.ledger, self._record))
        heard = refusal.reason != "disclosure_not_heard"
        route = Plan((GoToDefault(refusal.reason),))
        return await self._tell("declined" if heard else "not-confirmed", route)

    async def _live_consent(self) -> ActiveConsent | None:
        """The consent on record of a caller who shows their number, if the line asks once only."""
        line = self._line
        if line.consent.returning != "skip" or self._caller is None:
            return None
        try:
            return await self._services.ledger.live_consent(
                self._caller.e164, line.brand, line.purpose
            )
        except CircuitOpen:  # the log says so once
            return None
        except ConsentError as error:  # then the caller is asked
            structlog.get_logger().error("consent not looked up", exc_info=error)
            return None

    async def _submit_returning_caller(self, live: ActiveConsent) -> Plan:
        """Submit on the strength of an earlier consent; nothing is disclosed or asked again."""
        assert self._caller is not None  # noqa: S101 - _live_consent() has looked for it
        known = live.language in self._line.languages
        await self._dialogue.speak(live.language if known else self._line.languages[0])
        self._follower.language = self._dialogue.language
        self._call_line.step("returned")
        if not may_be_texted_now(self._caller.e164, self._line):
            return await self._decline("quiet_hours")
        self._record.returned(live.consent_id, region=self._caller.region)
        return await self._submit()

    async def _decline(self, reason: str) -> Plan:
        self._call_line.note(declined=reason)
        return await self._tell("declined", Plan((GoToDefault(reason),)))

    async def _tell(self, prompt: str, route: Plan) -> Plan:
        """Say how it went, and return where the call goes from here.

        The prompt ends with "Connecting you": where nobody is connected the caller hears what the
        hook or the line has to say instead, or at least a goodbye.
        """
        if connects(route.steps, self._line):
            await self._follower.play(prompt)
        elif not speaks(route.steps, self._line):
            await self._follower.play("goodbye")
        return route

    async def _opt_out(self) -> Plan:
        """Revoke what the caller agreed to before; ask for the number if the one shown did not."""
        shown = None
        if self._caller is not None:
            shown = await self._revoke(self._caller.e164, "shown")
            if shown is None:
                return await self._not_opted_out()
        if shown is None or not shown.consents:
            number = await opt_out.ask_whose(
                self._channel, self._line, self._library, self._call_line, self._dialogue.language
            )
            if number is None and shown is None:
                return await self._decline("opt_out_without_number")
            if number is not None and await self._revoke(number, "keyed") is None:
                return await self._not_opted_out()
        await self._follower.play("opted-out")
        return Plan((GoToDefault("opted_out"),))

    async def _revoke(self, number: str, which: str) -> Revoked | None:
        async with self._channel.shielded():
            reference = f"{self._record.id} {which}"
            revoked = await self._wait_for(
                opt_out.revoke(self._services.ledger, number, self._line, reference)
            )
            await self._wait_for(store_final_state(self._services.ledger, self._record))
        self._call_line.step("not_revoked" if revoked is None else "revoked")
        return revoked

    async def _not_opted_out(self) -> Plan:
        return await self._tell("not-confirmed", Plan((GoToDefault("not_opted_out"),)))

    async def _submit(self) -> Plan:
        """Store the agreement, then call the hook: both happen even if the caller hangs up now."""
        services, record = self._services, self._record
        async with self._channel.shielded():
            try:
                submission = await self._wait_for(self._store_and_submit())
            except Withheld as withheld:
                record.withheld(withheld.reason)
                await self._wait_for(store_final_state(services.ledger, record))
                return await self._decline(withheld.reason)
            if submission is None:
                self._call_line.note(hook="not_called")
                return await self._tell("not-confirmed", Plan((GoToDefault("not_stored"),)))
            self._call_line.step("answer")
            self._call_line.note(
                hook=submission.outcome,
                hook_reason=submission.reason,
                hook_skipped=getattr(submission.answer, "skipped", ()) or None,
            )
            if submission.outcome is Outcome.NOT_SENT:
                services.unsent.set()
        route = Plan((GoToDefault(submission.reason),))
        if submission.answer is not None:
            route = plan(submission.answer, self._line, self._dialogue.language)
        self._follower.prefetch(route.steps)
        accepted = submission.outcome is Outcome.ACCEPTED
        return await self._tell("accepted" if accepted else "not-confirmed", route)

    async def _store_and_submit(self) -> Submission | None:
        """Store the agreement, then call the hook with it; None: not stored, so nothing was sent.

        Raises:
            Withheld: the agreement may not be taken.
        """
        services, record = self._services, self._record
        if not await store(services.ledger, record, context=services.settings.hook.context):
            return None
        self._consent_id = record.id
        self._call_line.note(consent=record.id)
        self._call_line.step("hook")
        return await submit(services.ledger, services.hook, record, self._line, services.late)

    async def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the ledger or the hook; the caller is asked to hold the line meanwhile."""
        return await wait_with_hold_prompts(work, self._follower.play_or_raise)

    async def _handle_fault(self, error: Exception) -> Plan:
        """Note a fault of ours in log and record, and tell the caller that no text will come."""
        structlog.get_logger().error("call failed", line=self._line.name, exc_info=error)
        self._follower.language = self._dialogue.language
        if self._record.state in {State.DISCLOSED, State.ENTERED}:
            self._record.ended(State.DECLINED, "fault")
            await self._wait_for(store_final_state(self._services.ledger, self._record))
        return await self._tell("not-confirmed", Plan((GoToDefault("fault"),)))

    async def _set_result_variables(self, result: Result) -> None:
        self._call_line.note(result=result)
        given = {
            variables.LANGUAGE: self._dialogue.language,
            variables.CONSENT: self._consent_id,
            variables.RESULT: result,
        }
        try:
            await self._follower.note_dial_status()
            for name, value in given.items():
                if value is not None:
                    await self._channel.set_variable(name, value)
        except AGIError as error:  # Asterisk has closed the connection: nobody is left to tell
            structlog.get_logger().debug("result not told", exc_info=error)


def _rules(line: Line) -> AgreementRules:
    limits = line.limits
    return AgreementRules(
        number_per_day=limits.number_per_day,
        caller_per_day=limits.caller_id_per_day,
        unidentified_per_day=limits.unidentified_per_day,
        line_per_hour=limits.line_per_hour,
        unidentified_share=limits.unidentified_share,
        other_number_share=limits.other_number_share,
        own_number_share=limits.own_number_share,
    )


def _facts(
    services: Services,
    channel: Channel,
    line: Line,
    called: tuple[str | None, ...],
    caller: str | None,
) -> CallMetadata:
    """What the record of consent says of a call."""
    environment = channel.environment
    query = environment.query
    attestation = query.get("attestation", "").strip().upper()
    return CallMetadata(
        line_id=line.name,
        did=called_did(line, called),
        brand=line.brand,
        legal_name=line.legal_name,
        purpose=line.purpose,
        call_uid=environment.unique_id or "",
        linked_id=query.get("linkedid", ""),
        # The rest of a channel's name may hold the caller's number: PJSIP/+1415...-00000001.
        channel=(environment.channel or "").partition("/")[0],
        attestation=attestation if attestation in ATTESTATIONS else None,
        server=SERVER,
        tz=line.timezone,
        clock_synced=clock_synchronised(),
        software=SOFTWARE,
        config_sha256=services.config_sha256,
        caller_id=caller,
    )
