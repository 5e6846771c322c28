"""Reloads the configuration: reads, checks and builds it, then applies all of it or none.

A refused configuration changes nothing and is seen: in the log, in `ServiceState.stale`, in the
metrics, and in the answer to the request.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import structlog

from agi_bridge.app.systemd import notify
from agi_bridge.consent import ConsentError
from agi_bridge.hook import HookError
from agi_bridge.observe import mask_numbers
from agi_bridge.settings import SettingsError, keep_fixed, read_at_start, same_values
from agi_bridge.speech import SpeechError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from agi_bridge.observe import Metrics
    from agi_bridge.settings import Settings
    from agi_bridge.status import ServiceState

Outcome = Literal["applied", "unchanged", "refused"]


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """What became of one reload.

    Attributes:
        outcome: `applied`; `unchanged`, when the configuration says what it said before (recordings
            and files of secrets were read again all the same); or `refused`.
        config: the hash of the configuration in force, as in the record of consent.
        lines: how many lines are in force.
        faults: why it was refused, one line each.
        invalid: the configuration itself is wrong; else something that it names cannot be used.
        restart: settings that differ on disk and hold until a restart, by their full names.
        read_at_start: secrets that only a restart reads again, by their full names.
    """

    outcome: Outcome
    config: str
    lines: int
    faults: tuple[str, ...] = ()
    invalid: bool = False
    restart: tuple[str, ...] = ()
    read_at_start: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return this as a JSON document."""
        return asdict(self)


class Reloader:
    """Reloads one configuration, one reload at a time; requests that wait share the next.

    Args:
        load: reads the configuration and its secrets. Blocks.
        running: returns the configuration in force.
        apply: builds the services of a configuration and puts them in force.
        state: told what is in force.
        metrics: count reloads.
    """

    def __init__(
        self,
        load: Callable[[], Settings],
        running: Callable[[], Settings],
        apply: Callable[[Settings], Awaitable[None]],
        state: ServiceState,
        metrics: Metrics,
    ) -> None:
        self._load = load
        self._running = running
        self._apply = apply
        self._state = state
        self._metrics = metrics
        self._lock = asyncio.Lock()
        self._next: asyncio.Task[ReloadResult] | None = None

    async def reload(self) -> ReloadResult:
        """Reload, and return what became of it. Never raises but by cancellation."""
        if self._next is None:
            self._next = asyncio.create_task(self._in_turn(), name="reload")
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """Wait for the reload under way; the one that waits does not begin."""
        waiting, self._next = self._next, None
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait({waiting})
        async with self._lock:
            pass

    async def _in_turn(self) -> ReloadResult:
        async with self._lock:
            self._next = None  # who asks from now on may have changed the file again
            notify(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
            result = await self._reload()
            notify(READY=1)
        self._report(result)
        return result

    async def _reload(self) -> ReloadResult:
        running = self._running()
        try:
            read = await asyncio.to_thread(self._load)
            kept, waiting = keep_fixed(read, running)
            await self._apply(kept)
        except SettingsError as error:
            return self._refused(map(str, error.faults), invalid=True)
        except (ConsentError, SpeechError, HookError, OSError, ValueError) as error:
            return self._refused(str(error).splitlines() or [type(error).__name__])
        except Exception as error:  # noqa: BLE001 - a failed reload must not end calls
            structlog.get_logger().error("service.background_task_failed", exc_info=error)
            return self._refused(["unexpected error; see the service's log"])
        outcome: Outcome = "unchanged" if same_values(kept, running) else "applied"
        return ReloadResult(
            outcome,
            restart=waiting,
            read_at_start=read_at_start(kept),
            config=kept.sha256,
            lines=len(kept.lines),
        )

    def _refused(self, faults: Iterable[str], *, invalid: bool = False) -> ReloadResult:
        running = self._running()
        lines = tuple(mask_numbers(fault) for fault in faults)
        return ReloadResult(
            "refused",
            faults=lines,
            invalid=invalid,
            config=running.sha256,
            lines=len(running.lines),
        )

    def _report(self, result: ReloadResult) -> None:
        self._metrics.config_reloaded(result.outcome)
        log = structlog.get_logger()
        if result.outcome == "refused":
            first, *more = result.faults
            self._state.stale = f"{first} (and {len(more)} more)" if more else first
            log.error("config.refused", reason=first, faults=len(result.faults))
            return
        waits = f"{', '.join(result.restart)}: needs a restart"
        self._state.stale = waits if result.restart else None
        self._state.loaded_at = time.time()
        log.info(
            "config.reloaded",
            outcome=result.outcome,
            config=result.config,
            lines=result.lines,
            restart=result.restart or None,
        )
        if result.restart:
            log.warning("config.restart_needed", settings=result.restart)
