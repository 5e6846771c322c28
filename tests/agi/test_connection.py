import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from agi_bridge.agi import (
    AGIAppError,
    AGIHangup,
    AGIInvalidCommand,
    AGIProtocolError,
    AGITimeout,
    AGIUsageError,
    Channel,
    Limits,
)
from tests.support.fake_transport import ENVIRONMENT, FakeSession, settle

OK = b"200 result=0\n"
DEAD = b"511 Command Not Permitted on a dead channel or intercept routine\n"
USAGE = b"520-Invalid command syntax.\nusage\n520 End of proper usage.\n"
SOON = Limits(
    reply_seconds=0.05,
    play_seconds=0.05,
    hangup_seconds=0.05,
    environment_seconds=0.05,
    close_seconds=0.05,
)


# -- one command in flight --------------------------------------------------------------------


async def test_a_command_goes_out_in_one_write() -> None:
    session = FakeSession()
    assert await session.asked(session.channel.stream_file("a b", "*"), b"200 result=0 endpos=8\n")
    assert session.written == [b'STREAM FILE "a b" "*" 0\n']


async def test_a_second_task_waits_for_the_reply_to_the_first() -> None:
    session = FakeSession()
    first = asyncio.create_task(session.channel.answer())
    second = asyncio.create_task(session.channel.noop("2"))
    third = asyncio.create_task(session.channel.noop("3"))
    await settle()
    assert session.written == [b"ANSWER\n"]
    session.feed(OK)
    await settle()
    assert session.written == [b"ANSWER\n", b'NOOP "2"\n']
    session.feed(OK)
    await settle()
    session.feed(OK)
    await asyncio.gather(first, second, third)
    assert session.written[2:] == [b'NOOP "3"\n']


async def test_a_cancelled_command_leaves_its_reply_to_be_consumed_first() -> None:
    session = FakeSession()
    playing = asyncio.create_task(session.channel.wait_for_digit(30))
    await settle()
    playing.cancel()
    status = asyncio.create_task(session.channel.get_variable("X"))
    await settle()
    assert session.written == [b"WAIT FOR DIGIT 30000\n"]
    session.feed(b"200 result=53\n")
    await settle()
    session.feed(b"200 result=1 (value)\n")
    assert await status == "value"


async def test_who_is_cancelled_while_waiting_for_a_turn_hands_it_on() -> None:
    session = FakeSession()
    first = asyncio.create_task(session.channel.answer())
    second = asyncio.create_task(session.channel.noop("2"))
    third = asyncio.create_task(session.channel.noop("3"))
    await settle()
    session.feed(OK)  # the turn is given to the second,
    second.cancel()  # which is cancelled before it runs
    await settle()
    assert session.written == [b"ANSWER\n", b'NOOP "3"\n']
    session.feed(OK)
    await asyncio.gather(first, third)
    with pytest.raises(asyncio.CancelledError):
        await second


async def test_who_gave_up_waiting_is_passed_over() -> None:
    session = FakeSession()
    first = asyncio.create_task(session.channel.answer())
    second = asyncio.create_task(session.channel.noop("2"))
    third = asyncio.create_task(session.channel.noop("3"))
    await settle()
    second.cancel()
    await settle()
    session.feed(OK)
    await settle()
    assert session.written == [b"ANSWER\n", b'NOOP "3"\n']
    session.feed(OK)
    await asyncio.gather(first, third)


async def test_a_reply_that_nobody_asked_for_is_not_taken_for_the_next_one() -> None:
    session = FakeSession()
    session.feed(b"200 result=1 (forged)\n" + USAGE + DEAD)
    assert (
        await session.asked(session.channel.get_variable("X"), b"200 result=1 (true)\n") == "true"
    )
    assert not session.channel.hung_up


async def test_trying_is_not_the_reply() -> None:
    session = FakeSession()
    reply = session.channel.get_variable("X")
    assert await session.asked(reply, b"100 result=0 Trying...\n", b"200 result=1 (x)\n") == "x"


# -- usage blocks -----------------------------------------------------------------------------


@pytest.mark.parametrize("late", [False, True])
async def test_the_usage_behind_an_exec_that_gave_1_is_drained(late: bool) -> None:  # noqa: FBT001 - a case
    """`handle_exec` returns the application's 1, which `agi_handle_command` takes for usage."""
    session = FakeSession()
    if late:
        assert await session.asked(session.channel.exec("Queue", "q"), b"200 result=1\n") == 1
        value = asyncio.create_task(_get(session.channel))
        await settle()
        session.feed(USAGE)  # after the next command was written
    else:
        assert (
            await session.asked(session.channel.exec("Queue", "q"), b"200 result=1\n" + USAGE) == 1
        )
        value = asyncio.create_task(_get(session.channel))
        await settle()
    session.feed(b"200 result=1 (x)\n")
    assert await value == "x"


async def _get(channel: Channel) -> str | None:
    return await channel.get_variable("X")


async def test_a_usage_block_that_did_not_come_is_not_waited_for() -> None:
    session = FakeSession()
    await session.asked(session.channel.exec("Queue", "q"), b"200 result=1\n")
    await session.asked(session.channel.noop(), OK)
    with pytest.raises(AGIUsageError):
        await session.asked(session.channel.set_priority("nolabel"), USAGE)


async def test_usage_unknown_command_and_other_codes_are_errors_of_the_command() -> None:
    session = FakeSession()
    with pytest.raises(AGIUsageError):
        await session.asked(session.channel.say_digits("x"), USAGE)
    with pytest.raises(AGIInvalidCommand):
        await session.asked(session.channel.answer(), b"510 Invalid or unknown command\n")
    with pytest.raises(AGIProtocolError) as raised:
        await session.asked(session.channel.answer(), b"503 Out of memory\n")
    assert raised.value.code == "unexpected_reply_code"
    await session.asked(session.channel.answer(), OK)


# -- hangup -----------------------------------------------------------------------------------


async def test_after_a_hangup_live_commands_are_not_even_written() -> None:
    session = FakeSession()
    session.feed(b"HANGUP\nHANGUP\n")
    assert session.channel.hung_up
    for command in (session.channel.answer, session.channel.channel_status):
        with pytest.raises(AGIHangup):
            await command()
    assert session.written == []
    assert await session.asked(session.channel.get_variable("X"), b"200 result=1 (x)\n") == "x"


async def test_a_hangup_between_command_and_reply_is_not_the_reply() -> None:
    session = FakeSession()
    value = session.asked(session.channel.get_variable("X"), b"HANGUP\n", b"200 result=1 (x)\n")
    assert await value == "x"
    assert session.channel.hung_up


async def test_a_511_is_a_hangup() -> None:
    session = FakeSession()
    with pytest.raises(AGIHangup):
        await session.asked(session.channel.stream_file("x"), DEAD)
    assert session.channel.hung_up


async def test_a_511_to_a_cancelled_command_is_a_hangup_as_well() -> None:
    session = FakeSession()
    task = asyncio.create_task(session.channel.answer())
    await settle()
    task.cancel()
    await settle()
    session.feed(DEAD)
    assert session.channel.hung_up


@pytest.mark.parametrize("by", ["eof", "lost", "reset"])
async def test_the_end_of_the_connection_ends_the_pending_command_and_all_others(by: str) -> None:
    session = FakeSession()
    first = asyncio.create_task(session.channel.answer())
    second = asyncio.create_task(session.channel.noop())
    await settle()
    if by == "eof":
        session.connection.eof_received()
    else:
        session.connection.connection_lost(OSError("reset") if by == "reset" else None)
    for task in (first, second):
        with pytest.raises(AGIHangup):
            await task
    with pytest.raises(AGIHangup):
        await session.channel.get_variable("X")
    if by == "reset":
        assert isinstance(session.ends[0], AGIProtocolError)


async def test_a_minus_one_of_a_living_channel_is_an_application_error() -> None:
    session = FakeSession()
    with pytest.raises(AGIAppError):
        await session.asked(
            session.channel.stream_file("none"), b"200 result=-1 endpos=0\n", b"200 result=6\n"
        )
    assert session.written[-1] == b"CHANNEL STATUS\n"


@pytest.mark.parametrize("answer", [DEAD, b"HANGUP\n" + DEAD])
async def test_a_minus_one_of_a_dead_channel_is_a_hangup(answer: bytes) -> None:
    session = FakeSession()
    with pytest.raises(AGIHangup):
        await session.asked(session.channel.stream_file("x"), b"200 result=-1 endpos=0\n", answer)


async def test_reply_and_hangup_in_one_read_are_both_heard() -> None:
    session = FakeSession()
    with pytest.raises(AGIHangup):
        await session.asked(session.channel.wait_for_digit(1), b"200 result=-1\nHANGUP\n")


# -- deadlines --------------------------------------------------------------------------------


async def test_a_command_that_is_not_answered_in_time_closes_the_connection() -> None:
    session = FakeSession(SOON)
    with pytest.raises(AGITimeout):
        await session.channel.answer()
    assert session.transport.aborted
    with pytest.raises(AGIHangup):
        await session.channel.noop()


async def test_after_a_hangup_the_outstanding_reply_is_waited_for_but_not_forever() -> None:
    session = FakeSession(Limits(hangup_seconds=0.05))
    task = asyncio.create_task(session.channel.exec("Dial", "PJSIP/1", "30", "S(7200)"))
    await settle()
    session.feed(b"HANGUP\n")
    with pytest.raises(AGIHangup):
        await task
    assert session.transport.aborted


async def test_a_later_shorter_deadline_moves_the_timer_forward() -> None:
    session = FakeSession(Limits(reply_seconds=0.05, play_seconds=60.0))
    await session.asked(session.channel.stream_file("x"), b"200 result=0 endpos=1\n")
    with pytest.raises(AGITimeout):
        await session.channel.answer()


async def test_a_recording_that_never_ends_is_waited_for_by_its_length() -> None:
    session = FakeSession(Limits(reply_seconds=0.05, play_seconds=14400.0))
    with pytest.raises(AGITimeout):
        await session.channel.stream_file("x", length=0.02)
    assert session.transport.aborted


async def test_a_deadline_that_is_not_due_is_looked_at_again_later() -> None:
    session = FakeSession(Limits(environment_seconds=0.02, reply_seconds=0.06))
    with pytest.raises(AGITimeout):
        await session.channel.answer()


async def test_an_environment_that_does_not_come_is_not_waited_for() -> None:
    session = FakeSession(SOON, environment=b"agi_network: yes\n")
    await session.gone.wait()
    assert session.transport.aborted
    assert session.environments == []


async def test_a_call_that_lasts_too_long_is_cancelled_then_cut() -> None:
    session = FakeSession(Limits(call_seconds=0.03, hangup_seconds=0.03))
    cancelled = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            with pytest.raises(AGIHangup):
                await session.channel.wait_for_digit(-1)

    session.connection.task = asyncio.create_task(stubborn())
    await cancelled.wait()
    await session.gone.wait()
    assert session.transport.aborted


async def test_closing_waits_for_a_slow_reader_only_for_a_moment() -> None:
    session = FakeSession(SOON)
    session.transport.unwritten = 100
    session.connection.close()
    session.connection.close()
    assert not session.transport.aborted
    await session.gone.wait()
    assert session.transport.aborted


# -- refusing, closing, nonsense --------------------------------------------------------------


async def test_a_peer_that_is_not_welcome_is_cut_at_once() -> None:
    session = FakeSession(environment=b"", accept=False)
    assert session.transport.aborted
    session.feed(ENVIRONMENT)
    assert session.environments == []


async def test_refusing_writes_a_failure_line_and_ends_the_session() -> None:
    session = FakeSession(SOON)
    await session.channel.refuse("no such session\nEXEC System x")
    assert session.written == [b"failure no such session?EXEC System x\n"]
    with pytest.raises(AGIHangup):
        await session.channel.noop()
    await session.channel.refuse("again")
    assert len(session.written) == 1
    await session.gone.wait()


async def test_refusing_waits_for_the_reply_to_what_is_in_flight() -> None:
    session = FakeSession()
    playing = asyncio.create_task(session.channel.stream_file("x"))
    await settle()
    refusing = asyncio.create_task(session.channel.refuse("later"))
    await settle()
    assert len(session.written) == 1
    session.feed(b"200 result=0 endpos=1\n")
    await asyncio.gather(playing, refusing)
    assert session.written[1] == b"failure later\n"


async def test_nonsense_ends_the_connection_and_tells_the_command() -> None:
    session = FakeSession(Limits(reply_bytes=100))
    with pytest.raises(AGIProtocolError):
        await session.asked(session.channel.answer(), b"x" * 200)
    assert session.transport.aborted
    session.feed(OK)
    session.connection.eof_received()


async def test_nonsense_in_the_environment_begins_no_call() -> None:
    session = FakeSession(environment=b"agi_dnid: 1\nagi_dnid: 2\n\n")
    assert session.transport.aborted
    assert session.environments == []


async def test_closing_is_prompt_and_what_comes_after_is_ignored() -> None:
    session = FakeSession()
    session.connection.close()
    assert session.transport.closing
    session.feed(OK)
    session.connection.abort()
    await settle()
    session.connection.abort()
    assert session.ends == [None]


# -- cancellation at every await --------------------------------------------------------------


def _commands() -> list[Callable[[Channel], Awaitable[object]]]:
    return [
        lambda c: c.answer(),
        lambda c: c.stream_file("x", "*"),
        lambda c: c.get_data("x", timeout=5, max_digits=10),
        lambda c: c.wait_for_digit(5),
        lambda c: c.say_digits("12"),
        lambda c: c.exec("Dial", "PJSIP/1", "30", "gS(60)"),
        lambda c: c.read_variable("X"),
        lambda c: c.record_file("x", seconds=5),
    ]


@pytest.mark.parametrize("command", _commands())
@pytest.mark.parametrize("rounds", [0, 1, 2, 3])
async def test_a_command_cancelled_anywhere_leaves_the_next_one_its_own_reply(
    command: Callable[[Channel], Awaitable[object]], rounds: int
) -> None:
    session = FakeSession()
    before = len(asyncio.all_tasks())
    task = asyncio.ensure_future(command(session.channel))
    await settle(rounds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    if session.written:
        session.feed(b"200 result=-1\n")  # the reply to the cancelled one
    assert await session.asked(session.channel.get_variable("X"), b"200 result=1 (own)\n") == "own"
    assert len(asyncio.all_tasks()) == before
    session.transport.abort()
    await settle()
    gc.collect()  # a future with an error that nobody took would warn here


@pytest.mark.parametrize("command", _commands())
@pytest.mark.parametrize("how", ["line", "dead", "eof", "reset"])
async def test_every_command_ends_in_a_hangup_whatever_the_way_it_is_heard(
    command: Callable[[Channel], Awaitable[object]], how: str
) -> None:
    session = FakeSession()

    async def call() -> None:
        async with session.channel.until_hangup():
            await command(session.channel)

    task = asyncio.ensure_future(call())
    await settle()
    if how == "line":
        session.feed(b"HANGUP\n")
    elif how == "dead":
        session.feed(DEAD)
    elif how == "eof":
        session.connection.eof_received()
    else:
        session.connection.connection_lost(OSError())
    with pytest.raises(AGIHangup):
        await task
