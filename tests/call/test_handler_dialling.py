"""Whole calls, by who is dialled, who answers, and what the caller hears if nobody does."""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.support.call_env import CallEnv, prompts_heard

AGREES = "4155550123,1"
FORWARD_NUMBER = "+14155550199"
FORWARD = "PJSIP/+14155550199@trunk"
DEFAULT = "PJSIP/100"


def dialled(call: Any) -> list[str]:
    return [dial.destination for dial in call.dialled]


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
