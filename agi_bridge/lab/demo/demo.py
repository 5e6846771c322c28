"""Runs the demonstration: starts everything, places one call, checks it, then waits for calls.

The bridge runs as a separate process, and Asterisk uses the files of `asterisk-conf/` and
`dialplan/` unchanged. What is printed as heard was recognized in the audio that the caller's phone
received. The hook is fake, so no texts are sent.
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
from agi_bridge.lab.asterisk import Asterisk
from agi_bridge.lab.demo import environment
from agi_bridge.lab.demo.browser_phone import ACCOUNT, fetch_library, phone_page
from agi_bridge.lab.demo.call import FakeCall, Reached, RealCall, expected
from agi_bridge.lab.demo.console import (
    OF_A_WEBHOOK,
    STATES,
    BridgeLog,
    ConsoleReporter,
    print_fake_instructions,
    print_instructions,
)
from agi_bridge.lab.demo.environment import BridgeProcess
from agi_bridge.lab.demo.recognizer import tone
from agi_bridge.lab.errors import (
    AsteriskError,
    AsteriskUnavailableError,
    DemoError,
    LabError,
    PackageUnavailableError,
    PhoneError,
)
from agi_bridge.lab.sip import SipPhone
from agi_bridge.lab.softphone import Sounds
from agi_bridge.webhook_signature import new_secret

SUCCEEDED, FAILED = 0, 1
"""Exit codes: every step of the call happened; or one did not."""

_LOG_SECONDS: Final = 10.0
_IDLE_SECONDS: Final = 3600.0


async def prepare_demo(console: Console | None = None) -> int:
    """Download Asterisk for later runs and the tests; return `SUCCEEDED` or `FAILED`."""
    console = console or Console(highlight=False)
    try:
        binary = await environment.asterisk_binary(lambda line: _print(console, line))
    except AsteriskError as error:
        _print(console, f"agi-bridge: {error}")
        return FAILED
    _print(console, f"Asterisk: {binary}")
    try:
        await fetch_library()
    except PackageUnavailableError as error:
        _print(console, f"The telephone in the browser will not be available: {error}")
    return SUCCEEDED


async def run_demo(
    *,
    once: bool,
    fake: bool,
    scenario: str,
    webhook: bool = False,
    console: Console | None = None,
) -> int:
    """Place the demonstration's call, then wait for calls until Ctrl-C.

    Args:
        once: stop after the call.
        fake: use a simulated Asterisk.
        scenario: the answer of the hook: a value of `Scenario`.
        webhook: the hook is a webhook, in place of Instaply.
        console: where to print; standard output if None.

    Returns:
        `SUCCEEDED` only if the caller and the expected destination heard each other (simulated: the
        number was dialled), and the consent's state in the ledger is the one that the scenario
        leads to: for `dial`, the far end and `accepted`.
    """
    console = console or Console(highlight=False)
    demo = _Demo(console, Scenario(scenario), once=once, webhook=webhook)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    tasks = {loop.create_task(demo.run(fake=fake)), loop.create_task(stop.wait())}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)  # ignores further signals
        for number in signals:
            loop.remove_signal_handler(number)
    return SUCCEEDED if demo.succeeded else FAILED


class _Demo:
    """One run.

    Attributes:
        succeeded: whether every step of the call happened.
    """

    def __init__(self, console: Console, scenario: Scenario, *, once: bool, webhook: bool) -> None:
        self.succeeded = False
        self._console = console
        self._scenario = scenario
        self._once = once
        self._webhook = webhook
        self._reporter = ConsoleReporter(console, Sounds())
        self._bridge_log = BridgeLog(self._reporter)

    async def run(self, *, fake: bool) -> None:
        """Run the demonstration; print an error as one line."""
        try:
            await self._play(None if fake else await self._asterisk())
        except (LabError, OSError) as error:
            self._reporter.line(None, "error", str(error))

    async def _asterisk(self) -> Path | None:
        try:
            return await environment.asterisk_binary(self._setup)
        except AsteriskUnavailableError as error:
            self._setup(f"Asterisk is not available: {error}")
            self._setup("using a simulated PBX instead")
            return None

    async def _play(self, binary: Path | None) -> None:
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(environment.temporary_folder())
            await asyncio.to_thread(environment.make_keys, folder)
            key = new_secret() if self._webhook else token_urlsafe(16)
            hook = await stack.enter_async_context(
                FakeHook(
                    self._scenario,
                    forward=environment.FORWARD,
                    key=None if self._webhook else key,
                    secrets=[key] if self._webhook else None,
                )
            )
            what = "receiver of webhooks" if self._webhook else "fake hook"
            self._setup(f"the {what} listens at {hook.url}")
            bridge = await stack.enter_async_context(
                BridgeProcess(
                    folder,
                    hook_url=hook.url,
                    hook_key=key,
                    webhook=self._webhook,
                    engine=environment.speech_engine(binary),
                    on_line=self._bridge_log.take,
                )
            )
            self._setup(f"the bridge listens at {bridge.url}")
            await stack.enter_async_context(
                _in_background(self._reporter.report_requests(hook, bridge.ledger))
            )
            if binary is None:
                await self._conclude(await FakeCall(self._reporter).make(bridge), bridge)
                await self._stay(hook, bridge, None)
                return
            async with environment.start_asterisk(
                binary,
                bridge,
                well_known_port=not self._once,
                browsers=() if self._once else (ACCOUNT,),
            ) as asterisk:
                self._setup(f"Asterisk listens at {asterisk.sip[0]}:{asterisk.sip[1]}")
                async with environment.start_phones(asterisk) as phones:
                    call = RealCall(self._reporter, asterisk, phones)
                    await self._conclude(await call.make(self._scenario), bridge)
                    async with (
                        _in_background(_play_melody(phones.far)),
                        _in_background(_play_melody(phones.shop)),
                    ):
                        await self._stay(hook, bridge, asterisk)

    async def _conclude(self, reached: Reached, bridge: BridgeProcess) -> None:
        """Print the bridge's log line and the consent, and check both.

        Raises:
            DemoError: the destination or the state is not what the scenario leads to.
        """
        line = await self._bridge_log.next(_LOG_SECONDS)
        self._reporter.call_logged(line)
        state = await self._reporter.print_consent(bridge.ledger, line.get("consent"))
        await self._reporter.verify(bridge.ledger)
        who, wanted = expected(self._scenario), STATES[self._scenario]
        if self._webhook:
            wanted = OF_A_WEBHOOK.get(self._scenario, wanted)
        if reached.who != who:
            raise DemoError("wrong_destination", f"{reached.who} answered, expected {who}")
        if state is not wanted:
            raise DemoError("wrong_state", f"the consent is {state}, expected {wanted}")
        self.succeeded = True
        self._reporter.line(
            None, "worked", f"{who} answered ({reached.how}); the consent is {state}"
        )

    async def _stay(self, hook: FakeHook, bridge: BridgeProcess, asterisk: Asterisk | None) -> None:
        """Print how to call in, then print each call, until cancelled."""
        if self._once:
            return
        scenario = None if self._scenario is Scenario.DIAL else self._scenario
        hook.scenario = scenario  # None: the keyed number selects the answer
        self._reporter.mask_numbers = True
        if asterisk is None:
            print_fake_instructions(self._console, bridge, scenario)
            await self._bridge_log.report_calls()
            return
        async with AsyncExitStack() as stack:
            page = None
            try:
                page = await phone_page(asterisk, await fetch_library(), bridge.ledger, scenario)
            except PackageUnavailableError as error:
                self._setup(f"the telephone in the browser is not available: {error}")
            else:
                await stack.enter_async_context(page)
            print_instructions(
                self._console, asterisk, bridge, scenario, page=None if page is None else page.url
            )
            await self._bridge_log.report_calls()

    def _setup(self, text: str) -> None:
        self._reporter.line(None, "setup", text)


@asynccontextmanager
async def _in_background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a coroutine while the block runs, and cancel it at the end of the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _play_melody(phone: SipPhone) -> None:
    """Play a melody to each caller; the phone answers calls by itself."""
    melody = tone(523.0, 0.4) + tone(659.0, 0.4) + tone(784.0, 0.8) + tone(0.0, 1.0)
    while True:
        try:
            call = await phone.next_call(_IDLE_SECONDS)
            await call.answered()
            call.play(melody * 10)
        except (PhoneError, TimeoutError):
            continue  # no call, or the caller has hung up


def _print(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, markup=False)
