"""Steps of a plan, carried out on a played PBX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from structlog.testing import capture_logs

from agi_bridge import phone
from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call.follow import Follower
from agi_bridge.call.route import End, GoToDefault, Ring, Speak, Wait
from agi_bridge.call.variables import Result
from agi_bridge.observe import CallLine
from agi_bridge.speech import Library
from tests.call.builders import line
from tests.call.conftest import names, shipped_milliseconds

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.agi import Channel
    from agi_bridge.agi.testing import CallRecord
    from agi_bridge.call.route import Step

FORWARD = phone.PhoneNumber("+14155550199", "US", "FIXED_LINE_OR_MOBILE")
OTHER = phone.PhoneNumber("+14155550198", "US", "FIXED_LINE_OR_MOBILE")
NO_FORWARDING = "Sorry, this store did not define voice call forwarding"


async def follow(
    tmp_path: Path, *steps: Step, pbx: dict[str, Any] | None = None, **of_line: Any
) -> tuple[CallRecord, Result]:
    results: list[Result] = []

    async def handler(channel: Channel) -> None:
        await channel.answer()
        follower = Follower(channel, line(**of_line), Library(cache=tmp_path), CallLine("test"))
        results.append(await follower.follow(steps))

    fake = FakeAsterisk(**{"sounds": shipped_milliseconds, **(pbx or {})})
    return await fake.run(handler), results[0]


async def test_texts_pauses_and_the_end_in_their_order(tmp_path: Path) -> None:
    call, result = await follow(tmp_path, Speak(NO_FORWARDING, "en"), Wait(2), End("said"))
    assert call.names[1:] == ["STREAM FILE", "WAIT FOR DIGIT"]
    assert result is Result.DONE


async def test_a_caller_is_not_hung_up_on_when_nothing_could_be_said(tmp_path: Path) -> None:
    call, result = await follow(tmp_path, Speak("Nobody can say this.", "en"), End("said"))
    assert [dial.destination for dial in call.dialled] == ["PJSIP/100"]
    assert result is Result.DONE


async def test_speech_that_the_pbx_cannot_play_is_logged_and_passed_over(tmp_path: Path) -> None:
    with capture_logs() as logs:
        call, _ = await follow(
            tmp_path, Speak(NO_FORWARDING, "en"), End("said"), pbx={"sounds": lambda _: None}
        )
    assert logs[0]["event"] == "speech not played"
    assert [dial.destination for dial in call.dialled] == ["PJSIP/100"]


async def test_numbers_ring_together_in_the_trunks_format(tmp_path: Path) -> None:
    call, result = await follow(
        tmp_path, Ring((FORWARD, OTHER), 12, 600), GoToDefault("no_answer"), number_format="digits"
    )
    (dial,) = call.dialled
    assert dial.destination == "PJSIP/14155550199@trunk&PJSIP/14155550198@trunk"
    assert (dial.ring_seconds, dial.options) == (12, "gS(600)")
    assert result is Result.DONE


async def test_the_chosen_caller_id_is_shown(tmp_path: Path) -> None:
    ring = Ring((FORWARD,), 30, 600, caller_id="+14155550177")
    call, _ = await follow(tmp_path, ring, GoToDefault("no_answer"))
    assert call.variables["CALLERID(num)"] == "+14155550177"
    call, result = await follow(tmp_path, ring, GoToDefault("no_answer"), dial="dialplan")
    assert call.variables["AGI_BRIDGE_CALLERID"] == "+14155550177"
    assert result is Result.DIAL


async def test_what_follows_a_dialled_call_is_heard_by_a_caller_who_is_still_there(
    tmp_path: Path,
) -> None:
    ring, text = Ring((FORWARD,), 30, 600), Speak(NO_FORWARDING, "en")
    call, _ = await follow(tmp_path, ring, text, GoToDefault("no_answer"))
    assert names(call) == ["no-forwarding"]
    assert len(call.dialled) == 1


async def test_a_plan_without_an_end_leads_to_the_default(tmp_path: Path) -> None:
    call, _ = await follow(tmp_path, Wait(1))
    assert [dial.destination for dial in call.dialled] == ["PJSIP/100"]
