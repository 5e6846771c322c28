"""Whole calls in which the opt-out key is pressed, or is not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi.testing import FakeAsterisk, KeySequence
from agi_bridge.consent import Act, LedgerUnavailable, State
from tests.support.call_env import DID, CallEnv, prompts_heard, shipped_milliseconds

if TYPE_CHECKING:
    from agi_bridge.agi.testing import CallRecord, KeysBySound
    from agi_bridge.consent import Revocation, RevocationResult, StoredEvent

NUMBER, DIGITS = "+14155550123", "4155550123"
DEFAULT = "PJSIP/100"
KEY: dict[str, Any] = {"consent": {"opt_out_key": "9"}}


async def live(call_env: CallEnv, presses: KeysBySound, **pbx: Any) -> CallRecord:
    return await call_env(presses, **{"line": KEY, "caller_id": DIGITS, **pbx})


async def revocations(call_env: CallEnv) -> list[StoredEvent]:
    return [event for event in await call_env.events() if event.type is Act.REVOCATION]


async def states(call_env: CallEnv) -> list[str]:
    return [event.type.value for event in await call_env.events() if isinstance(event.type, State)]


def at_the_default(call: CallRecord) -> bool:
    return [dial.destination for dial in call.dialled] == [DEFAULT] and call.variables[
        "AGI_BRIDGE_RESULT"
    ] == "done"


async def test_the_key_is_offered_before_the_disclosure_and_spoken_as_a_digit(
    call_env: CallEnv,
) -> None:
    call = await live(call_env, {"disclosure": "*"})
    assert prompts_heard(call)[:3] == ["opt-out-offer", "9", "disclosure"]
    assert prompts_heard(call)[-1] == "declined"


async def test_a_line_without_the_key_offers_none_and_takes_none(call_env: CallEnv) -> None:
    call = await live(call_env, {"disclosure": "9", "enter-number": "*"}, line={})
    assert prompts_heard(call) == ["disclosure", "enter-number", "declined"]
    assert await revocations(call_env) == []


async def test_a_caller_with_a_caller_id_who_presses_the_key_gets_no_more_texts(
    call_env: CallEnv,
) -> None:
    await call_env(f"{DIGITS},1")
    before = await states(call_env)
    with capture_logs() as logs:
        call = await live(call_env, {"opt-out-offer": "9"})
    assert prompts_heard(call)[-1] == "opted-out"
    assert "enter-number" not in prompts_heard(call)
    assert at_the_default(call)
    (revocation,) = await revocations(call_env)
    assert revocation.body["channel"] == "ivr"
    assert revocation.body["actor"] == "caller"
    assert (revocation.body["scope"], revocation.body["brand"]) == ("seller", "Example Store")
    dialogue: Any = revocation.body["dialogue"]
    assert dialogue[-1][2:4] == ["9", "opt-out-offer"]
    assert revocation.body["consents"] == 1
    # What was agreed to before is revoked; this call was asked for no consent.
    assert (await states(call_env))[len(before) :] == ["revoked"]
    assert len(call_env.fake_hook.requests) == 1
    (line,) = [log for log in logs if log["event"] == "call"]
    assert line["declined"] == "opted_out"
    assert "revoked" in [step for step, _ in line["steps"]]
    assert DIGITS not in str(logs)


@pytest.mark.parametrize(
    ("default", "ending"),
    [
        ({"kind": "hangup"}, ["no-more-texts", "goodbye"]),
        ({"kind": "say", "prompt": "not-linked"}, ["no-more-texts", "not-linked"]),
        ({"kind": "dialplan", "context": "shop"}, ["opted-out"]),
    ],
)
async def test_an_opt_out_is_confirmed_and_the_ending_is_true(
    call_env: CallEnv, default: dict[str, str], ending: list[str]
) -> None:
    await call_env(f"{DIGITS},1")
    call = await live(call_env, {"opt-out-offer": "9"}, line={**KEY, "default": default})
    heard = prompts_heard(call)
    assert heard[heard.index("opt-out-offer") + 1 :] == ending
    assert len(await revocations(call_env)) == 1


async def test_the_confirmation_of_an_opt_out_comes_after_a_short_silence(
    call_env: CallEnv,
) -> None:
    await call_env(f"{DIGITS},1")
    call = await live(call_env, {"opt-out-offer": "9"})
    spoken = [index for index, words in enumerate(call.commands) if "opted-out" in " ".join(words)]
    assert call.commands[spoken[0] - 1] == ["WAIT", "FOR", "DIGIT", "200"]


async def test_a_caller_who_agreed_with_another_number_is_asked_for_it(call_env: CallEnv) -> None:
    await call_env(f"{DIGITS},1")
    presses = {"opt-out-offer": "9", "enter-number": DIGITS, "1": "1"}
    prompts = prompts_heard(await live(call_env, presses, caller_id="4155550188"))
    assert prompts[-3:] == ["opt-out-offer", "1", "opted-out"]
    revoked = [
        await call_env.ledger.personal_data(each.consent_id) for each in await revocations(call_env)
    ]
    assert [known["number"] for known in revoked if known] == ["+14155550188", NUMBER]
    assert [each.body["consents"] for each in await revocations(call_env)] == [0, 1]


async def test_a_caller_who_keys_no_other_number_revokes_the_caller_id(call_env: CallEnv) -> None:
    call = await live(call_env, {"opt-out-offer": "9", "enter-number": "*"}, caller_id="4155550188")
    assert prompts_heard(call)[-1] == "opted-out"
    assert len(await revocations(call_env)) == 1


async def test_a_number_keyed_during_the_disclosure_is_not_an_opt_out(call_env: CallEnv) -> None:
    call = await live(call_env, {"disclosure": "4159", "enter-number": "*"})
    assert prompts_heard(call)[-2:] == ["enter-number", "declined"]
    assert await revocations(call_env) == []


async def test_the_key_counts_a_moment_after_it_was_offered_too(call_env: CallEnv) -> None:
    assert prompts_heard(await live(call_env, {"9": "9"}))[-1] == "opted-out"


async def test_another_key_after_the_offer_is_passed_over(call_env: CallEnv) -> None:
    call = await live(call_env, {"9": "5", "disclosure": "*"})
    assert prompts_heard(call)[-2:] == ["disclosure", "declined"]
    assert await revocations(call_env) == []


async def test_after_the_disclosure_the_key_is_a_digit_like_any_other(call_env: CallEnv) -> None:
    call = await live(
        call_env, {"enter-number": "9095550123", "confirm-number": KeySequence("1", 1.5)}
    )
    assert prompts_heard(call)[-1] == "accepted"
    assert await revocations(call_env) == []


async def test_once_opted_out_another_telephone_cannot_have_the_number_texted(
    call_env: CallEnv,
) -> None:
    await live(call_env, {"opt-out-offer": "9"})
    call = await call_env(f"{DIGITS},1")
    assert prompts_heard(call)[-1] == "declined"
    assert call_env.fake_hook.requests == []


@pytest.mark.parametrize("caller_id", ["unknown", "100"], ids=["hidden", "no number"])
async def test_a_caller_without_a_caller_id_keys_the_number_and_confirms_with_1(
    call_env: CallEnv, caller_id: str
) -> None:
    await call_env(f"{DIGITS},1")
    presses = {"opt-out-offer": "9", "enter-number": DIGITS, "1": "1"}
    prompts = prompts_heard(await live(call_env, presses, caller_id=caller_id))
    asked = prompts[prompts.index("enter-number") :]
    assert asked[:2] == ["enter-number", "you-entered"]
    assert asked[2:] == ["415", "555", "0123", "opt-out-offer", "1", "opted-out"]
    (revocation,) = await revocations(call_env)
    assert revocation.body["consents"] == 1


@pytest.mark.parametrize(
    ("presses", "heard"),
    [
        ({"enter-number": "*"}, []),
        ({}, ["no-input"]),
        ({"enter-number": "0005550123"}, ["invalid-number"]),
        ({"enter-number": DIGITS, "you-entered": "*"}, []),
        ({"enter-number": DIGITS}, ["you-entered"]),
    ],
    ids=["star", "silence", "no number", "star at the read-back", "silence at the read-back"],
)
async def test_without_a_number_nothing_is_revoked_and_no_text_is_sent(
    call_env: CallEnv, presses: dict[str, str], heard: list[str]
) -> None:
    call = await live(call_env, {"opt-out-offer": "9", **presses}, caller_id="unknown")
    assert set(heard) <= set(prompts_heard(call))
    assert prompts_heard(call)[-1] == "declined"
    assert at_the_default(call)
    assert await revocations(call_env) == []
    assert await states(call_env) == []


async def test_a_doubled_opt_out_key_does_not_begin_the_number(call_env: CallEnv) -> None:
    presses = {"9": "99", "enter-number": DIGITS, "1": "1"}
    assert prompts_heard(await live(call_env, presses, caller_id="unknown"))[-1] == "opted-out"
    (revocation,) = await revocations(call_env)
    assert (await call_env.ledger.personal_data(revocation.consent_id) or {})["number"] == NUMBER


async def test_a_doubled_key_of_the_language_menu_does_not_revoke(call_env: CallEnv) -> None:
    line = {"languages": ["en", "es"], "consent": {"opt_out_key": "2"}}
    call = await live(call_env, {"language-menu-item": ["", "22"], "disclosure": "*"}, line=line)
    assert prompts_heard(call)[-1] == "declined"
    assert await revocations(call_env) == []


async def test_a_digit_too_many_revokes_nothing(call_env: CallEnv) -> None:
    presses = {"opt-out-offer": "9", "enter-number": f"{DIGITS}1"}
    prompts = prompts_heard(await live(call_env, presses, caller_id="unknown"))
    assert prompts[prompts.index("you-entered") + 1] == "invalid-number"
    assert prompts[-1] == "declined"
    assert await revocations(call_env) == []


async def test_a_mistyped_number_can_be_changed_with_2(call_env: CallEnv) -> None:
    numbers, keys = ("4155550124", DIGITS), ("2", "1")
    call = await live(
        call_env,
        {"opt-out-offer": "9", "enter-number": numbers, "1": keys},
        caller_id="unknown",
    )
    assert prompts_heard(call)[-1] == "opted-out"
    (revocation,) = await revocations(call_env)
    assert (await call_env.ledger.personal_data(revocation.consent_id) or {})["number"] == NUMBER


@pytest.mark.parametrize("caller_id", [DIGITS, "unknown"])
async def test_a_revocation_that_cannot_be_stored_is_not_confirmed_to_the_caller(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch, caller_id: str
) -> None:
    async def full(_request: Revocation) -> RevocationResult:
        raise LedgerUnavailable("disk full")

    monkeypatch.setattr(call_env.ledger, "revoke", full)
    presses = {"opt-out-offer": "9", "enter-number": DIGITS, "1": "1"}
    with capture_logs() as logs:
        call = await live(call_env, presses, caller_id=caller_id)
    assert prompts_heard(call)[-1] == "not-confirmed"
    assert at_the_default(call)
    (alarm,) = [log for log in logs if log["log_level"] == "error"]
    assert alarm["event"] == "call.revocation_not_stored"
    assert DIGITS not in str(logs)


async def test_a_database_that_does_not_answer_does_not_hold_the_caller(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stuck(_request: Revocation) -> RevocationResult:
        await asyncio.Event().wait()
        raise AssertionError("nobody answers")

    monkeypatch.setattr(call_env.ledger, "revoke", stuck)
    monkeypatch.setattr("agi_bridge.call.opt_out.WAIT_SECONDS", 0.01)
    with capture_logs() as logs:
        call = await live(call_env, {"opt-out-offer": "9"})
    assert prompts_heard(call)[-1] == "not-confirmed"
    assert at_the_default(call)
    (alarm,) = [log for log in logs if log["log_level"] == "error"]
    assert alarm["event"] == "call.revocation_timed_out"


async def test_a_hangup_right_after_the_key_does_not_undo_it(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    revoke = call_env.ledger.revoke
    caller = FakeAsterisk(
        keys={"opt-out-offer": "9"}, caller_id=DIGITS, sounds=shipped_milliseconds
    )

    async def gone_meanwhile(request: Revocation) -> RevocationResult:
        caller.hang_up()
        return await revoke(request)

    monkeypatch.setattr(call_env.ledger, "revoke", gone_meanwhile)
    call = await caller.run(await call_env.handler(**KEY), f"x?to={DID}")
    assert call.hung_up
    assert call.variables["AGI_BRIDGE_RESULT"] == "hangup"
    assert len(await revocations(call_env)) == 1
    assert await states(call_env) == []


async def test_a_hangup_during_the_offer_leaves_nothing_on_record(call_env: CallEnv) -> None:
    call = await live(call_env, {"opt-out-offer": "!"})
    assert call.hung_up
    assert await call_env.events() == []


async def test_a_hangup_while_the_number_is_asked_revokes_nothing(call_env: CallEnv) -> None:
    await live(call_env, {"opt-out-offer": "9", "enter-number": "415!"}, caller_id="unknown")
    assert await revocations(call_env) == []
    assert await states(call_env) == []


async def test_a_caller_who_agrees_hears_the_whole_disclosure_on_a_line_with_an_opt_out_key(
    call_env: CallEnv,
) -> None:
    presses: KeysBySound = {
        "disclosure": "5",
        "enter-number": DIGITS,
        "confirm-number": KeySequence("1", 1.5),
    }
    call = await live(call_env, presses, caller_id="unknown")
    assert prompts_heard(call)[-1] == "accepted"
    disclosed = (await call_env.events())[0]
    assert disclosed.body["complete"] is True
