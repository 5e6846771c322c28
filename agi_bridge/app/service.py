"""The running service: binds, builds, listens, reloads, drains. The one place that knows all rooms.

`app.lifecycle` runs it until a signal ends it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, asynccontextmanager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from agi_bridge.agi import Server
from agi_bridge.app.background import (
    LEDGER_SECONDS,
    Stop,
    anchored,
    chores,
    resubmitting,
)
from agi_bridge.app.build import applications, build_services
from agi_bridge.app.console import console_chores
from agi_bridge.app.control import ControlSocket
from agi_bridge.app.current import CurrentServices
from agi_bridge.app.descriptors import shares
from agi_bridge.app.history import answer_calls, in_progress
from agi_bridge.app.ledger import (
    chain_lease,
    check_for_lost_events,
    checkpoint_publisher,
    load_keys,
    maintenance_schedule,
    open_ledger,
    service_lock,
    timestamp_authority,
)
from agi_bridge.app.left_overs import clear_left_overs
from agi_bridge.app.listeners import agi_limits, bind_all, enough_descriptors
from agi_bridge.app.push import Pushing
from agi_bridge.app.reload import Reloader
from agi_bridge.app.status import build_status, status_chores, status_facts
from agi_bridge.call import SendingHours
from agi_bridge.consent import LedgerLost
from agi_bridge.consent.ledger import Maintenance
from agi_bridge.control_client import ControlError
from agi_bridge.history import History
from agi_bridge.observe import Metrics, set_log_level
from agi_bridge.speech import EnginePool
from agi_bridge.status import ForcedCalls, HealthScript, ServiceState, headline

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime
    from pathlib import Path

    from agi_bridge.app.control import Handler, Request
    from agi_bridge.call import Services
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.settings import Line, Settings
    from agi_bridge.status import Status
    from agi_bridge.web import RecordingEndpoint, WebServer

    Pause = Callable[[asyncio.Event, float], Awaitable[None]]


class _Builder(Protocol):
    def __call__(
        self, settings: Settings, before: Services | None = None
    ) -> AbstractAsyncContextManager[Services]:
        """Build the services of a configuration."""
        ...


class Service:
    """The running service: its server and state, and the requests that it answers.

    Attributes:
        server: the FastAGI server.
        current: the services in use.
        state: what the status room reads.
        metrics: the counters.
        control: the control socket, for commands on this machine.
    """

    def __init__(
        self,
        *,
        server: Server,
        web: WebServer | None,
        current: CurrentServices,
        upkeep: Maintenance,
        pushing: Pushing,
        status: Status,
        build: _Builder,
        load: Callable[[], Settings],
    ) -> None:
        self.server = server
        self.current = current
        self.state = status.state
        self.metrics = current.services.metrics
        self.control: dict[str, Handler] = {
            "reload": self._answer_reload,
            "status": lambda _: status.document() | in_progress(current.services.history),
            "calls": lambda request: answer_calls(current.services.history, request.arguments),
        }
        self._web = web
        self._upkeep = upkeep
        self._pushing = pushing
        self._status = status
        self._build = build
        self._forced = False
        self.reloader = Reloader(
            load, lambda: current.services.settings, self._apply, self.state, self.metrics
        )

    @property
    def port(self) -> int:
        """The port of the FastAGI server."""
        return self.server.port

    @property
    def calls(self) -> int:
        """The number of calls in progress."""
        return self.server.calls

    @property
    def status(self) -> Status:
        """What the service is like."""
        return self._status

    def headline(self) -> str:
        """The state in a few words, for systemd."""
        draining = "stopping: " if self.state.draining else ""
        return f"{draining}{headline(self._status.document())}"

    async def drain(self, pause: Pause | None = None) -> None:
        """Take no more calls, and end those in progress according to their phase.

        Callers inside a Dial are left to Asterisk at once. Dialogues may end by themselves, for
        `agi.drain_seconds`. The callers left then go to the default destination; what they agreed
        to is still submitted.

        Args:
            pause: waits until the event is set, but so many seconds at most.
        """
        pause = pause or _pause
        settings = self.current.services.settings
        log = structlog.get_logger()
        self.state.draining, self.state.listening = True, False
        self.server.stop_listening()
        left = self.current.services.dialled_calls.leave()
        seconds = settings.agi.drain_seconds
        log.info("service.stopping", seconds=seconds, left_to_pbx=left)
        await pause(self.server.finished, seconds)
        forced = self.server.release_calls()
        await self.count_forced(forced)
        await pause(self.server.finished, settings.hook.total_seconds + LEDGER_SECONDS)

    async def count_forced(self, calls: int) -> None:
        """Count calls that a stop does not wait for, here and for the next process; only once."""
        if self._forced or not calls:
            return
        self._forced = True
        structlog.get_logger().warning("service.drain_forced", calls=calls)
        self.metrics.drain_forced(calls)
        state_dir = self.current.services.settings.state_dir
        before = await asyncio.to_thread(forced_calls, state_dir)
        try:
            await asyncio.to_thread(before.more(calls, time.time()).write, state_dir)
        except OSError as error:
            structlog.get_logger().warning("service.drain_forced_not_kept", reason=error.strerror)

    async def _answer_reload(self, _request: Request) -> Mapping[str, Any]:
        if self.state.draining:
            raise ControlError("draining", "the service is stopping and does not reload")
        return (await self.reloader.reload()).document()

    async def _apply(self, settings: Settings) -> None:
        """Apply a configuration to everything that begins from now on.

        Raises what `build_services` raises; then nothing has changed.
        """
        await self.current.use(self._build(settings, self.current.services))
        share = shares(settings, enough_descriptors(settings))
        self.server.reconfigure(agi_limits(settings, share), applications(settings))
        if self._web is not None:
            self._web.use(settings)
        await self._pushing.use(settings)
        self._upkeep.schedule = maintenance_schedule(settings)
        await self.current.services.history.use(settings.history.days)
        self.metrics.add_lines(settings.lines)
        self._status.facts = status_facts(settings)
        set_log_level(settings.log.level)


@asynccontextmanager
async def running(
    settings: Settings,
    stop: Stop | None = None,
    load: Callable[[], Settings] | None = None,
) -> AsyncIterator[Service]:
    """Take calls while the block runs; leaving it ends those in progress.

    Ports are bound first: if one is taken, nothing has been written. They accept connections once
    everything else is ready. Before that, submissions that a crash left open are settled as
    `unknown`: only this process may do so, as it is the only service with this `state_dir`.

    Args:
        settings: the configuration.
        stop: tells background tasks that a stop was requested.
        load: reads the configuration again, for a reload; None disables reloads.

    Raises:
        OSError: an address cannot be listened on, or another service has this state_dir.
        and what `open_ledger` and `build_services` raise.
    """
    stop, metrics = stop or Stop(), Metrics(settings.lines)
    with ExitStack() as bound:
        listeners = await bind_all(settings, bound)
        share = shares(settings, enough_descriptors(settings))
        async with (
            await open_ledger(settings, create=True) as ledger,
            service_lock(settings),
            chain_lease(ledger),
            History(settings.state_dir, settings.history.days, metrics) as history,
            CurrentServices() as current,
        ):
            await asyncio.to_thread(clear_left_overs, settings.state_dir)
            await check_for_lost_events(settings, ledger)
            media, engines = await asyncio.to_thread(served, settings), EnginePool()

            def build(
                settings: Settings, before: Services | None = None
            ) -> AbstractAsyncContextManager[Services]:
                return build_services(
                    settings,
                    ledger,
                    media,
                    metrics=metrics,
                    engines=engines,
                    before=before,
                    history=history,
                )

            await current.use(build(settings))
            await settle_open(ledger)
            server = Server(
                # The status is made after the server, whose calls it counts.
                HealthScript(current, lambda: status.readiness()),  # noqa: PLW0108 - bound later
                sockets=listeners["agi"],
                limits=agi_limits(settings, share),
                allow=settings.agi.allow,
                host=settings.agi.host,
                token=settings.agi.secret(),
                applications=applications(settings),
                on_refused=metrics.refusals.add,
            )
            forced = await asyncio.to_thread(forced_calls, settings.state_dir)
            unseen = forced.recent(time.time())
            metrics.drain_forced(forced.total - unseen)
            status = build_status(ServiceState(), server, lambda: current.services)
            metrics.drain_forced(unseen)  # after the status has begun to look: these are news
            service = Service(
                server=server,
                web=_web(
                    settings,
                    ledger,
                    media,
                    current,
                    sockets=listeners["web"],
                    max_connections=share.web,
                    metrics=metrics,
                ),
                current=current,
                upkeep=Maintenance(
                    ledger,
                    checkpoint_publisher(settings),
                    maintenance_schedule(settings),
                    metrics=metrics,
                    authority=await asyncio.to_thread(timestamp_authority, settings),
                ),
                pushing=Pushing(ledger, settings, metrics),
                status=status,
                build=build,
                load=load or (lambda: settings),
            )
            async with _at_work(service, stop, settings):
                yield service


@asynccontextmanager
async def _at_work(service: Service, stop: Stop, settings: Settings) -> AsyncIterator[None]:
    """Listen, and run the background tasks, while the block runs."""
    current, upkeep = service.current, service._upkeep  # noqa: SLF001 - this module's own
    begun = asyncio.Event()

    async def load_models() -> None:
        with current.lease() as services:
            await services.library.start()

    async with (
        anchored(upkeep),
        chores(upkeep.run, load_models, *_lookups(service._web)),  # noqa: SLF001 - our own class
        service._pushing,  # noqa: SLF001 - our own class
        chores(*([upkeep.answer_requests] if settings.ledger.url else [])),
        chores(*status_chores(settings, service._status, lambda: current.services, begun)),  # noqa: SLF001 - our own class
        chores(*console_chores(settings, service, begun)),
        resubmitting(current, stop),
        service._web or nullcontext(),  # noqa: SLF001 - our own class
        ControlSocket(settings.state_dir, service.control, settings.file),
        service.server,
    ):
        service.state.listening, service.state.started_at = True, time.time()
        begun.set()
        try:
            yield
        finally:
            service.state.listening = False
            await service.reloader.close()


def _lookups(web: WebServer | None) -> list[Callable[[], Coroutine[Any, Any, None]]]:
    """The task that finds out whose messages are, where the web takes some."""
    return [] if web is None or web.lookups is None else [web.lookups.run]


def _web(
    settings: Settings,
    ledger: Ledger,
    media: RecordingEndpoint | None,
    current: CurrentServices,
    *,
    sockets: list[socket.socket],
    max_connections: int,
    metrics: Metrics,
) -> WebServer | None:
    """The web; None if it is not configured. Loading it costs a tenth of the start."""
    if not settings.web_listens:
        return None
    from agi_bridge.web import StopLookups, WebServer  # noqa: PLC0415 - the reason stands above

    return WebServer(
        settings,
        ledger,
        media,
        sockets=sockets,
        max_connections=max_connections,
        metrics=metrics,
        hours=may_be_texted,
        lookups=StopLookups(lambda: current.services.settings, ledger, metrics),
    )


def may_be_texted(line: Line, number: str, moment: datetime) -> bool:
    """Whether a line's hours let a number be texted, for systems that ask over HTTP."""
    return SendingHours.of(line).allow(number, moment)


def forced_calls(state_dir: Path) -> ForcedCalls:
    """The number of calls that earlier stops did not wait for. Blocks; never raises."""
    try:
        return ForcedCalls.read(state_dir)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not as it was written"
        structlog.get_logger().warning("service.drain_forced_not_kept", reason=reason)
        return ForcedCalls()


async def _pause(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, at most so many seconds."""
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({waiting}, timeout=seconds)
    finally:
        waiting.cancel()
        await asyncio.wait({waiting})


async def settle_open(ledger: Ledger) -> None:
    """Settle submissions that a crash left open, and what waited when a backup was made.

    Raises:
        LedgerUnavailable: the database failed.
    """
    left_open = restored = 0
    with suppress(LedgerLost):  # logged; nothing is stored
        left_open = await ledger.recover()
        restored = await ledger.expire_restored()
    log = structlog.get_logger()
    if left_open:
        log.warning("service.open_submissions_settled", count=left_open)
    if restored:
        log.warning("service.restored_consents_expired", count=restored)


def served(settings: Settings) -> RecordingEndpoint | None:
    """The endpoint that serves recordings, if the PBX fetches them. Blocks.

    Raises:
        KeyFault: the ledger's keys are missing; one of them derives the addresses.
    """
    if settings.speech.delivery == "files":
        return None
    from agi_bridge.web import RecordingEndpoint  # noqa: PLC0415 - see `_web`

    keys, _ = load_keys(settings)
    return RecordingEndpoint(settings.speech.url, keys.lookup)
