import asyncio

import pytest

from agi_bridge.agi import AGIHangup
from tests.support.fake_transport import FakeSession, settle

HANGUP = b"HANGUP\n"
DEAD = b"511 Command Not Permitted\n"


def fail() -> None:
    raise KeyError


async def test_a_hangup_cancels_whatever_is_awaited() -> None:
    session = FakeSession()

    async def call() -> None:
        async with session.channel.until_hangup():
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await settle()
    session.feed(HANGUP)
    with pytest.raises(AGIHangup):
        await task
    assert task.cancelling() == 0


async def test_without_a_hangup_the_block_is_not_felt() -> None:
    session = FakeSession()
    async with session.channel.until_hangup():
        await settle()
    session.feed(HANGUP)
    await settle()


async def test_a_block_entered_after_the_hangup_raises_at_once() -> None:
    session = FakeSession()
    session.feed(HANGUP)
    with pytest.raises(AGIHangup):
        async with session.channel.until_hangup():
            pytest.fail("the block was run")


async def test_what_follows_the_inner_block_can_await_again() -> None:
    session = FakeSession()
    after = False

    async def call() -> None:
        nonlocal after
        async with session.channel.until_hangup():
            try:
                async with session.channel.until_hangup():
                    await asyncio.Event().wait()
            except AGIHangup:
                await asyncio.sleep(0)
                after = True

    task = asyncio.create_task(call())
    await settle()
    session.feed(HANGUP)
    await task
    assert after


async def test_a_cancellation_from_outside_wins_over_the_hangup() -> None:
    session = FakeSession()

    async def call() -> None:
        async with session.channel.until_hangup():
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await settle()
    session.feed(HANGUP)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_inside_the_block_stays_a_timeout() -> None:
    session = FakeSession()
    with pytest.raises(TimeoutError):
        async with session.channel.until_hangup(), asyncio.timeout(0):
            await asyncio.Event().wait()
    assert not session.channel.hung_up


async def test_a_hangup_inside_somebodys_timeout_is_a_hangup() -> None:
    session = FakeSession()

    async def call() -> None:
        async with asyncio.timeout(60), session.channel.until_hangup():
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await settle()
    session.feed(HANGUP)
    with pytest.raises(AGIHangup):
        await task


async def test_an_error_raised_while_tidying_up_is_not_hidden() -> None:
    session = FakeSession()

    async def call() -> None:
        async with session.channel.until_hangup():
            try:
                await asyncio.Event().wait()
            finally:
                raise KeyError

    task = asyncio.create_task(call())
    await settle()
    session.feed(HANGUP)
    with pytest.raises(KeyError):
        await task
    assert task.cancelling() == 0


async def test_a_task_group_in_the_block_is_cancelled_with_it() -> None:
    session = FakeSession()
    ended: list[str] = []

    async def child() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("child")

    async def call() -> None:
        async with session.channel.until_hangup(), asyncio.TaskGroup() as group:
            group.create_task(child())

    task = asyncio.create_task(call())
    await settle()
    session.feed(HANGUP)
    with pytest.raises(AGIHangup):
        await task
    assert ended == ["child"]


async def test_each_task_hears_of_the_hangup_in_its_own_block() -> None:
    session = FakeSession()

    async def call() -> None:
        async with session.channel.until_hangup():
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(call()) for _ in range(3)]
    await settle()
    session.feed(HANGUP)
    for task in tasks:
        with pytest.raises(AGIHangup):
            await task


async def test_who_is_told_by_511_is_not_cancelled_as_well() -> None:
    session = FakeSession()
    caught = False

    async def call() -> None:
        nonlocal caught
        async with session.channel.until_hangup():
            try:
                await session.channel.answer()
            except AGIHangup:
                await asyncio.sleep(0)
                caught = True

    task = asyncio.create_task(call())
    other = asyncio.create_task(_wait_in_block(session))
    await settle()
    session.feed(DEAD)
    await task
    assert caught
    with pytest.raises(AGIHangup):
        await other


async def _wait_in_block(session: FakeSession) -> None:
    async with session.channel.until_hangup():
        await asyncio.Event().wait()


async def test_a_shield_lets_the_hangup_wait() -> None:
    session = FakeSession()
    done: list[str] = []

    async def call() -> None:
        async with session.channel.until_hangup():
            async with session.channel.shielded():
                done.append(str(await session.channel.exec("Dial", "PJSIP/1", "30", "gS(9)")))
                done.append(str(await session.channel.get_variable("DIALSTATUS")))
            pytest.fail("the hangup was forgotten")

    task = asyncio.create_task(call())
    await settle()
    session.feed(HANGUP)
    await settle()
    session.feed(b"200 result=0\n")
    await settle()
    session.feed(b"200 result=1 (ANSWER)\n")
    with pytest.raises(AGIHangup):
        await task
    assert done == ["0", "ANSWER"]


async def test_a_shield_without_a_hangup_is_not_felt() -> None:
    session = FakeSession()
    async with session.channel.shielded():
        await settle()


async def test_a_shield_after_the_hangup_was_heard_raises_nothing_again() -> None:
    session = FakeSession()
    session.feed(HANGUP)
    await settle()
    async with session.channel.shielded():
        await session.asked(session.channel.set_variable("R", "hangup"), b"200 result=1\n")


async def test_only_the_outermost_shield_tells() -> None:
    session = FakeSession()
    steps: list[str] = []

    async def call() -> None:
        async with session.channel.shielded():
            async with session.channel.shielded():
                session.feed(HANGUP)
            steps.append("between")

    with pytest.raises(AGIHangup):
        await call()
    assert steps == ["between"]


async def test_a_shield_in_one_task_holds_the_hangup_from_all() -> None:
    session = FakeSession()
    release = asyncio.Event()
    stored: list[bool] = []

    async def store() -> None:
        async with session.channel.shielded():
            await release.wait()
            stored.append(True)

    async def call() -> None:
        async with session.channel.until_hangup(), asyncio.TaskGroup() as group:
            group.create_task(store())

    task = asyncio.create_task(call())
    await settle()
    session.feed(HANGUP)
    await settle()
    assert not task.done()
    release.set()
    with pytest.raises(ExceptionGroup) as raised:
        await task
    assert raised.value.subgroup(AGIHangup) is not None
    assert stored == [True]


async def test_a_live_command_in_a_shield_after_the_hangup_raises_once() -> None:
    session = FakeSession()

    async def call() -> None:
        async with session.channel.until_hangup(), session.channel.shielded():
            session.feed(HANGUP)
            await session.channel.answer()

    with pytest.raises(AGIHangup):
        await call()
    await settle()


async def test_an_error_out_of_a_shield_does_not_make_the_hangup_forgotten() -> None:
    session = FakeSession()
    waited = False

    async def call() -> None:
        nonlocal waited
        async with session.channel.until_hangup():
            try:
                async with session.channel.shielded():
                    session.feed(HANGUP)
                    fail()
            except KeyError:
                waited = True
                await asyncio.Event().wait()

    with pytest.raises(AGIHangup):
        await call()
    assert waited


async def test_an_error_out_of_a_shield_may_leave_the_block_before_the_hangup_is_told() -> None:
    session = FakeSession()

    async def call() -> None:
        async with session.channel.until_hangup(), session.channel.shielded():
            session.feed(HANGUP)
            fail()

    with pytest.raises(KeyError):
        await call()
    await settle()  # a late cancellation would end this test


async def test_a_cancellation_out_of_a_shield_passes() -> None:
    session = FakeSession()

    async def call() -> None:
        async with session.channel.until_hangup(), session.channel.shielded():
            session.feed(HANGUP)
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_block_needs_a_task() -> None:
    session = FakeSession()
    failures: list[BaseException] = []

    def outside() -> None:
        entering = session.channel.until_hangup().__aenter__()
        try:
            entering.send(None)  # driven by hand, as no task does it
        except RuntimeError as error:
            failures.append(error)

    asyncio.get_running_loop().call_soon(outside)
    await settle()
    assert "task" in str(failures[0])


@pytest.mark.parametrize("chunks", [[b"200 result=49\nHANGUP\n"], [b"200 result=49\n", HANGUP]])
async def test_a_key_that_comes_just_before_the_hangup_is_not_lost(chunks: list[bytes]) -> None:
    session = FakeSession()
    stored: list[str] = []

    async def call() -> None:
        async with session.channel.until_hangup():
            key = await session.channel.wait_for_digit(5)
            async with session.channel.shielded():
                await settle()
                stored.append(key)
            await session.channel.stream_file("thanks")

    task = asyncio.create_task(call())
    await settle()
    for chunk in chunks:
        session.feed(chunk)
    with pytest.raises(AGIHangup):
        await task
    assert stored == ["1"]
    assert task.cancelling() == 0
