"""The life cycle of the process: signals, notifications to systemd, start, drain and exit."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
import signal
import sys
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog

from agi_bridge import __version__
from agi_bridge.agi import stdio
from agi_bridge.app.background import Stop
from agi_bridge.app.build import applications, build_services
from agi_bridge.app.ledger import open_ledger
from agi_bridge.app.service import running
from agi_bridge.app.systemd import notify, watchdog_seconds
from agi_bridge.call import CallHandler
from agi_bridge.history import History

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from agi_bridge.app.service import Service
    from agi_bridge.settings import Settings

NOTIFY_SECONDS: Final = 10.0
"""Between two status lines for systemd, and at most between two signs of life."""
EXTENSION_SECONDS: Final = 60
"""How much longer systemd is asked to wait while calls drain, each time it is told."""

TURN_SECONDS: Final = 0.0005
"""How long a thread computes before it lets another one that waits compute."""


async def serve(settings: Settings, load: Callable[[], Settings] | None = None) -> None:
    """Take calls until a signal to stop; drain them; a second signal ends them.

    A signal during the start ends it at once, and so does a third signal at any time: the stored
    data is then as after a crash. SIGHUP reloads the configuration. Signals that programs use
    for other purposes (SIGUSR1, SIGUSR2) are logged and change nothing.

    Args:
        settings: the configuration.
        load: reads the configuration again, for a reload; None disables reloads.

    Raises what `running` raises when it cannot start.
    """
    stop, life = Stop(), _Life(asyncio.current_task())
    hangup = asyncio.Event()
    log = structlog.get_logger()
    notify(STATUS="starting")
    with (
        _signals({signal.SIGTERM, signal.SIGINT}, lambda number: life.end(number, stop)),
        _signals({signal.SIGHUP}, lambda _: hangup.set()),
        _signals({signal.SIGUSR1, signal.SIGUSR2}, _pass_over),
    ):
        try:
            async with (
                _telling_systemd() as ready,
                running(settings, stop, load) as service,
                _reloading(service, hangup),
            ):
                ready(service)
                life.started = True
                spare_the_collector()
                shorten_turns()
                log.info(
                    "service.listening",
                    host=settings.agi.host,
                    port=service.port,
                    version=__version__,
                )
                await stop.asked.wait()
                notify(STOPPING=1)
                await _drain(service, stop)
        except asyncio.CancelledError:
            if not life.ended_while_starting():
                raise
        log.info("service.stopped")


async def _drain(service: Service, stop: Stop) -> None:
    """Drain until all calls have ended or a second signal comes."""
    drained = asyncio.create_task(service.drain())
    forced = asyncio.create_task(stop.forced.wait())
    await asyncio.wait({drained, forced}, return_when=asyncio.FIRST_COMPLETED)
    if not drained.done():
        await service.count_forced(service.calls)
    for task in (drained, forced):
        task.cancel()
    await asyncio.wait({drained, forced})


@asynccontextmanager
async def _reloading(service: Service, hangup: asyncio.Event) -> AsyncIterator[None]:
    """Reload at each SIGHUP while the block runs; signals during a reload cause one more.

    So a thousand signals are a few reloads, and the last one is never missed.
    """

    async def reload_at_hangups() -> None:
        while True:
            await hangup.wait()
            hangup.clear()
            if not service.state.draining:
                await service.reloader.reload()

    task = asyncio.create_task(reload_at_hangups(), name="reload at SIGHUP")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


@asynccontextmanager
async def _telling_systemd() -> AsyncIterator[Callable[[Service], None]]:
    """Notify systemd of readiness, status and the watchdog, while the block runs.

    Yields what is called once the service is ready. The watchdog is notified from the event loop,
    so a hung loop is restarted (`WatchdogSec=`). The block is around the service: what is stored
    after its last call, outcomes and a checkpoint, may take longer than the watchdog is patient.
    """
    running: list[Service] = []
    watchdog = watchdog_seconds()
    period = NOTIFY_SECONDS if watchdog is None else min(NOTIFY_SECONDS, watchdog / 3)

    async def tell() -> None:
        while True:
            await asyncio.sleep(period)
            for service in running:
                states: dict[str, str | int] = {"STATUS": service.headline(), "WATCHDOG": 1}
                if service.state.draining:
                    states["EXTEND_TIMEOUT_USEC"] = EXTENSION_SECONDS * 1_000_000
                notify(**states)

    def ready(service: Service) -> None:
        running.append(service)
        notify(READY=1, STATUS=service.headline())

    task = asyncio.create_task(tell(), name="tell systemd")
    try:
        yield ready
    finally:
        task.cancel()
        await asyncio.wait({task})


class _Life:
    """Handles signals to stop: their effect depends on the phase of the service."""

    def __init__(self, task: asyncio.Task[Any] | None) -> None:
        assert task is not None  # noqa: S101 - for the type checker: it is made in a coroutine
        self._task = task
        self._cancelled = False
        self.started = False

    def end(self, number: int, stop: Stop) -> None:
        if stop.forced.is_set() or (stop.asked.is_set() and not self.started):
            # The way out does not end: go as if nobody had taken the signal.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif stop.asked.is_set():
            stop.forced.set()
        else:
            stop.asked.set()
            if not self.started:
                self._cancelled = True
                self._task.cancel()

    def ended_while_starting(self) -> bool:
        """Whether our signal handler cancelled the task; if so, take the cancellation back."""
        return self._cancelled and not self.started and not self._task.uncancel()


def _pass_over(number: int) -> None:
    structlog.get_logger().warning(
        "signal.ignored",
        signal=signal.Signals(number).name,
        fix="send SIGHUP to reload the configuration, SIGTERM to stop",
    )


@contextmanager
def _signals(numbers: set[signal.Signals], handle: Callable[[int], None]) -> Iterator[None]:
    """Handle signals in the event loop while the block runs, those too that were held back."""
    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, handle, number)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def shorten_turns() -> None:
    """Let the event loop and the ledger's thread take short turns at computing.

    With Python's 5 ms the ledger's thread waited as long after each statement while calls kept the
    loop busy: at 280 calls a second a caller's consent took two to five times as long to be stored.
    """
    sys.setswitchinterval(TURN_SECONDS)


def spare_the_collector() -> None:
    """Exclude long-lived objects from garbage collection (`gc.freeze`).

    A full collection takes milliseconds in which every caller waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


async def serve_stdio(settings: Settings) -> None:
    """Serve one call on standard input and output, as classic AGI.

    Asterisk starts this process, so it can read our files; they are not served over HTTP.

    Raises what `open_ledger` and `build_services` raise when it cannot start.
    """
    async with (
        await open_ledger(settings, create=True, owner=secrets.token_hex(16)) as ledger,
        History(settings.state_dir, settings.history.days, owner=False) as history,
        build_services(settings, ledger, history=history) as services,
    ):
        gc.freeze()
        gc.enable()
        await stdio.run(CallHandler(services), applications=applications(settings))
