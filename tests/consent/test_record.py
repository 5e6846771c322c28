from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agi_bridge.consent import (
    ConsentRecord,
    IllegalTransition,
    Row,
    State,
    StoredEvent,
    canonical,
    commitment,
    text_sha256,
)
from agi_bridge.consent.models import UNLIMITED
from tests.support.consent_builders import (
    BRAND,
    CALLER,
    CUT,
    ENTERED,
    FACTS,
    HEARD,
    NUMBER,
    SENDING,
    confirmed,
    returning,
    settle,
    submitting,
)

if TYPE_CHECKING:
    from agi_bridge.consent.models import PersonalData

OF_THE_CALL = {
    "line_id", "did", "brand", "legal_name", "purpose", "call_uid", "linked_id", "channel",
    "attestation", "caller_id_trust", "server", "tz", "clock_synced", "software", "config_sha256",
}  # fmt: skip


def salt(personal: PersonalData | None) -> bytes:
    assert personal is not None
    return bytes.fromhex(personal.values["salt"])


def test_an_agreement_is_taken_whole_with_the_number_apart_from_the_events() -> None:
    batch = confirmed().take()
    assert [event.type for event in batch.events] == ["disclosed", "entered", "confirmed"]
    assert batch.personal is not None
    assert batch.personal.kind == "consent"
    assert (batch.personal.line_id, batch.personal.brand) == ("shop", BRAND)
    assert batch.personal.values.keys() == {"salt", "number", "caller_id", "digits"}
    assert (batch.personal.number, batch.personal.caller_id) == (NUMBER, CALLER)
    assert batch.personal.rules == UNLIMITED
    assert batch.disclosure == HEARD
    written = " ".join(canonical(event.body) for event in batch.events)
    for personal in (NUMBER[1:], ENTERED.digits, CALLER[1:]):
        assert personal not in written


def test_the_first_event_says_what_is_known_of_the_call_and_the_others_do_not_repeat_it() -> None:
    first, *others = confirmed().take().events
    assert first.body.keys() >= OF_THE_CALL
    assert first.body["config_sha256"] == "0" * 64
    for event in others:
        assert not event.body.keys() & OF_THE_CALL


def test_the_disclosure_is_described_as_it_was_played() -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(CUT)
    body = record.take().events[0].body
    assert body["disclosure_sha256"] == text_sha256(CUT.text)
    assert (body["samples"], body["endpos"], body["complete"]) == (8000, 7999, False)


@pytest.mark.parametrize(
    ("samples", "endpos", "complete"),
    [(8000, 8000, True), (8000, 8001, True), (8000, 7999, False), (0, 0, False), (0, 1, False)],
)
def test_only_a_disclosure_played_to_its_end_is_complete(
    samples: int, endpos: int, *, complete: bool
) -> None:
    assert replace(HEARD, samples=samples, endpos=endpos).complete is complete


def test_the_number_is_bound_to_the_event_by_a_commitment() -> None:
    batch = confirmed().take()
    body = batch.events[-1].body
    assert body["number_c"] == commitment(salt(batch.personal), "number", NUMBER)
    assert body["caller_id_c"] == commitment(salt(batch.personal), "caller_id", CALLER)
    assert body["digits_c"] == commitment(salt(batch.personal), "digits", ENTERED.digits)


def test_each_event_of_the_dialogue_has_what_was_heard_and_keyed_before_it() -> None:
    disclosed, entered, agreed = (
        [entry[0] for entry in event.body["dialogue"]]  # type: ignore[union-attr, index]  # the test knows its type
        for event in confirmed().take().events
    )
    assert disclosed == ["play"]
    assert entered == ["play", "digits"]
    assert agreed == ["play", "say", "play", "key"]


def test_a_hidden_caller_id_leaves_no_commitment_and_no_caller() -> None:
    batch = confirmed(caller_id=None).take()
    assert "caller_id_c" not in batch.events[-1].body
    assert batch.personal is not None
    assert batch.personal.caller_id is None
    assert "caller_id" not in batch.personal.values


@pytest.mark.parametrize("ending", [State.DECLINED, State.ABANDONED])
def test_a_caller_who_does_not_agree_leaves_no_number(ending: State) -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    record.entered(ENTERED)
    record.ended(ending, "star")
    batch = record.take()
    assert [event.type for event in batch.events] == ["disclosed", "entered", ending]
    assert batch.personal is None


def test_no_consent_without_a_disclosure_played_to_its_end() -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(CUT)
    record.entered(ENTERED)
    with pytest.raises(RuntimeError, match="played to its end"):
        record.confirmed("number_then_1")
    assert record.state is State.ENTERED


def test_no_consent_without_a_number() -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    with pytest.raises(IllegalTransition):
        record.confirmed("number_then_1")
    with pytest.raises(RuntimeError, match="no number"):
        _ = record.number


def test_of_several_numbers_the_last_one_counts() -> None:
    record = ConsentRecord(FACTS)
    record.disclosed(HEARD)
    record.entered(replace(ENTERED, e164="+14155550199", digits="4155550199"))
    record.entered(ENTERED)
    record.confirmed("number_then_1")
    personal = record.take().personal
    assert personal is not None
    assert (personal.number, personal.values["digits"]) == (NUMBER, ENTERED.digits)


def test_what_was_taken_is_not_taken_again() -> None:
    record = confirmed()
    record.take()
    record.submitting(SENDING, 2, "the shop's own")
    batch = record.take()
    assert [event.type for event in batch.events] == ["submitting"]
    assert batch.events[0].body == {
        "attempt": 2,
        "context": "the shop's own",
        "texts_from": SENDING.texts_from,
        "platform": SENDING.platform,
        "first_text_sha256": text_sha256(SENDING.first_text),
    }
    assert batch.lease_seconds == SENDING.seconds
    assert batch.personal is None
    assert batch.disclosure is None
    assert record.take().events == ()


def test_the_answer_is_kept_as_a_commitment_and_what_opens_it_is_learned() -> None:
    record = submitting()
    bound = salt(record.take().personal)
    record.submission_ended(
        State.ACCEPTED, reason="dial", status=200, attempts=1,
        answer="ab" * 32, forward="+14155550155",
    )  # fmt: skip
    batch = record.take()
    body = batch.events[-1].body
    assert body["answer_c"] == commitment(bound, "answer", "ab" * 32)
    assert body["forward_c"] == commitment(bound, "forward", "+14155550155")
    assert batch.learned == {"answer": "ab" * 32, "forward": "+14155550155"}
    assert not {"answer", "forward"} & body.keys()
    assert record.take().learned is None


def test_an_outcome_without_an_answer_teaches_nothing() -> None:
    record = submitting()
    settle(record, State.NOT_SENT, "connection_refused")
    batch = record.take()
    assert batch.learned is None
    assert not {"answer_c", "forward_c"} & batch.events[-1].body.keys()


def test_a_returning_caller_is_bound_to_the_consent_that_he_gave() -> None:
    batch = returning("the first consent").take()
    first = batch.events[0]
    assert [event.type for event in batch.events] == ["returned", "submitting"]
    assert (first.body["consent"], first.body["region"]) == ("the first consent", "US")
    assert first.body.keys() >= OF_THE_CALL
    assert batch.personal is not None
    assert batch.personal.kind == "returned"
    assert batch.personal.number == batch.personal.caller_id == NUMBER
    assert "digits" not in batch.personal.values
    assert first.body["number_c"] == commitment(salt(batch.personal), "number", NUMBER)
    assert first.body["caller_id_c"] == commitment(salt(batch.personal), "caller_id", NUMBER)
    assert batch.disclosure is None


def test_only_a_caller_who_shows_a_number_is_known_again() -> None:
    record = ConsentRecord(replace(FACTS, caller_id=None))
    with pytest.raises(RuntimeError, match="shows a number"):
        record.returned("the first consent", region="US")
    assert record.take().events == ()


def test_a_withheld_agreement_ends_as_declined_without_a_number() -> None:
    record = submitting()
    record.take()
    record.withheld("number_limit")
    batch = record.take()
    assert [event.type for event in batch.events] == ["disclosed", "entered", "declined"]
    assert batch.events[-1].body["reason"] == "number_limit"
    assert batch.events[0].body.keys() >= OF_THE_CALL
    assert batch.disclosure == HEARD
    assert batch.personal is None
    assert not any("number_c" in event.body for event in batch.events)


def test_a_withheld_return_ends_as_declined_without_a_number() -> None:
    record = returning("the first consent")
    record.take()
    record.withheld("suppressed")
    batch = record.take()
    assert [event.type for event in batch.events] == ["returned", "declined"]
    assert batch.personal is None


def test_nothing_is_withheld_before_a_number_is_there() -> None:
    with pytest.raises(RuntimeError, match="nothing was withheld"):
        ConsentRecord(FACTS).withheld("suppressed")


def test_a_consent_that_nobody_may_send_any_more_expires() -> None:
    record = confirmed()
    record.expired("too_old")
    assert record.state is State.EXPIRED
    assert record.take().events[-1].body == {"reason": "too_old"}


def test_a_stored_consent_is_gone_on_with_under_its_own_salt() -> None:
    bound = "ab" * 32
    record = ConsentRecord.stored("its id", State.NOT_SENT, {"salt": bound, "number": NUMBER})
    assert (record.id, record.number) == ("its id", NUMBER)
    record.submitting(SENDING, 2)
    settle(record)
    record.submission_ended(State.REVOKED, reason="", status=None, attempts=0, answer="cd" * 32)
    batch = record.take()
    assert batch.consent_id == "its id"
    assert batch.personal is None
    assert batch.events[-1].body["answer_c"] == commitment(
        bytes.fromhex(bound), "answer", "cd" * 32
    )
    with pytest.raises(RuntimeError, match="nothing was withheld"):
        record.withheld("suppressed")


def test_a_stored_event_is_read_from_its_row() -> None:
    body = canonical({"event_id": "one", "reason": "dial"})
    row = Row("chain", 7, "consent", "accepted", "2026-11-23T05:07:08.009Z", "[]", body, "00" * 32)
    event = StoredEvent.of(row)
    assert (event.event_id, event.consent_id, event.at) == ("one", "consent", row.at)
    assert event.type is State.ACCEPTED
    assert event.body["reason"] == "dial"


def test_nothing_personal_shows_in_a_repr() -> None:
    record = submitting()
    batch = record.take()
    record.submission_ended(
        State.ACCEPTED, reason="dial", status=200, attempts=1, answer=None, forward="+14155550155"
    )
    shown = f"{FACTS!r} {ENTERED!r} {batch!r} {record.take()!r}"
    for personal in ("4155550123", "5145550100", "4155550155", salt(batch.personal).hex()):
        assert personal not in shown
