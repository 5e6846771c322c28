"""A manager interface that misbehaves as told, and a clock on which its delays take no time."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    Behaviour = Callable[["Peer"], Awaitable[None]]

GREETING = b"Asterisk Call Manager/11.0.0\r\n"


class Peer:
    """One connection to the fake: its actions as dicts, and raw answers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.actions: list[dict[str, str]] = []

    async def say(self, text: bytes) -> None:
        self._writer.write(text)
        await self._writer.drain()

    async def action(self) -> dict[str, str]:
        block = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        pairs = (line.partition(": ")[::2] for line in block.split("\r\n") if line)
        self.actions.append(dict(pairs))
        return self.actions[-1]

    async def answer(self, *lines: str, follows: bytes = b"") -> dict[str, str]:
        """Read an action and answer it."""
        given = await self.action()
        head = [lines[0], f"ActionID: {given['ActionID']}", *lines[1:]]
        await self.say("".join(f"{line}\r\n" for line in head).encode() + b"\r\n" + follows)
        return given

    async def stays(self) -> None:
        """Say nothing more until the other end leaves."""
        with suppress(ConnectionError):
            while await self._reader.read(65_536):
                pass


@asynccontextmanager
async def fake_ami(behaviour: Behaviour) -> AsyncIterator[int]:
    """Serve a behaviour; yield the port."""
    serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving[asyncio.ensure_future(serve(reader, writer))] = writer

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await behaviour(Peer(reader, writer))
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in serving.values():
            writer.transport.abort()
        await asyncio.wait_for(asyncio.gather(*serving), 10)


class FakeClock:
    """Time that passes only while somebody waits.

    Each wait takes as long as `delays` says, the last one for all that follow; None: forever. A
    wait that ends in time really waits for the work, which takes no time on this clock.
    """

    def __init__(self, *delays: float | None) -> None:
        self._delays: Sequence[float | None] = delays or (0.0,)
        self._waits = 0
        self.time = 0.0

    def now(self) -> float:
        return self.time

    async def wait(self, done: asyncio.Future[Any], seconds: float) -> bool:
        delay = self._delays[min(self._waits, len(self._delays) - 1)]
        self._waits += 1
        if delay is None or delay > seconds:
            self.time += max(0.0, seconds)
            return False
        await asyncio.wait({done})
        self.time += delay
        return True
