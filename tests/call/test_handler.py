"""Whole calls: what the caller hears, what is stored, what the hook gets, where the call goes."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call import CallHandler
from agi_bridge.consent import State
from agi_bridge.speech import SHIPPED, Library
from tests.support.call_env import (
    AGREEMENT,
    AGREES,
    DEFAULT,
    DID,
    FORWARD,
    KEY,
    NUMBER,
    CallEnv,
    dialled,
    prompts_heard,
    shipped_milliseconds,
)

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_caller_who_keys_a_number_and_1_is_texted_once_and_connected(
    call_env: CallEnv,
) -> None:
    call = await call_env(AGREES)
    assert prompts_heard(call)[:3] == ["disclosure", "enter-number", "you-entered"]
    assert prompts_heard(call)[-1] == "accepted"
    assert await call_env.states() == [*AGREEMENT, "accepted"]
    (request,) = call_env.fake_hook.requests
    assert (request.method, request.from_, request.to, request.key) == ("POST", NUMBER, DID, KEY)
    assert dialled(call) == [FORWARD]
    assert (call.dialled[0].ring_seconds, call.dialled[0].options) == (30, "gS(7200)")
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"
    assert call.variables["AGI_BRIDGE_ACTION"] == "dial"
    consent = call.variables["AGI_BRIDGE_CONSENT"]
    assert await call_env.ledger.number(consent) == NUMBER


async def test_the_consent_is_stored_before_the_hook_is_called(call_env: CallEnv) -> None:
    call_env.fake_hook.scenario = "slow"
    handler = await call_env.handler()
    call = asyncio.create_task(
        FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds).run(handler, f"x?to={DID}")
    )
    await call_env.fake_hook.received()
    assert await call_env.states() == AGREEMENT
    call_env.fake_hook.hold.set()
    await call
    assert (await call_env.states())[-1] == "accepted"


async def test_the_result_is_the_last_variable_set(call_env: CallEnv) -> None:
    for keys in (AGREES, "*", "", "4155550123,*"):
        call = await call_env(keys)
        assert call.commands[-1][:3] == ["SET", "VARIABLE", "AGI_BRIDGE_RESULT"]


async def test_the_default_destination_is_set_before_anything_is_played(call_env: CallEnv) -> None:
    call = await call_env("")
    assignments = [words[2:] for words in call.commands[1:4]]
    assert assignments == [
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
async def test_a_caller_who_does_not_agree_is_connected_without_a_text(
    call_env: CallEnv, keys: str, reason: str
) -> None:
    call = await call_env(keys)
    assert call_env.fake_hook.requests == []
    assert prompts_heard(call)[-1] == "declined"
    assert dialled(call) == [DEFAULT]
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"
    assert "AGI_BRIDGE_CONSENT" not in call.variables
    last = (await call_env.events())[-1]
    assert (last.type, last.body["reason"]) == (State.DECLINED, reason)


async def test_a_star_during_the_disclosure_ends_it_and_is_on_record(call_env: CallEnv) -> None:
    await call_env("*")
    disclosed, declined = await call_env.events()
    assert disclosed.body["complete"] is False
    match declined.body["dialogue"]:
        case [["key", int(), "*", "disclosure", int(endpos)]]:
            assert endpos == disclosed.body["endpos"]
        case entries:
            pytest.fail(f"not the one key: {entries}")


async def test_a_number_of_the_business_is_not_texted(call_env: CallEnv) -> None:
    call = await call_env("4155550111,14155550111,0014155550111#")
    assert prompts_heard(call).count("invalid-number") == 2
    assert call_env.fake_hook.requests == []
    assert (await call_env.events())[-1].body["reason"] == "invalid_number"


async def test_a_wrong_number_then_a_right_one(call_env: CallEnv) -> None:
    call = await call_env("1234,4155550123,1")
    assert prompts_heard(call).count("invalid-number") == 1
    entered = (await call_env.events())[1]
    assert entered.body["tries"] == 1
    assert dialled(call) == [FORWARD]


async def test_silence_then_a_number(call_env: CallEnv) -> None:
    call = await call_env(",4155550123,1")
    assert "no-input" in prompts_heard(call)
    assert dialled(call) == [FORWARD]


async def test_a_caller_may_change_the_number(call_env: CallEnv) -> None:
    await call_env("4155550124,2,4155550123,1")
    assert [request.from_ for request in call_env.fake_hook.requests] == [NUMBER]
    assert [event.type.value for event in await call_env.events()].count("entered") == 2


async def test_the_number_is_read_back_as_keyed_in_groups(call_env: CallEnv) -> None:
    call = await call_env("4155550123")
    groups = [heard.name for heard in call.heard if heard.kind == "digits"]
    assert groups == ["415", "555", "0123"] * 2  # asked twice


async def test_a_number_ended_by_hash_or_with_the_long_distance_1_is_the_same(
    call_env: CallEnv,
) -> None:
    await call_env("4155550123#,1")
    await call_env("14155550123,1")
    assert [request.from_ for request in call_env.fake_hook.requests] == [NUMBER, NUMBER]


async def test_where_the_line_says_so_the_number_alone_is_the_act(call_env: CallEnv) -> None:
    await call_env("4155550123", {"consent": {"act": "number"}})
    assert len(call_env.fake_hook.requests) == 1
    confirmed = (await call_env.events())[2]
    assert confirmed.body["act"] == "number"


async def test_a_disclosure_not_played_to_its_end_gives_no_consent(call_env: CallEnv) -> None:
    """Asterisk 16 and older answer a missing file with `result=0 endpos=0`."""

    def cut(path: str) -> int | None:
        return 10 if path.endswith("/disclosure") else shipped_milliseconds(path)

    call = await call_env(AGREES, sounds=cut)
    assert call_env.fake_hook.requests == []
    assert prompts_heard(call) == ["disclosure", "not-confirmed"]
    assert dialled(call) == [DEFAULT]
    assert (await call_env.events())[-1].body["reason"] == "disclosure_not_heard"


async def test_a_disclosure_changed_since_the_start_is_not_played_and_gives_no_consent(
    call_env: CallEnv, tmp_path: Path
) -> None:
    """The record would say that the caller heard what was there at the start."""
    prompts = shutil.copytree(SHIPPED, tmp_path / "prompts")
    await call_env.handler()
    handler = CallHandler(replace(call_env.services, library=Library(prompts, cache=tmp_path)))
    shutil.copy(prompts / "en" / "busy.wav", prompts / "en" / "disclosure.wav")
    call = await FakeAsterisk(keys=AGREES, sounds=lambda _: 1000).run(
        handler, "consent?to=%2B14155550111"
    )
    assert call_env.fake_hook.requests == []
    assert prompts_heard(call) == ["not-confirmed"]
    assert dialled(call) == [DEFAULT]
    disclosed, declined = await call_env.events()
    assert (disclosed.body["complete"], disclosed.body["endpos"]) == (False, 0)
    assert declined.body["reason"] == "disclosure_not_heard"


async def test_a_missing_recording_is_a_fault_that_leads_to_the_default(call_env: CallEnv) -> None:
    def gone(path: str) -> int | None:
        return None if path.endswith("/enter-number") else shipped_milliseconds(path)

    with capture_logs() as logs:
        call = await call_env(AGREES, sounds=gone)
    assert dialled(call) == [DEFAULT]
    assert prompts_heard(call)[-1] == "not-confirmed"
    assert (await call_env.events())[-1].body["reason"] == "fault"
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["call.failed"]


async def test_with_no_recording_at_all_the_caller_still_reaches_the_default(
    call_env: CallEnv,
) -> None:
    call = await call_env(AGREES, sounds=lambda _: None)
    assert dialled(call) == [DEFAULT]
    assert await call_env.events() == []


# Languages


async def test_a_line_with_several_languages_offers_each_in_its_own(call_env: CallEnv) -> None:
    call = await call_env("2,4155550123,1", {"languages": ["en", "es", "fr"]})
    menu = [heard.name.split("/")[-2] for heard in call.heard if "language-menu" in heard.name]
    assert menu == ["en"]  # any key on offer ends the menu
    assert call.variables["CHANNEL(language)"] == "es"
    assert call.variables["AGI_BRIDGE_LANGUAGE"] == "es"
    assert "/es/" in call.heard[-1].name
    assert (await call_env.events())[0].body["lang"] == "es"


async def test_the_menu_is_repeated_once_then_the_lines_language_is_taken(
    call_env: CallEnv,
) -> None:
    call = await call_env(",,4155550123,1", {"languages": ["fr", "en"], "regions": ["US", "FR"]})
    assert prompts_heard(call).count("language-menu-item") == 4
    assert call.variables["AGI_BRIDGE_LANGUAGE"] == "fr"


async def test_a_french_mobile_is_keyed_with_its_zero_and_read_back_in_pairs(
    call_env: CallEnv,
) -> None:
    line = {"languages": ["fr"], "regions": ["FR"]}
    await call_env("0612345678,1", line)
    assert [request.from_ for request in call_env.fake_hook.requests] == ["+33612345678"]
    call = await call_env("0612345678", line)
    groups = [heard.name for heard in call.heard if heard.kind == "digits"]
    assert groups[:5] == ["06", "12", "34", "56", "78"]


# Lines


async def test_a_number_without_a_line_is_refused_and_logged_once(call_env: CallEnv) -> None:
    with capture_logs() as logs:
        call = await call_env("", path="x?to=%2B14155559999")
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
    call_env: CallEnv, path: str, pbx: dict[str, Any]
) -> None:
    call = await call_env("*", path=path, **pbx)
    assert dialled(call) == [DEFAULT]


# The log


async def test_a_call_writes_one_log_line_with_its_steps(call_env: CallEnv) -> None:
    with capture_logs() as logs:
        call = await call_env(AGREES)
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


async def test_the_record_names_the_did_that_was_called(call_env: CallEnv) -> None:
    line = {"did": [DID, "+14155550112"]}
    await call_env("*", line, path="x?to=4155550112")
    await call_env("*", line, path="x?to=(415)%20555-0111")
    disclosed = [event for event in await call_env.events() if event.type is State.DISCLOSED]
    assert [event.body["did"] for event in disclosed] == ["+14155550112", DID]
