from __future__ import annotations

from dataclasses import replace

import pytest

from agi_bridge.consent import ConsentRecord, IllegalTransition, State
from agi_bridge.consent.proof import canonical, commitment
from tests.consent.builders import CUT, ENTERED, FACTS, HEARD, NUMBER, confirmed


def test_an_agreement_is_taken_whole_with_the_number_apart_from_the_events() -> None:
    batch = confirmed().take()
    assert [event.state for event in batch.events] == ["disclosed", "entered", "confirmed"]
    assert batch.personal is not None
    assert batch.personal.number == NUMBER
    assert batch.disclosure == HEARD
    written = " ".join(canonical(event.body) for event in batch.events)
    for personal in (NUMBER[1:], ENTERED.digits, "5145550100"):
        assert personal not in written


def test_the_number_is_bound_to_the_event_by_a_commitment() -> None:
    batch = confirmed().take()
    assert batch.personal is not None
    body = batch.events[-1].body
    assert body["number_c"] == commitment(batch.personal.salt, "number", NUMBER)
    assert body["ani_c"] == commitment(batch.personal.salt, "ani", "+15145550100")


def test_a_hidden_caller_id_leaves_no_commitment() -> None:

    record = ConsentRecord(replace(FACTS, caller_id=None))
    record.disclosed(HEARD)
    record.entered(ENTERED)
    record.confirmed("number")
    assert "ani_c" not in record.take().events[-1].body


def test_a_caller_who_declines_leaves_no_number() -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    record.entered(ENTERED)
    record.ended(State.DECLINED, "star")
    batch = record.take()
    assert [event.state for event in batch.events] == ["disclosed", "entered", "declined"]
    assert batch.personal is None


def test_no_consent_without_a_disclosure_played_to_its_end() -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(CUT)
    record.entered(ENTERED)
    with pytest.raises(RuntimeError, match="played to its end"):
        record.confirmed("number_then_1")


def test_no_consent_without_a_number() -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    with pytest.raises(IllegalTransition):
        record.confirmed("number_then_1")
    with pytest.raises(RuntimeError, match="no number"):
        _ = record.number


def test_what_was_taken_is_not_taken_again() -> None:
    record = confirmed()
    record.take()
    record.submitting()
    batch = record.take()
    assert [event.state for event in batch.events] == ["submitting"]
    assert batch.personal is None
    assert batch.disclosure is None


def test_the_answer_is_kept_as_a_commitment() -> None:
    record = confirmed()
    record.submitting()
    record.settled(State.ACCEPTED, reason="dial", status=200, attempts=1, answer="ab" * 32)
    batch = record.take()
    assert batch.personal is not None
    body = batch.events[-1].body
    assert body["answer_c"] == commitment(batch.personal.salt, "answer", "ab" * 32)
    assert "answer" not in body


def test_nothing_personal_shows_in_a_repr() -> None:
    record = confirmed()
    shown = f"{FACTS!r} {ENTERED!r} {record.take()!r}"
    for personal in ("4155550123", "5145550100"):
        assert personal not in shown
