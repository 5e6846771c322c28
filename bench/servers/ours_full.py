"""The flow on agi-bridge's own parts: engine, number rules, ledger, hook client and log line.

The order is the product's: the agreement is durable before the hook is called, its outcome after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvloop

from agi_bridge import phone
from agi_bridge.agi import Channel, Limits, Server
from agi_bridge.app.lifecycle import shorten_turns, spare_the_collector
from agi_bridge.consent import (
    QUESTION,
    YOU_ENTERED,
    AgreementRules,
    CallMetadata,
    ConsentRecord,
    DisclosureHeard,
    NumberEntered,
    Prompt,
    SendingFacts,
    State,
    text_sha256,
)
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.hook import Dial, HookClient, Instructions, SubmissionRequest
from agi_bridge.observe import CallLogEntry, configure_logging
from bench.servers import flow

if TYPE_CHECKING:
    from agi_bridge.hook import Answer

REGIONS = frozenset({"US", "CA"})
DISCLOSURE_TEXT = "Thank you for calling. " * 12
"""As long as the real one; stored once."""
DISCLOSURE_SHA256 = text_sha256(DISCLOSURE_TEXT)
"""Computed once for a recording, as the product does."""
DISCLOSURE_SAMPLES = 160_000
NOWHERE = "0" * 64
UNLIMITED = AgreementRules(
    number_per_day=0, caller_per_day=0, unidentified_per_day=0, line_per_hour=0
)
"""The load comes from one caller who keys one number; the look-ups are made all the same."""
SOUNDS = {
    name: Prompt(
        name=name, language="en", text_sha256="2" * 64, audio_sha256="3" * 64, samples=16_000
    )
    for name in (YOU_ENTERED, QUESTION)
}
SENDING = SendingFacts(texts_from=None, platform="hook", first_text="Thank you for calling.")


@dataclass(frozen=True, slots=True)
class Bridge:
    """What all calls share; an instance is the handler."""

    ledger: Ledger
    hook: HookClient
    forward: phone.ForwardPolicy

    async def __call__(self, channel: Channel) -> None:
        """The flow, told as the product tells it."""
        line = CallLogEntry(channel.environment.unique_id)
        try:
            await self._play(channel, line)
        finally:
            line.write()

    async def _play(self, channel: Channel, line: CallLogEntry) -> None:
        record = ConsentRecord(_facts(channel), UNLIMITED)
        await channel.answer()
        played = await channel.stream_file(flow.DISCLOSURE, "*")
        line.step("disclosed")
        record.disclosed(
            DisclosureHeard(
                text=DISCLOSURE_TEXT,
                known_sha256=DISCLOSURE_SHA256,
                language="en",
                audio_sha256=NOWHERE,
                samples=DISCLOSURE_SAMPLES,
                endpos=played.endpos,
            )
        )
        keyed = await channel.get_data(
            flow.ENTER_NUMBER, timeout=flow.ENTRY_SECONDS, max_digits=flow.ENTRY_DIGITS
        )
        number = phone.keyed(keyed.keys, region="US", allowed_regions=REGIONS)
        record.dialogue.digits_keyed(len(keyed.keys), "full")
        record.entered(
            NumberEntered(
                e164=number.e164,
                digits=keyed.keys,
                number_type=number.type,
                region=number.region,
                library=phone.LIBRARY_VERSION,
                tries=1,
                ani_match="different",
            )
        )
        line.step("entered")
        await channel.say_digits(keyed.keys)
        answer = await channel.get_data(
            flow.CONFIRM_NUMBER, timeout=flow.CONFIRM_SECONDS, max_digits=1
        )
        record.dialogue.played(SOUNDS[YOU_ENTERED], SOUNDS[YOU_ENTERED].samples)
        record.dialogue.digits_spoken(len(keyed.keys), whole=True)
        record.dialogue.played(SOUNDS[QUESTION], SOUNDS[QUESTION].samples)
        record.dialogue.key_pressed(answer.keys)
        record.confirmed("number_then_1")
        line.step("agreed")
        await channel.set_variable("CONSENT_NUMBER", number.e164)
        await channel.set_variable("CONSENT_RESULT", "confirmed")
        forward = await self._submit(record, line)
        await channel.exec("Dial", *flow.dial_options(forward).split(","))
        line.note(dial_status=await channel.get_variable("DIALSTATUS"), ended="done")

    async def _submit(self, record: ConsentRecord, line: CallLogEntry) -> str:
        """Store, submit, store; returns the number to dial."""
        record.submitting(SENDING)
        await self.ledger.append(record.take())
        line.step("hook")
        submission = await self.hook.submit(
            SubmissionRequest(from_=record.number, to=flow.BUSINESS_NUMBER, key=flow.HOOK_KEY)
        )
        line.step("answer")
        line.note(consent=record.id, hook=submission.outcome.value, hook_reason=submission.reason)
        record.submission_ended(
            State(submission.outcome.value),
            reason=submission.reason,
            status=submission.status,
            attempts=submission.attempts,
            answer=submission.answer_sha256,
        )
        await self.ledger.append(record.take())
        return phone.forward(_dialled(submission.answer), self.forward).e164


def _dialled(answer: Answer | None) -> str:
    """The number in the hook's answer; empty if there is none, which no policy lets pass."""
    verbs = answer.verbs if isinstance(answer, Instructions) else ()
    return next((verb.numbers[0] for verb in verbs if isinstance(verb, Dial)), "")


def _facts(channel: Channel) -> CallMetadata:
    environment = channel.environment
    caller = phone.caller_id(environment.caller_id, region="US")
    return CallMetadata(
        line_id="bench",
        did=flow.BUSINESS_NUMBER,
        brand="Example Store",
        legal_name="Example Store, Inc.",
        purpose="info",
        call_uid=environment.unique_id or "",
        channel="PJSIP",
        software="agi-bridge bench",
        config_sha256=NOWHERE,
        caller_id=None if caller is None else caller.e164,
    )


async def main() -> None:
    """Serve until killed."""
    start = flow.read_arguments()
    configure_logging()
    limits = Limits(max_calls=flow.MOST_CALLS, backlog=flow.BACKLOG)
    keys, _ = Keys.load(start.state / "keys", create=True)
    policy = phone.ForwardPolicy(regions=REGIONS, region="US", own_numbers=frozenset())
    async with (
        await Ledger.open(start.state / "consents.db", keys) as ledger,
        HookClient(
            start.hook or "http://127.0.0.1:9/v1/ivr",
            keepalive=start.keepalive,
            ca_file=start.ca_file,
        ) as hook,
        Server(Bridge(ledger, hook, policy), port=0, limits=limits) as server,
    ):
        spare_the_collector()
        shorten_turns()
        flow.announce(server.port)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
