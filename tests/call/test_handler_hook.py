"""Whole calls, by what the hook answers and what the disk does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi import AGITimeout, Limits
from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.consent import LedgerUnavailable
from agi_bridge.speech import Recording
from tests.support.call_env import DID, CallEnv, prompts_heard, shipped_milliseconds

if TYPE_CHECKING:
    from agi_bridge.consent import Batch

AGREES = "4155550123,1"
FORWARD = "PJSIP/+14155550199@trunk"
DEFAULT = "PJSIP/100"
AGREEMENT = ["disclosed", "entered", "confirmed", "submitting"]


def dialled(call: Any) -> list[str]:
    return [dial.destination for dial in call.dialled]


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
async def test_for_every_answer_of_the_hook_the_caller_is_connected_and_the_announcement_is_true(
    call_env: CallEnv, scenario: str, state: str
) -> None:
    call_env.fake_hook.scenario = scenario
    await call_env.fake_hook.settled()
    with capture_logs() as logs:
        call = await call_env(AGREES)
    assert (await call_env.states())[-1] == state
    assert dialled(call) == [DEFAULT]
    truth = "accepted" if state == "accepted" else "not-confirmed"
    assert truth in prompts_heard(call)
    alarms = [log for log in logs if log["log_level"] == "error"]
    assert len(alarms) == (1 if state == "refused" else 0)
    assert len(call_env.fake_hook.requests) == (0 if state == "not_sent" else 1)


async def test_the_documented_text_is_spoken_in_the_callers_language(call_env: CallEnv) -> None:
    call_env.fake_hook.scenario = "say"
    call = await call_env(AGREES, {"languages": ["fr"]})
    assert call.heard[-1].name.endswith("/fr/no-forwarding")
    call = await call_env(AGREES, {"languages": ["es"]})
    assert call.heard[-1].name.endswith("/en/no-forwarding")


async def test_after_a_text_the_line_may_hang_up(call_env: CallEnv) -> None:
    call_env.fake_hook.scenario = "say"
    call = await call_env(AGREES, {"after_say": "hangup"})
    assert dialled(call) == []
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"


async def test_a_forward_number_that_fails_the_policy_is_not_dialled_and_raises_an_alarm(
    call_env: CallEnv,
) -> None:
    call_env.fake_hook.forward = "+19005550123"
    with capture_logs() as logs:
        call = await call_env(AGREES)
    assert dialled(call) == [DEFAULT]
    (alarm,) = [log for log in logs if log["log_level"] == "error"]
    assert (alarm["event"], alarm["reason"]) == ("call.forward_refused", "premium")
    assert (await call_env.states())[-1] == "accepted"


async def test_while_the_hook_thinks_the_caller_is_asked_to_wait(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agi_bridge.call.submission.HOLD_AFTER", 0)
    monkeypatch.setattr("agi_bridge.call.submission.HOLD_EVERY", 0)
    call_env.fake_hook.scenario = "slow"
    heard: list[str] = []

    def listen(event: Any) -> None:
        if event.kind == "playing":
            heard.append(event.text.rpartition("/")[2])
            if heard.count("please-wait") == 2:
                call_env.fake_hook.hold.set()

    call = await call_env(AGREES, on_event=listen)
    i = heard.index("please-hold")
    assert heard[i : i + 3] == ["please-hold", "please-wait", "please-wait"]
    assert dialled(call) == [FORWARD]


# Storing


@pytest.mark.parametrize("failing", [0, 1], ids=["agreement", "outcome"])
async def test_without_a_stored_agreement_nothing_is_sent(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    append, calls = call_env.ledger.append, iter(range(9))

    async def full(batch: Batch) -> None:
        if next(calls) == failing:
            raise LedgerUnavailable("disk full")
        await append(batch)

    monkeypatch.setattr(call_env.ledger, "append", full)
    with capture_logs() as logs:
        call = await call_env(AGREES)
    assert any(log["event"] == "call.consent_not_stored" for log in logs)
    if failing == 0:
        assert call_env.fake_hook.requests == []
        assert "AGI_BRIDGE_CONSENT" not in call.variables
        assert "not-confirmed" in prompts_heard(call)
        assert dialled(call) == [DEFAULT]
    else:
        assert len(call_env.fake_hook.requests) == 1
        assert await call_env.states() == AGREEMENT
        assert dialled(call) == [FORWARD]


async def test_a_fault_while_the_call_goes_on_leaves_it_to_the_dialplan(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("agi_bridge.call.execute.PlanExecutor.execute", broken)
    with capture_logs() as logs:
        call = await call_env(AGREES)
    assert call.variables["AGI_BRIDGE_RESULT"] == "default"
    assert call.variables["AGI_BRIDGE_DEFAULT"] == DEFAULT
    assert "call.failed" in [log["event"] for log in logs]


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
    call_env: CallEnv, caller_id: str, match: str
) -> None:
    await call_env(AGREES, caller_id=caller_id)
    assert (await call_env.events())[1].body["ani_match"] == match


@pytest.mark.parametrize(
    ("keys", "next_prompt"), [(AGREES, "accepted"), ("*", "declined")], ids=["agrees", "declines"]
)
async def test_while_the_ledger_is_slow_the_caller_is_asked_to_wait(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch, keys: str, next_prompt: str
) -> None:
    monkeypatch.setattr("agi_bridge.call.submission.HOLD_AFTER", 0)
    monkeypatch.setattr("agi_bridge.call.submission.HOLD_EVERY", 0)
    append, answers = call_env.ledger.append, asyncio.Event()
    heard: list[str] = []
    sent_meanwhile: list[int] = []

    async def slow(batch: Batch) -> None:
        await answers.wait()
        await append(batch)

    def listen(event: Any) -> None:
        if event.kind == "playing":
            heard.append(event.text.rpartition("/")[2])
            if heard[-2:] == ["please-wait", "please-wait"] and not answers.is_set():
                sent_meanwhile.append(len(call_env.fake_hook.requests))
                answers.set()

    monkeypatch.setattr(call_env.ledger, "append", slow)
    call = await call_env(keys, on_event=listen)
    i = heard.index("please-hold")
    assert heard[i : i + 3] == ["please-hold", "please-wait", "please-wait"]
    assert next_prompt in heard[i:]
    assert sent_meanwhile == [0]  # stored first
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"


async def test_a_recording_that_does_not_end_gives_the_call_back_to_the_dialplan(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The PBX fetches it from a web server that does not answer, and hears nothing meanwhile."""

    class Stuck:
        def time(self) -> float:
            return 0.0

        async def sleep(self, seconds: float) -> None:
            if seconds > 1:
                await asyncio.Event().wait()

    monkeypatch.setattr(Recording, "seconds", 0.01)
    fake = FakeAsterisk(sounds=shipped_milliseconds, pace=1.0, clock=Stuck())
    with capture_logs() as logs:
        limits = Limits(reply_seconds=0.2)
        call = await fake.run(await call_env.handler(), f"consent?to=%2B{DID[1:]}", limits=limits)
    assert call.names[-1] == "STREAM FILE"
    assert call.variables["AGI_BRIDGE_DEFAULT"] == "PJSIP/100"
    assert "AGI_BRIDGE_RESULT" not in call.variables  # the dialplan takes it for a crash
    assert call_env.fake_hook.requests == []
    assert await call_env.events() == []
    (failed,) = [log for log in logs if log["log_level"] == "error"]
    assert isinstance(failed["exc_info"], AGITimeout)


async def test_a_caller_who_cannot_be_asked_to_wait_is_connected_all_the_same(
    call_env: CallEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agi_bridge.call.submission.HOLD_AFTER", 0)
    call_env.fake_hook.scenario = "slow"

    def gone(path: str) -> int | None:
        if path.endswith("/please-hold"):
            call_env.fake_hook.hold.set()
            return None
        return shipped_milliseconds(path)

    call = await call_env(AGREES, sounds=gone)
    assert dialled(call) == [FORWARD]
