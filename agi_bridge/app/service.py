"""The life of the service: build the services, listen, drain. The one place that knows them all."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import signal
import time
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import structlog

from agi_bridge import __version__
from agi_bridge.agi import SAFE_APPLICATIONS, Limits, Server, stdio
from agi_bridge.app.control import ControlSocket, Handler
from agi_bridge.app.descriptors import FIX, raise_soft_limit, required_shares, shares, shortage
from agi_bridge.app.ledger import (
    check_for_lost_events,
    checkpoint_publisher,
    load_keys,
    maintenance_schedule,
    open_ledger,
    service_lock,
)
from agi_bridge.app.speech import build_library, line_libraries, outdated_prompts
from agi_bridge.app.status import build_status, status_chores
from agi_bridge.call import CallHandler, Resubmitter, Services
from agi_bridge.consent import LedgerUnavailable
from agi_bridge.consent.ledger import Maintenance
from agi_bridge.hook import Breaker, HookClient
from agi_bridge.net import bind
from agi_bridge.observe import Metrics
from agi_bridge.speech import BadPrompts, Problem
from agi_bridge.status import HealthScript, ServiceState
from agi_bridge.web import RecordingEndpoint, WebServer

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.hook import Hook
    from agi_bridge.settings import Settings
    from agi_bridge.speech import Library

CHORE_SECONDS: Final = 60.0
"""How long a chore that broke is left alone."""
ANCHOR_SECONDS: Final = 15.0
"""How long the last checkpoint may take: a database that hangs must not hold up the end."""
DRAIN_SECONDS: Final = 30.0
"""How long calls in progress may go on after the first signal to stop."""
LEDGER_SECONDS: Final = 10.0
"""How long the ledger may take, at the stop, before and after a submission that is sent again."""


@dataclass(frozen=True, slots=True)
class Stop:
    """What ends the service: first nothing new is begun, then nothing more is waited for."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    forced: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def build_services(
    settings: Settings,
    ledger: Ledger,
    media: RecordingEndpoint | None = None,
    metrics: Metrics | None = None,
) -> AsyncIterator[Services]:
    """Build what all calls share besides the ledger: hook client, prompts.

    Args:
        settings: the configuration.
        ledger: keeps the consents.
        media: serves the prompts, if the PBX fetches them.
        metrics: count what happens; None: the services get their own.

    Raises:
        LedgerUnavailable: the database did not take the disclosures.
        BadPrompts: a folder of prompts cannot be used.
        BadEngine: an engine cannot be made here.
        HookConfigError: the hook's URL or certificates cannot be used.
    """
    address = None if media is None else media.address
    metrics = metrics or Metrics(settings.lines)
    prompts = await asyncio.to_thread(build_library, settings, address, metrics)
    try:
        await asyncio.to_thread(prompts.prepare)
        lines = await asyncio.to_thread(line_libraries, settings, prompts)
        await asyncio.to_thread(warn_of_old_words, settings, lines)
        async with hook_client(settings) as client:
            await keep_disclosures(settings, lines, ledger)
            hook = breaker(settings, client)
            sha256 = settings.sha256
            yield Services(settings, prompts, ledger, hook, sha256, lines, metrics=metrics)
    finally:
        await prompts.close()


@asynccontextmanager
async def running(settings: Settings, stop: Stop | None = None) -> AsyncIterator[Server]:
    """Take calls while the block runs; leaving it ends those in progress.

    Ports come first: one that is taken costs nothing but a line, and nothing is written. They take
    connections once all else is ready. Submissions that a crash left open are settled as `unknown`
    before: only this process may do so, as it is the one service here.

    Raises:
        OSError: an address cannot be listened on, or another service is at work here.
        and what `open_ledger` and `build_services` raise.
    """
    agi, stop = settings.agi, stop or Stop()
    metrics, state = Metrics(settings.lines), ServiceState()
    control: dict[str, Handler] = {}
    with ExitStack() as bound:
        listeners = await asyncio.to_thread(bind_all, settings)
        for each in (one for sockets in listeners.values() for one in sockets):
            bound.callback(each.close)
        share = shares(settings, enough_descriptors(settings))
        async with await open_ledger(settings, create=True) as ledger, service_lock(settings):
            await check_for_lost_events(settings, ledger)
            media = await asyncio.to_thread(served, settings)
            upkeep = Maintenance(
                ledger,
                checkpoint_publisher(settings),
                maintenance_schedule(settings),
                metrics=metrics,
            )
            async with build_services(settings, ledger, media, metrics) as services:
                await settle_open(ledger)
                server = Server(
                    # The status is made after the server, whose calls it counts.
                    HealthScript(CallHandler(services), lambda: status.readiness()),  # noqa: PLW0108
                    sockets=listeners["agi"],
                    limits=Limits(
                        max_calls=share.calls,
                        call_seconds=agi.max_call_seconds,
                        max_pending=share.waiting,
                    ),
                    allow=agi.allow,
                    host=agi.host,
                    token=agi.secret(),
                    applications=applications(settings),
                    on_refused=metrics.refusals.add,
                )
                status = build_status(state, server, lambda: services)
                control["status"] = lambda _request: status.document()
                async with (
                    anchored(upkeep),
                    chores(upkeep.run, services.library.start),
                    chores(*status_chores(settings, status, lambda: services)),
                    resubmitting(services, stop),
                    WebServer(
                        settings,
                        ledger,
                        media,
                        sockets=listeners["web"],
                        max_connections=share.web,
                        metrics=metrics,
                    ),
                    ControlSocket(settings.state_dir, control),
                    server,
                ):
                    state.listening, state.started_at = True, time.time()
                    yield server


def bind_all(settings: Settings) -> dict[str, list[socket.socket]]:
    """Bind the ports of a configuration, by listener: `agi`, and `web` if it listens. May block.

    Raises:
        OSError: a port is not available; all are closed again.
    """
    agi, web = settings.agi, settings.web
    with ExitStack() as kept:
        bound = {"agi": bind(agi.host, agi.port, "agi"), "web": []}
        for each in bound["agi"]:
            kept.callback(each.close)
        if settings.web_listens:
            bound["web"] = bind(web.host, web.port, "web")
        kept.pop_all()
    return bound


def enough_descriptors(settings: Settings) -> int:
    """Raise the limit of file descriptors; say so if it stays too low. Returns what it is."""
    limit = raise_soft_limit(required_shares(settings).total)
    if (problem := shortage(settings, limit)) is not None:
        log = structlog.get_logger()
        log.warning("descriptors.too_few", limit=limit, problem=problem, fix=FIX)
    return limit


async def settle_open(ledger: Ledger) -> None:
    """Settle what a crash left open.

    Raises:
        LedgerUnavailable: the database failed.
    """
    left_open = await ledger.recover()
    if left_open:
        structlog.get_logger().warning(
            "service.open_submissions_settled",
            count=left_open,
        )


def served(settings: Settings) -> RecordingEndpoint | None:
    """What serves the recordings if the PBX fetches them. Blocks.

    Raises:
        KeyFault: the ledger's keys, one of which the addresses are made with, are not there.
    """
    if settings.speech.delivery == "files":
        return None
    keys, _ = load_keys(settings)
    return RecordingEndpoint(settings.speech.url, keys.lookup)


@asynccontextmanager
async def anchored(upkeep: Maintenance) -> AsyncIterator[None]:
    """Anchor at the end of the block what happened last."""
    try:
        yield
    finally:
        finishing = asyncio.create_task(upkeep.finish())
        if not (await asyncio.wait({finishing}, timeout=ANCHOR_SECONDS))[0]:
            finishing.cancel()
            structlog.get_logger().error(
                "service.last_checkpoint_timed_out", seconds=ANCHOR_SECONDS
            )


@asynccontextmanager
async def chores(*work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Do what is to be done beside the calls while the block runs."""
    never = asyncio.Event()
    tasks = [asyncio.create_task(_go_on(each, never)) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@asynccontextmanager
async def resubmitting(services: Services, stop: Stop) -> AsyncIterator[None]:
    """Send again what was not sent while the block runs, until a stop is asked for.

    What is on its way then may end, as a cancelled submission would be `unknown` for good; a stop
    that is forced does not wait for it. At the end of the block, when calls have ended, outcomes
    are stored that the ledger did not take when they came.
    """
    resubmission = Resubmitter(services, stopping=stop.asked)
    work = asyncio.create_task(_go_on(resubmission.run, stop.asked), name="resubmission")
    try:
        yield
    finally:
        stop.asked.set()
        seconds = services.settings.hook.total_seconds + LEDGER_SECONDS
        forced = asyncio.create_task(stop.forced.wait())
        await asyncio.wait({work, forced}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in (work, forced):
            task.cancel()
        await asyncio.wait({work, forced})
        try:
            await services.deferred_outcomes.store(services.ledger)
        except LedgerUnavailable as error:
            structlog.get_logger().error("service.outcomes_not_stored", exc_info=error)


async def _go_on(work: Callable[[], Coroutine[Any, Any, None]], stopping: asyncio.Event) -> None:
    """Do a chore until a stop: what ends is begun again after a while, what breaks is said so too.

    So the speech models that are to be loaded before a caller needs them are there again after one
    of them died.
    """
    while not stopping.is_set():
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - calls go on, whatever happens beside them
            structlog.get_logger().error("service.background_task_failed", exc_info=error)
        waiting = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({waiting}, timeout=CHORE_SECONDS)
        finally:
            waiting.cancel()
            await asyncio.wait({waiting})


async def keep_disclosures(
    settings: Settings, prompts: Mapping[str, Library], ledger: Ledger
) -> None:
    """Put every disclosure that a caller may hear into the ledger, text and sound.

    Raises:
        LedgerUnavailable: the database did not take it.
        BadPrompts: a file is no longer the one that was read; the hash kept would be another's.
    """
    for line in settings.lines.values():
        for language in line.languages:
            recording = prompts[line.name].prompt(line.disclosure, language)
            wav = await asyncio.to_thread(recording.wav.read_bytes)
            if hashlib.sha256(wav).hexdigest() != recording.sha256:
                raise BadPrompts([Problem("changed").of(recording.wav)])
            await ledger.register_disclosure(
                recording.language, recording.text, recording.sha256, wav
            )


def warn_of_old_words(settings: Settings, prompts: Mapping[str, Library]) -> None:
    """Say which lines' prompts were made from other texts than those in force. Blocks."""
    for line in settings.lines.values():
        if old := outdated_prompts(settings, line, prompts[line.name]):
            structlog.get_logger().error(
                "service.prompts_outdated",
                line=line.name,
                prompts=old,
            )


def breaker(settings: Settings, client: HookClient) -> Hook:
    """The hook behind its circuit breaker, if the configuration wants one."""
    hook = settings.hook
    if not hook.breaker_failures:
        return client
    return Breaker(client, failures=hook.breaker_failures, seconds=hook.breaker_seconds)


def applications(settings: Settings) -> frozenset[str]:
    """What calls may have the PBX run: what is safe, and what it is to speak with."""
    voices = (engine.command[0] for engine in settings.speech.engines if engine.kind == "pbx")
    return SAFE_APPLICATIONS.union(voices)


def hook_client(settings: Settings) -> HookClient:
    """The hook's client, from the configuration."""
    hook = settings.hook
    return HookClient(
        hook.url,
        method=hook.method,
        context=hook.context,
        connect_seconds=hook.connect_seconds,
        total_seconds=hook.total_seconds,
        max_bytes=hook.max_bytes,
        keepalive=hook.keepalive,
        prepare_seconds=hook.prepare_seconds,
        ca_file=None if hook.ca_file is None else str(hook.ca_file),
    )


async def serve(settings: Settings) -> None:
    """Take calls until a signal to stop; let those in progress end; a second signal ends them.

    A signal while it starts ends it at once, and so does the third one whatever is going on: what
    is stored then is as after a crash. Signals that programs use for other purposes (SIGHUP from a
    closed terminal or for a reload, SIGUSR1, SIGUSR2) are logged and change nothing.

    Raises what `running` raises when it cannot start.
    """
    stop, life = Stop(), _Life(asyncio.current_task())
    log = structlog.get_logger()
    with (
        _signals({signal.SIGTERM, signal.SIGINT}, lambda number: life.end(number, stop)),
        _signals({signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}, _pass_over),
    ):
        try:
            async with running(settings, stop) as server:
                life.started = True
                spare_the_collector()
                log.info(
                    "service.listening",
                    host=settings.agi.host,
                    port=server.port,
                    version=__version__,
                )
                await stop.asked.wait()
                log.info("service.stopping", seconds=DRAIN_SECONDS)
                drained = asyncio.create_task(server.drain(DRAIN_SECONDS))
                forced = asyncio.create_task(stop.forced.wait())
                await asyncio.wait({drained, forced}, return_when=asyncio.FIRST_COMPLETED)
                for task in (drained, forced):
                    task.cancel()
                await asyncio.wait({drained, forced})
        except asyncio.CancelledError:
            if not life.ended_while_starting():
                raise
        log.info("service.stopped")


class _Life:
    """What a signal to stop does, which depends on how far the service has come."""

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
        """Tell whether the task's cancellation was ours, and take it back."""
        return self._cancelled and not self.started and not self._task.uncancel()


def _pass_over(number: int) -> None:
    structlog.get_logger().warning(
        "signal.ignored",
        signal=signal.Signals(number).name,
        fix="restart agi-bridge to have it read its configuration again",
    )


@contextmanager
def _signals(numbers: set[signal.Signals], handle: Callable[[int], None]) -> Iterator[None]:
    """Have signals handled in the event loop while the block runs."""
    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.add_signal_handler(number, handle, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def spare_the_collector() -> None:
    """Let the garbage collector look at what calls leave, not at what lives as long as the service.

    Going through all of it takes milliseconds in which every caller waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def serve_stdio(settings: Settings) -> None:
    """Serve the one call on standard input and output, as classic AGI.

    Asterisk runs this itself, so it sees our files, whatever way other bridges deliver them.

    Raises what `open_ledger` and `build_services` raise when it cannot start.
    """
    async with (
        await open_ledger(settings, create=True) as ledger,
        build_services(settings, ledger) as services,
    ):
        await stdio.run(CallHandler(services), applications=applications(settings))
