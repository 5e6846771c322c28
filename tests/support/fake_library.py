"""A speech library that answers as a test says, and a call that speaks with it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from agi_bridge.agi.commands import SAFE_APPLICATIONS
from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call.say import TextPlayer
from agi_bridge.speech import SHIPPED, Library, PbxSpeech, Recording

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from agi_bridge.agi import Channel
    from agi_bridge.agi.testing import CallRecord
    from agi_bridge.speech import Speech


def recording(text: str, language: str = "en") -> Recording:
    return replace(_busy(), language=language, text=text, path=f"/speech/{text}")


@cache
def _busy() -> Recording:
    return Library(cache=SHIPPED).prompt("busy", "en")


def flite(text: str) -> PbxSpeech:
    return PbxSpeech("Flite", (text,), "en", text)


class FakeLibrary(Library):
    """Speaks every text as its own recording, or as `answers` says; notes what it is asked.

    With `hold`, a text waits until it is let go.
    """

    def __init__(
        self, answers: Mapping[str, Speech | None] | None = None, *, budget: float = 5.0
    ) -> None:
        super().__init__(cache=SHIPPED, budget=budget)
        self.answers = dict(answers or {})
        self.asked: list[str] = []
        self.files: dict[str, Recording | None] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.given_up: list[str] = []

    def hold(self, text: str) -> None:
        self.held[text] = asyncio.Event()

    def let_go(self, text: str) -> None:
        self.held[text].set()

    async def speech(self, text: str, language: str) -> Speech | None:
        self.asked.append(text)
        if text in self.held:
            try:
                await self.held[text].wait()
            except asyncio.CancelledError:
                self.given_up.append(text)
                raise
        return self.answers[text] if text in self.answers else recording(text, language)

    async def say(self, text: str, language: str) -> Recording | None:
        return self.files[text] if text in self.files else recording(text, language)


async def speak(
    fake_library: FakeLibrary,
    script: Callable[[TextPlayer], Awaitable[bool]],
    fake: type[FakeAsterisk] = FakeAsterisk,
    **pbx: Any,
) -> tuple[CallRecord, bool | None]:
    """Run a script in a call; return its result, or None if the caller hung up first."""
    results: list[bool] = []

    async def handler(channel: Channel) -> None:
        await channel.answer()
        player = TextPlayer(channel, fake_library)
        try:
            async with channel.until_hangup():
                results.append(await script(player))
        finally:
            player.close()

    applications = SAFE_APPLICATIONS | {"Flite"}
    call = await fake(**pbx).run(handler, applications=applications)
    return call, results[0] if results else None
