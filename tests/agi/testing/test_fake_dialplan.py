"""What `FakeAsterisk` has of the dialplan and of the rest of a PBX."""

from contextlib import suppress

import pytest

from agi_bridge.agi import (
    AGIAppError,
    AGIUsageError,
    Channel,
    ControlledPlaybackResult,
    SpeechResult,
    Utterance,
)
from agi_bridge.agi.testing import DialOutcome, FakeAsterisk, KeySequence
from tests.agi.testing.steps import run_steps

DIAL_VARIABLES = (
    "DIALSTATUS",
    "HANGUPCAUSE",
    "DIALEDPEERNUMBER",
    "DIALEDPEERNAME",
    "ANSWEREDTIME",
)


async def after_dial(fake: FakeAsterisk, *arguments: str) -> list[object]:
    found: list[object] = []

    async def handler(channel: Channel) -> None:
        await channel.answer()
        await channel.exec("Dial", *arguments)
        found.extend([await channel.get_variable(name) for name in DIAL_VARIABLES])

    record = await fake.run(handler)
    return [*found, len(record.dialled)]


@pytest.mark.parametrize(
    ("outcome", "arguments", "variables"),
    [
        (
            DialOutcome("ANSWER", talk_seconds=3),
            ("PJSIP/5145550123@trunk", "20", "g"),
            ["ANSWER", "16", "5145550123@trunk", "PJSIP/trunk-00000001", "3", 1],
        ),
        (
            "ANSWER",
            ("PJSIP/100", "20", "gS(5)"),
            ["ANSWER", "16", "100", "PJSIP/100-00000001", "5", 1],
        ),
        ("BUSY", ("PJSIP/100", "20"), ["BUSY", "17", "", "", "", 1]),
        ("CHANUNAVAIL", ("PJSIP/100", "20"), ["CHANUNAVAIL", "3", "", "", "", 1]),
        (
            DialOutcome("CHANUNAVAIL", cause=21),
            ("PJSIP/1", "9"),
            ["CHANUNAVAIL", "21", "", "", "", 1],
        ),
        (  # it rings longer than it may: the far end's cause does not come
            DialOutcome("ANSWER", ring_seconds=30, cause=16),
            ("PJSIP/100", "20"),
            ["NOANSWER", "0", "", "", "", 1],
        ),
        ("ANSWER", (), ["CHANUNAVAIL", "0", "", "", "", 0]),
    ],
)
async def test_dial_leaves_the_variables_that_asterisk_leaves(
    outcome: str | DialOutcome, arguments: tuple[str, ...], variables: list[object]
) -> None:
    assert await after_dial(FakeAsterisk(dial=outcome), *arguments) == variables


@pytest.mark.parametrize(
    ("caller", "whole"),
    [
        ("15145550199", '"" <15145550199>'),
        ("Joe Q <5145551111>", '"Joe Q" <5145551111>'),
        ('"Joe Q" <+15145551111>', '"Joe Q" <+15145551111>'),
        ("Joe Q", '"Joe Q" <>'),
        ("<5>", '"" <5>'),
    ],
)
async def test_a_caller_id_is_taken_apart_and_put_together(caller: str, whole: str) -> None:
    assert await run_steps(
        FakeAsterisk(caller_id="unknown"),
        lambda c: c.get_variable("CALLERID(all)"),
        lambda c: c.set_callerid(caller),
        lambda c: c.get_variable("CALLERID(all)"),
    ) == ['"" <>', None, whole]


async def test_a_label_must_be_in_the_dialplan() -> None:
    with pytest.raises(AGIUsageError):
        await run_steps(FakeAsterisk(labels=["start"]), lambda c: c.set_priority("stop"))
    await run_steps(FakeAsterisk(labels=["start"]), lambda c: c.set_priority("start"))


async def test_a_subroutine_returns_what_the_scenario_says() -> None:
    fake = FakeAsterisk(subroutines={"sub,s,1": "+".join})
    assert await run_steps(
        fake,
        lambda c: c.gosub("sub", "s", 1, "a(b,c)", "d"),
        lambda c: c.get_variable("GOSUB_RETVAL"),
    ) == [True, "a(b,c)+d"]


async def test_a_subroutine_gets_its_arguments_raw() -> None:
    given: list[str] = []
    fake = FakeAsterisk(subroutines={"sub,s,1": given.extend})
    quoted = 'GOSUB sub s 1 "a\\\\,b,f(1,2),[3,4],\\"c,d\\",,e"'
    await run_steps(fake, lambda c: c._send(quoted))
    assert given == ["a\\,b", "f(1,2)", "[3,4]", '"c,d"', "", "e"]


async def test_a_subroutine_may_end_without_return() -> None:
    assert await run_steps(
        FakeAsterisk(subroutines={"sub,s,1": None}),
        lambda c: c.gosub("sub"),
        lambda c: c.get_variable("GOSUB_RETVAL"),
    ) == [False, ""]


async def test_a_command_that_fails_makes_the_session_fail() -> None:
    async def handler(channel: Channel) -> None:
        with suppress(AGIAppError):
            await channel.gosub("none")
        await channel.answer()

    assert (await FakeAsterisk().run(handler)).status == "FAILURE"


async def test_a_speech_engine_is_there_only_if_the_scenario_has_one() -> None:
    with pytest.raises(AGIAppError):
        await run_steps(FakeAsterisk(), lambda c: c.speech_create())
    heard = SpeechResult("speech", 0, utterances=(Utterance(90, "yes", "g"),))
    assert await run_steps(
        FakeAsterisk(recognized=[heard], keys={"ask": "5"}),
        lambda c: c.speech_create(),
        lambda c: c.speech_recognize("ask", 3),
        lambda c: c.speech_recognize("ask", 3),
        lambda c: c.speech_recognize("silence/1", 3),
    ) == [None, heard, SpeechResult("digit", 0, "5"), SpeechResult("timeout", 0)]


async def test_a_sound_is_wound_forward_back_and_stopped() -> None:
    fake = FakeAsterisk(sounds={"long": 20000}, keys={"long": KeySequence("##*5", gap=0.8)})
    (found,) = await run_steps(fake, lambda c: c.control_stream_file("long", "5", skip=4))
    assert found == ControlledPlaybackResult("5", 4000 + 2900)
    (found,) = await run_steps(
        FakeAsterisk(sounds={"long": 5000}, keys={"long": "##"}),
        lambda c: c.control_stream_file("long"),
    )
    assert found == ControlledPlaybackResult("", None)
