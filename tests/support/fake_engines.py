"""Engines of the tests' own: held back, broken, or hanging."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agi_bridge.speech import Engine, EngineError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


class Held(Engine):
    """An engine that waits until it is let go, then copies a sound; counts what it is asked."""

    def __init__(self, sound: Path, name: str = "held", languages: Collection[str] = ()) -> None:
        super().__init__(name, name, languages)
        self.sound = sound
        self.asked: list[tuple[str, str]] = []
        self.at_work = 0
        self.most_at_once = 0
        self.started = False
        self.begun = asyncio.Event()
        self.two_begun = asyncio.Event()
        self.go_on = asyncio.Event()

    async def start(self) -> None:
        self.started = True

    async def close(self) -> None:
        self.started = False

    async def render(self, text: str, language: str, output: Path) -> None:
        self.asked.append((text, language))
        self.at_work += 1
        self.most_at_once = max(self.most_at_once, self.at_work)
        self.begun.set()
        if self.at_work == 2:
            self.two_begun.set()
        try:
            await self.go_on.wait()
        finally:
            self.at_work -= 1
        output.write_bytes(self.sound.read_bytes())


class Broken(Engine):
    """An engine that never speaks; counts how often it is asked."""

    def __init__(self, name: str = "broken") -> None:
        super().__init__(name, name)
        self.asked = 0

    async def start(self) -> None:
        raise EngineError("cannot start")

    async def render(self, text: str, language: str, output: Path) -> None:
        self.asked += 1
        raise EngineError(f"cannot speak {len(text)} characters of {language} to {output.name}")


class Hanging(Engine):
    """An engine that never ends."""

    def __init__(self) -> None:
        super().__init__("hanging", "hanging")
        self.ended = 0

    async def render(self, text: str, language: str, output: Path) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1
        output.write_text(f"{text}{language}", encoding="utf-8")
