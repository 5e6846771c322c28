"""A ledger with records of every kind, as calls leave them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from agi_bridge.app.ledger import open_ledger
from agi_bridge.consent import ConsentRecord, DisclosureHeard, State, text_sha256
from agi_bridge.speech import SHIPPED, Library
from tests.support.consent_builders import ENTERED, FACTS
from tests.support.evidence_ledger import (
    CONFIGURATION,
    SENDING,
    keyed,
    read_back,
    register_prompts,
)

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.settings import Settings

NUMBER = ENTERED.e164
OTHER = "+14155550166"
THIRD = "+14155550177"
CALLER = FACTS.caller_id or ""
FORWARD = "+14155550199"
CALL = replace(
    FACTS,
    attestation="A",
    clock_synced=True,
    config_sha256=text_sha256(CONFIGURATION),
    linked_id="pbx-1700000000.1",
    server="bridge-1",
    tz="America/Los_Angeles",
)


def heard(state_dir: Path) -> DisclosureHeard:
    """The shipped example of a disclosure, played to its end."""
    recording = Library(cache=state_dir / "speech").prompt("disclosure-example-store", "en")
    return DisclosureHeard(
        text=recording.text,
        language=recording.language,
        audio_sha256=recording.sha256,
        samples=recording.samples,
        endpos=recording.samples,
    )


def agreed(
    played: DisclosureHeard, number: str = NUMBER, *, brand: str = CALL.brand
) -> ConsentRecord:
    """A caller who keyed a number, heard it read back and pressed 1."""
    record = ConsentRecord(replace(CALL, brand=brand))
    record.disclosed(played)
    keyed(record)
    record.entered(replace(ENTERED, e164=number, digits=number[2:]))
    read_back(record)
    record.confirmed("number_then_1")
    record.submitting(SENDING)
    return record


async def open_new(settings: Settings) -> Ledger:
    """A ledger that the service has just begun, with the recording of its disclosure."""
    ledger = await open_ledger(settings, create=True)
    played = heard(settings.state_dir)
    wav = (SHIPPED / "en" / "disclosure-example-store.wav").read_bytes()
    await ledger.register_disclosure("en", played.text, played.audio_sha256, wav)
    await register_prompts(ledger)
    return ledger


async def accepted(
    ledger: Ledger, played: DisclosureHeard, number: str = NUMBER, *, brand: str = CALL.brand
) -> str:
    """Store a consent whose text was requested and taken; returns its id."""
    record = agreed(played, number, brand=brand)
    await ledger.append(record.take())
    record.submission_ended(
        State.ACCEPTED, reason="dial", status=200, attempts=1, answer="a" * 64, forward=FORWARD
    )
    await ledger.append(record.take())
    return record.id


async def unknown(ledger: Ledger, played: DisclosureHeard, number: str = OTHER) -> str:
    """Store a consent of which nobody knows whether a text went out; returns its id."""
    record = agreed(played, number)
    await ledger.append(record.take())
    record.submission_ended(
        State.UNKNOWN, reason="read_timeout", status=None, attempts=1, answer=None
    )
    await ledger.append(record.take())
    return record.id


async def declined(ledger: Ledger, played: DisclosureHeard) -> str:
    """Store a call whose caller pressed star; returns its id."""
    record = ConsentRecord(CALL)
    record.disclosed(replace(played, endpos=played.samples // 2))
    record.dialogue.key_pressed("*")
    record.ended(State.DECLINED, "star")
    await ledger.append(record.take())
    return record.id
