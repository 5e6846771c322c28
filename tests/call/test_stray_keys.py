"""Keys that nobody asked for: doubled, one too many, too early, left over from before."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi.testing import FakeAsterisk, KeySequence
from agi_bridge.call import CallHandler
from agi_bridge.call.keypad import QUIET_SECONDS
from agi_bridge.consent import agreement_faults
from agi_bridge.speech import SHIPPED, Library
from tests.support.call_env import CallEnv, prompts_heard, shipped_milliseconds

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.agi.testing import CallRecord, KeysBySound

NUMBER, DIGITS = "+14155550123", "4155550123"
NUMBER_ALONE: dict[str, Any] = {"consent": {"act": "number"}}
AGREES_AT_LAST = {"confirm-number": KeySequence("1", 1.5)}


def texted(call_env: CallEnv) -> list[str]:
    return [request.from_ for request in call_env.fake_hook.requests]


def asked_again(call: CallRecord) -> bool:
    """The entry was wrong, and the caller was told so and asked for another one."""
    prompts = prompts_heard(call)
    return (
        "invalid-number" in prompts
        and prompts[prompts.index("invalid-number") + 1] == "enter-number"
    )


@pytest.mark.parametrize("place_of_double", range(10))
async def test_a_doubled_key_sends_no_text(call_env: CallEnv, place_of_double: int) -> None:
    doubled = DIGITS[: place_of_double + 1] + DIGITS[place_of_double:]
    call = await call_env({"enter-number": doubled, **AGREES_AT_LAST})
    assert texted(call_env) == []
    assert asked_again(call) or "no-input" in prompts_heard(call)


@pytest.mark.parametrize(
    "keys",
    ["41555550121", "44155550123", "41555501231", "141555501231", "4155550123#1", "4155550123##1"],
)
async def test_a_digit_too_many_makes_the_entry_wrong(call_env: CallEnv, keys: str) -> None:
    call = await call_env({"enter-number": [keys, DIGITS], **AGREES_AT_LAST})
    assert asked_again(call)
    assert texted(call_env) == [NUMBER]


@pytest.mark.parametrize("key", "0123456789")
async def test_no_digit_counts_in_the_first_words_of_the_read_back(
    call_env: CallEnv, key: str
) -> None:
    call = await call_env({"enter-number": [DIGITS, ""], "you-entered": key})
    assert asked_again(call)
    assert "confirm-number" not in prompts_heard(call)
    assert texted(call_env) == []


@pytest.mark.parametrize("group", ["415", "555", "0123"])
@pytest.mark.parametrize("after", [0.0, 1.0, 2.4])  # the last one comes in the pause behind it
async def test_digits_do_not_count_during_the_read_back(
    call_env: CallEnv, group: str, after: float
) -> None:
    longer = 0.8 if group == "0123" else 0.0
    early = KeySequence("1", after + (longer if after > 2 else 0.0))
    call = await call_env({"enter-number": [DIGITS, ""], group: early})
    assert asked_again(call)
    assert texted(call_env) == []


async def test_a_caller_who_presses_1_too_early_is_asked_again_and_can_agree(
    call_env: CallEnv,
) -> None:
    call = await call_env(
        {"enter-number": [DIGITS, DIGITS], "you-entered": ["1", ""], **AGREES_AT_LAST}
    )
    assert prompts_heard(call)[-1] == "accepted"
    assert texted(call_env) == [NUMBER]
    (last,) = [event for event in await call_env.events() if event.type.value == "confirmed"]
    events: list[Any] = await call_env.events()
    stored: list[tuple[str, dict[str, Any]]] = [
        (event.type.value, dict(event.body))
        for event in events
        if event.type.value in {"disclosed", "entered", "confirmed"}
    ]
    keys = [entry for _, body in stored for entry in body["dialogue"] if entry[0] == "key"]
    assert [key[2:4] for key in keys] == [["1", "you-entered"], ["1", "confirm-number"]]
    assert last.body["act"] == "number_then_1"
    assert agreement_faults(stored) == []


@pytest.mark.parametrize("moment", ["enter-number", "you-entered", "555", "confirm-number"])
async def test_star_declines_at_any_time(call_env: CallEnv, moment: str) -> None:
    keys = {"enter-number": DIGITS, moment: "*"}
    call = await call_env(keys)
    assert prompts_heard(call)[-1] == "declined"
    assert texted(call_env) == []
    assert (await call_env.events())[-1].body["reason"] == "star"


@pytest.mark.parametrize("held", [2.0, 3.0, 4.0])
async def test_a_1_held_from_the_read_back_into_the_question_does_not_agree(
    call_env: CallEnv, held: float
) -> None:
    call = await call_env({"enter-number": DIGITS, "0123": KeySequence("1", 0.0, held=held)})
    assert texted(call_env) == []
    assert (await call_env.events())[-1].type.value == "declined"
    assert "accepted" not in prompts_heard(call)


@pytest.mark.parametrize("after", [0.0, 0.4, 0.8])
async def test_a_digit_in_the_first_second_of_the_question_starts_it_over(
    call_env: CallEnv, after: float
) -> None:
    early = [KeySequence("1", after), KeySequence("1", 1.0)]
    call = await call_env({"enter-number": DIGITS, "confirm-number": early})
    assert prompts_heard(call).count("confirm-number") == 2
    assert prompts_heard(call).count("you-entered") == 1
    assert texted(call_env) == [NUMBER]


async def test_early_digits_alone_never_agree(call_env: CallEnv) -> None:
    call = await call_env({"enter-number": DIGITS, "confirm-number": [KeySequence("1", 0.0)] * 20})
    assert prompts_heard(call).count("confirm-number") == 6  # three times in each of two tries
    assert texted(call_env) == []
    assert (await call_env.events())[-1].body["reason"] == "not_confirmed"


async def test_star_after_an_early_digit_declines(call_env: CallEnv) -> None:
    await call_env({"enter-number": DIGITS, "confirm-number": KeySequence("1*", 0.0)})
    assert (await call_env.events())[-1].body["reason"] == "star"


async def test_star_declines_among_what_is_left_over(call_env: CallEnv) -> None:
    call = await call_env({"enter-number": f"{DIGITS}12*"})
    assert "invalid-number" not in prompts_heard(call)
    assert (await call_env.events())[-1].body["reason"] == "star"


@pytest.mark.parametrize("hashes", ["#", "##", "#####"])
async def test_hash_after_the_last_digit_means_nothing(call_env: CallEnv, hashes: str) -> None:
    call = await call_env(
        {"enter-number": DIGITS + hashes, "confirm-number": KeySequence("1", 1.5)}
    )
    assert prompts_heard(call).count("enter-number") == 1
    assert texted(call_env) == [NUMBER]


async def test_hash_does_not_answer_the_question(call_env: CallEnv) -> None:
    await call_env({"enter-number": DIGITS, "confirm-number": KeySequence("#1", 7.0)})
    assert texted(call_env) == [NUMBER]


async def test_a_doubled_1_agrees_once(call_env: CallEnv) -> None:
    await call_env({"enter-number": DIGITS, "confirm-number": KeySequence("11", 1.5)})
    assert texted(call_env) == [NUMBER]


async def test_a_doubled_2_does_not_begin_the_next_number(call_env: CallEnv) -> None:
    keys: KeysBySound = {
        "enter-number": ["4155550124", DIGITS],
        "confirm-number": [KeySequence("22", 1.5), KeySequence("1", 1.5)],
    }
    call = await call_env(keys)
    assert "invalid-number" not in prompts_heard(call)
    assert texted(call_env) == [NUMBER]


async def test_what_follows_a_wrong_entry_does_not_begin_the_next_number(call_env: CallEnv) -> None:
    call = await call_env({"enter-number": ["000555012344444", DIGITS], **AGREES_AT_LAST})
    assert prompts_heard(call).count("invalid-number") == 1
    assert texted(call_env) == [NUMBER]


async def test_a_caller_who_keys_the_number_again_at_the_question_does_not_agree(
    call_env: CallEnv,
) -> None:
    call = await call_env({"enter-number": DIGITS, "confirm-number": ["4155550124", ""]})
    assert prompts_heard(call).count("confirm-number") == 3  # its first digit starts it over
    assert texted(call_env) == []


async def test_a_late_1_into_the_repetition_of_the_question_agrees(call_env: CallEnv) -> None:
    await call_env({"enter-number": DIGITS, "you-entered": ["", "1"]})
    assert texted(call_env) == [NUMBER]


@pytest.mark.parametrize("key", "034567890")
async def test_another_digit_in_the_repetition_makes_the_entry_wrong(
    call_env: CallEnv, key: str
) -> None:
    call = await call_env({"enter-number": [DIGITS, ""], "you-entered": ["", key]})
    assert asked_again(call)
    assert texted(call_env) == []


async def test_a_number_keyed_during_the_disclosure_is_ignored(call_env: CallEnv) -> None:
    call = await call_env({"disclosure": DIGITS, "enter-number": DIGITS, **AGREES_AT_LAST})
    assert prompts_heard(call).count("enter-number") == 1
    assert texted(call_env) == [NUMBER]


@pytest.mark.parametrize("keys", ["41555501231", "4155550123#1", "4155550123#"])
async def test_where_keying_is_enough_no_digit_may_follow(call_env: CallEnv, keys: str) -> None:
    call = await call_env({"enter-number": [keys, ""]}, NUMBER_ALONE)
    assert texted(call_env) == ([NUMBER] if keys.endswith("#") else [])
    assert asked_again(call) is not keys.endswith("#")


async def test_where_keying_is_enough_star_declines_a_moment_later(call_env: CallEnv) -> None:
    await call_env({"enter-number": f"{DIGITS}*"}, NUMBER_ALONE)
    assert texted(call_env) == []
    assert (await call_env.events())[-1].body["reason"] == "star"


async def test_each_wrong_entry_costs_a_try(call_env: CallEnv) -> None:
    call = await call_env({"enter-number": [f"{DIGITS}1"] * 3})
    assert prompts_heard(call).count("enter-number") == 3
    assert (await call_env.events())[-1].body["reason"] == "invalid_number"
    assert texted(call_env) == []


async def test_a_stuck_key_does_not_hold_the_call(call_env: CallEnv) -> None:
    call = await call_env({"enter-number": "4" * 400})
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"
    assert texted(call_env) == []


async def test_keyed_digits_are_neither_in_the_log_nor_in_the_record(call_env: CallEnv) -> None:
    await call_env({"enter-number": f"{DIGITS}5550199"})
    assert all("0123" not in str(event.body) for event in await call_env.events())
    assert all("5550199" not in str(event.body) for event in await call_env.events())


@pytest.mark.parametrize("cut", ["confirm-number", "you-entered", "digit-3"])
@pytest.mark.parametrize("left", [0, 0.5])
async def test_a_1_after_a_question_that_was_not_heard_does_not_agree(
    call_env: CallEnv, cut: str, left: float
) -> None:
    """A file that was cut short since the start: Asterisk reports how much of it it played."""

    def played(path: str) -> int | None:
        whole = shipped_milliseconds(path)
        return whole and round(whole * left) if path.endswith(f"/{cut}") else whole

    keys: KeysBySound = {"enter-number": DIGITS, cut: KeySequence("1", 5.0)}
    with capture_logs() as logs:
        call = await call_env(keys, {"digits": "own"}, sounds=played)
    assert texted(call_env) == []
    assert prompts_heard(call)[-1] == "not-confirmed"
    assert (await call_env.events())[-1].body["reason"] == "question_not_heard"
    [event] = [line for line in logs if line["event"] == "call.question_not_heard"]
    assert event["file"].endswith(cut)
    assert event["endpos"] < event["samples"]


async def test_a_question_that_changed_since_the_start_is_not_asked(
    call_env: CallEnv, tmp_path: Path
) -> None:
    prompts = shutil.copytree(SHIPPED, tmp_path / "prompts")
    await call_env.handler()
    library = Library(prompts, cache=tmp_path)
    handler = CallHandler(replace(call_env.services, library=library))
    shutil.copy(prompts / "en" / "enter-number.wav", prompts / "en" / "confirm-number.wav")
    keys: KeysBySound = {"enter-number": DIGITS, "confirm-number": KeySequence("1", 1.5)}
    call = await FakeAsterisk(keys=keys, sounds=lambda _: 60_000).run(
        handler, "consent?to=%2B14155550111"
    )
    assert texted(call_env) == []
    assert "confirm-number" not in prompts_heard(call)
    assert (await call_env.events())[-1].body["reason"] == "question_not_heard"


async def test_no_number_is_revoked_after_a_question_that_was_not_heard(
    call_env: CallEnv,
) -> None:
    def played(path: str) -> int | None:
        return 0 if path.endswith("/you-entered") else shipped_milliseconds(path)

    keys: KeysBySound = {
        "opt-out-offer": KeySequence("9", 2.5),
        "enter-number": DIGITS,
        "you-entered": KeySequence("1", 5.0),
    }
    line = {"consent": {"opt_out_key": "9"}}
    await call_env(keys, line, sounds=played, caller_id="unknown")
    assert await call_env.events() == []


def test_a_slow_typist_is_waited_for() -> None:
    assert QUIET_SECONDS > 1.0
