"""The canonical bodies of a call's events never change by a byte: chains are hashes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from agi_bridge.consent import CallMetadata, ConsentRecord, State, canonical
from agi_bridge.consent.models import EVENT_KEYS, DisclosureHeard, NumberEntered
from tests.support.consent_builders import (
    CUT,
    ENTERED,
    FACTS,
    HEARD,
    NUMBER,
    SENDING,
    number_keyed,
    read_back,
)

BODIES = json.loads(Path(__file__).with_name("event_bodies.json").read_text(encoding="utf-8"))


def record(call: CallMetadata) -> ConsentRecord:
    """A record whose commitments are the same in every run."""
    made = ConsentRecord(call)
    made._salt = bytes(range(32))
    return made


def bodies(record: ConsentRecord) -> list[list[str]]:
    return [[event.type.value, canonical(event.body)] for event in record.take().events]


def test_an_agreement_that_was_accepted() -> None:
    made = record(
        replace(
            FACTS,
            linked_id="pbx-1699999999.7",
            attestation="A",
            server="bridge-1",
            tz="Europe/Paris",
            clock_synced=True,
        )
    )
    made.disclosed(HEARD)
    number_keyed(made)
    made.entered(ENTERED)
    read_back(made)
    made.confirmed("number_then_1")
    made.submitting(SENDING, context="c")
    made.submission_ended(
        State.ACCEPTED,
        reason="dial",
        status=200,
        attempts=1,
        answer="ab" * 32,
        forward="+14155550199",
    )
    assert bodies(made) == BODIES["agreed"]


def test_a_hang_up_during_the_disclosure() -> None:
    made = record(replace(FACTS, caller_id=None))
    made.disclosed(CUT)
    made.ended(State.ABANDONED, "hangup")
    assert bodies(made) == BODIES["abandoned"]


def test_a_returning_caller() -> None:
    made = record(replace(FACTS, caller_id=NUMBER))
    made.returned("0190-1", region="US")
    made.submitting(SENDING, 2)
    assert bodies(made) == BODIES["returned"]


def test_no_event_holds_what_names_a_person() -> None:
    assert not EVENT_KEYS[CallMetadata].keys() & {"caller_id"}
    assert not EVENT_KEYS[NumberEntered].keys() & {"e164", "digits"}
    assert not EVENT_KEYS[DisclosureHeard].keys() & {"text"}
