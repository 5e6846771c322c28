"""What open pages of the console cost by themselves: processor time of its thread, without calls.

`bench.console_cost` prints it beside what they cost under load.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import uvloop

from agi_bridge.app.console import MOST_SHOWN
from agi_bridge.console import ConsoleServer, Live
from agi_bridge.observe import Metrics
from agi_bridge.settings import ConsoleSettings
from agi_bridge.status import Facts, Probes, ServiceState, Status

if TYPE_CHECKING:
    from collections.abc import Collection

    from agi_bridge.console import Service

SECONDS: Final = 12.0
"""How long is measured."""
WARM_SECONDS: Final = 4.0
"""Until all pages are open."""
_REQUEST: Final = b"GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@dataclass
class Churning:
    """A service whose calls in progress are other ones at each look: the most there can be new.

    Attributes:
        looks: how often it was looked at.
    """

    looks: int = 0
    settings: Any = field(
        default_factory=lambda: SimpleNamespace(
            console=ConsoleSettings(enabled=True, sign_in="none", port=0)
        )
    )

    def __post_init__(self) -> None:
        probes = Probes(calls=lambda: 1000, hook_open=lambda: False, ledger_open=lambda: False)
        state = ServiceState(listening=True, unsent=0, waiting={}, free_bytes=10**10)
        self._status = Status(state, Metrics(("main",)), probes, Facts(lines=("main",)))

    def report_problem(self, problem: str | None) -> None:
        """Nobody asks for it."""
        del problem

    async def live(self, calls: Collection[str] = ()) -> Live:
        """As many calls as a page shows, all of them new."""
        del calls
        self.looks += 1
        began = "2026-11-27T01:00:00.000Z"
        rows = [
            {
                "id": f"{self.looks:08x}{number:06x}", "begun": began, "step_began": began,
                "line": "main", "language": "en", "caller": "+1***00", "step": "disclosure",
            }
            for number in range(MOST_SHOWN)
        ]  # fmt: skip
        return Live(self._status.document(), rows)


def alone(pages: int) -> tuple[float, float]:
    """Measure; return milliseconds of processor time a look, and the share of a core."""
    service, ready = Churning(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        server = ConsoleServer(cast("Service", service))
        running = asyncio.create_task(server.run())
        await server.listening.wait()
        ports.append(server.port or 0)
        ready.set()
        await running

    def run() -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    clock = time.pthread_getcpuclockid(thread.ident or 0)
    return asyncio.run(_measured(service, ports[0], pages, clock))


async def _measured(service: Churning, port: int, pages: int, clock: int) -> tuple[float, float]:
    opened = [asyncio.create_task(_keep_open(port)) for _ in range(pages)]
    await asyncio.sleep(WARM_SECONDS)
    looks, spent, began = service.looks, time.clock_gettime(clock), time.monotonic()
    await asyncio.sleep(SECONDS)
    looks, spent = service.looks - looks, time.clock_gettime(clock) - spent
    took = time.monotonic() - began
    for each in opened:
        each.cancel()
    await asyncio.wait(opened)
    return spent / looks * 1000, spent / took


async def _keep_open(port: int) -> None:
    """One page, which connects again whenever its stream ends."""
    while True:
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(_REQUEST)
            while await reader.read(1 << 18):
                pass
            writer.close()
        await asyncio.sleep(0.2)  # as the stream asks for
