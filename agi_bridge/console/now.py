"""Now: the calls in progress, the service's state, and what is wrong with the cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.console.live import NOW
from agi_bridge.console.pages import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from agi_bridge.console.live import LivePages
    from agi_bridge.console.service import Service


class NowPage:
    """The first page.

    Args:
        service: what is shown.
        live: keeps open pages up to date.
    """

    def __init__(self, service: Service, live: LivePages) -> None:
        self._service = service
        self._live = live

    async def show(self, request: Request) -> Response:
        """Show the service as it is."""
        live = await self._service.live()
        return page(
            request, "now.html", status_of=live.status, calls=live.calls, shown=len(live.calls)
        )

    async def stream(self, request: Request) -> Response:
        """What changes, as it happens."""
        return self._live.stream(NOW, request.state.still)
