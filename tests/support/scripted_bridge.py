"""A bridge without a dialogue: each call runs the script that it was placed for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from agi_bridge.agi import Server
from agi_bridge.agi.commands import SAFE_APPLICATIONS
from agi_bridge.call import variables
from agi_bridge.call.variables import Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from agi_bridge.agi import Channel
    from agi_bridge.lab.sip.call import Call
    from tests.asterisk.conftest import Pbx

    CallScript = Callable[[Channel], Awaitable[object]]


class ScriptedBridge:
    """Serves calls to the PBX, an async context manager; `applications` may be run besides."""

    def __init__(self, pbx: Pbx, *applications: str) -> None:
        self._pbx = pbx
        self._scripts: dict[str, CallScript] = {}
        self._server = Server(self._run, port=0, applications=SAFE_APPLICATIONS.union(applications))

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        await self._pbx.use_bridge(f"agi://127.0.0.1:{self._server.port}/consent")
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._server.__aexit__(exc_type, exc, traceback)

    async def call(self, script: CallScript) -> Call:
        """Place a call that is answered, runs this script and then ends."""
        caller = f"+1514555{len(self._scripts):04}"
        self._scripts[caller] = script
        return await self._pbx.call(caller_id=caller)

    async def _run(self, channel: Channel) -> None:
        script = self._scripts[channel.environment.caller_id or ""]
        async with channel.until_hangup():
            await channel.answer()
            await script(channel)
            await channel.set_variable(variables.RESULT, Result.DONE)
