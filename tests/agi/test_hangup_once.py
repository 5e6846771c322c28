"""A hangup interrupts each task once, however it learns of it."""

import asyncio

import pytest

from agi_bridge.agi import AGIHangup
from tests.support.fake_transport import FakeSession, settle

HANGUP = b"HANGUP\n"
DEAD = b"511 Command Not Permitted\n"


@pytest.mark.parametrize(
    "last", [b"200 result=-1\nHANGUP\n", b"HANGUP\n200 result=-1\n", b"HANGUP\n" + DEAD, DEAD, b""]
)
async def test_a_task_that_learned_of_the_hangup_by_its_command_is_not_cancelled_as_well(
    last: bytes,
) -> None:
    session = FakeSession()
    steps: list[str] = []

    async def clean_up(step: str) -> None:
        await settle()
        steps.append(step)

    async def handler() -> None:
        try:
            try:
                async with session.channel.until_hangup():
                    await session.channel.stream_file("menu")
            except AGIHangup:
                await clean_up("caught")
                await session.channel.stream_file("thanks")  # raises again, and at once
        finally:
            await clean_up("finally")

    async def call() -> None:
        async with session.channel.until_hangup():  # as around every handler
            await handler()

    task = asyncio.create_task(call())
    await settle()
    if last:
        session.feed(last)
    else:
        session.connection.eof_received()
    with pytest.raises(AGIHangup):
        await task
    assert steps == ["caught", "finally"]
    assert task.cancelling() == 0


async def test_a_task_that_learned_of_the_hangup_by_a_block_is_not_cancelled_as_well() -> None:
    session = FakeSession()
    steps: list[str] = []

    async def call() -> None:
        async with session.channel.until_hangup():
            session.feed(HANGUP)
            try:
                async with session.channel.until_hangup():
                    pytest.fail("the block was run")
            except AGIHangup:
                await settle()
                steps.append("block")
            try:
                async with session.channel.shielded():
                    await settle()
                await settle()
                steps.append("shield")
            finally:
                await settle()
                steps.append("finally")

    await asyncio.create_task(call())
    assert steps == ["block", "shield", "finally"]


async def test_a_task_that_leaves_a_shield_at_the_hangup_is_not_cancelled_as_well() -> None:
    session = FakeSession()
    steps: list[str] = []

    async def call() -> None:
        async with session.channel.until_hangup():
            try:
                async with session.channel.shielded():
                    session.feed(HANGUP)  # its notification comes after the end of the shield
            finally:
                await settle()
                steps.append("finally")

    task = asyncio.create_task(call())
    with pytest.raises(AGIHangup):
        await task
    assert steps == ["finally"]


async def test_what_one_task_has_learned_does_not_keep_the_others_from_learning_it() -> None:
    session = FakeSession()
    heard: list[str] = []

    async def waits() -> None:
        try:
            async with session.channel.until_hangup():
                await asyncio.Event().wait()
        except AGIHangup:
            heard.append("waits")

    async def plays() -> None:
        try:
            async with session.channel.until_hangup():
                await session.channel.stream_file("menu")
        except AGIHangup:
            await settle()
            heard.append("plays")

    tasks = [asyncio.create_task(each()) for each in (waits, plays)]
    await settle()
    session.feed(b"200 result=-1\nHANGUP\n")
    await asyncio.wait(tasks)
    assert sorted(heard) == ["plays", "waits"]


async def test_a_hangup_that_is_told_of_in_a_shield_takes_effect_at_its_end() -> None:
    """It happened before the block, in one read with the reply that led into it."""
    session = FakeSession()
    heard: list[str] = []

    async def works() -> None:
        try:
            async with session.channel.until_hangup():
                await session.channel.wait_for_digit(5)
                async with session.channel.shielded():
                    await settle()
                    heard.append("stored")
                await asyncio.Event().wait()
        except AGIHangup:
            await settle()
            heard.append("works")

    async def waits() -> None:
        try:
            async with session.channel.until_hangup():
                await asyncio.Event().wait()
        except AGIHangup:
            heard.append("waits")

    tasks = [asyncio.create_task(each()) for each in (works, waits)]
    await settle()
    session.feed(b"200 result=49\nHANGUP\n")
    await asyncio.wait_for(asyncio.gather(*tasks), 5)
    assert heard[0] == "stored"
    assert sorted(heard) == ["stored", "waits", "works"]


async def test_a_shield_in_the_clean_up_does_not_raise_what_is_known() -> None:
    session = FakeSession()
    steps: list[str] = []

    async def call() -> None:
        async with session.channel.until_hangup():
            try:
                await session.channel.stream_file("menu")
            finally:
                async with session.channel.shielded():
                    await settle()  # here the others are notified
                    steps.append("stored")
                await settle()
                steps.append("after")

    task = asyncio.create_task(call())
    await settle()
    session.feed(b"200 result=-1\nHANGUP\n")
    with pytest.raises(AGIHangup):
        await task
    assert steps == ["stored", "after"]
