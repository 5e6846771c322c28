"""What the demonstration prints beside the call itself: consents, the hook, the bridge's log."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from rich.console import Console

from agi_bridge.consent import ConsentError, State
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Keys
from agi_bridge.evidence.verify.ledger import verify_ledger
from agi_bridge.hook.testing import BY_NUMBER, FakeHook, Received, Scenario, response_for
from agi_bridge.lab.asterisk.server import Asterisk
from agi_bridge.lab.demo.environment import CALLER, DID, FORWARD, MENU_DID, MOBILE, Bridge, Line
from agi_bridge.lab.errors import DemoError
from agi_bridge.lab.softphone.transcript import Story, printable
from agi_bridge.phone import mask

SILENT: Final[Mapping[Scenario, str]] = {
    Scenario.SLOW: "nothing, for longer than the bridge waits",
    Scenario.RESET: "nothing: the connection is reset",
    Scenario.REFUSE: "nothing: the connection is refused",
}
"""What the hook answers where that is not an answer."""

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
    Scenario.REFUSE: State.NOT_SENT,
}
"""How a consent has to stand at the end, by what the hook answers."""


class ConsoleReporter(Story):
    """A story that also tells what is stored, what the hook is asked, and how calls ended.

    Attributes:
        masks: show telephone numbers masked: once people key their own.
    """

    masks = False

    async def stored(
        self, ledger: Path, consent: str | None = None, *, before_hook: bool = False
    ) -> State:
        """Print a consent as the ledger on disk has it, and return its state.

        Args:
            ledger: the bridge's.
            consent: which one; the latest one if None.
            before_hook: only what has to be there before the hook is asked.

        Raises:
            DemoError: there is none, or the ledger cannot be read.
        """
        try:
            keys, _ = await asyncio.to_thread(Keys.load, ledger.parent / "keys", create=False)
            async with await Ledger.open(ledger, keys, read_only=True) as opened:
                events = await opened.events(consent)
                if not events:
                    raise DemoError("no consent is stored")
                consent = events[-1].consent_id
                number = await opened.number(consent)
        except ConsentError as error:
            raise DemoError(f"the ledger cannot be read: {error}") from error
        states = [State(event.type) for event in events if event.consent_id == consent]
        if before_hook and State.SUBMITTING in states:  # the hook may have answered meanwhile
            states = states[: states.index(State.SUBMITTING) + 1]
        told = " > ".join(states)
        shown = mask(number) if self.masks and number else number or "no number"
        self.line(None, "stored", f"consent {consent} of {shown}: {told}")
        return states[-1]

    async def proven(self, ledger: Path) -> None:
        """Sign the head of the chain, replay all of it as a stranger would, and print the verdicts.

        Raises:
            DemoError: one does not hold, or the ledger cannot be read.
        """
        try:
            keys, _ = await asyncio.to_thread(Keys.load, ledger.parent / "keys", create=False)
            async with await Ledger.open(ledger, keys) as opened:
                await opened.checkpoint()
                report = await verify_ledger(opened)
        except ConsentError as error:
            raise DemoError(f"the ledger cannot be read: {error}") from error
        for name, verdict in report.verdicts:
            self.line(None, "proof", f"{name} {'holds' if verdict.ok else 'FAILS'}: {verdict.text}")
        if not report.ok:
            raise DemoError("the ledger does not verify")

    async def asked(self, hook: FakeHook, ledger: Path) -> None:
        """Print what the hook is asked and answers, for as long as this runs.

        What the ledger holds at that moment comes first, as it has to be there by then.
        """
        told = 0
        while True:
            received = await hook.received(told + 1)
            told += 1
            with suppress(DemoError):  # the end of the story looks again, and minds
                await self.stored(ledger, before_hook=True)
            self.line(None, "hook", f"asked: {received.describe(show_numbers=not self.masks)}")
            self.line(None, "hook", f"answers: {answer(received)}")

    def called(self, line: Line) -> None:
        """Print the bridge's one line about a call, for people."""
        facts = [f"{name} {line[name]}" for name in _FACTS if name in line]
        dialled = ", ".join(line.get("dialled", ()))
        if dialled:
            facts.insert(-1, f"dialled {dialled}")
        self.line(None, "log", printable("; ".join([*facts, f"{line.get('ms', 0) / 1000:.1f} s"])))
        steps = ", ".join(f"{name} {at / 1000:.1f}" for name, at in line.get("steps", ()))
        if steps:
            self.line(None, "log", printable(f"seconds to each step: {steps}"))

    def complained(self, line: Line) -> None:
        """Print a warning or an error of the bridge."""
        more = {key: text for key, text in line.items() if key not in _FRAME}
        told = " ".join(f"{key}={text}" for key, text in more.items())
        self.line(None, "error", printable(f"{line.get('event')} {told}".strip()))


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
    """Return what the stand-in answers, on one line."""
    if received.scenario in SILENT:
        return SILENT[received.scenario]
    body = response_for(received.scenario, forward=FORWARD)
    return f"{body.status} {printable(' '.join(body.text.split()))}"


def invite(console: Console, asterisk: Asterisk, bridge: Bridge, scenario: Scenario | None) -> None:
    """Say how a person's own telephone gets in, and what there is to dial.

    Args:
        console: where to print.
        asterisk: the PBX.
        bridge: the bridge.
        scenario: what the hook answers; None if the keyed number decides.
    """
    host, port = asterisk.sip
    rows = [
        ("register", f"a softphone on this machine, over UDP, at {host}:{port}"),
        ("user", "softphone"),
        ("password", asterisk.accounts["softphone"]),
        ("dial", f"{DID}  the shop, in English"),
        ("", f"{MENU_DID}  the same in English, Spanish and French; the dialplan dials"),
        ("", "100           the shop's own telephone, which answers by itself"),
        ("", "600           hear yourself"),
        *choices(scenario),
        *without_telephone(bridge),
    ]
    show(console, rows)


def invite_to_fake(console: Console, bridge: Bridge, scenario: Scenario | None) -> None:
    """Say how to call a bridge without PBX."""
    show(console, [*choices(scenario), *without_telephone(bridge)])


def choices(scenario: Scenario | None) -> list[tuple[str, str]]:
    """Say which keyed number brings which answer of the hook."""
    if scenario is not None:
        return [("key", f"any number like {MOBILE}: the hook answers {scenario}")]
    rows = [("key", f"{MOBILE}    the hook has the far end dialled; and by the last two digits:")]
    rows += [("", f"{MOBILE[:-2]}{last}    {told}") for last, told in BY_NUMBER.items()]
    return rows


def without_telephone(bridge: Bridge) -> list[tuple[str, str]]:
    """Say how to call the bridge from a terminal."""
    return [("or type", f"agi-bridge softphone {DID} --from {CALLER} --bridge {bridge.url}")]


def show(console: Console, rows: list[tuple[str, str]]) -> None:
    """Print a small table, and how to end it all."""
    console.print()
    for name, text in rows:
        console.print(f"  {name:<9} {text}", soft_wrap=True, markup=False)
    console.print("\nCtrl-C ends it and leaves nothing behind.\n")


class Calls:
    """The bridge's log, sorted: lines about calls, and complaints told at once."""

    def __init__(self, teller: ConsoleReporter) -> None:
        self._teller = teller
        self._ended: asyncio.Queue[Line] = asyncio.Queue()

    def take(self, line: Line) -> None:
        """Take a line of the log."""
        if line.get("event") == "call":
            self._ended.put_nowait(line)
        elif line.get("level") in {"warning", "error", "critical"}:
            self._teller.complained(line)

    async def next(self, within: float) -> Line:
        """Return the next line about a call; DemoError if none comes for so many seconds."""
        try:
            async with asyncio.timeout(within):
                return await self._ended.get()
        except TimeoutError:
            raise DemoError("the bridge has not logged the end of the call") from None

    async def tell(self) -> None:
        """Print every further call, for as long as this runs."""
        while True:
            self._teller.called(await self._ended.get())
