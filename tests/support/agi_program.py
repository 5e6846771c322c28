"""A classic AGI program for the tests, run by its own process: ``program.py STORY``."""

import asyncio
import sys
from pathlib import Path

import structlog
import uvloop

from agi_bridge.agi import AGIHangup, Channel
from agi_bridge.agi.stdio import run

SECOND = 16000
"""Bytes of signed linear sound at 8 kHz."""


async def play(channel: Channel) -> None:
    print("a stray line")  # noqa: T201 - it must not reach Asterisk
    await channel.answer()
    found = await channel.stream_file("hello", "#")
    await channel.set_variable("KEY", found.digit)


async def wait(channel: Channel) -> None:
    try:
        async with channel.until_hangup():
            await channel.answer()
            await asyncio.Event().wait()
    except AGIHangup:
        await channel.set_variable("RESULT", "hangup")


async def listen(channel: Channel) -> None:
    """Write a second of the caller's sound into the file that is named last."""
    await channel.answer()
    heard = b""
    while channel.audio is not None and len(heard) < SECOND:
        heard += await channel.audio.read()
    Path(sys.argv[-1]).write_bytes(heard)


async def fail(_channel: Channel) -> None:
    raise KeyError("+14155550123")


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    runner = uvloop.run if "uvloop" in sys.argv else asyncio.run
    sys.exit(0 if runner(run(globals()[sys.argv[1]])) else 1)
