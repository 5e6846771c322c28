"""Runs the console beside the calls, and answers what it asks of the service.

The console has its own thread and event loop. Rendering a page computes for milliseconds, which in
the calls' loop every caller would wait for; in a thread, Python gives the turn back after half a
millisecond (`lifecycle.shorten_turns`). bench/console_cost.py measures both.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import structlog
import uvloop

from agi_bridge.app.console_export import clear_exports, export_record
from agi_bridge.app.doctor_report import last_report
from agi_bridge.app.history import number_tag, reading_calls
from agi_bridge.app.ledger import open_ledger
from agi_bridge.app.push import push_routes
from agi_bridge.speech import MissingPrompt

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from agi_bridge.app.console_export import ExportedRecord
    from agi_bridge.app.current import CurrentServices
    from agi_bridge.app.reload import Reloader
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.console import Live
    from agi_bridge.history import HistoryReader
    from agi_bridge.prompts import LinePrompts
    from agi_bridge.settings import Settings
    from agi_bridge.status import Status

T = TypeVar("T")

MOST_SHOWN: Final = 25
"""Calls in progress that a page shows, the newest."""
STOP_SECONDS: Final = 10.0
"""How long a stop waits for the console's thread: answers in progress may take five."""
ENDED: Final = "it has ended and starts again within a minute; see console.failed in the log"
"""Why the console cannot be opened when its thread has ended."""


class _Running(Protocol):
    """What the console uses of the service."""

    @property
    def current(self) -> CurrentServices: ...

    @property
    def status(self) -> Status: ...

    @property
    def reloader(self) -> Reloader: ...


def console_chores(
    settings: Settings, running: _Running, begun: asyncio.Event
) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
    """The task that runs the console, if it is enabled; it begins when calls are taken."""
    if not settings.console.enabled:
        return ()

    async def show() -> None:
        await begun.wait()
        console = ConsoleThread(ConsoleService(running, asyncio.get_running_loop()))
        try:
            await console.run()
        finally:
            await asyncio.shield(asyncio.to_thread(console.stop))
            clear_exports(settings.state_dir)
        # Not reached at a stop, which cancels.
        running.status.state.console_problem = ENDED

    return (show,)


class ConsoleThread:
    """The thread of the console, with its event loop.

    Args:
        service: what the console asks.
    """

    def __init__(self, service: ConsoleService) -> None:
        self._service = service
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[Any] | None = None
        self._ended: Callable[[], None] = lambda: None
        self._stopped = threading.Event()
        self._ready = threading.Event()
        # A daemon thread: a page that hangs must not keep the process from exiting.
        self._thread = threading.Thread(target=self._run, name="console", daemon=True)

    async def run(self) -> None:
        """Start the thread, and wait until cancelled or until it ends."""
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def end() -> None:
            with suppress(RuntimeError):  # the calls' loop is closed
                loop.call_soon_threadsafe(ended.set)

        self._ended = end
        self._thread.start()
        await ended.wait()

    def stop(self) -> None:
        """End the thread. Blocks, for at most STOP_SECONDS."""
        if not self._thread.ident:
            return
        self._stopped.set()
        end = time.monotonic() + STOP_SECONDS
        self._ready.wait(STOP_SECONDS)
        if self._loop is not None and self._serving is not None:
            with suppress(RuntimeError):  # its loop is closed: it has ended
                self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join(max(0.0, end - time.monotonic()))

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except asyncio.CancelledError:
            pass
        except (Exception, SystemExit) as error:  # noqa: BLE001 - calls go on without a console
            structlog.get_logger().error("console.failed", exc_info=error)
        finally:
            self._ready.set()
            self._ended()

    async def _serve(self) -> None:
        # Loaded here, once calls are taken: templates and argon2 would be a part of the start.
        from agi_bridge.console import ConsoleServer  # noqa: PLC0415 - the reason stands above

        self._loop, self._serving = asyncio.get_running_loop(), asyncio.current_task()
        self._ready.set()
        if self._stopped.is_set():
            return
        try:
            await ConsoleServer(self._service).run()
        finally:
            await self._service.close()


class ConsoleService:
    """The running service as the console sees it (`console.Service`).

    Args:
        running: the service.
        loop: the calls' event loop, to which what is asked of it belongs.
    """

    def __init__(self, running: _Running, loop: asyncio.AbstractEventLoop) -> None:
        self._running = running
        self._loop = loop
        self._ledger: Ledger | None = None
        self._routed: Settings | None = None
        self._opening = asyncio.Lock()

    @property
    def settings(self) -> Settings:
        """The configuration in force."""
        return self._running.current.services.settings

    async def live(self, calls: Collection[str] = ()) -> Live:
        """The service now, with the timelines of these calls."""
        from agi_bridge.console import Live  # noqa: PLC0415 - loaded by the console's thread

        def look() -> Live:
            history = self._running.current.services.history
            return Live(
                self._running.status.document(),
                history.live(newest=MOST_SHOWN),
                {each: history.live_timeline(each) for each in calls},
            )

        return await self._ask(look)

    def report_problem(self, problem: str | None) -> None:
        """Say in the status why the console cannot be opened; None: it can."""

        def note() -> None:
            self._running.status.state.console_problem = problem

        with suppress(RuntimeError):  # the calls' loop is closed
            self._loop.call_soon_threadsafe(note)

    def number_key(self, number: str) -> str:
        """A keyed hash of a number; "" without the history's key. Blocks."""
        return number_tag(self.settings, number)

    async def reload(self) -> Mapping[str, Any]:
        """Read the configuration again."""

        async def reload() -> Mapping[str, Any]:
            return (await self._running.reloader.reload()).document()

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(reload(), self._loop))

    def history(self) -> AbstractContextManager[HistoryReader]:
        """The call history. Blocks."""
        return reading_calls(self.settings)

    async def ledger(self) -> Ledger:
        """The ledger, through the console's own connection; it stays open until `close`."""
        async with self._opening:
            settings = self.settings
            if self._ledger is None:
                self._ledger, self._routed = await open_ledger(settings), settings
            if self._routed is not settings:  # a reload may have changed who is told of what
                self._ledger.push_to(push_routes(settings))
                self._routed = settings
            return self._ledger

    async def close(self) -> None:
        """Close the ledger."""
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            await ledger.close()

    async def export(self, consent_id: str, name: str) -> ExportedRecord:
        """Export a record for a person, in another process."""
        return await export_record(self.settings, consent_id, name)

    def prompts(self, line: str) -> LinePrompts:
        """The prompts of a line. Blocks."""
        from agi_bridge.app.speech import inspect_lines  # noqa: PLC0415 - numpy: not at the start

        settings = self.settings
        (found,) = inspect_lines(settings, [settings.lines[line]])
        return found

    def doctor_report(self) -> Mapping[str, Any] | None:
        """The doctor's last report. Blocks."""
        return last_report(self.settings.state_dir)

    async def recording(self, line: str, language: str, name: str) -> Path | None:
        """The file that calls play for a prompt."""

        def find() -> Path | None:
            services = self._running.current.services
            configured = services.settings.lines.get(line)
            if configured is None:
                return None
            try:
                return services.library_for(configured).prompt(name, language).wav
            except MissingPrompt:
                return None

        return await self._ask(find)

    async def _ask(self, look: Callable[[], T]) -> T:
        """Call a function in the calls' event loop; it only copies values."""

        async def work() -> T:
            return look()

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work(), self._loop))
