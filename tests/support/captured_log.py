"""A log that tests can wait for."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any


class WatchedText(io.StringIO):
    """Text that is written while a test waits for more of it."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def write(self, text: str) -> int:
        self._news.set()
        return super().write(text)


class Log(WatchedText):
    """A log that can be waited for."""

    async def more(self) -> None:
        """Wait until something is written."""
        async with asyncio.timeout(20):
            self._news.clear()
            await self._news.wait()

    async def line(self, event: str, *, last: bool = False) -> dict[str, Any]:
        """Wait for a line of an event; return the first one, or the last one so far."""
        async with asyncio.timeout(20):
            while True:
                self._news.clear()
                lines: list[dict[str, Any]] = [
                    line
                    for text in self.getvalue().splitlines()
                    if (line := json.loads(text))["event"] == event
                ]
                if lines:
                    return lines[-1 if last else 0]
                await self._news.wait()
