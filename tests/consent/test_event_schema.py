from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import EVENT_TYPES, Act, State, canonical, commitments, faults
from tests.support.consent_builders import (
    CALLER,
    FACTS,
    NUMBER,
    SENDING,
    confirmed,
    returning,
    revocation,
    settle,
    submitting,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.consent.ledger import Ledger

HEX64, TIME = "0" * 64, "2026-11-23T05:07:08.009Z"


def body(kind: str, **own: Any) -> dict[str, Any]:
    """A body of a type, with what every body has."""
    return {
        "schema": 3,
        "ledger_id": "0" * 32,
        "seq": 1,
        "event_id": "01a207a2-80d0-7359-b1ce-8f4b4e34e569",
        "consent_id": "01a207a2-80d0-7359-b1ce-8f4b4e34e569",
        "type": kind,
        "at": TIME,
        "written": TIME,
        **own,
    }


def confirmation(**own: Any) -> dict[str, Any]:
    agreed = {"method": "ivr_dtmf", "act": "number_then_1", "number_c": HEX64, "digits_c": HEX64}
    return body("confirmed", **{**agreed, "dialogue": [], **own})


async def test_everything_that_a_ledger_writes_is_valid(ledger: Ledger) -> None:
    first = submitting(caller_id=NUMBER)
    await ledger.append(first.take())
    first.submission_ended(
        State.ACCEPTED, reason="dial", status=200, attempts=1, answer="ab" * 32, forward=CALLER
    )
    await ledger.append(first.take())
    again = returning(first.id)
    await ledger.append(again.take())
    settle(again, State.UNKNOWN, "read_timeout")
    await ledger.append(again.take())
    revoked = await ledger.revoke(revocation(words="stop", reference="17"))
    await ledger.append(confirmed(caller_id=NUMBER).take())  # lifts it
    message = await ledger.record_message("c-1", "halt", reference="m-1", business_id=None)
    by = {"actor": "admin"}
    await ledger.record_act(Act.RESOLVED, revoked.revocation_id, **by, **{"as": "passed-on"})
    await ledger.record_act(Act.REVEALED, first.id, **by, command="consents show")
    await ledger.record_act(Act.EXPORTED, first.id, **by, command="consents export")
    await ledger.restrict([first.id], basis="claim", until=TIME, actor="admin")
    await ledger.erase([message], basis="request", actor="admin")
    rows = await ledger.rows()
    assert {row.type: faults(row.type, row.fields) for row in rows} == {
        row.type: [] for row in rows
    }
    assert len({row.type for row in rows}) > 14


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"act": "pressed_1"}, "act"),
        ({"number_c": HEX64[1:]}, "number_c"),
        ({"number_c": None}, "number_c"),
        ({"schema": 2}, "schema"),
        ({"schema": True}, "schema"),
        ({"written": "2026-11-23 05:07"}, "written"),
        ({"unknown": 1}, "unknown"),
        ({"seq": 0}, "seq"),
        ({"late": True}, "late"),
        ({"confirm_by_reply": False}, "confirm_by_reply"),
        ({"dialogue": [["key", 1, "12", "x", None]]}, "dialogue"),
        ({"dialogue": [["key", 1, "1", "x", -1]]}, "dialogue"),
        ({"dialogue": [["play", 1, "x", "en", HEX64, HEX64, 0, 0]]}, "dialogue"),
        ({"dialogue": [["play", 1, "x", "xx", HEX64, HEX64, 1, 0]]}, "dialogue"),
        ({"dialogue": [["digits", 1, 10, "maybe"]]}, "dialogue"),
        ({"dialogue": [[]]}, "dialogue"),
        ({"dialogue": [[["*"], 1, "1", "x", None]]}, "dialogue"),
        ({"dialogue": "none"}, "dialogue"),
    ],
)
def test_a_field_that_is_wrong_is_named(change: dict[str, Any], fault: str) -> None:
    assert faults("confirmed", confirmation()) == []
    assert faults("confirmed", confirmation(**change)) == [fault]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"lang": "xx"}, "lang"),
        ({"tz": "Mars/Olympus_Mons"}, "tz"),
        ({"purpose": "anything"}, "purpose"),
        ({"attestation": "D"}, "attestation"),
        ({"samples": -1}, "samples"),
        ({"samples": True}, "samples"),
        ({"config_sha256": "x"}, "config_sha256"),
    ],
)
def test_a_call_that_no_call_was_like_is_refused(change: dict[str, Any], fault: str) -> None:
    own = {**confirmed().take().events[0].body, "disclosure_version": 1}
    assert faults("disclosed", body("disclosed", **own)) == []
    assert faults("disclosed", body("disclosed", **{**own, **change})) == [fault]


@pytest.mark.parametrize("name", [*EVENT_TYPES])
def test_a_body_without_any_field_is_refused_whatever_its_type(name: str) -> None:
    assert {"schema", "ledger_id", "seq", "at", "written"} <= {*faults(name, {})}


def test_a_type_that_does_not_exist_is_the_fault() -> None:
    assert faults("invented", body("invented")) == ["type"]


@pytest.mark.parametrize("kind", [State.ACCEPTED, State.UNKNOWN, State.EXPIRED])
def test_what_became_of_a_submission_may_be_written_late(kind: State) -> None:
    own = {"reason": "dial", "status": None, "attempts": 1}
    if kind is State.EXPIRED:
        own = {"reason": "too_old"}
    assert faults(kind, body(kind, **own, late=True)) == []


@pytest.mark.parametrize(
    "make",
    [lambda: confirmed(), lambda: submitting(caller_id=None), lambda: returning("a")],  # noqa: PLW0108 - one shape
)
def test_every_sealed_value_has_a_commitment(make: Callable[[], Any]) -> None:
    batch = make().take()
    committed = {name for event in batch.events for name in event.body if name.endswith("_c")}
    assert batch.personal is not None
    assert committed == {f"{name}_c" for name in batch.personal.values if name != "salt"}


def test_the_names_of_what_may_be_sealed_are_known_by_type() -> None:
    assert commitments(State.CONFIRMED) == ["number", "caller_id", "digits"]
    assert commitments(Act.ERASED) == []


def test_no_body_holds_a_number() -> None:
    written = " ".join(canonical(event.body) for event in submitting().take().events)
    for personal in (NUMBER[1:], CALLER[1:], NUMBER[2:]):
        assert personal not in written.replace(SENDING.texts_from or "", "").replace(FACTS.did, "")
    assert replace(FACTS, caller_id=None).caller_is_trusted is False
