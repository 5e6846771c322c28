"""The least that a call with a durable consent can cost in Python: bytes, a request, two commits.

    python -m bench.servers.floor --parts agi hook commits

As canned as `bare_protocol`. `hook`: a connection of its own, a request that was written before, an
answer of which only the end is awaited. `commits`: five rows of the size of our events in two
transactions of SQLite, each shared by all that wait, on a thread. Nothing is parsed, checked,
hashed, sealed or looked up, and no time limit is kept. With `--ca-file` the hook is asked over TLS,
sessions resumed; with `--keepalive` on connections that were asked before.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import ssl
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
HEAD = b"POST /v1/ivr HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: %b\r\ncontent-length: %d\r\n\r\n"


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
    """A connection to the hook, with one request after another."""

    def __init__(self, hook: Hook, done: Callable[[], None]) -> None:
        self._hook = hook
        self._done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self.ask(self._done)

    def ask(self, done: Callable[[], None]) -> None:
        """Send the request."""
        self._done = done
        self._transport.write(self._hook.request)

    def data_received(self, _data: bytes) -> None:
        """The answer is one piece."""
        self.answered()

    def answered(self) -> None:
        """Keep the connection or end it, and go on."""
        if self._hook.keeps:
            self._hook.kept.append(self)
        else:
            self._transport.abort()
        self._done()


class AskedOverTls(Asked):
    """The same over TLS."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        context = cast("ssl.SSLContext", self._hook.context)
        self._transport = cast("asyncio.Transport", transport)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_hostname=self._hook.address[0],
            session=self._hook.session,
        )
        self._asked = False
        self._shake()

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._transport.write(self._outgoing.read())
            return
        self._asked = True
        self.ask(self._done)

    def ask(self, done: Callable[[], None]) -> None:
        """Send the request, behind the end of the handshake if it is the first."""
        self._done = done
        self._tls.write(self._hook.request)
        self._transport.write(self._outgoing.read())

    def data_received(self, data: bytes) -> None:
        """The answer is one piece behind the tickets."""
        self._incoming.write(data)
        if not self._asked:
            self._shake()
            return
        try:
            self._tls.read(65536)
        except ssl.SSLWantReadError:  # tickets alone
            return
        if self._hook.session is None:  # it is copied, which takes longer than the answer
            self._hook.session = self._tls.session
        self.answered()


@dataclass
class Hook:
    """Where it is, and what connections to it share."""

    address: tuple[str, int]
    keeps: bool
    context: ssl.SSLContext | None
    request: bytes = b""
    session: ssl.SSLSession | None = None
    kept: list[Asked] = field(default_factory=list)
    tasks: set[asyncio.Task[object]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.request = HEAD % (b"keep-alive" if self.keeps else b"close", len(BODY)) + BODY

    def ask(self, done: Callable[[], None]) -> None:
        """Ask, on a kept connection if there is one."""
        if self.kept:
            self.kept.pop().ask(done)
            return
        kind = Asked if self.context is None else AskedOverTls
        loop = asyncio.get_running_loop()
        task = loop.create_task(loop.create_connection(lambda: kind(self, done), *self.address))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


@dataclass
class Floor:
    """What all calls share."""

    disk: Disk | None
    hook: Hook | None

    def before_dial(self, done: Callable[[], None]) -> None:
        """Store, ask, store; each as far as it is wanted."""

        def answered() -> None:
            self.disk.store(1, done) if self.disk else done()

        def stored() -> None:
            self.hook.ask(answered) if self.hook else answered()

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
        context = ssl.create_default_context(cafile=start.ca_file) if start.ca_file else None
        floor.hook = Hook((url.hostname or "", url.port or 80), start.keepalive, context)
    server = await loop.create_server(lambda: Canned(floor), "127.0.0.1", 0, backlog=flow.BACKLOG)
    flow.announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
