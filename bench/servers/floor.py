"""The least that a call with a durable consent can cost in Python: bytes, a request, two commits.

    python -m bench.servers.floor --parts agi hook commits

As canned as `bare_protocol`. `hook`: a connection of its own, a request that was written before, an
answer of which only the end is awaited. `commits`: five rows of the size of our events in two
transactions of SQLite, each shared by all that wait, on a thread. Nothing is parsed, checked,
hashed, sealed or looked up, and no time limit is kept.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import threading
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import uvloop

from bench.servers import flow
from bench.servers.bare_protocol import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASKING = 7
"""The command that the hook's answer comes before: EXEC Dial."""
EVENT = "x" * 700
"""As long as an event's body with its tags and its hash."""
BODY = b'{"key": "bench", "from": "+14155550199", "to": "+14155550111"}'
HEAD = (
    b"POST /v1/ivr HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
)


@dataclass
class Disk:
    """A file, and the thread that writes what waits in one transaction."""

    path: Path
    loop: asyncio.AbstractEventLoop
    waiting: list[tuple[int, Callable[[], None]]] = field(default_factory=list)
    busy: bool = False
    works: SimpleQueue[list[tuple[int, Callable[[], None]]]] = field(default_factory=SimpleQueue)

    def start(self) -> None:
        """Begin to write."""
        threading.Thread(target=self._work, daemon=True).start()

    def store(self, rows: int, done: Callable[[], None]) -> None:
        """Call `done` when so many rows are durable."""
        self.waiting.append((rows, done))
        if not self.busy:
            self.busy = True
            self.loop.call_soon(self._begin)

    def _begin(self) -> None:
        group, self.waiting = self.waiting, []
        self.busy = bool(group)
        if group:
            self.works.put(group)

    def _work(self) -> None:
        database = sqlite3.connect(self.path, isolation_level=None)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, body TEXT)")
        while True:
            group = self.works.get()
            database.execute("BEGIN IMMEDIATE")
            count = sum(rows for rows, _ in group)
            database.executemany("INSERT INTO event (body) VALUES (?)", [(EVENT,)] * count)
            database.execute("COMMIT")
            self.loop.call_soon_threadsafe(self._finished, group)

    def _finished(self, group: list[tuple[int, Callable[[], None]]]) -> None:
        for _, done in group:
            done()
        self._begin()


class Asked(asyncio.Protocol):
    """One request to the hook."""

    def __init__(self, done: Callable[[], None]) -> None:
        self._done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(HEAD % len(BODY) + BODY)

    def data_received(self, _data: bytes) -> None:
        """The answer is one piece."""
        self._transport.abort()
        self._done()


@dataclass
class Floor:
    """What all calls share."""

    disk: Disk | None
    hook: tuple[str, int] | None
    tasks: set[asyncio.Task[object]] = field(default_factory=set)

    def before_dial(self, done: Callable[[], None]) -> None:
        """Store, ask, store; each as far as it is wanted."""

        def answered() -> None:
            self.disk.store(1, done) if self.disk else done()

        def stored() -> None:
            if self.hook is None:
                answered()
                return
            loop = asyncio.get_running_loop()
            task = loop.create_task(loop.create_connection(lambda: Asked(answered), *self.hook))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

        self.disk.store(4, stored) if self.disk else stored()


class Canned(asyncio.Protocol):
    """One call."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the environment."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Whatever ends in a line feed asks for the next command."""
        if not data.endswith(b"\n"):
            return
        if self._sent == len(COMMANDS):
            self._transport.close()
        elif self._sent == ASKING:
            self._floor.before_dial(self._next)
        else:
            self._next()

    def _next(self) -> None:
        self._transport.write(COMMANDS[self._sent])
        self._sent += 1


async def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", nargs="*", default=[])
    own, rest = parser.parse_known_args()
    start = flow.read_arguments(rest)
    loop = asyncio.get_running_loop()
    floor = Floor(None, None)
    if "commits" in own.parts:
        floor.disk = Disk(start.state / "floor.db", loop)
        floor.disk.start()
    if "hook" in own.parts and start.hook:
        url = urlsplit(start.hook)
        floor.hook = (url.hostname or "", url.port or 80)
    server = await loop.create_server(lambda: Canned(floor), "127.0.0.1", 0, backlog=flow.BACKLOG)
    flow.announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
