"""Prompts: what each line plays in each language, word for word, and what is wrong with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agi_bridge.console.pages import page
from agi_bridge.console.refusal import Refusal
from agi_bridge.speech import BadScript

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from agi_bridge.console.service import Service


class PromptsPage:
    """The page of one line's prompts.

    Args:
        service: whose lines.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reading = asyncio.Lock()  # every sound file is read and measured: one at a time

    async def show(self, request: Request) -> Response:
        """Show the prompts of a line; of the first, if none is named."""
        lines = self._service.settings.lines
        name = request.query_params.get("line") or next(iter(lines))
        if name not in lines:
            raise Refusal(400, "Not on the list", "Choose one of the lines that the page offers.")
        try:
            async with self._reading:
                found = await asyncio.to_thread(self._service.prompts, name)
        except BadScript as error:
            text = f"{str(error).splitlines()[0]}. Run agi-bridge prompts check."
            raise Refusal(503, "The script cannot be used", text) from None
        return page(
            request,
            "prompts.html",
            line=name,
            lines=list(lines),
            languages=list(found.by_language()),
            problems=[str(each) for each in found.problems],
        )
