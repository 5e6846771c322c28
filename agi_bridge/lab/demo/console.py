"""Prints the demonstration's results: consents, hook requests, the bridge's log, instructions.

The call itself is printed by the softphone's `Transcript`.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich.console import Console

from agi_bridge.consent import ConsentError, State
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.evidence.verify import Value, verify_ledger
from agi_bridge.hook.testing import BY_NUMBER, FakeHook, Received, Scenario, response_for
from agi_bridge.lab.asterisk import Asterisk
from agi_bridge.lab.demo.environment import (
    CALLER,
    DID,
    FORWARD,
    MENU_DID,
    MOBILE,
    BridgeProcess,
    LogRecord,
)
from agi_bridge.lab.errors import DemoError
from agi_bridge.lab.record import read_consent
from agi_bridge.lab.softphone import Transcript, printable
from agi_bridge.phone import mask

SILENT: Final[Mapping[Scenario, str]] = {
    Scenario.SLOW: "no answer until after the bridge has stopped waiting",
    Scenario.RESET: "no answer: connection reset",
    Scenario.REFUSE: "no answer: connection refused",
}
"""A description of the scenarios in which the hook sends no answer."""

STATES: Final[Mapping[Scenario, State]] = {
    Scenario.DIAL: State.ACCEPTED,
    Scenario.SAY: State.ACCEPTED,
    Scenario.NOT_LINKED: State.REFUSED,
    Scenario.INVALID_KEY: State.REFUSED,
    Scenario.MISSING: State.REFUSED,
    Scenario.ERROR: State.UNKNOWN,
    Scenario.SLOW: State.UNKNOWN,
    Scenario.RESET: State.UNKNOWN,
    Scenario.GARBAGE: State.UNKNOWN,
    Scenario.EMPTY: State.UNKNOWN,
    Scenario.UNAUTHORISED: State.REFUSED,
    Scenario.LATE: State.REFUSED,
    Scenario.REFUSE: State.NOT_SENT,
}
"""The final state of the consent that each scenario must lead to, where Instaply is the hook."""

OF_A_WEBHOOK: Final[Mapping[Scenario, State]] = {Scenario.EMPTY: State.ACCEPTED}
"""The same where a webhook's receiver means something else by it."""


class ConsoleReporter(Transcript):
    """A transcript that also prints stored consents, hook requests and how calls ended.

    Attributes:
        mask_numbers: print telephone numbers masked. Set once real people call.
    """

    mask_numbers = False

    async def print_consent(
        self, ledger: Path, consent: str | None = None, *, before_hook: bool = False
    ) -> State:
        """Print a consent as stored in the ledger, and return its state.

        Args:
            ledger: the bridge's ledger file.
            consent: the consent's id; None for the latest.
            before_hook: print only the states that must precede the hook request.

        Raises:
            DemoError: there is no consent, or the ledger cannot be read.
        """
        try:
            found = await read_consent(ledger, consent)
        except ConsentError as error:
            raise DemoError("ledger_unreadable", f"the ledger cannot be read: {error}") from error
        if found is None:
            raise DemoError("no_consent", "no consent is stored")
        states, number = found.states, found.number
        if before_hook and State.SUBMITTING in states:  # the hook may have answered by now
            states = states[: states.index(State.SUBMITTING) + 1]
        path = " > ".join(states)
        shown = mask(number) if self.mask_numbers and number else number or "no number"
        self.line(None, "stored", f"consent {found.id} of {shown}: {path}")
        return states[-1]

    async def verify(self, ledger: Path) -> None:
        """Sign a checkpoint, verify the whole ledger, and print each verdict.

        Raises:
            DemoError: a verdict is negative, or the ledger cannot be read.
        """
        try:
            keys, _ = await asyncio.to_thread(Keys.load, ledger.parent / "keys", create=False)
            async with await Ledger.open(ledger, keys) as opened:
                await opened.checkpoint()
                report, _ = await verify_ledger(opened)
        except ConsentError as error:
            raise DemoError("ledger_unreadable", f"the ledger cannot be read: {error}") from error
        for name, verdict in report.verdicts:
            word = "FAILS" if verdict.value is Value.FAILS else verdict.value.value
            self.line(None, "proof", f"{name} {word}: {verdict.text}")
        if report.value is Value.FAILS:
            raise DemoError("not_verified", "the ledger does not verify")

    async def report_requests(self, hook: FakeHook, ledger: Path) -> None:
        """Print each request to the hook and its answer, until cancelled.

        Before each request, print the consent: it must be stored by then.
        """
        count = 0
        while True:
            received = await hook.received(count + 1)
            count += 1
            with suppress(DemoError):  # the final check reports it
                await self.print_consent(ledger, before_hook=True)
            self.line(
                None, "hook", f"request: {received.describe(show_numbers=not self.mask_numbers)}"
            )
            self.line(None, "hook", f"answer: {answer(received)}")

    def call_logged(self, line: LogRecord) -> None:
        """Print the bridge's log line about a call in readable form."""
        facts = [f"{name} {line[name]}" for name in _FACTS if name in line]
        dialled = ", ".join(line.get("dialled", ()))
        if dialled:
            facts.insert(-1, f"dialled {dialled}")
        self.line(None, "log", printable("; ".join([*facts, f"{line.get('ms', 0) / 1000:.1f} s"])))
        steps = ", ".join(f"{name} {at / 1000:.1f}" for name, at in line.get("steps", ()))
        if steps:
            self.line(None, "log", printable(f"seconds to each step: {steps}"))

    def problem_logged(self, line: LogRecord) -> None:
        """Print a warning or an error from the bridge's log."""
        more = {key: text for key, text in line.items() if key not in _FRAME}
        fields = " ".join(f"{key}={text}" for key, text in more.items())
        self.line(None, "error", printable(f"{line.get('event')} {fields}".strip()))


_FACTS: Final = (
    "line",
    "language",
    "declined",
    "consent",
    "hook",
    "hook_reason",
    "default",
    "dial",
    "ended",
    "result",
)
_FRAME: Final = frozenset({"event", "level", "at"})


def answer(received: Received) -> str:
    """Return the fake hook's answer on one line."""
    if received.scenario in SILENT:
        return SILENT[received.scenario]
    body = response_for(received.scenario, forward=FORWARD)
    return f"{body.status} {printable(' '.join(body.text.split()))}"


def print_instructions(
    console: Console,
    asterisk: Asterisk,
    bridge: BridgeProcess,
    scenario: Scenario | None,
    *,
    page: str | None = None,
) -> None:
    """Print how to register a softphone, and which numbers to dial.

    Args:
        console: where to print.
        asterisk: the PBX.
        bridge: the bridge.
        scenario: the hook's answer; None if the keyed number selects it.
        page: the address of the telephone in the browser, if there is one.
    """
    host, port = asterisk.sip
    browser = [] if page is None else [("open", f"{page}  a telephone in your browser"), ("", "")]
    rows = [
        *browser,
        ("register", f"a softphone on this machine, over UDP, at {host}:{port}"),
        ("user", "softphone"),
        ("password", asterisk.accounts["softphone"]),
        ("dial", f"{DID}  the shop, in English"),
        ("", f"{MENU_DID}  the same in English, Spanish and French; the dialplan dials"),
        ("", "100           the shop's own phone, which answers by itself"),
        ("", "600           echo test"),
        *_choices(scenario),
        *_softphone_row(bridge),
    ]
    _print_table(console, rows)


def print_fake_instructions(
    console: Console, bridge: BridgeProcess, scenario: Scenario | None
) -> None:
    """Print how to call the bridge without a PBX."""
    _print_table(console, [*_choices(scenario), *_softphone_row(bridge)])


def _choices(scenario: Scenario | None) -> list[tuple[str, str]]:
    """Return rows that say which keyed number selects which answer of the hook."""
    if scenario is not None:
        return [("key", f"any number like {MOBILE}: the hook answers {scenario}")]
    rows = [
        ("key", f"{MOBILE}    the hook answers with the far end's number; other last two digits:")
    ]
    rows += [
        ("", f"{MOBILE[:-2]}{last}    {answer_text}") for last, answer_text in BY_NUMBER.items()
    ]
    return rows


def _softphone_row(bridge: BridgeProcess) -> list[tuple[str, str]]:
    """Return the row that says how to call the bridge from a terminal."""
    return [("or type", f"agi-bridge softphone {DID} --from {CALLER} --bridge {bridge.url}")]


def _print_table(console: Console, rows: list[tuple[str, str]]) -> None:
    """Print the rows, and how to stop the demonstration."""
    console.print()
    for name, text in rows:
        console.print(f"  {name:<9} {text}", soft_wrap=True, markup=False)
    console.print("\nCtrl-C stops everything and deletes its files.\n")


class BridgeLog:
    """Sorts the bridge's log: queues lines about calls, prints warnings and errors at once."""

    def __init__(self, reporter: ConsoleReporter) -> None:
        self._reporter = reporter
        self._ended: asyncio.Queue[LogRecord] = asyncio.Queue()

    def take(self, line: LogRecord) -> None:
        """Process a line of the log."""
        if line.get("event") == "call":
            self._ended.put_nowait(line)
        elif line.get("level") in {"warning", "error", "critical"}:
            self._reporter.problem_logged(line)

    async def next(self, within: float) -> LogRecord:
        """Return the next line about a call; DemoError if none comes within `within` seconds."""
        try:
            async with asyncio.timeout(within):
                return await self._ended.get()
        except TimeoutError:
            raise DemoError(
                "no_log_line", "the bridge has not logged the end of the call"
            ) from None

    async def report_calls(self) -> None:
        """Print every further call, until cancelled."""
        while True:
            self._reporter.call_logged(await self._ended.get())
