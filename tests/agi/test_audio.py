import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest

from agi_bridge.agi import AudioStream


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    with suppress(OSError):
        os.close(writing)


@pytest.fixture
async def stream(pipe: tuple[int, int]) -> AsyncIterator[AudioStream]:
    made = AudioStream(pipe[0])
    yield made
    made.close()


async def test_sound_is_read_as_it_comes_and_ends_with_the_call(
    pipe: tuple[int, int], stream: AudioStream
) -> None:
    waiting = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    os.write(pipe[1], b"\1" * 400)
    assert await waiting == b"\1" * 320
    os.close(pipe[1])
    assert [sound async for sound in stream] == [b"\1" * 80]
    assert await stream.read() == b""


async def test_closing_ends_a_pending_read(stream: AudioStream) -> None:
    waiting = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    stream.close()
    assert await waiting == b""
    assert await stream.read() == b""


async def test_a_cancelled_read_loses_nothing(pipe: tuple[int, int], stream: AudioStream) -> None:
    waiting = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    os.write(pipe[1], b"abc")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await stream.read() == b"abc"


async def test_two_tasks_cannot_read_the_same_sound(stream: AudioStream) -> None:
    waiting = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError):
        await stream.read()
    stream.close()
    await waiting


async def test_what_was_said_before_can_be_dropped() -> None:
    reading, writing = os.pipe()
    stream = AudioStream(reading)
    os.write(writing, b"before" * 10_000)
    stream.discard()
    os.write(writing, b"after")
    assert await stream.read() == b"after"
    stream.discard()  # there is nothing to drop
    waiting = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError):
        stream.discard()
    os.close(writing)
    assert await waiting == b""
    stream.discard()
    os.close(reading)
