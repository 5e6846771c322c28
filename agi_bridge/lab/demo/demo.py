"""`agi-bridge demo`: one real call through a real Asterisk, told as it happens; then it is yours.

Everything is real but the people: the bridge is a process of its own, Asterisk runs the very files
of `asterisk-conf/` and `dialplan/`, and what is printed as heard was recognised in the sound that
the caller's telephone received. Only the hook is a stand-in, so that nobody is texted.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Final

from rich.console import Console

from agi_bridge.hook.testing import FakeHook, Scenario
from agi_bridge.lab.asterisk.server import Asterisk
from agi_bridge.lab.demo import environment as parts
from agi_bridge.lab.demo.call import FakeCall, Reached, RealCall, expected
from agi_bridge.lab.demo.console import STATES, Calls, ConsoleReporter, invite, invite_to_fake
from agi_bridge.lab.demo.environment import Bridge
from agi_bridge.lab.demo.recognizer import tone
from agi_bridge.lab.errors import (
    AsteriskError,
    AsteriskUnavailableError,
    DemoError,
    LabError,
    PhoneError,
)
from agi_bridge.lab.sip.phone import SipPhone
from agi_bridge.lab.softphone.sounds import Sounds

WORKED, FAILED = 0, 1
"""Exit codes: the story went as told; it did not; there is no such scenario."""

_LOG_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 3600.0


async def prepare(console: Console | None = None) -> int:
    """Fetch Asterisk, for later runs and the tests; `WORKED` or `FAILED`."""
    console = console or Console(highlight=False)
    try:
        binary = await parts.asterisk_binary(lambda line: _print(console, line))
    except AsteriskError as error:
        _print(console, f"agi-bridge: {error}")
        return FAILED
    _print(console, f"Asterisk: {binary}")
    return WORKED


async def run(*, once: bool, fake: bool, scenario: str, console: Console | None = None) -> int:
    """Tell the story of one call; then stay up to be called, until Ctrl-C.

    Args:
        once: end after the call.
        fake: without Asterisk.
        scenario: what the hook answers: a value of `Scenario`.
        console: where to print; standard output if not given.

    Returns:
        `WORKED` only if the caller and whoever had to be reached heard each other (simulated: the
        number was dialled), and the ledger says of the consent what the scenario leads to: for
        `dial` the far end, and `accepted`.
    """
    console = console or Console(highlight=False)
    demo = _Demo(console, Scenario(scenario), once=once)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    tasks = {loop.create_task(demo.show(fake=fake)), loop.create_task(stop.wait())}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # a further signal changes nothing
        for number in signals:
            loop.remove_signal_handler(number)
    return WORKED if demo.worked else FAILED


class _Demo:
    """One run.

    Attributes:
        worked: whether the story went as told.
    """

    def __init__(self, console: Console, scenario: Scenario, *, once: bool) -> None:
        self.worked = False
        self._console = console
        self._scenario = scenario
        self._once = once
        self._teller = ConsoleReporter(console, Sounds())
        self._calls = Calls(self._teller)

    async def show(self, *, fake: bool) -> None:
        """Run it all; a fault is one line."""
        try:
            await self._play(None if fake else await self._asterisk())
        except (LabError, OSError) as error:
            self._teller.line(None, "error", str(error))

    async def _asterisk(self) -> Path | None:
        try:
            return await parts.asterisk_binary(self._setup)
        except AsteriskUnavailableError as error:
            self._setup(f"Asterisk cannot be had here: {error}")
            self._setup("a simulated PBX plays its part")
            return None

    async def _play(self, binary: Path | None) -> None:
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(parts.workplace())
            await asyncio.to_thread(parts.make_keys, folder)
            key = token_urlsafe(16)
            hook = await stack.enter_async_context(
                FakeHook(self._scenario, forward=parts.FORWARD, key=key)
            )
            self._setup(f"the hook's stand-in listens at {hook.url}")
            bridge = await stack.enter_async_context(
                Bridge(
                    folder,
                    hook_url=hook.url,
                    hook_key=key,
                    engine=parts.speech_engine(binary),
                    on_line=self._calls.take,
                )
            )
            self._setup(f"the bridge listens at {bridge.url}")
            await stack.enter_async_context(_beside(self._teller.asked(hook, bridge.ledger)))
            if binary is None:
                await self._conclude(await FakeCall(self._teller).make(bridge), bridge)
                await self._stay(hook, bridge, None)
                return
            async with parts.pbx(binary, bridge, well_known_port=not self._once) as asterisk:
                self._setup(f"Asterisk listens at {asterisk.sip[0]}:{asterisk.sip[1]}")
                async with parts.telephones(asterisk) as phones:
                    call = RealCall(self._teller, asterisk, phones)
                    await self._conclude(await call.make(self._scenario), bridge)
                    async with _beside(_entertain(phones.far)), _beside(_entertain(phones.shop)):
                        await self._stay(hook, bridge, asterisk)

    async def _conclude(self, reached: Reached, bridge: Bridge) -> None:
        """Print what the bridge says and the ledger holds, and judge.

        Raises:
            DemoError: it is not what the scenario leads to.
        """
        line = await self._calls.next(_LOG_SECONDS)
        self._teller.called(line)
        state = await self._teller.stored(bridge.ledger, line.get("consent"))
        await self._teller.proven(bridge.ledger)
        who, wanted = expected(self._scenario), STATES[self._scenario]
        if reached.who != who:
            raise DemoError(f"{reached.who} was reached, not {who}")
        if state is not wanted:
            raise DemoError(f"the consent is {state}, not {wanted}")
        self.worked = True
        self._teller.line(
            None, "worked", f"{who} was reached ({reached.how}), the consent is {state}"
        )

    async def _stay(self, hook: FakeHook, bridge: Bridge, asterisk: Asterisk | None) -> None:
        """Say how to call, and print each call, until this is cancelled."""
        if self._once:
            return
        scenario = None if self._scenario is Scenario.DIAL else self._scenario
        hook.scenario = scenario  # with none set, the keyed number chooses
        self._teller.masks = True
        if asterisk is None:
            invite_to_fake(self._console, bridge, scenario)
        else:
            invite(self._console, asterisk, bridge, scenario)
        await self._calls.tell()

    def _setup(self, text: str) -> None:
        self._teller.line(None, "setup", text)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do something beside the block, and end it with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _entertain(phone: SipPhone) -> None:
    """Let whoever calls this telephone hear something: it answers by itself."""
    melody = tone(523.0, 0.4) + tone(659.0, 0.4) + tone(784.0, 0.8) + tone(0.0, 1.0)
    while True:
        try:
            call = await phone.next_call(_IDLE_SECONDS)
            await call.answered()
            call.play(melody * 10)
        except (PhoneError, TimeoutError):
            continue  # nobody called, or whoever did has hung up


def _print(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, markup=False)
