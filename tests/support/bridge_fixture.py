"""A real bridge behind the real PBX: short prompts, a stand-in for the hook, one configuration."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
import wave
from array import array
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from agi_bridge.app import service
from agi_bridge.consent import State
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.settings.ledger import LedgerSettings
from agi_bridge.speech import SHIPPED, Library
from agi_bridge.speech.prompt_names import QUESTIONS
from tests.support.call_env import KEY, settings, toml
from tests.support.heard import hears

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.app.service import Service
    from agi_bridge.consent import StoredEvent
    from agi_bridge.hook.testing import FakeHook
    from agi_bridge.lab.sip.call import Call
    from tests.asterisk.conftest import Pbx

NUMBER = "+14155550123"
DIGITS = NUMBER[2:]
FORWARD = "+14155550199"
AGREEMENT = ("disclosed", "entered", "confirmed", "submitting")
"""What the ledger holds before the hook is called."""
UNDERSTANDING = 1.1
"""Seconds from the question to the answer: in the first second, no digit is one."""
SHORT_MS = 700
"""How much of each recording the short prompts keep: enough to tell them apart."""
QUESTION_MS = 1000
"""How much of a question: a shorter one is refused."""
DIGIT_MS = 300
"""How much of each digit: enough to tell it apart, and for it not to be refused as silent."""


def tone(hertz: float, seconds: float) -> array[int]:
    return array(
        "h", (int(8000 * math.sin(i * hertz * math.tau / 8000)) for i in range(int(8000 * seconds)))
    )


async def talk(call: Call, there: Call) -> None:
    """Both hear each other."""
    low, high = tone(440, 2), tone(1000, 2)
    call.play(low)
    there.play(high)
    await hears(there, low[: 8000 // 2])
    await hears(call, high[: 8000 // 2])


def shorten(into: Path) -> None:
    """Cut every shipped prompt to its beginning, so that a dialogue takes seconds."""
    library = Library(cache=into)
    for source in SHIPPED.glob("*/*.wav"):
        target = into / source.parent.name / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(source)) as sound, wave.open(str(target), "wb") as cut:
            cut.setparams(sound.getparams())
            kept = QUESTION_MS if source.stem in QUESTIONS else SHORT_MS
            if source.stem.startswith("digit-"):
                kept = DIGIT_MS
            cut.writeframes(sound.readframes(8 * kept))
        text = library.prompt(source.stem, source.parent.name).text
        target.with_suffix(".txt").write_text(text, encoding="utf-8")


class BridgeFixture:
    """The bridge of one test.

    Attributes:
        fake_hook: the hook.
        prompts: the folder of prompts that the bridge plays.
        agi: further settings of `[agi]`.
        state_dir: the bridge's folder.
        ledger_url: the address of its ledger; '': SQLite in its folder.
    """

    def __init__(self, pbx: Pbx, prompts: Path, state_dir: Path, fake_hook: FakeHook) -> None:
        self.fake_hook = fake_hook
        self.prompts = prompts
        self.agi: dict[str, Any] = {}
        self.ledger_url = ""
        self._pbx = pbx
        self.state_dir = state_dir
        self._parts = AsyncExitStack()
        self._server: Service | None = None

    def tables(self, **more: dict[str, Any]) -> dict[str, dict[str, Any]]:
        more.setdefault("agi", {"port": 0, **self.agi})
        if self.ledger_url:
            more.setdefault("ledger", {"url": self.ledger_url})
        return {"speech": {"prompts": str(self.prompts)}, **more}

    async def open(self, tables: dict[str, dict[str, Any]] | None = None, **line: Any) -> None:
        """Start the bridge in this process and let the dialplan find it.

        Digits are the short ones of our own: reading a number back takes ten seconds else.
        """
        line.setdefault("digits", "own")
        configured = settings(
            self.state_dir, self.fake_hook.url, self.tables(**(tables or {})), **line
        )
        self._server = await self._parts.enter_async_context(service.running(configured))
        await self._pbx.use_bridge(f"agi://127.0.0.1:{self._server.port}/consent")

    def configure(self, **line: Any) -> Path:
        """Write the configuration for a bridge in its own process."""
        config = self.state_dir / "agi-bridge.toml"
        config.write_text(toml(self.state_dir, self.fake_hook.url, self.tables(), **line))
        return config

    @asynccontextmanager
    async def process(self, **line: Any) -> AsyncIterator[asyncio.subprocess.Process]:
        """Run `agi-bridge serve`, to be killed."""
        config = self.configure(**line)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agi_bridge", "serve", "--config", str(config),
            env={**os.environ, "SHOP_KEY": KEY},
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            lines = [await process.stderr.readline()]  # of its new keys and ledger, too
            while lines[-1] and b'"service.listening"' not in lines[-1]:
                lines.append(await process.stderr.readline())
            assert lines[-1], f"it ended: {lines}"
            port = int(lines[-1].split(b'"port": ')[1].split(b",")[0])
            await self._pbx.use_bridge(f"agi://127.0.0.1:{port}/consent")
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.communicate()

    async def events(self) -> list[StoredEvent]:
        """What the ledger holds."""
        async with self.reading() as ledger:
            return [event for event in await ledger.events() if isinstance(event.type, State)]

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Ledger]:
        """Open the ledger beside the bridge, to read it."""
        keys, _ = Keys.load(self.state_dir / "keys", create=False)
        place: Path | str = self.state_dir / "consents.db"
        if self.ledger_url:
            place = LedgerSettings(url=self.ledger_url).database_url()
        async with await Ledger.open(place, keys, read_only=True) as ledger:
            yield ledger

    async def states(self) -> list[str]:
        return [event.type.value for event in await self.events()]

    async def stored(self, *states: str, within: float = 10.0) -> None:
        """Wait until the ledger holds exactly these events."""
        async with asyncio.timeout(within):
            while await self.states() != list(
                states
            ):  # asking takes long enough to be no busy loop
                pass

    async def hears(self, call: Call, prompt: str, language: str = "en") -> None:
        """Wait until the caller has heard a prompt to its end."""
        await hears(call, self.prompts / language / f"{prompt}.wav", within=40)

    async def keys(self, call: Call, digits: str = DIGITS, language: str = "en") -> None:
        """Wait to be asked for the number, and key it: what is keyed before does not count."""
        await hears(call, self.prompts / language / "enter-number.wav", 200, within=40)
        await call.press(digits)

    async def answers(
        self, call: Call, key: str = "1", language: str = "en", question: str = "confirm-number"
    ) -> None:
        """Wait for the question after the read-back, and answer: before it, no key agrees."""
        await hears(call, self.prompts / language / f"{question}.wav", 200, within=40)
        await asyncio.sleep(UNDERSTANDING)
        await call.press(key)

    async def agrees(self, call: Call, digits: str = DIGITS) -> None:
        """What a caller does who wants the text."""
        await self.keys(call, digits)
        await self.answers(call)

    async def idle(self, within: float = 5.0) -> None:
        """Wait until the bridge holds no call."""
        assert self._server is not None
        async with asyncio.timeout(within):
            while self._server.calls:
                await self._pbx.asterisk.channels()  # asking takes long enough to be no busy loop

    async def close(self) -> None:
        await self._parts.aclose()
