"""Steps of a plan, carried out on a played PBX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from structlog.testing import capture_logs

from agi_bridge import phone
from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call.context import CallContext
from agi_bridge.call.execute import PlanExecutor
from agi_bridge.call.plan import End, GoToDefault, Ring, Speak, Wait
from agi_bridge.call.variables import Result
from agi_bridge.observe import CallLogEntry
from agi_bridge.speech import Library
from tests.support.call_env import line, prompts_heard, shipped_milliseconds
from tests.support.fake_library import FakeLibrary

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.agi import Channel
    from agi_bridge.agi.testing import CallEvent, CallRecord
    from agi_bridge.call.plan import Step

FORWARD = phone.PhoneNumber("+14155550199", "US", "FIXED_LINE_OR_MOBILE")
OTHER = phone.PhoneNumber("+14155550198", "US", "FIXED_LINE_OR_MOBILE")
NO_FORWARDING = "Sorry, this store did not define voice call forwarding"


async def execute(
    tmp_path: Path,
    *steps: Step,
    pbx: dict[str, Any] | None = None,
    library: Library | None = None,
    **of_line: Any,
) -> tuple[CallRecord, Result]:
    results: list[Result] = []
    played = library or Library(cache=tmp_path)

    async def handler(channel: Channel) -> None:
        await channel.answer()
        context = CallContext(channel, line(**of_line), played, CallLogEntry("test"))
        executor = PlanExecutor(context)
        results.append(await executor.execute(steps))
        executor.close()
        context.log_entry.write()

    fake = FakeAsterisk(**{"sounds": shipped_milliseconds, **(pbx or {})})
    return await fake.run(handler), results[0]


async def test_texts_pauses_and_the_end_in_their_order(tmp_path: Path) -> None:
    call, result = await execute(tmp_path, Speak(NO_FORWARDING, "en"), Wait(2), End("said"))
    assert call.names[1:] == ["STREAM FILE", "WAIT FOR DIGIT"]
    assert result is Result.DONE


async def test_a_caller_is_not_hung_up_on_when_nothing_could_be_said(tmp_path: Path) -> None:
    call, result = await execute(tmp_path, Speak("Nobody can say this.", "en"), End("said"))
    assert [dial.destination for dial in call.dialled] == ["PJSIP/100"]
    assert result is Result.DONE


async def test_the_call_line_says_that_something_was_not_said(tmp_path: Path) -> None:
    text = "Nobody can say this."
    for library, noted in ((FakeLibrary(), None), (FakeLibrary({text: None}), True)):
        with capture_logs() as logs:
            await execute(
                tmp_path, Speak(text, "en"), End("said"), library=library, pbx={"sounds": None}
            )
        (call,) = [line for line in logs if line["event"] == "call"]
        assert call.get("unspoken") is noted


async def test_a_text_is_rendered_while_the_caller_hears_what_comes_before_it(
    tmp_path: Path,
) -> None:
    fake_library = FakeLibrary()
    asked: list[list[str]] = []

    def listen(event: CallEvent) -> None:
        if event.kind in {"command", "playing"}:
            asked.append(list(fake_library.asked))

    steps = (Wait(2), Speak("One.", "en"), Speak("Two.", "en"), End("said"))
    await execute(tmp_path, *steps, library=fake_library, pbx={"sounds": None, "on_event": listen})
    answered, *while_waiting = asked
    assert answered == []
    assert while_waiting[0] == ["One."]
    assert while_waiting[-1] == ["One.", "Two."]
    assert ["One.", "Two."] in asked[:-1]  # before the second was played


async def test_repeats_and_keys_of_a_step_reach_the_caller(tmp_path: Path) -> None:
    step = Speak("Bye.", "en", times=3, keys="#")
    pbx = {"sounds": None, "keys": {"Bye.": ["", "#"]}}
    call, _ = await execute(tmp_path, step, End("said"), library=FakeLibrary(), pbx=pbx)
    assert prompts_heard(call) == ["Bye.", "Bye."]


async def test_speech_that_the_pbx_cannot_play_is_logged_and_passed_over(tmp_path: Path) -> None:
    with capture_logs() as logs:
        call, _ = await execute(
            tmp_path, Speak(NO_FORWARDING, "en"), End("said"), pbx={"sounds": lambda _: None}
        )
    assert logs[0]["event"] == "call.speech_not_played"
    assert [dial.destination for dial in call.dialled] == ["PJSIP/100"]


async def test_numbers_ring_together_in_the_trunks_format(tmp_path: Path) -> None:
    call, result = await execute(
        tmp_path, Ring((FORWARD, OTHER), 12, 600), GoToDefault("no_answer"), number_format="digits"
    )
    (dial,) = call.dialled
    assert dial.destination == "PJSIP/14155550199@trunk&PJSIP/14155550198@trunk"
    assert (dial.ring_seconds, dial.options) == (12, "gS(600)")
    assert result is Result.DONE


async def test_the_chosen_caller_id_is_shown(tmp_path: Path) -> None:
    ring = Ring((FORWARD,), 30, 600, caller_id="+14155550177")
    call, _ = await execute(tmp_path, ring, GoToDefault("no_answer"))
    assert call.variables["CALLERID(num)"] == "+14155550177"
    call, result = await execute(tmp_path, ring, GoToDefault("no_answer"), dial="dialplan")
    assert call.variables["AGI_BRIDGE_CALLERID"] == "+14155550177"
    assert result is Result.DIAL


async def test_what_follows_a_dialled_call_is_heard_by_a_caller_who_is_still_there(
    tmp_path: Path,
) -> None:
    ring, text = Ring((FORWARD,), 30, 600), Speak(NO_FORWARDING, "en")
    call, _ = await execute(tmp_path, ring, text, GoToDefault("no_answer"))
    assert prompts_heard(call) == ["no-forwarding"]
    assert len(call.dialled) == 1


async def test_a_plan_without_an_end_leads_to_the_default(tmp_path: Path) -> None:
    call, _ = await execute(tmp_path, Wait(1))
    assert [dial.destination for dial in call.dialled] == ["PJSIP/100"]
