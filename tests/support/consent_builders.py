"""Consents made in one line, for tests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agi_bridge.consent import (
    QUESTION,
    YOU_ENTERED,
    AgreementRules,
    CallMetadata,
    ConsentRecord,
    DisclosureHeard,
    NumberEntered,
    Prompt,
    Revocation,
    SendingFacts,
    State,
)
from agi_bridge.consent.models import UNLIMITED

if TYPE_CHECKING:
    from agi_bridge.consent.ledger import Ledger

NUMBER = "+14155550123"
CALLER = "+15145550100"
BRAND = "Example Store"
FACTS = CallMetadata(
    line_id="shop",
    did="+14155550111",
    brand=BRAND,
    legal_name="Example Store Inc.",
    purpose="info",
    call_uid="pbx-1700000000.1",
    channel="PJSIP",
    software="agi-bridge 0.1.0",
    config_sha256="0" * 64,
    caller_id=CALLER,
)
HEARD = DisclosureHeard(
    text="You agree to receive texts.",
    language="en",
    audio_sha256="1" * 64,
    samples=8000,
    endpos=8000,
)
CUT = DisclosureHeard(
    text=HEARD.text, language="en", audio_sha256=HEARD.audio_sha256, samples=8000, endpos=7999
)
ENTERED = NumberEntered(
    e164=NUMBER,
    digits="4155550123",
    number_type="FIXED_LINE_OR_MOBILE",
    region="US",
    library="phonenumbers 9",
    tries=1,
    ani_match="different",
)
SENDING = SendingFacts(
    texts_from="+14155550111", platform="hook.example.com", first_text="Example Store: thank you."
)
DIGITS = len(ENTERED.digits)


def prompt(name: str, language: str = "en") -> Prompt:
    """A recording of the dialogue, two seconds long."""
    return Prompt(
        name=name, language=language, text_sha256="2" * 64, audio_sha256="3" * 64, samples=16_000
    )


def number_keyed(record: ConsentRecord, digits: int = DIGITS) -> None:
    """The caller was asked for a number and keyed one."""
    record.dialogue.played(prompt("enter-number"), 16_000)
    record.dialogue.digits_keyed(digits, "full")


def read_back(record: ConsentRecord, digits: int = DIGITS, key: str = "1") -> None:
    """The number was read back, the question asked to its end, and answered."""
    record.dialogue.played(prompt(YOU_ENTERED), 16_000)
    record.dialogue.digits_spoken(digits, whole=True)
    record.dialogue.played(prompt(QUESTION), 16_000)
    record.dialogue.key_pressed(key)


def confirmed(
    number: str = NUMBER,
    *,
    caller_id: str | None = CALLER,
    line: str = "shop",
    brand: str = BRAND,
    rules: AgreementRules = UNLIMITED,
    heard: DisclosureHeard = HEARD,
    trust: str = "any",
    attestation: str | None = None,
    confirm_by_reply: bool = False,
) -> ConsentRecord:
    """A consent of which nothing is stored yet."""
    call = replace(
        FACTS, caller_id=caller_id, line_id=line, brand=brand, caller_id_trust=trust,
        attestation=attestation,
    )  # fmt: skip
    record = ConsentRecord(call, rules)
    record.disclosed(heard)
    number_keyed(record)
    record.entered(replace(ENTERED, e164=number, digits=number[2:]))
    read_back(record)
    record.confirmed("number_then_1", confirm_by_reply=confirm_by_reply)
    return record


def submitting(
    number: str = NUMBER,
    *,
    caller_id: str | None = CALLER,
    line: str = "shop",
    brand: str = BRAND,
    rules: AgreementRules = UNLIMITED,
) -> ConsentRecord:
    """The same, about to be submitted: what a call stores at once."""
    record = confirmed(number, caller_id=caller_id, line=line, brand=brand, rules=rules)
    record.submitting(SENDING)
    return record


def returning(
    consent_id: str, *, brand: str = BRAND, rules: AgreementRules = UNLIMITED
) -> ConsentRecord:
    """A caller whose consent is on record, about to be submitted."""
    record = ConsentRecord(replace(FACTS, caller_id=NUMBER, brand=brand), rules)
    record.returned(consent_id, region="US")
    record.submitting(SENDING)
    return record


def settle(record: ConsentRecord, state: State = State.ACCEPTED, reason: str = "dial") -> None:
    """End a submission as if the hook had, with nothing to forward to."""
    record.submission_ended(state, reason=reason, status=200, attempts=1, answer=None)


def revocation(
    number: str = NUMBER,
    *,
    brand: str | None = BRAND,
    reference: str | None = None,
    words: str | None = None,
    passed_on: bool = False,
) -> Revocation:
    """A request to revoke that an administrator typed."""
    return Revocation(
        number=number,
        scope="all" if brand is None else "brand",
        brand=brand,
        channel="command",
        actor="admin",
        reference=reference,
        words=words,
        passed_on=passed_on,
    )


async def stored(ledger: Ledger, record: ConsentRecord, *states: State) -> str:
    """Append a record as it is, then with each of these outcomes."""
    await ledger.append(record.take())
    for state in states:
        settle(record, state)
        await ledger.append(record.take())
    return record.id
