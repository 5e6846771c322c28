"""A stop of the service, as one call meets it: left inside a Dial, handed over, or let go of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi.testing import FakeAsterisk
from tests.support.call_env import shipped_milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.agi import Channel
    from agi_bridge.agi.testing import CallEvent, CallRecord
    from tests.support.call_env import CallEnv

AGREES = "4155550123,1"
DECLINES = "*"
FORWARD = "+14155550199"


async def call(
    env: CallEnv,
    keys: str,
    when: Callable[[CallEvent], bool],
    *,
    forced: bool = False,
    **pbx: Any,
) -> tuple[CallRecord, dict[str, Any]]:
    """One call that meets a stop, or the end of its patience, at the first event of a kind."""
    handler = await env.handler()
    channels: list[Channel] = []
    met: list[CallEvent] = []

    async def serve(channel: Channel) -> None:
        channels.append(channel)
        await handler(channel)

    def stop(event: CallEvent) -> None:
        if not met and when(event):
            met.append(event)
            if forced:
                channels[0].release()
            else:
                env.services.dialled_calls.leave()

    pbx.setdefault("sounds", shipped_milliseconds)
    fake = FakeAsterisk(keys=keys, on_event=stop, **pbx)
    with capture_logs() as log:
        made = await fake.run(serve, "consent?to=%2B14155550111")
    assert met, "the stop never came"
    assert [line for line in log if line["log_level"] == "error"] == []
    (entry,) = [line for line in log if line["event"] == "call"]
    return made, dict(entry)


def dialling(leg: str) -> Callable[[CallEvent], bool]:
    return lambda event: event.kind == "dialling" and leg in event.text


def playing(prompt: str) -> Callable[[CallEvent], bool]:
    return lambda event: event.kind == "playing" and event.text.endswith(f"/{prompt}")


@pytest.mark.parametrize("dial", ["ANSWER", "BUSY", "CHANUNAVAIL"])
async def test_a_caller_inside_the_forward_dial_is_left_to_asterisk(
    call_env: CallEnv, dial: str
) -> None:
    call_env.fake_hook.forward = FORWARD
    made, entry = await call(call_env, AGREES, dialling(FORWARD), dial=dial)
    assert (entry["result"], entry["left"]) == ("left_to_pbx", "forward")
    assert "dials" not in entry  # how it ends is not known
    assert made.variables["AGI_BRIDGE_ACTION"] == "dial"
    assert "AGI_BRIDGE_RESULT" not in made.variables
    assert [each.status for each in made.dialled] == [dial]  # it went on without the bridge
    assert (await call_env.states())[-1] == "accepted"


async def test_a_caller_inside_the_default_dial_is_left_to_asterisk(call_env: CallEnv) -> None:
    made, entry = await call(call_env, DECLINES, dialling("PJSIP/100"), dial="NOANSWER")
    assert (entry["result"], entry["left"]) == ("left_to_pbx", "default")
    assert made.variables["AGI_BRIDGE_ACTION"] == "default"
    assert "AGI_BRIDGE_RESULT" not in made.variables
    assert await call_env.states() == ["disclosed", "declined"]


async def test_after_a_forward_number_that_failed_only_the_default_leg_is_left(
    call_env: CallEnv,
) -> None:
    call_env.fake_hook.forward = FORWARD
    made, entry = await call(call_env, AGREES, dialling("PJSIP/100"), dial="BUSY")
    assert (entry["result"], entry["left"]) == ("left_to_pbx", "default")
    assert entry["dials"] == [("forward", "BUSY")]
    assert [each.status for each in made.dialled] == ["BUSY", "BUSY"]


async def test_the_forward_numbers_status_is_not_left_for_the_default_ones(
    call_env: CallEnv,
) -> None:
    """Else the dialplan would take the default destination for one that has been rung."""
    call_env.fake_hook.forward = FORWARD

    def is_default(event: CallEvent) -> bool:
        return event.kind == "variable" and event.text == "AGI_BRIDGE_ACTION=default"

    made, entry = await call(call_env, AGREES, is_default, dial="BUSY", forced=True)
    assert (entry["result"], entry["ended"]) == ("default", "drain_forced")
    assert made.variables["DIALSTATUS"] == ""


async def test_a_dialogue_ends_by_itself_and_the_dialplan_dials_the_forward_number(
    call_env: CallEnv,
) -> None:
    call_env.fake_hook.forward = FORWARD
    made, entry = await call(call_env, AGREES, playing("enter-number"))
    assert made.dialled == []
    assert made.variables["AGI_BRIDGE_RESULT"] == entry["result"] == "dial"
    assert made.variables["AGI_BRIDGE_DESTINATION"] == f"PJSIP/{FORWARD}@trunk"
    assert (await call_env.states())[-1] == "accepted"


async def test_a_stop_between_the_decision_and_the_dial_dials_once(call_env: CallEnv) -> None:
    call_env.fake_hook.forward = FORWARD

    def is_dial(event: CallEvent) -> bool:
        return event.kind == "variable" and event.text == "AGI_BRIDGE_ACTION=dial"

    made, _ = await call(call_env, AGREES, is_dial)
    assert made.dialled == []
    assert made.variables["AGI_BRIDGE_RESULT"] == "dial"


async def test_a_dialogue_ends_by_itself_and_the_dialplan_dials_the_default(
    call_env: CallEnv,
) -> None:
    made, entry = await call(call_env, DECLINES, playing("disclosure"))
    assert made.dialled == []
    assert made.variables["AGI_BRIDGE_RESULT"] == entry["result"] == "default"


async def test_a_dialogue_that_does_not_end_is_let_go_of_and_says_why(call_env: CallEnv) -> None:
    made, entry = await call(call_env, "", playing("enter-number"), forced=True)
    assert (entry["result"], entry["ended"]) == ("default", "drain_forced")
    assert "AGI_BRIDGE_RESULT" not in made.variables
    assert made.variables["AGI_BRIDGE_DEFAULT"] == "PJSIP/100"  # where the dialplan takes them
    ended = (await call_env.events())[-1]
    assert (ended.type.value, ended.body["reason"]) == ("abandoned", "service_stopped")


async def test_who_has_agreed_is_texted_although_the_call_is_let_go_of(call_env: CallEnv) -> None:
    call_env.fake_hook.scenario = "slow"
    handler = await call_env.handler()
    channels: list[Channel] = []

    async def serve(channel: Channel) -> None:
        channels.append(channel)
        await handler(channel)

    def in_the_hook(event: CallEvent) -> None:
        if event.kind == "playing" and event.text.endswith("/please-wait"):
            channels[0].release()
            call_env.fake_hook.hold.set()

    fake = FakeAsterisk(keys=AGREES, sounds=shipped_milliseconds, on_event=in_the_hook)
    with capture_logs() as log:
        made = await fake.run(serve, "consent?to=%2B14155550111")
    (entry,) = [line for line in log if line["event"] == "call"]
    assert (entry["hook"], entry["result"], entry["ended"]) == (
        "accepted",
        "default",
        "drain_forced",
    )
    assert "AGI_BRIDGE_RESULT" not in made.variables
    assert (await call_env.states())[-1] == "accepted"


async def test_a_caller_who_hangs_up_in_a_dial_has_not_been_left(call_env: CallEnv) -> None:
    handler = await call_env.handler()
    fake = FakeAsterisk(
        keys=DECLINES,
        sounds=shipped_milliseconds,
        hangup_at=lambda words: words[:2] == ["EXEC", "Dial"],
    )
    with capture_logs() as log:
        await fake.run(handler, "consent?to=%2B14155550111")
    env_left = call_env.services.dialled_calls.leave()
    (entry,) = [line for line in log if line["event"] == "call"]
    assert (entry["result"], entry["ended"], env_left) == ("hangup", "caller", 0)
