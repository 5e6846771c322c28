"""Shares engines between libraries: a model stays loaded across a reload of the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .base import Engine
from .pbx import PbxEngine
from .spec import build_engine

if TYPE_CHECKING:
    from pathlib import Path

    from .spec import EngineSpec


class _Shared:
    """An engine, its specification, and the number of its holders."""

    __slots__ = ("engine", "holders", "spec")

    def __init__(self, engine: Engine, spec: EngineSpec) -> None:
        self.engine = engine
        self.spec = spec
        self.holders = 0


class EnginePool:
    """Builds engines as `build_engine` does; equal ones share a process.

    Engines are equal if their specifications are, and the files named there have not changed.
    Closing the last holder ends the process.
    """

    def __init__(self) -> None:
        self._shared: list[_Shared] = []

    def build(self, spec: EngineSpec) -> Engine | PbxEngine:
        """Make an engine. Blocks as `build_engine` does; one thread at a time.

        Raises BadEngine.
        """
        made = build_engine(spec)
        if isinstance(made, PbxEngine):  # runs nothing here
            return made
        for shared in self._shared:
            if shared.spec == spec and shared.engine.identity == made.identity:
                break
        else:
            shared = _Shared(made, spec)
            self._shared.append(shared)
        shared.holders += 1
        return _Holder(self, shared)

    async def release(self, shared: _Shared) -> None:
        """Take back one holder's share."""
        shared.holders -= 1
        if not shared.holders:
            self._shared.remove(shared)
            await shared.engine.close()


class _Holder(Engine):
    """One library's share of an engine."""

    def __init__(self, pool: EnginePool, shared: _Shared) -> None:
        engine = shared.engine
        super().__init__(engine.name, engine.identity, engine.languages)
        self.at_once = engine.at_once
        self._pool = pool
        self._shared: _Shared | None = shared
        self._engine = engine

    async def render(self, text: str, language: str, output: Path) -> None:
        """Speak a text, as the engine does."""
        await self._engine.render(text, language, output)

    async def start(self) -> None:
        """Make ready; an engine that is ready stays as it is."""
        if self._shared is not None:
            await self._engine.start()

    async def close(self) -> None:
        """Give the share back, once."""
        shared, self._shared = self._shared, None
        if shared is not None:
            await self._pool.release(shared)
