"""Applications, recordings and sounds of `FakeAsterisk`, as a real Asterisk 22 has them."""

from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi import AGIAppError, AGIHangup, Channel, ChannelState, PlaybackResult
from agi_bridge.agi.testing import DialOutcome, FakeAsterisk, NotSimulatedError
from tests.agi.testing.steps import Step, run_steps


@pytest.mark.parametrize(
    ("arguments", "state"),
    [
        (("Playback", "beep"), ChannelState.UP),
        (("Playback", "missing"), ChannelState.UP),
        (("Playback", "beep", "noanswer"), ChannelState.RING),
        (("Playback", "beep", "skip"), ChannelState.RING),
        (("Read", "K", "beep", "1", "", "1", "1"), ChannelState.UP),
        (("Read", "K", "beep", "1", "n", "1", "1"), ChannelState.RING),
        (("Read", "K", "beep", "1", "s", "1", "1"), ChannelState.RING),
        (("Read", "", "beep", "1"), ChannelState.RING),
        (("Dial", "PJSIP/1", "9", "g"), ChannelState.UP),
        (("Dial", "1", "9", "g"), ChannelState.RING),
    ],
)
async def test_some_applications_answer_the_call(
    arguments: tuple[str, ...], state: ChannelState
) -> None:
    fake = FakeAsterisk(sounds={"beep": 400})
    steps: list[Step] = [lambda c: c.exec(*arguments), lambda c: c.channel_status()]
    assert (await run_steps(fake, *steps, answer=False))[1] is state


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("Read", "K", "beep", "1", "s"), "SKIPPED"),
        (("Read", "K", "missing", "1"), "ERROR"),
        (("Read", "K", "beep&missing", "1"), "ERROR"),
        (("Read", "K", "missing&beep", "1"), "TIMEOUT"),
        (("Read", "K", "dial", "1", "i"), "TIMEOUT"),
        (("Read", "", "beep", "1"), "ERROR"),
    ],
)
async def test_read_tells_how_it_ended(arguments: tuple[str, ...], status: str) -> None:
    assert await run_steps(
        FakeAsterisk(sounds={"beep": 400}),
        lambda c: c.exec(*arguments),
        lambda c: c.get_variable("READSTATUS"),
        answer=False,
    ) == [0, status]


async def test_read_asks_as_often_as_it_may_and_the_prompts_are_heard() -> None:
    async def handler(channel: Channel) -> None:
        await channel.exec("Read", "K", "hello&ask", "4", "", "3", "1")

    record = await FakeAsterisk(sounds={"ask": 500, "hello": 1000}).run(handler)
    assert record.played == ["hello", "ask"] * 3
    assert record.seconds == pytest.approx(3 * (1.0 + 0.05 + 0.5 + 1.0))
    record = await FakeAsterisk(sounds={"ask": 500, "hello": 1000}, keys="12#").run(handler)
    assert record.played == ["hello", "ask"]
    assert record.keyed == "12#"


async def test_read_waits_as_long_as_the_timeouts_of_the_channel() -> None:
    async def handler(channel: Channel) -> None:
        await channel.set_variable("TIMEOUT(response)", "3")
        await channel.exec("Read", "K", "", "4")

    assert (await FakeAsterisk().run(handler)).seconds == pytest.approx(3.0)


@pytest.mark.parametrize(
    "arguments", [("Playback", "beep", "say"), ("Read", "K", "beep", "1", "t(*)")]
)
async def test_an_option_that_is_not_simulated_is_named(arguments: tuple[str, ...]) -> None:
    with pytest.raises(NotSimulatedError, match=f"{arguments[0]}'s option"):
        await run_steps(FakeAsterisk(), lambda c: c.exec(*arguments))


async def test_music_plays_for_its_time_or_until_the_caller_hangs_up() -> None:
    ends: list[str] = []

    async def handler(channel: Channel) -> None:
        await channel.exec("MusicOnHold", "default", "7")
        with suppress(AGIHangup):
            await channel.exec("MusicOnHold", "default")
            ends.append("went on")

    with capture_logs():
        record = await FakeAsterisk().run(handler)
    assert ends == []
    assert record.hung_up


DIAL_TIMES = ("DIALEDTIME_MS", "ANSWEREDTIME_MS", "RINGTIME", "RINGTIME_MS", "PROGRESSTIME")
NO_TIMES = ("",) * len(DIAL_TIMES)


@pytest.mark.parametrize(
    ("outcome", "destination", "left"),
    [
        (
            DialOutcome("ANSWER", ring_seconds=0.5, talk_seconds=2.3),
            "PJSIP/1",
            [0, "ANSWER", "16", "2800", "2300", "0", "0", ""],
        ),
        ("BUSY", "PJSIP/1", [0, "BUSY", "17", "", "", "0", "0", ""]),
        ("CHANUNAVAIL", "PJSIP/1", [0, "CHANUNAVAIL", "3", *NO_TIMES]),
        ("ANSWER", "100", [-1, "INVALIDARGS", "17", *NO_TIMES]),
        ("ANSWER", "PJSIP/1&100", [-1, "INVALIDARGS", "17", *NO_TIMES]),
        ("ANSWER", "PJSIP/", [-1, "INVALIDARGS", "17", *NO_TIMES]),
        ("ANSWER", "", [0, "CHANUNAVAIL", "17", *NO_TIMES]),
    ],
)
async def test_dial_leaves_its_times_and_keeps_the_cause_if_nobody_is_called(
    outcome: str | DialOutcome, destination: str, left: list[object]
) -> None:
    outcomes = iter(["BUSY", outcome])
    found = await run_steps(
        FakeAsterisk(dial=lambda _destination: next(outcomes)),
        lambda c: c.exec("Dial", "PJSIP/busy"),
        lambda c: c.exec("Dial", destination, "20", "g"),
        lambda c: c.get_variable("DIALSTATUS"),
        lambda c: c.get_variable("HANGUPCAUSE"),
        *(lambda c, name=name: c.get_variable(name) for name in DIAL_TIMES),
    )
    assert found == [0, *left]


async def test_a_recording_can_be_played_and_continued() -> None:
    found = await run_steps(
        FakeAsterisk(sounds={"beep": 400}),
        lambda c: c.record_file("spool/message", seconds=1.0, beep=True),
        lambda c: c.stream_file("spool/message"),
        lambda c: c.record_file("spool/message", seconds=1.0, offset=4000),
        lambda c: c.record_file("spool/message", seconds=1.0, offset=99999),
        lambda c: c.stream_file("spool/message"),
    )
    endpos = [getattr(each, "endpos", None) for each in found]
    assert endpos == [8000, 8000, 12000, 20000, 20000]


async def test_silence_ends_a_recording_and_is_cut_off_but_for_a_second() -> None:
    async def handler(channel: Channel) -> None:
        await channel.answer()
        recorded = await channel.record_file("m", seconds=6, silence=2)
        assert recorded.endpos == 8160
        whole = await channel.record_file("m", seconds=2, silence=2)
        assert whole.endpos == 16000

    assert (await FakeAsterisk().run(handler)).seconds == pytest.approx(2.02 + 2)


async def test_silence_is_recorded_up_to_ten_seconds() -> None:
    assert await run_steps(FakeAsterisk(), lambda c: c.stream_file("silence/10")) == [
        PlaybackResult("", 80000)
    ]
    with pytest.raises(AGIAppError):
        await run_steps(FakeAsterisk(), lambda c: c.stream_file("silence/11"))


async def test_a_time_before_1970_can_be_said() -> None:
    reply = (await run_steps(FakeAsterisk(), lambda c: c._send('SAY DATETIME -1 ""')))[0]
    assert getattr(reply, "result", None) == "0"


async def test_a_number_that_asterisk_says_as_another_one_is_named() -> None:
    with pytest.raises(NotSimulatedError, match="SAY NUMBER"):
        await run_steps(FakeAsterisk(), lambda c: c._send('SAY NUMBER 5145550123 ""'))


async def test_an_application_that_asterisk_22_has_no_more_is_missing() -> None:
    with pytest.raises(AGIAppError):
        await FakeAsterisk().run(_no_cdr, applications=frozenset({"NoCDR"}))


async def _no_cdr(channel: Channel) -> None:
    await channel.exec("NoCDR")


async def test_the_dialled_number_is_the_extension_unless_told() -> None:
    dialled: list[str | None] = []

    async def handler(channel: Channel) -> None:
        dialled.append(channel.environment.dnid)

    for fake in (FakeAsterisk(extension="200"), FakeAsterisk(extension="200", dnid="unknown")):
        await fake.run(handler)
    assert dialled == ["200", None]


async def test_a_handler_for_eagi_hears_the_caller() -> None:
    heard: list[bytes] = []

    async def handler(channel: Channel) -> None:
        assert channel.environment.enhanced
        assert channel.audio is not None
        heard.extend([sound async for sound in channel.audio])
        await channel.answer()

    sound = bytes(range(256)) * 1000  # more than a pipe holds
    record = await FakeAsterisk(audio=sound).run(handler)
    assert b"".join(heard) == sound
    assert record.answered
