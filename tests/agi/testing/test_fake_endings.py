"""How played calls end, what time they take, and what a live caller and a watcher see."""

import asyncio

import pytest
from structlog.testing import capture_logs

from agi_bridge.agi import (
    Channel,
    ChannelState,
    DigitsResult,
    Limits,
    PlaybackResult,
)
from agi_bridge.agi.testing import CallEvent, DialOutcome, FakeAsterisk, LoopClock
from tests.agi.testing.steps import dial, run_steps

# -- hanging up -------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["line", "silent", "eof"])
@pytest.mark.parametrize("name", ["ANSWER", "STREAM FILE", "GET DATA", "SET VARIABLE", "EXEC"])
async def test_a_hangup_at_any_command_in_any_mode_ends_the_call(mode: str, name: str) -> None:
    async def handler(channel: Channel) -> None:
        await channel.answer()
        await channel.stream_file("a")
        await channel.get_data("a", timeout=1, max_digits=3)
        await channel.set_variable("X", "1")
        await channel.exec("Dial", "PJSIP/1", "30", "g")
        await channel.say_digits("1")

    first = name.split(maxsplit=1)[0]
    fake = FakeAsterisk(hangup_at=lambda words: words[0] == first, hangup_mode=mode)  # type: ignore[arg-type]  # a case
    with capture_logs():
        record = await fake.run(handler)
    assert record.hung_up
    assert record.status == "HANGUP"
    assert not [heard for heard in record.heard if heard.kind == "digits"]
    assert record.protocol_violations == []


async def test_all_calls_can_be_hung_up_from_outside() -> None:
    fake = FakeAsterisk()
    waiting = asyncio.Event()

    async def handler(_channel: Channel) -> None:
        waiting.set()
        await asyncio.Event().wait()

    with capture_logs():
        call = asyncio.create_task(fake.run(handler))
        await waiting.wait()
        fake.hang_up()
        assert (await call).hung_up


async def test_the_pbx_hangs_up_at_the_time_that_was_set() -> None:
    async def handler(channel: Channel) -> None:
        await channel.set_autohangup(3)
        await channel.stream_file("a")
        await channel.stream_file("b")

    record = await FakeAsterisk(sounds={"a": 2000, "b": 2000}).run(handler)
    assert (record.status, record.hung_up, record.seconds) == ("HANGUP", True, 3.0)
    assert [(each.name, each.milliseconds, each.interrupted_by) for each in record.heard] == [
        ("a", 2000, ""),
        ("b", 1000, "!"),
    ]


async def test_a_time_that_was_taken_back_ends_nothing() -> None:
    assert await run_steps(
        FakeAsterisk(),
        lambda c: c.set_autohangup(0.5),
        lambda c: c.set_autohangup(0),
        lambda c: c.wait_for_digit(2.0),
        lambda c: c.channel_status(),
    ) == [None, None, "", ChannelState.UP]


class Silent(FakeAsterisk):
    """A live caller who says nothing, in no time."""

    async def next_key(self, timeout: float) -> None:  # noqa: ASYNC109 - the PBX's own
        """Nothing is pressed."""


async def test_a_live_caller_is_hung_up_on_too() -> None:
    async def handler(channel: Channel) -> None:
        await channel.set_autohangup(2)
        await channel.wait_for_digit(10)

    record = await Silent(keys=None).run(handler)
    assert (record.status, record.seconds) == ("HANGUP", 2.0)


async def test_the_pbx_hangs_up_while_no_command_runs() -> None:
    async def handler(channel: Channel) -> None:
        await channel.set_autohangup(2)
        async with channel.until_hangup():
            await asyncio.Event().wait()

    with capture_logs():
        record = await FakeAsterisk(pace=0.01).run(handler)
    assert (record.status, record.hung_up) == ("HANGUP", True)


# -- errors -----------------------------------------------------------------------------------


async def test_what_the_handler_raises_comes_out_of_the_test() -> None:
    async def handler(_channel: Channel) -> None:
        raise KeyError("x")

    with capture_logs(), pytest.raises(KeyError):
        await FakeAsterisk().run(handler)


async def test_a_run_that_is_cancelled_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    waiting = asyncio.Event()

    async def handler(_channel: Channel) -> None:
        waiting.set()
        await asyncio.Event().wait()

    call = asyncio.create_task(FakeAsterisk().run(handler))
    await waiting.wait()
    call.cancel()
    with capture_logs(), pytest.raises(asyncio.CancelledError):
        await call
    assert asyncio.all_tasks() == before


async def test_limits_are_those_of_the_run() -> None:
    async def handler(_channel: Channel) -> None:
        await asyncio.Event().wait()

    with capture_logs():
        record = await FakeAsterisk().run(handler, limits=Limits(call_seconds=0.01))
    assert record.status == "SUCCESS"


# -- time, live callers, watchers -------------------------------------------------------------


class Stepped:
    """The test's clock: sleeping moves it."""

    def __init__(self) -> None:
        self.now = 100.0

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds


async def test_at_a_pace_time_comes_from_the_clock() -> None:
    clock = Stepped()
    fake = FakeAsterisk(sounds={"a": 3000}, keys={"a": ["", "1"]}, pace=2.0, clock=clock)
    results = await run_steps(
        fake, lambda c: c.stream_file("a"), lambda c: c.get_data("a", timeout=4, max_digits=2)
    )
    assert results == [PlaybackResult("", 24000), DigitsResult("1", "timeout")]
    assert clock.now == pytest.approx(100.0 + 2.0 * (3.0 + 0.2 + 4.0))


async def test_the_loops_clock_tells_the_loops_time() -> None:
    clock = LoopClock()
    before = clock.time()
    await clock.sleep(0.001)
    assert clock.time() > before


class LiveCaller(FakeAsterisk):
    """A caller whose keys come when they are asked for: (seconds, key)."""

    presses: list[tuple[float, str]]

    async def next_key(self, timeout: float) -> str | None:  # noqa: ASYNC109 - the interface's
        if self.presses and self.presses[0][0] <= timeout:
            seconds, key = self.presses.pop(0)
            await self.clock.sleep(seconds)
            return key
        return await super().next_key(timeout)


async def test_a_live_caller_is_asked_for_keys_and_loses_those_not_listed() -> None:
    fake = LiveCaller(sounds={"a": 3000}, keys=None, pace=1.0, clock=Stepped())
    fake.presses = [(1.0, "9"), (1.0, "5"), (0.5, "7")]
    assert await run_steps(
        fake,
        lambda c: c.stream_file("a", "5"),
        lambda c: c.wait_for_digit(2),
        lambda c: c.wait_for_digit(2),
    ) == [PlaybackResult("5", 16000), "7", ""]


async def test_a_live_caller_without_a_pace() -> None:
    fake = LiveCaller(sounds={"a": 3000}, keys=None, clock=Stepped())
    fake.presses = [(0.1, "5")]
    assert await run_steps(
        fake, lambda c: c.stream_file("a", "5"), lambda c: c.exec("Read", "N", "a", "3")
    ) == [PlaybackResult("5", 1600), 0]


async def test_a_live_callers_silence_ends_although_seconds_do_not_add_up_exactly() -> None:
    """0.044 s and 0.029 s are 0.073 s, less one bit in its last place."""
    fake = LiveCaller(keys=None, clock=Stepped())
    fake.presses = []
    waits = (0.007, 0.015, 0.022, 0.029)
    silences = [lambda c, wait=wait: c.wait_for_digit(wait) for wait in waits]
    assert await run_steps(fake, *silences) == [""] * len(waits)


def _listens(fake: FakeAsterisk) -> bool:
    return any("WAIT FOR DIGIT" in call.channel.record.names for call in fake._calls)


async def test_a_live_caller_may_hang_up_with_a_key_or_from_outside() -> None:
    fake = LiveCaller(keys=None, pace=1.0, clock=Stepped())
    fake.presses = [(0.1, "!")]
    with capture_logs():
        record = await fake.run(lambda c: _listen(c, 5.0))
        assert record.hung_up
        fake = LiveCaller(keys=None, pace=1.0)
        fake.presses = []
        call = asyncio.create_task(fake.run(lambda c: _listen(c, 3600.0)))
        while not _listens(fake):  # noqa: ASYNC110 - only its inside shows
            await asyncio.sleep(0)
        fake.hang_up()
        assert (await call).hung_up


async def _listen(channel: Channel, seconds: float) -> None:
    await channel.wait_for_digit(seconds)


async def test_a_server_that_closes_while_something_plays_ends_the_call() -> None:
    fake = FakeAsterisk(sounds={"a": 3_600_000}, pace=1.0)

    async def handler(channel: Channel) -> None:
        async with asyncio.timeout(0.02):
            await channel.stream_file("a")

    with capture_logs(), pytest.raises(TimeoutError):
        await fake.run(handler)


async def test_a_server_that_writes_while_something_plays_is_found_out() -> None:
    """As `interrupt_stream_by_writing` shows, the sound stops and never gets its reply."""
    fake = FakeAsterisk(sounds={"a": 3_600_000}, pace=1.0)

    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\n\n")
        writer.write(b'STREAM FILE a ""\n')
        await asyncio.sleep(0.01)
        writer.write(b"NOOP\n")
        assert await reader.readline() == b"200 result=0\n"
        writer.write(b"NOOP\nNOOP\n")
        await reader.readline()
        writer.close()

    server = await asyncio.start_server(rude, "127.0.0.1", 0)
    async with server:
        record = await fake.call("127.0.0.1", server.sockets[0].getsockname()[1])
    assert record.protocol_violations == [
        "STREAM FILE was aborted by writing while it ran",
        "a command was written before the reply to another",
    ]


async def test_dialling_is_not_aborted_by_writing() -> None:
    clock = Stepped()
    fake = FakeAsterisk(dial=DialOutcome("ANSWER", talk_seconds=5), pace=1.0, clock=clock)
    assert await run_steps(fake, lambda c: c.exec("Dial", "PJSIP/1", "30", "g")) == [0]
    assert clock.now == pytest.approx(107.0)


async def test_a_caller_who_leaves_the_dialled_call_from_outside() -> None:
    events: list[CallEvent] = []

    def watch(event: CallEvent) -> None:
        events.append(event)
        if event.kind == "dialling":
            asyncio.get_running_loop().call_later(0.02, fake.hang_up)

    fake = FakeAsterisk(dial=DialOutcome("ANSWER", ring_seconds=0.0), pace=1.0, on_event=watch)
    with capture_logs():
        record = await fake.run(lambda c: dial(c, "PJSIP/1", "30", "g"))
    (dialled,) = record.dialled
    assert dialled.status == "ANSWER"
    assert record.hung_up


async def test_a_watcher_is_told_what_happens() -> None:
    events: list[CallEvent] = []
    fake = FakeAsterisk(sounds={"a": 500}, keys="1", on_event=events.append)

    async def handler(channel: Channel) -> None:
        await channel.answer()
        await channel.stream_file("a")
        await channel.say_digits("12")
        await channel.wait_for_digit(5)
        await channel.exec("Dial", "PJSIP/1", "30", "g")
        await channel.set_variable("R", "done")

    await fake.run(handler)
    kinds = [event.kind for event in events if event.kind != "command"]
    assert kinds == [
        *["connected", "playing", "saying", "key", "dialling", "dialled", "variable", "closed"]
    ]
    assert CallEvent(0.0, "playing", "a", 500) in events
