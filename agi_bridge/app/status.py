"""Builds the status room for the running service, and runs the tasks that collect and serve it."""

from __future__ import annotations

import platform
import time
from typing import TYPE_CHECKING, Any

from agi_bridge.consent.signing import CommandSink
from agi_bridge.hook import Breaker
from agi_bridge.speech import MissingPrompt
from agi_bridge.status import Alerts, Facts, Probes, Status, StatusServer, Watch

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from agi_bridge.agi import Server
    from agi_bridge.call import Services
    from agi_bridge.settings import Settings
    from agi_bridge.status import ServiceState

    Chore = Callable[[], Coroutine[Any, Any, None]]


def status_facts(settings: Settings) -> Facts:
    """What the status needs of a configuration."""
    return Facts(
        lines=tuple(settings.lines),
        shared_ledger=isinstance(settings.ledger_place, str),
        checkpoint_seconds=settings.ledger.checkpoints.every_seconds,
    )


def build_status(state: ServiceState, server: Server, current: Callable[[], Services]) -> Status:
    """The status of a service.

    Args:
        state: what the service says of itself.
        server: takes the calls.
        current: gives the services that new calls get, which a reload may replace.
    """

    def hook_open() -> bool:  # not `open`, which ends as soon as a trial is due
        hook = current().hook
        return isinstance(hook, Breaker) and hook.failing

    probes = Probes(
        calls=lambda: server.calls,
        hook_open=hook_open,
        ledger_open=lambda: current().ledger.circuit_open,
    )
    services = current()
    return Status(state, services.metrics, probes, status_facts(services.settings))


def status_chores(
    settings: Settings, status: Status, current: Callable[[], Services], begun: asyncio.Event
) -> tuple[Chore, ...]:
    """The tasks that keep a status up to date, publish it and report problems.

    Args:
        settings: those that the service was started with: a listener stays where it is.
        status: what is kept up to date.
        current: gives the services that new calls get.
        begun: set when calls are taken. Only then the listener loads its HTTP server.
    """

    async def lost_prompts() -> tuple[str, ...]:
        services = current()
        lost = []
        for line in services.settings.lines.values():
            library = services.library_for(line)
            for language in line.languages:
                try:
                    intact = await library.intact(library.prompt(line.disclosure, language))
                except MissingPrompt:
                    intact = False
                if not intact:
                    lost.append(line.name)
                    break
        return tuple(lost)

    watch = Watch(status, current().ledger, settings.state_dir, lost_prompts)
    command = settings.alerts.command
    alerts = Alerts(
        status,
        CommandSink(command) if command else None,
        platform.node(),
        time.monotonic,
        settings.state_dir,
    )
    chores = (watch.run, watch.measure_lag, alerts.run)
    if not settings.status.enabled:
        return chores
    listener = StatusServer(settings.status, status)

    async def listen() -> None:
        await begun.wait()
        await listener.run()

    return *chores, listen
