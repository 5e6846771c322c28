"""A session of the PBX's manager interface (AMI), through pyst2, that never keeps its caller.

pyst2 0.5.1 waits without a limit, ends its reader thread on an answer that it does not expect, and
calls `Thread.setDaemon`. This module is the only one that knows it, and keeps to these rules:

* Connecting and reading the greeting have a time-out. Only then pyst2 gets the socket.
* pyst2 runs in its own thread. Each step has a deadline, and the session has one for all. At
  an overrun the socket is shut down, the thread is left alone, and `AmiError` says so.
* The session asks for no events (`Events: off`) and sends no `Command`. Structured actions answer
  all that the doctor asks, with fewer rights.
* Each action is a new dict (pyst2 writes into it), and a value with CR or LF is refused: it would
  be another header.
"""

from __future__ import annotations

import asyncio
import queue
import re
import socket
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from asterisk.manager import Manager, ManagerException

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")

_GREETING: Final = b"Asterisk Call Manager/"
_GREETING_BYTES: Final = 200
_MAX_ITEMS: Final = 20_000
"""Most items of one answer. The largest dialplan contexts of FreePBX have a few thousand."""
_ACTION: Final = re.compile(r"[A-Za-z0-9]{1,40}")


class AmiError(Exception):
    """The PBX's manager interface does not do. The text is one line, without a secret.

    Attributes:
        code: `refused`, `unreachable`, `mute`, `not_ami`, `cut`, `slow`, `flood` or `login`.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class AmiLimits:
    """Deadlines, in seconds."""

    connect: float = 3.0
    """To connect and to read the greeting, which Asterisk sends at once."""
    action: float = 4.0
    """For one action: Asterisk answers in milliseconds, a large dialplan in a second."""
    session: float = 10.0
    """For everything before the test call: some sixty actions of a few milliseconds each. With the
    test call, which takes 20 s at most, the doctor answers within half a minute."""


class Clock(Protocol):
    """Time, and waiting for another thread; replaced in tests."""

    def now(self) -> float:
        """Seconds from any start."""

    async def wait(self, done: asyncio.Future[Any], seconds: float) -> bool:
        """Wait until `done` is done, for at most `seconds`; return whether it is."""


class RealClock:
    """The machine's running time."""

    def now(self) -> float:
        """Seconds from any start."""
        return time.monotonic()

    async def wait(self, done: asyncio.Future[Any], seconds: float) -> bool:
        """Wait until `done` is done, for at most `seconds`; return whether it is."""
        await asyncio.wait({done}, timeout=max(0.0, seconds))
        return done.done()


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an action: its headers, and the items of a list."""

    headers: Mapping[str, str]
    items: tuple[Mapping[str, str], ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether the action was carried out."""
        return self.headers.get("Response") == "Success"

    @property
    def message(self) -> str:
        """What the PBX says about it."""
        return self.headers.get("Message", "")

    @property
    def denied(self) -> bool:
        """Whether the account lacks a right."""
        return not self.succeeded and ("denied" in self.message or "Forbidden" in self.message)


class AmiSession:
    """A session; make it with `open`, and `close` it in the end."""

    def __init__(self, host: str, port: int, limits: AmiLimits, clock: Clock) -> None:
        self._place = f"{host} port {port}"
        self._limits = limits
        self._clock = clock
        self._ends_at = clock.now() + limits.session
        self._worker = _Worker()
        self._manager: _Manager | None = None
        self._abandoned = False
        self.lost: AmiError | None = None
        """Why the session is over, if it failed."""

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        user: str,
        secret: str,
        *,
        limits: AmiLimits | None = None,
        clock: Clock | None = None,
    ) -> AmiSession:
        """Connect and log in.

        Raises:
            AmiError: nothing listens there, it is not a manager interface, it refuses the account,
                or it does not answer in time.
        """
        limits = limits or AmiLimits()
        session = cls(host, port, limits, clock or RealClock())
        try:
            await session._connect(host, port)
            answer = await session._send("Login", Username=user, Secret=secret, Events="off")
        except BaseException:
            session._abandon()
            raise
        if not answer.succeeded:
            session._abandon()
            raise AmiError("login", f"{session._place} refuses the account {user!r}")
        return session

    async def _connect(self, host: str, port: int) -> None:
        limit = self._limits.connect

        def connect() -> None:
            self._manager = _Manager(_greeted(host, port, limit, self._place))
            if self._abandoned:  # too late: nobody else would end it
                self._manager.stop()

        # The margin lets the socket's own time-outs speak first: they know more.
        await self._in_thread(connect, 2 * limit, "mute")

    async def ask(self, action: str, **headers: str | Sequence[str]) -> Answer:
        """Send an action and return its answer, with the items if it is a list.

        Raises:
            AmiError: the session is lost: no answer in time, the connection was cut, or no end.
            ValueError: a name or a value that would be another header.
        """
        if self.lost is not None:
            raise self.lost
        return await self._send(action, **headers)

    async def _send(self, action: str, **headers: str | Sequence[str]) -> Answer:
        manager = self._manager
        if manager is None:
            raise AmiError("cut", f"{self._place} is not connected")
        given = _checked(action, headers)
        return await self._in_thread(lambda: manager.ask(given), self._limits.action, "slow")

    def time(self) -> float:
        """Return seconds from any start, by the clock of the deadlines."""
        return self._clock.now()

    def allow(self, seconds: float) -> None:
        """Give the session at least that much time from now on."""
        self._ends_at = max(self._ends_at, self._clock.now() + seconds)

    async def close(self) -> None:
        """Log off if the session is in order, and end it."""
        if self.lost is None and self._manager is not None:
            with suppress(AmiError):
                await self._send("Logoff")
        self._abandon()

    async def _in_thread(self, work: Callable[[], T], seconds: float, overrun: str) -> T:
        """Run blocking work; give up on the whole session if it takes too long."""
        left = min(seconds, self._ends_at - self._clock.now())
        done = self._worker.run(work)
        if left <= 0 or not await self._clock.wait(done, left):
            what = "says nothing" if overrun == "mute" else "does not answer in time"
            error = AmiError(overrun, f"{self._place} {what}: given up")
        else:
            try:
                return done.result()
            except AmiError as raised:
                error = raised
            except (ManagerException, OSError, ValueError):  # ValueError: on a closed file
                error = AmiError("cut", f"{self._place} ended the connection")
        self.lost = error
        self._abandon()
        raise error

    def _abandon(self) -> None:
        """End the connection. A thread that waits for it then ends too; nobody waits for it."""
        self._abandoned = True
        if self._manager is not None:
            self._manager.stop()
        self._worker.stop()


def _checked(action: str, headers: Mapping[str, str | Sequence[str]]) -> dict[str, str | list[str]]:
    """Return a new dict for pyst2; refuse what would be another header, and `Command`."""
    if not _ACTION.fullmatch(action) or action == "Command":
        raise ValueError(f"not an action of the doctor: {action!r}")
    given: dict[str, str | list[str]] = {"Action": action}
    for name, value in headers.items():
        values = [value] if isinstance(value, str) else [*value]
        if any("\r" in each or "\n" in each or "\0" in each for each in values):
            raise ValueError(f"a line break in the header {name}")
        given[name] = value if isinstance(value, str) else values
    return given


def _greeted(host: str, port: int, seconds: float, place: str) -> socket.socket:
    """Connect and read the greeting; not a byte more, because pyst2 reads what follows."""
    ends_at = time.monotonic() + seconds
    try:
        connection = socket.create_connection((host, port), seconds)
    except ConnectionRefusedError:
        raise AmiError("refused", f"nothing listens at {place}") from None
    except OSError as error:
        why = error.strerror or "no answer"
        raise AmiError("unreachable", f"cannot connect to {place} ({why})") from None
    try:
        _read_greeting(connection, ends_at, place)
        connection.settimeout(None)
    except TimeoutError:
        connection.close()
        raise AmiError("mute", f"{place} accepts the connection and says nothing") from None
    except OSError:
        connection.close()
        raise AmiError("cut", f"{place} closes the connection at once") from None
    except AmiError:
        connection.close()
        raise
    return connection


def _read_greeting(connection: socket.socket, ends_at: float, place: str) -> None:
    greeting = b""
    while not greeting.endswith(b"\n"):
        connection.settimeout(max(0.001, ends_at - time.monotonic()))
        byte = connection.recv(1)
        greeting += byte
        if not byte:
            raise AmiError("cut", f"{place} closes the connection at once")
        if not _GREETING.startswith(greeting[: len(_GREETING)]):
            raise AmiError("not_ami", f"{place} is not a manager interface of Asterisk")
        if len(greeting) > _GREETING_BYTES:
            raise AmiError("flood", f"{place} sends no end of its greeting")


class _Worker:
    """One daemon thread that runs blocking work: nothing waits for it, not even the exit."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="ami", daemon=True).start()

    def run(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Run the work after what was given before; return its future in this event loop."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def settle(result: T | None, error: BaseException | None) -> None:
            if not done.done():
                if error is not None:
                    done.set_exception(error)
                    done.exception()  # it may be that nobody asks any more
                else:
                    done.set_result(result)  # type: ignore[arg-type]  # the future is of this type

        def job() -> None:
            result, error = None, None
            try:
                result = work()
            except Exception as raised:  # noqa: BLE001 - passed on to the waiting caller
                error = raised
            with suppress(RuntimeError):  # the loop is closed: the session was abandoned
                loop.call_soon_threadsafe(settle, result, error)

        self._jobs.put(job)
        return done

    def stop(self) -> None:
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _nothing() -> None:
    """Do nothing."""


class _Flag(threading.Event):
    """An event with the method name that pyst2 uses, which Python deprecates."""

    isSet = threading.Event.is_set  # noqa: N815 - pyst2's


class _Manager(Manager):  # type: ignore[misc]  # pyst2 carries no types
    """pyst2's session on a connection that has been greeted; `stop` ends it from any thread.

    An exception in one of pyst2's threads ends the session. Nothing is printed, and `__del__` does
    not log off: it would wait for an answer.
    """

    def __init__(self, connection: socket.socket) -> None:
        for name in ("setDaemon", "currentThread"):
            warnings.filterwarnings(
                "ignore", rf"{name}\(\) is deprecated", DeprecationWarning, r"asterisk\.manager"
            )
        super().__init__()
        self._connected, self._running = _Flag(), _Flag()
        self.title = "Asterisk Call Manager"  # already read: pyst2 would take any line for it
        self._raw = connection
        self._sock = connection.makefile("rwb", buffering=0)
        # pyst2 flushes after it writes; by then the PBX may have answered and hung up, and a closed
        # file refuses that: the answer would be lost. Without a buffer there is nothing to flush.
        self._sock.flush = _nothing  # type: ignore[method-assign]  # of this one file only
        self._items: list[Mapping[str, str]] = []
        self._listed = threading.Event()
        self._flooded = False
        self.register_event("*", self._take_item)
        self._connected.set()
        self._running.set()
        self.message_thread.start()
        self.event_dispatch_thread.start()

    def ask(self, action: dict[str, str | list[str]]) -> Answer:
        """Send an action and wait for its answer; blocks."""
        self._items = []
        self._listed.clear()
        response = self.send_action(action)
        if response.get_header("EventList") == "start":
            self._listed.wait()
            if self._flooded:
                raise AmiError("flood", "an answer of the PBX has no end: given up")
            if not self._running.is_set():
                raise OSError("cut")
        return Answer(dict(response.headers), tuple(self._items))

    def stop(self) -> None:
        """End the connection and release the thread that waits for it."""
        self._running.clear()
        self._connected.clear()
        with suppress(OSError):
            self._raw.shutdown(socket.SHUT_RDWR)  # a close alone would not wake the reader
        self._raw.close()
        self._message_queue.put(None)
        self._event_queue.put(None)
        self._response_queue.put(None)
        self._listed.set()

    def _take_item(self, event: Any, _manager: object) -> None:  # noqa: ANN401 - pyst2's
        if event.headers.get("EventList", "").lower() in {"complete", "cancelled"}:
            self._listed.set()
        elif len(self._items) < _MAX_ITEMS:
            self._items.append(dict(event.headers))
        else:
            self._flooded = True
            self._listed.set()

    def message_loop(self) -> None:
        with suppress(Exception):
            super().message_loop()
        self.stop()

    def _receive_data(self) -> None:
        with suppress(Exception):
            super()._receive_data()
        with suppress(Exception):
            self._sock.close()  # here: no other thread may close what this one reads
        self._message_queue.put(None)

    def event_dispatch(self) -> None:
        with suppress(Exception):
            super().event_dispatch()

    def close(self) -> None:
        self.stop()

    def __del__(self) -> None:
        with suppress(Exception):
            self.stop()
