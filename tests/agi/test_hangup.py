import asyncio

import pytest

from agi_bridge.agi import AGIHangup
from tests.support.fake_transport import Line, settle

HANGUP = b"HANGUP\n"
DEAD = b"511 Command Not Permitted\n"


def fail() -> None:
    raise KeyError


async def test_a_hangup_cancels_whatever_is_awaited() -> None:
    line = Line()

    async def call() -> None:
        async with line.channel.until_hangup():
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await settle()
    line.feed(HANGUP)
    with pytest.raises(AGIHangup):
        await task
    assert task.cancelling() == 0


async def test_without_a_hangup_the_block_is_not_felt() -> None:
    line = Line()
    async with line.channel.until_hangup():
        await settle()
    line.feed(HANGUP)
    await settle()


async def test_a_block_entered_after_the_hangup_raises_at_once() -> None:
    line = Line()
    line.feed(HANGUP)
    with pytest.raises(AGIHangup):
        async with line.channel.until_hangup():
            pytest.fail("the block was run")


async def test_what_follows_the_inner_block_can_await_again() -> None:
    line = Line()
    after = False

    async def call() -> None:
        nonlocal after
        async with line.channel.until_hangup():
            try:
                async with line.channel.until_hangup():
                    await asyncio.Event().wait()
            except AGIHangup:
                await asyncio.sleep(0)
                after = True

    task = asyncio.create_task(call())
    await settle()
    line.feed(HANGUP)
    await task
    assert after


async def test_a_cancellation_from_outside_wins_over_the_hangup() -> None:
    line = Line()

    async def call() -> None:
        async with line.channel.until_hangup():
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await settle()
    line.feed(HANGUP)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_inside_the_block_stays_a_timeout() -> None:
    line = Line()
    with pytest.raises(TimeoutError):
        async with line.channel.until_hangup(), asyncio.timeout(0):
            await asyncio.Event().wait()
    assert not line.channel.hung_up


async def test_a_hangup_inside_somebodys_timeout_is_a_hangup() -> None:
    line = Line()

    async def call() -> None:
        async with asyncio.timeout(60), line.channel.until_hangup():
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await settle()
    line.feed(HANGUP)
    with pytest.raises(AGIHangup):
        await task


async def test_an_error_raised_while_tidying_up_is_not_hidden() -> None:
    line = Line()

    async def call() -> None:
        async with line.channel.until_hangup():
            try:
                await asyncio.Event().wait()
            finally:
                raise KeyError

    task = asyncio.create_task(call())
    await settle()
    line.feed(HANGUP)
    with pytest.raises(KeyError):
        await task
    assert task.cancelling() == 0


async def test_a_task_group_in_the_block_is_cancelled_with_it() -> None:
    line = Line()
    ended: list[str] = []

    async def child() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("child")

    async def call() -> None:
        async with line.channel.until_hangup(), asyncio.TaskGroup() as group:
            group.create_task(child())

    task = asyncio.create_task(call())
    await settle()
    line.feed(HANGUP)
    with pytest.raises(AGIHangup):
        await task
    assert ended == ["child"]


async def test_each_task_hears_of_the_hangup_in_its_own_block() -> None:
    line = Line()

    async def call() -> None:
        async with line.channel.until_hangup():
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(call()) for _ in range(3)]
    await settle()
    line.feed(HANGUP)
    for task in tasks:
        with pytest.raises(AGIHangup):
            await task


async def test_who_is_told_by_511_is_not_cancelled_as_well() -> None:
    line = Line()
    caught = False

    async def call() -> None:
        nonlocal caught
        async with line.channel.until_hangup():
            try:
                await line.channel.answer()
            except AGIHangup:
                await asyncio.sleep(0)
                caught = True

    task = asyncio.create_task(call())
    other = asyncio.create_task(_wait_in_block(line))
    await settle()
    line.feed(DEAD)
    await task
    assert caught
    with pytest.raises(AGIHangup):
        await other


async def _wait_in_block(line: Line) -> None:
    async with line.channel.until_hangup():
        await asyncio.Event().wait()


async def test_a_shield_lets_the_hangup_wait() -> None:
    line = Line()
    done: list[str] = []

    async def call() -> None:
        async with line.channel.until_hangup():
            async with line.channel.shielded():
                done.append(str(await line.channel.exec("Dial", "PJSIP/1", "30", "gS(9)")))
                done.append(str(await line.channel.get_variable("DIALSTATUS")))
            pytest.fail("the hangup was forgotten")

    task = asyncio.create_task(call())
    await settle()
    line.feed(HANGUP)
    await settle()
    line.feed(b"200 result=0\n")
    await settle()
    line.feed(b"200 result=1 (ANSWER)\n")
    with pytest.raises(AGIHangup):
        await task
    assert done == ["0", "ANSWER"]


async def test_a_shield_without_a_hangup_is_not_felt() -> None:
    line = Line()
    async with line.channel.shielded():
        await settle()


async def test_a_shield_after_the_hangup_was_heard_raises_nothing_again() -> None:
    line = Line()
    line.feed(HANGUP)
    async with line.channel.shielded():
        await line.asked(line.channel.set_variable("R", "hangup"), b"200 result=1\n")


async def test_only_the_outermost_shield_tells() -> None:
    line = Line()
    steps: list[str] = []

    async def call() -> None:
        async with line.channel.shielded():
            async with line.channel.shielded():
                line.feed(HANGUP)
            steps.append("between")

    with pytest.raises(AGIHangup):
        await call()
    assert steps == ["between"]


async def test_a_shield_in_one_task_holds_the_hangup_from_all() -> None:
    line = Line()
    release = asyncio.Event()
    stored: list[bool] = []

    async def store() -> None:
        async with line.channel.shielded():
            await release.wait()
            stored.append(True)

    async def call() -> None:
        async with line.channel.until_hangup(), asyncio.TaskGroup() as group:
            group.create_task(store())

    task = asyncio.create_task(call())
    await settle()
    line.feed(HANGUP)
    await settle()
    assert not task.done()
    release.set()
    with pytest.raises(ExceptionGroup) as raised:
        await task
    assert raised.value.subgroup(AGIHangup) is not None
    assert stored == [True]


async def test_a_live_command_in_a_shield_after_the_hangup_raises_once() -> None:
    line = Line()

    async def call() -> None:
        async with line.channel.until_hangup(), line.channel.shielded():
            line.feed(HANGUP)
            await line.channel.answer()

    with pytest.raises(AGIHangup):
        await call()
    await settle()


async def test_an_error_out_of_a_shield_does_not_make_the_hangup_forgotten() -> None:
    line = Line()
    waited = False

    async def call() -> None:
        nonlocal waited
        async with line.channel.until_hangup():
            try:
                async with line.channel.shielded():
                    line.feed(HANGUP)
                    fail()
            except KeyError:
                waited = True
                await asyncio.Event().wait()

    with pytest.raises(AGIHangup):
        await call()
    assert waited


async def test_an_error_out_of_a_shield_may_leave_the_block_before_the_hangup_is_told() -> None:
    line = Line()

    async def call() -> None:
        async with line.channel.until_hangup(), line.channel.shielded():
            line.feed(HANGUP)
            fail()

    with pytest.raises(KeyError):
        await call()
    await settle()  # a late cancellation would end this test


async def test_a_cancellation_out_of_a_shield_passes() -> None:
    line = Line()

    async def call() -> None:
        async with line.channel.until_hangup(), line.channel.shielded():
            line.feed(HANGUP)
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_block_needs_a_task() -> None:
    line = Line()
    failures: list[BaseException] = []

    def outside() -> None:
        entering = line.channel.until_hangup().__aenter__()
        try:
            entering.send(None)  # driven by hand, as no task does it
        except RuntimeError as error:
            failures.append(error)

    asyncio.get_running_loop().call_soon(outside)
    await settle()
    assert "task" in str(failures[0])


@pytest.mark.parametrize("chunks", [[b"200 result=49\nHANGUP\n"], [b"200 result=49\n", HANGUP]])
async def test_a_key_that_comes_just_before_the_hangup_is_not_lost(chunks: list[bytes]) -> None:
    line = Line()
    stored: list[str] = []

    async def call() -> None:
        async with line.channel.until_hangup():
            key = await line.channel.wait_for_digit(5)
            async with line.channel.shielded():
                await settle()
                stored.append(key)
            await line.channel.stream_file("thanks")

    task = asyncio.create_task(call())
    await settle()
    for chunk in chunks:
        line.feed(chunk)
    with pytest.raises(AGIHangup):
        await task
    assert stored == ["1"]
    assert task.cancelling() == 0
