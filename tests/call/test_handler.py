"""Whole calls: what the caller hears, what is stored, what the hook gets, where the call goes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi.testing import DialOutcome, FakeAsterisk
from agi_bridge.consent import LedgerUnavailable, State
from tests.call.builders import DID, KEY
from tests.call.conftest import Place, names, shipped_milliseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agi_bridge.consent.record import Batch

NUMBER = "+14155550123"
AGREES = "4155550123,1"
FORWARD = "PJSIP/+14155550199@trunk"
DEFAULT = "PJSIP/100"
AGREEMENT = ["disclosed", "entered", "confirmed", "submitting"]


def dialled(call: Any) -> list[str]:
    return [dial.destination for dial in call.dialled]


async def test_a_caller_who_keys_a_number_and_1_is_texted_once_and_connected(place: Place) -> None:
    call = await place(AGREES)
    assert names(call)[:3] == ["disclosure", "enter-number", "you-entered"]
    assert names(call)[-1] == "accepted"
    assert await place.states() == [*AGREEMENT, "accepted"]
    (request,) = place.stand_in.requests
    assert (request.method, request.from_, request.to, request.key) == ("POST", NUMBER, DID, KEY)
    assert dialled(call) == [FORWARD]
    assert (call.dialled[0].ring_seconds, call.dialled[0].options) == (30, "gS(7200)")
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"
    assert call.variables["AGI_BRIDGE_ACTION"] == "dial"
    consent = call.variables["AGI_BRIDGE_CONSENT"]
    assert await place.ledger.number(consent) == NUMBER


async def test_the_consent_is_on_disk_before_the_hook_hears_of_it(place: Place) -> None:
    place.stand_in.scenario = "slow"
    handler = await place.handler()
    call = asyncio.create_task(
        FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds).run(handler, f"x?to={DID}")
    )
    await place.stand_in.received()
    assert await place.states() == AGREEMENT
    place.stand_in.hold.set()
    await call
    assert (await place.states())[-1] == "accepted"


async def test_the_result_is_the_last_thing_told(place: Place) -> None:
    for keys in (AGREES, "*", "", "4155550123,*"):
        call = await place(keys)
        assert call.commands[-1][:3] == ["SET", "VARIABLE", "AGI_BRIDGE_RESULT"]


async def test_the_default_destination_is_told_before_anything_is_played(place: Place) -> None:
    call = await place("")
    told = [words[2:] for words in call.commands[1:4]]
    assert told == [
        ["AGI_BRIDGE_DEFAULT", DEFAULT],
        ["AGI_BRIDGE_RING", "30"],
        ["AGI_BRIDGE_LIMIT", "7200"],
    ]


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ("*", "star"),
        ("415*", "star"),
        ("4155550123,*", "star"),
        ("", "no_input"),
        ("123,0005550123,999", "invalid_number"),
        ("4155550123", "not_confirmed"),
        ("4155550123,7,5", "not_confirmed"),
        ("4155550123,2,4155550123,2,4155550123,2", "not_confirmed"),
    ],
)
async def test_whoever_does_not_agree_is_connected_without_a_text(
    place: Place, keys: str, reason: str
) -> None:
    call = await place(keys)
    assert place.stand_in.requests == []
    assert names(call)[-1] == "declined"
    assert dialled(call) == [DEFAULT]
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"
    assert "AGI_BRIDGE_CONSENT" not in call.variables
    last = (await place.events())[-1]
    assert (last.state, last.body["reason"]) == (State.DECLINED, reason)


async def test_a_star_during_the_disclosure_ends_it_and_is_on_record(place: Place) -> None:
    await place("*")
    disclosed, declined = await place.events()
    assert disclosed.body["complete"] is False
    match declined.body["keys"]:
        case [["disclosure", int(), "*"]]:
            pass
        case keys:
            pytest.fail(f"not the one key: {keys}")


async def test_a_wrong_number_then_a_right_one(place: Place) -> None:
    call = await place("1234,4155550123,1")
    assert names(call).count("invalid-number") == 1
    entered = (await place.events())[1]
    assert entered.body["tries"] == 1
    assert dialled(call) == [FORWARD]


async def test_silence_then_a_number(place: Place) -> None:
    call = await place(",4155550123,1")
    assert "no-input" in names(call)
    assert dialled(call) == [FORWARD]


async def test_a_caller_may_change_the_number(place: Place) -> None:
    await place("4155550124,2,4155550123,1")
    assert [request.from_ for request in place.stand_in.requests] == [NUMBER]
    assert [event.state.value for event in await place.events()].count("entered") == 2


async def test_the_number_is_read_back_as_keyed_in_groups(place: Place) -> None:
    call = await place("4155550123")
    said = [heard.name for heard in call.heard if heard.kind == "digits"]
    assert said == ["415", "555", "0123"] * 2  # asked twice


async def test_a_number_ended_by_hash_or_with_the_long_distance_1_is_the_same(
    place: Place,
) -> None:
    await place("4155550123#,1")
    await place("14155550123,1")
    assert [request.from_ for request in place.stand_in.requests] == [NUMBER, NUMBER]


async def test_where_the_line_says_so_the_number_alone_is_the_act(place: Place) -> None:
    await place("4155550123", {"consent": {"act": "number"}})
    assert len(place.stand_in.requests) == 1
    confirmed = (await place.events())[2]
    assert confirmed.body["act"] == "number"


async def test_a_disclosure_that_was_not_played_to_its_end_is_no_consent(place: Place) -> None:
    """Asterisk 16 and older answer a missing file with `result=0 endpos=0`."""

    def cut(path: str) -> int | None:
        return 10 if path.endswith("/disclosure") else shipped_milliseconds(path)

    call = await place(AGREES, sounds=cut)
    assert place.stand_in.requests == []
    assert names(call) == ["disclosure", "not-confirmed"]
    assert dialled(call) == [DEFAULT]
    assert (await place.events())[-1].body["reason"] == "disclosure_not_heard"


async def test_a_missing_recording_is_a_fault_that_leads_to_the_default(place: Place) -> None:
    def gone(path: str) -> int | None:
        return None if path.endswith("/enter-number") else shipped_milliseconds(path)

    with capture_logs() as logs:
        call = await place(AGREES, sounds=gone)
    assert dialled(call) == [DEFAULT]
    assert names(call)[-1] == "not-confirmed"
    assert (await place.events())[-1].body["reason"] == "fault"
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["call failed"]


async def test_with_no_recording_at_all_the_caller_still_reaches_the_default(place: Place) -> None:
    call = await place(AGREES, sounds=lambda _: None)
    assert dialled(call) == [DEFAULT]
    assert await place.events() == []


# Languages


async def test_a_line_with_several_languages_offers_each_in_its_own(place: Place) -> None:
    call = await place("2,4155550123,1", {"languages": ["en", "es", "fr"]})
    menu = [heard.name.split("/")[-2] for heard in call.heard if "language-menu" in heard.name]
    assert menu == ["en"]  # any key on offer ends the menu
    assert call.variables["CHANNEL(language)"] == "es"
    assert call.variables["AGI_BRIDGE_LANGUAGE"] == "es"
    assert "/es/" in call.heard[-1].name
    assert (await place.events())[0].body["lang"] == "es"


async def test_the_menu_is_repeated_once_then_the_lines_language_is_taken(place: Place) -> None:
    call = await place(",,4155550123,1", {"languages": ["fr", "en"], "regions": ["US", "FR"]})
    assert names(call).count("language-menu-item") == 4
    assert call.variables["AGI_BRIDGE_LANGUAGE"] == "fr"


async def test_a_french_mobile_is_keyed_with_its_zero_and_read_back_in_pairs(place: Place) -> None:
    line = {"languages": ["fr"], "regions": ["FR"]}
    await place("0612345678,1", line)
    assert [request.from_ for request in place.stand_in.requests] == ["+33612345678"]
    call = await place("0612345678", line)
    said = [heard.name for heard in call.heard if heard.kind == "digits"]
    assert said[:5] == ["06", "12", "34", "56", "78"]


# The hook's answers


@pytest.mark.parametrize(
    ("scenario", "state"),
    [
        ("say", "accepted"),
        ("not-linked", "refused"),
        ("403", "refused"),
        ("400", "refused"),
        ("500", "unknown"),
        ("reset", "unknown"),
        ("garbage", "unknown"),
        ("refuse", "not_sent"),
    ],
)
async def test_whatever_the_hook_answers_the_caller_is_connected_and_told_the_truth(
    place: Place, scenario: str, state: str
) -> None:
    place.stand_in.scenario = scenario
    await place.stand_in.settled()
    with capture_logs() as logs:
        call = await place(AGREES)
    assert (await place.states())[-1] == state
    assert dialled(call) == [DEFAULT]
    truth = "accepted" if state == "accepted" else "not-confirmed"
    assert truth in names(call)
    alarms = [log for log in logs if log["log_level"] == "error"]
    assert len(alarms) == (1 if state == "refused" else 0)
    assert len(place.stand_in.requests) == (0 if state == "not_sent" else 1)


async def test_the_documented_text_is_spoken_in_the_callers_language(place: Place) -> None:
    place.stand_in.scenario = "say"
    call = await place(AGREES, {"languages": ["fr"]})
    assert call.heard[-1].name.endswith("/fr/no-forwarding")
    call = await place(AGREES, {"languages": ["es"]})
    assert call.heard[-1].name.endswith("/en/no-forwarding")


async def test_after_a_text_the_line_may_hang_up(place: Place) -> None:
    place.stand_in.scenario = "say"
    call = await place(AGREES, {"after_say": "hangup"})
    assert dialled(call) == []
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"


async def test_a_forward_number_that_fails_the_policy_is_not_dialled_and_raises_an_alarm(
    place: Place,
) -> None:
    place.stand_in.forward = "+19005550123"
    with capture_logs() as logs:
        call = await place(AGREES)
    assert dialled(call) == [DEFAULT]
    (alarm,) = [log for log in logs if log["log_level"] == "error"]
    assert (alarm["event"], alarm["reason"]) == ("forward number not dialled", "premium")
    assert (await place.states())[-1] == "accepted"


async def test_while_the_hook_thinks_the_caller_is_asked_to_wait(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agi_bridge.call.submission.HOLD_AFTER", 0)
    monkeypatch.setattr("agi_bridge.call.submission.HOLD_EVERY", 0)
    place.stand_in.scenario = "slow"
    heard: list[str] = []

    def listen(event: Any) -> None:
        if event.kind == "playing":
            heard.append(event.text.rpartition("/")[2])
            if heard.count("please-wait") == 2:
                place.stand_in.hold.set()

    call = await place(AGREES, on_event=listen)
    i = heard.index("please-hold")
    assert heard[i : i + 3] == ["please-hold", "please-wait", "please-wait"]
    assert dialled(call) == [FORWARD]


# Storing


@pytest.mark.parametrize("failing", [0, 1], ids=["agreement", "outcome"])
async def test_without_a_stored_agreement_nothing_is_sent(
    place: Place, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    append, calls = place.ledger.append, iter(range(9))

    async def full(batch: Batch) -> None:
        if next(calls) == failing:
            raise LedgerUnavailable("disk full")
        await append(batch)

    monkeypatch.setattr(place.ledger, "append", full)
    with capture_logs() as logs:
        call = await place(AGREES)
    assert any(log["event"] == "consent not stored" for log in logs)
    if failing == 0:
        assert place.stand_in.requests == []
        assert "not-confirmed" in names(call)
        assert dialled(call) == [DEFAULT]
    else:
        assert len(place.stand_in.requests) == 1
        assert await place.states() == AGREEMENT
        assert dialled(call) == [FORWARD]


async def test_a_fault_while_the_call_goes_on_leaves_it_to_the_dialplan(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("agi_bridge.call.follow.Follower.follow", broken)
    with capture_logs() as logs:
        call = await place(AGREES)
    assert call.variables["AGI_BRIDGE_RESULT"] == "default"
    assert call.variables["AGI_BRIDGE_DEFAULT"] == DEFAULT
    assert "call failed" in [log["event"] for log in logs]


@pytest.mark.parametrize(
    ("caller_id", "match"),
    [
        ("4155550123", "same"),
        ("15145550100", "different"),
        ("unknown", "hidden"),
        ("100", "invalid"),
    ],
)
async def test_the_record_says_whether_the_caller_keyed_their_own_number(
    place: Place, caller_id: str, match: str
) -> None:
    await place(AGREES, caller_id=caller_id)
    assert (await place.events())[1].body["ani_match"] == match


async def test_a_caller_who_cannot_be_asked_to_wait_is_connected_all_the_same(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agi_bridge.call.submission.HOLD_AFTER", 0)
    place.stand_in.scenario = "slow"

    def gone(path: str) -> int | None:
        if path.endswith("/please-hold"):
            place.stand_in.hold.set()
            return None
        return shipped_milliseconds(path)

    call = await place(AGREES, sounds=gone)
    assert dialled(call) == [FORWARD]


# Dialling


@pytest.mark.parametrize(
    ("status", "apology"),
    [
        ("BUSY", "busy"),
        ("NOANSWER", "no-answer"),
        ("CONGESTION", "no-answer"),
        ("CHANUNAVAIL", "no-answer"),
    ],
)
async def test_a_far_end_that_cannot_be_reached_leads_to_a_word_and_the_default(
    place: Place, status: str, apology: str
) -> None:
    def dial(destination: str) -> str:
        return "ANSWER" if destination == DEFAULT else status

    call = await place(AGREES, dial=dial)
    assert dialled(call) == [FORWARD, DEFAULT]
    assert names(call)[-1] == apology
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"


async def test_if_the_default_fails_too_the_dialplan_is_told_to_take_its_last_resort(
    place: Place,
) -> None:
    call = await place("*", dial="CHANUNAVAIL")
    assert dialled(call) == [DEFAULT]
    assert names(call)[-1] == "no-answer"
    assert call.variables["AGI_BRIDGE_RESULT"] == "fallback"


@pytest.mark.parametrize(
    ("default", "told"),
    [
        (
            {"kind": "dialplan", "context": "shop", "extension": "9", "priority": 2},
            ("default", {"AGI_BRIDGE_CONTEXT": "shop", "AGI_BRIDGE_EXTENSION": "9"}),
        ),
        ({"kind": "say", "prompt": "goodbye"}, ("done", {})),
        ({"kind": "hangup"}, ("done", {})),
    ],
    ids=["dialplan", "say", "hangup"],
)
async def test_the_default_destination_may_be_of_other_kinds(
    place: Place, default: dict[str, Any], told: tuple[str, dict[str, str]]
) -> None:
    call = await place("*", {"default": default})
    assert dialled(call) == []
    assert call.variables["AGI_BRIDGE_RESULT"] == told[0]
    assert told[1].items() <= call.variables.items()
    assert names(call)[-1] == ("goodbye" if default["kind"] == "say" else "declined")


async def test_the_dialplan_may_dial_instead_of_the_bridge(place: Place) -> None:
    line = {"dial": "dialplan", "allow_caller_id": True, "number_format": "national"}
    call = await place(AGREES, line)
    assert dialled(call) == []
    assert (
        call.variables.items()
        >= {
            "AGI_BRIDGE_RESULT": "dial",
            "AGI_BRIDGE_ACTION": "dial",
            "AGI_BRIDGE_NUMBER": "+14155550199",
            "AGI_BRIDGE_DESTINATION": "PJSIP/4155550199@trunk",
            "AGI_BRIDGE_RING": "30",
            "AGI_BRIDGE_LIMIT": "7200",
        }.items()
    )
    call = await place("*", line)
    assert call.variables["AGI_BRIDGE_RESULT"] == "default"
    assert call.variables["AGI_BRIDGE_DEFAULT"] == DEFAULT


# Hangups


def hangs_up_at(*words: str) -> Any:
    def wanted(command: Sequence[str]) -> bool:
        return list(command[: len(words)]) == list(words)

    return wanted


@pytest.mark.parametrize("mode", ["line", "silent", "eof"])
@pytest.mark.parametrize(
    ("keys", "hangup_at", "states"),
    [
        ("", hangs_up_at("ANSWER"), []),
        ("", hangs_up_at("STREAM", "FILE"), ["disclosed", "abandoned"]),
        ("415!", None, ["disclosed", "abandoned"]),
        ("4155550123,!", None, ["disclosed", "entered", "abandoned"]),
        ("4155550123", hangs_up_at("SAY", "DIGITS"), ["disclosed", "entered", "abandoned"]),
        (AGREES, hangs_up_at("EXEC", "Dial"), [*AGREEMENT, "accepted"]),
    ],
    ids=["answer", "disclosure", "keying", "confirm", "read-back", "dialled"],
)
async def test_a_hangup_ends_the_call_and_is_on_record(
    place: Place, keys: str, hangup_at: Any, states: list[str], mode: str
) -> None:
    call = await place(keys, hangup_at=hangup_at, hangup_mode=mode)
    assert await place.states() == states
    assert call.hung_up
    if mode != "eof":
        assert call.variables["AGI_BRIDGE_RESULT"] == "hangup"
    if states and states[-1] == "abandoned":
        assert place.stand_in.requests == []
        assert await place.ledger.number((await place.events())[0].consent_id) is None


async def test_a_hangup_after_1_still_submits_once_and_connects_nobody(place: Place) -> None:
    place.stand_in.scenario = "slow"
    fake = FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds)
    call = asyncio.create_task(fake.run(await place.handler(), f"x?to={DID}"))
    await place.stand_in.received()
    fake.hang_up()
    place.stand_in.hold.set()
    record = await call
    assert len(place.stand_in.requests) == 1
    assert await place.states() == [*AGREEMENT, "accepted"]
    assert record.dialled == []
    assert record.variables["AGI_BRIDGE_RESULT"] == "hangup"
    assert "AGI_BRIDGE_CONSENT" in record.variables


async def test_a_caller_who_leaves_the_dialled_call_is_not_dialled_again(place: Place) -> None:
    with capture_logs() as logs:
        call = await place(AGREES, dial=DialOutcome("ANSWER", caller_hangs_up=True))
    assert dialled(call) == [FORWARD]
    assert logs[-1]["dial"] == "ANSWER"
    assert logs[-1]["result"] == "hangup"


async def test_a_bridge_that_is_stopped_in_mid_dialogue_leaves_its_line_and_no_consent(
    place: Place,
) -> None:
    playing = asyncio.Event()

    def listen(event: Any) -> None:
        if event.kind == "playing":
            playing.set()

    handler = await place.handler()
    fake = FakeAsterisk(keys="", sounds=shipped_milliseconds, pace=1.0, on_event=listen)
    tasks: list[asyncio.Task[None]] = []

    async def watched(channel: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        await handler(channel)

    call = asyncio.create_task(fake.run(watched, f"x?to={DID}"))
    await playing.wait()
    with capture_logs() as logs:
        tasks[0].cancel()
        await asyncio.wait({call})
    assert [log["event"] for log in logs] == ["call", "agi.call_cancelled"]
    assert (await place.states()) == []


# Lines


async def test_a_number_that_is_no_lines_is_refused_and_logged_once(place: Place) -> None:
    with capture_logs() as logs:
        call = await place("", path="x?to=%2B14155559999")
    assert call.refused is not None
    assert call.status == "FAILURE"
    (line,) = [log for log in logs if log["event"] == "call"]
    assert (line["ended"], line["called"]) == ("no_line", "+1***99")


@pytest.mark.parametrize(
    ("path", "pbx"),
    [
        ("x?to=%2B14155550111", {}),
        ("x", {"arguments": ["4155550111"]}),
        ("x", {"dnid": "14155550111"}),
        ("x", {"extension": "+14155550111"}),
    ],
    ids=["url", "argument", "dnid", "extension"],
)
async def test_the_line_is_found_by_any_form_of_its_number(
    place: Place, path: str, pbx: dict[str, Any]
) -> None:
    call = await place("*", path=path, **pbx)
    assert dialled(call) == [DEFAULT]


# The log


async def test_a_call_leaves_one_line_that_tells_its_story(place: Place) -> None:
    with capture_logs() as logs:
        call = await place(AGREES)
    (line,) = [log for log in logs if log["log_level"] == "info"]
    assert line["call"] == "fake.1"
    assert (
        line.items()
        >= {
            "event": "call",
            "line": "shop",
            "language": "en",
            "consent": call.variables["AGI_BRIDGE_CONSENT"],
            "hook": "accepted",
            "dialled": ["+1***99"],
            "dial": "ANSWER",
            "ended": "far_end",
            "result": "done",
        }.items()
    )
    steps = [name for name, _ in line["steps"]]
    assert (
        steps
        == ["disclosure", "number", "confirm", "agreed", "hook", "answer", "dial", "default"][:7]
    )
