"""`AGI(agi://host/health)`: answers a dialplan's health request.

It sets the channel variable `AGI_BRIDGE_HEALTH` to `ready`, `degraded` or `not_ready`. If it is not
set, no bridge answered. It is not a call: nothing is played, counted or logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agi_bridge.agi import Channel
    from agi_bridge.status.readiness import Readiness

    Handler = Callable[[Channel], Awaitable[None]]

SCRIPT: Final = "health"
"""The path of the AGI URL."""

HEALTH: Final = "AGI_BRIDGE_HEALTH"
"""The variable that is set."""


class HealthScript:
    """Answers the script `health` itself and hands every other call on.

    Args:
        handler: takes calls.
        readiness: says how the service is.
    """

    def __init__(self, handler: Handler, readiness: Callable[[], Readiness]) -> None:
        self._handler = handler
        self._readiness = readiness

    def __call__(self, channel: Channel) -> Awaitable[None]:
        """Take one call."""
        script = (channel.environment.script or "").partition("?")[0]
        if script.strip("/") != SCRIPT:
            return self._handler(channel)
        return channel.set_variable(HEALTH, self._readiness().level.value)
