"""Whole calls, by what the hook answers, what the disk does and who can be dialled."""

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

NUMBER = "+14155550123"
AGREES = "4155550123,1"
FORWARD_NUMBER = "+14155550199"
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
    call_env: CallEnv, status: str, apology: str
) -> None:
    def dial(destination: str) -> str:
        return "ANSWER" if destination == DEFAULT else status

    call = await call_env(AGREES, dial=dial)
    assert dialled(call) == [FORWARD, DEFAULT]
    assert prompts_heard(call)[-1] == apology
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"


@pytest.mark.parametrize(
    ("status", "event"),
    [
        ("CHANUNAVAIL", "call.forward_not_reached"),
        ("CONGESTION", "call.forward_not_reached"),
        ("INVALIDARGS", "call.forward_not_reached"),
        ("BUSY", None),
        ("NOANSWER", None),
    ],
)
async def test_each_leg_has_its_own_status_and_a_dead_trunk_is_a_warning(
    call_env: CallEnv, status: str, event: str | None
) -> None:
    def dial(destination: str) -> str:
        return "ANSWER" if destination == DEFAULT else status

    with capture_logs() as logs:
        await call_env(AGREES, dial=dial)
    (line,) = [log for log in logs if log["event"] == "call"]
    assert line["dials"] == [("forward", status), ("default", "ANSWER")]
    warnings = [log for log in logs if log["log_level"] == "warning"]
    wanted = [{"event": event, "log_level": "warning", "line": "shop", "dialstatus": status}]
    assert warnings == (wanted if event else [])


async def test_a_default_that_cannot_be_reached_is_a_warning(call_env: CallEnv) -> None:
    with capture_logs() as logs:
        await call_env("*", dial="CHANUNAVAIL")
    (warning,) = [log for log in logs if log["log_level"] == "warning"]
    assert (warning["event"], warning["dialstatus"]) == ("call.default_not_reached", "CHANUNAVAIL")


async def test_a_caller_who_hangs_up_while_it_rings_is_not_a_fault_of_the_trunk(
    call_env: CallEnv,
) -> None:
    with capture_logs() as logs:
        await call_env(AGREES, dial="CANCEL")
    (line,) = [log for log in logs if log["event"] == "call"]
    assert line["dials"] == [("forward", "CANCEL")]
    assert [log for log in logs if log["log_level"] == "warning"] == []


async def test_an_answer_that_asks_for_too_much_is_cut_and_the_log_says_so(
    call_env: CallEnv,
) -> None:
    call_env.fake_hook.forward = "</Dial><Dial action='https://x/'>".join([FORWARD_NUMBER] * 50)
    with capture_logs() as logs:
        call = await call_env(AGREES, dial=lambda to: "ANSWER" if to == DEFAULT else "NOANSWER")
    assert dialled(call) == [FORWARD, FORWARD, FORWARD, DEFAULT]
    (warning,) = [log for log in logs if log["log_level"] == "warning"]
    assert warning["skipped"] == ("Response:too_many_dials",)
    (line,) = [log for log in logs if log["event"] == "call"]
    assert line["hook_skipped"] == ("Dial@action", "Response:too_many_dials")


async def test_if_the_default_fails_too_the_dialplan_is_told_to_take_its_last_resort(
    call_env: CallEnv,
) -> None:
    call = await call_env("*", dial="CHANUNAVAIL")
    assert dialled(call) == [DEFAULT]
    assert prompts_heard(call)[-1] == "no-answer"
    assert call.variables["AGI_BRIDGE_RESULT"] == "fallback"


@pytest.mark.parametrize(
    ("default", "expected"),
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
    call_env: CallEnv, default: dict[str, Any], expected: tuple[str, dict[str, str]]
) -> None:
    call = await call_env("*", {"default": default})
    assert dialled(call) == []
    assert call.variables["AGI_BRIDGE_RESULT"] == expected[0]
    assert expected[1].items() <= call.variables.items()
    assert prompts_heard(call)[-1] == ("declined" if default["kind"] == "dialplan" else "goodbye")


@pytest.mark.parametrize("verb", ["<Hangup/>", "<Reject/>", "<Reject reason='busy'/>"])
async def test_an_answer_that_only_ends_the_call_promises_no_connection(
    call_env: CallEnv, verb: str
) -> None:
    """The text may have been sent, so the record says unknown; nobody is connected."""
    call_env.fake_hook.forward = f"</Dial>{verb}<Dial>"
    call = await call_env(AGREES)
    assert dialled(call) == []
    assert prompts_heard(call)[-1] == "goodbye"
    assert not {"accepted", "not-confirmed"} & set(prompts_heard(call))
    assert (await call_env.states())[-1] == "unknown"
    assert call.variables["AGI_BRIDGE_RESULT"] == "done"


@pytest.mark.parametrize(
    ("inside", "line", "heard"),
    [
        ("</Dial><Say>{text}</Say><Hangup/><Dial>", {}, ["no-forwarding"]),
        ("</Dial><Say>{text}</Say><Dial>", {"after_say": "hangup"}, ["no-forwarding"]),
        ("</Dial><Say>{text}</Say><Dial>", {}, ["accepted", "no-forwarding"]),
        (FORWARD_NUMBER + "</Dial><Hangup/><Dial>", {}, ["accepted"]),
        ("</Dial><Pause/><Dial>", {"default": {"kind": "hangup"}}, ["goodbye"]),
        (FORWARD_NUMBER, {"default": {"kind": "hangup"}}, ["accepted"]),
    ],
)
async def test_connecting_you_is_played_only_if_a_number_is_dialled(
    call_env: CallEnv, inside: str, line: dict[str, Any], heard: list[str]
) -> None:
    text = "Sorry, this store did not define voice call forwarding"
    call_env.fake_hook.forward = inside.format(text=text)
    call = await call_env(AGREES, line)
    words = {"accepted", "not-confirmed", "no-forwarding", "goodbye"}
    assert [name for name in prompts_heard(call) if name in words] == heard
    assert bool(dialled(call)) is ("accepted" in heard)


@pytest.mark.parametrize(
    ("inside", "line", "heard"),
    [
        ("", {"default": {"kind": "hangup"}}, "goodbye"),
        ("<Hangup/>", {"default": {"kind": "hangup"}}, "goodbye"),
        ("<Reject/>", {"default": {"kind": "hangup"}}, "goodbye"),
        ("", {"after_say": "hangup"}, "accepted"),
    ],
)
async def test_a_caller_who_agreed_hears_a_prompt_where_no_engine_can_speak_the_text(
    call_env: CallEnv, inside: str, line: dict[str, Any], heard: str
) -> None:
    call_env.fake_hook.forward = f"</Dial><Say>We will call you back</Say>{inside}<Dial>"
    call = await call_env(AGREES, line)
    words = {"accepted", "not-confirmed", "goodbye"}
    assert [name for name in prompts_heard(call) if name in words][-1:] == [heard]
    assert dialled(call) == ([] if heard == "goodbye" else [DEFAULT])


async def test_the_dialplan_may_dial_instead_of_the_bridge(call_env: CallEnv) -> None:
    line = {"dial": "dialplan", "allow_caller_id": True, "number_format": "national"}
    call = await call_env(AGREES, line)
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
    call = await call_env("*", line)
    assert call.variables["AGI_BRIDGE_RESULT"] == "default"
    assert call.variables["AGI_BRIDGE_DEFAULT"] == DEFAULT


# What other systems know the call by


async def test_the_consent_is_in_the_call_detail_record_before_the_call_is_dialled(
    call_env: CallEnv,
) -> None:
    call = await call_env(AGREES, {"tables": {"agi": {"port": 0, "cdr_field": "userfield"}}})
    consent = call.variables["AGI_BRIDGE_CONSENT"]
    assert call.variables["CDR(userfield)"] == consent
    assert dialled(call) == [FORWARD]
    written = call.commands.index(["SET", "VARIABLE", "CDR(userfield)", consent])
    assert written < call.names.index("EXEC")


@pytest.mark.parametrize(
    ("keys", "field"), [(AGREES, ""), ("*", "userfield"), ("4155550123,*", "userfield")]
)
async def test_no_call_detail_record_is_written_without_a_field_or_a_consent(
    call_env: CallEnv, keys: str, field: str
) -> None:
    call = await call_env(keys, {"tables": {"agi": {"port": 0, "cdr_field": field}}})
    assert not [name for name in call.variables if name.startswith("CDR(")]


async def test_a_caller_who_hangs_up_after_agreeing_is_in_the_call_detail_record(
    call_env: CallEnv,
) -> None:
    call_env.fake_hook.scenario = "slow"
    task = asyncio.create_task(
        call_env(
            AGREES,
            {"tables": {"agi": {"port": 0, "cdr_field": "userfield"}}},
            hangup_at=lambda words: words[-2:-1] != [] and "please-wait" in " ".join(words),
        )
    )
    await call_env.fake_hook.received()
    call_env.fake_hook.hold.set()
    call = await task
    assert call.variables["CDR(userfield)"] == call.variables["AGI_BRIDGE_CONSENT"]


async def test_the_log_line_of_a_call_has_the_trace_of_its_submission(call_env: CallEnv) -> None:
    tables = {"hook": {"traceparent": True}}
    with capture_logs() as logs:
        await call_env(AGREES, {"tables": tables})
    (entry,) = [log for log in logs if log["event"] == "call"]
    assert len(entry["trace"]) == 32
    with capture_logs() as logs:
        await call_env(AGREES)
    (entry,) = [log for log in logs if log["event"] == "call"]
    assert "trace" not in entry
