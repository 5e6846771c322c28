"""Now: the calls in progress, the service's state, and what is wrong with the cure."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agi_bridge.console.day import last_day
from agi_bridge.console.live import NOW
from agi_bridge.console.pages import page
from agi_bridge.history import HistoryError

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
        try:
            day = await asyncio.to_thread(last_day, self._service)
        except HistoryError:  # the page is for more than that; Calls says what is wrong
            day = None
        return page(
            request,
            "now.html",
            status_of=live.status,
            calls=live.calls,
            shown=len(live.calls),
            day=day,
            history_days=self._service.settings.history.days,
        )

    async def stream(self, request: Request) -> Response:
        """What changes, as it happens."""
        return self._live.stream(NOW, request.state.still)
