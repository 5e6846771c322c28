"""A terminal for tests: what is on its screen, and a call that is shown there."""

import io
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from agi_bridge.agi import Channel, Server
from agi_bridge.lab.demo.console import ConsoleReporter
from agi_bridge.lab.demo.environment import BridgeProcess
from agi_bridge.lab.softphone import Sounds, run_softphone
from agi_bridge.speech import SHIPPED
from tests.support.captured_log import WatchedText

PROMPT = str(SHIPPED / "en" / "enter-number")
DID = "+14155550111"


class Screen(WatchedText):
    """A terminal's screen, which can be waited for."""

    async def shows(self, text: str) -> None:
        while text not in self.getvalue():
            self._news.clear()
            await self._news.wait()


def on(screen: io.StringIO) -> Console:
    return Console(file=screen, highlight=False)


async def call(
    handler: Callable[[Channel], Awaitable[None]],
    keys: str | None = "",
    *,
    dial: str = "ANSWER",
    pace: float = 0.0,
    screen: io.StringIO | None = None,
    path: str = "consent",
) -> tuple[int, str]:
    screen = screen or io.StringIO()
    async with Server(handler, port=0) as server:
        code = await run_softphone(
            f"agi://127.0.0.1:{server.port}/{path}",
            to=DID,
            keys=keys,
            caller_id="+14155550100",
            dial=dial,
            pace=pace,
            console=on(screen),
        )
    return code, screen.getvalue()


async def done(channel: Channel) -> None:
    await channel.set_variable("AGI_BRIDGE_RESULT", "done")


def reporter(screen: io.StringIO) -> ConsoleReporter:
    return ConsoleReporter(on(screen), Sounds())


def bridge(folder: Path, **more: Any) -> BridgeProcess:
    return BridgeProcess(folder, hook_url="http://127.0.0.1:9/", hook_key="k", engine=[], **more)
