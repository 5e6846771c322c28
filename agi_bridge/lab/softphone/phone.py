"""`agi-bridge softphone`: a caller in the terminal, with the PBX's side of the call played for it.

For anyone who wants to try a bridge without a PBX. What the bridge commands is answered as Asterisk
would answer it; the caller reads each prompt, with its length, instead of hearing it.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, cast
from urllib.parse import parse_qs, quote, urlsplit

from rich.console import Console

from agi_bridge.agi.testing import CallEvent, CallRecord, DialOutcome, DtmfScript, FakeAsterisk
from agi_bridge.lab.errors import SoftphoneUsageError
from agi_bridge.lab.softphone.keys import Keyboard
from agi_bridge.lab.softphone.sounds import Sounds
from agi_bridge.lab.softphone.transcript import RESULT, Story, printable

DIAL_STATUSES: Final = ("ANSWER", "BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL")
"""What may become of a dialled call (`dial_exec_full`)."""

SEEN_THROUGH, NOT_SEEN_THROUGH, MISUSED = 0, 1, 2
"""Exit codes: the bridge set its result; it was unreachable, refused or broke off; misused."""

_CONNECT_SECONDS: Final = 2.0
"""How long Asterisk waits for a connection (MAX_AGI_CONNECT)."""
_TALK_SECONDS: Final = 5.0
_PORT: Final = 4573


@dataclass(frozen=True, slots=True)
class Target:
    """Where a bridge is: what the dialplan's ``AGI(agi://host:port/path)`` says."""

    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str, to: str) -> "Target":
        """Read an AGI URL, and add the number called as the dialplan does (`to=`).

        Raises:
            SoftphoneUsageError: it is no AGI URL.
        """
        parts = urlsplit(url)
        try:
            port = _PORT if parts.port is None else parts.port
        except ValueError:
            raise SoftphoneUsageError("the port in the AGI URL is not a port") from None
        if parts.scheme != "agi" or not parts.hostname:
            raise SoftphoneUsageError("not an AGI URL: write agi://HOST:PORT/consent")
        query = parts.query
        if to and "to" not in parse_qs(query):
            query += ("&" if query else "") + f"to={quote(to, safe='')}"
        path = parts.path.removeprefix("/")
        return cls(parts.hostname, port, f"{path}?{query}" if query else path)


class _Phone(FakeAsterisk):
    """The PBX and its caller: keys come from the terminal, events go to it."""

    def __init__(self, story: Story, sounds: Sounds, **more: object) -> None:
        super().__init__(sounds=sounds.milliseconds, on_event=self._tell, **more)  # type: ignore[arg-type]  # handed on as it came
        self.story = story
        self.keyboard: Keyboard | None = None
        self.deadline = asyncio.timeout(_CONNECT_SECONDS)
        self._task = cast("asyncio.Task[int]", asyncio.current_task())
        self._can_hang_up = False
        self._at = 0.0
        self._offered = ""

    async def next_key(self, timeout: float) -> str | None:  # noqa: ASYNC109 - the PBX's own
        """Wait for a key from the terminal."""
        if self._offered:  # the one before was not wanted, or the PBX would have told of it
            self.story.lost(self._at, self._offered)
            self._offered = ""
        assert self.keyboard is not None  # noqa: S101 - asked only when no keys are scripted
        key = await self.keyboard.next(timeout)
        self._offered = key or ""
        return key

    def leave(self) -> None:
        """Hang up; asked a second time, or before there is a call, give up."""
        if self._can_hang_up:
            self._can_hang_up = False
            self.hang_up()
        else:
            self._task.cancel()

    def _tell(self, event: CallEvent) -> None:
        self._at = event.at
        if event.kind == "connected":
            self._can_hang_up = True
            self.deadline.reschedule(None)
        elif event.kind == "key":
            self._offered = ""
        self.story.tell(event)


async def run(
    bridge_url: str,
    *,
    to: str,
    keys: str | None,
    caller_id: str,
    dial: str,
    pace: float,
    console: Console | None = None,
) -> int:
    """Place one call and show it; what `agi-bridge softphone` does.

    Args:
        bridge_url: `agi://host:port/path`, as a dialplan has it.
        to: the number called; '' leaves it to the URL.
        keys: what the caller keys (see `DtmfScript`), None to take it from the terminal.
        caller_id: the caller's number.
        dial: what becomes of a dialled call: a DIALSTATUS.
        pace: 1.0 is real time, 0 lets none pass.
        console: where to print; standard output if not given.

    Returns:
        `SEEN_THROUGH`, `NOT_SEEN_THROUGH` or `MISUSED`.
    """
    console = console or Console(highlight=False)
    try:
        target = Target.of(bridge_url, to)
        _check(keys, dial, pace)
    except SoftphoneUsageError as error:
        Console(stderr=True, highlight=False).print(f"agi-bridge: {error}", soft_wrap=True)
        return MISUSED
    sounds = Sounds()
    story = Story(console, sounds)
    phone = _Phone(
        story,
        sounds,
        keys=keys,
        dial=DialOutcome(dial, talk_seconds=_TALK_SECONDS),
        caller_id=caller_id or "unknown",
        dnid=to or "unknown",
        extension=to or "s",
        pace=pace,
    )
    story.line(0.0, "calls", f"{to or 'the bridge'} from {caller_id or 'a hidden number'}")
    try:
        with _signals(phone):
            record = await _place(phone, target, interactive=keys is None)
    except OSError as error:  # TimeoutError is one
        why = os.strerror(error.errno) if error.errno else str(error) or "no answer"
        story.line(None, "error", f"no bridge at {target.host} port {target.port}: {why}")
        return NOT_SEEN_THROUGH
    except asyncio.CancelledError:
        story.line(None, "error", "given up")
        return NOT_SEEN_THROUGH
    return _conclude(story, record)


def _check(keys: str | None, dial: str, pace: float) -> None:
    if dial not in DIAL_STATUSES:
        raise SoftphoneUsageError(f"--dial is one of {', '.join(DIAL_STATUSES)}")
    if keys is not None:
        try:
            DtmfScript(keys)
        except ValueError as error:
            raise SoftphoneUsageError(f"--keys: {error}") from None
    elif not sys.stdin.isatty():
        raise SoftphoneUsageError("there is no terminal to take keys from: say them with --keys")
    elif not pace:
        raise SoftphoneUsageError("--fast needs --keys: nobody can key in no time")


async def _place(phone: _Phone, target: Target, *, interactive: bool) -> CallRecord:
    async with phone.deadline:
        if not interactive:
            return await phone.call(target.host, target.port, target.path)
        with Keyboard(sys.stdin.fileno(), phone.leave) as phone.keyboard:
            phone.story.line(None, "note", "your keys: 0-9 * #   hang up: q or Ctrl-C")
            return await phone.call(target.host, target.port, target.path)


@contextmanager
def _signals(phone: _Phone) -> Iterator[None]:
    """Let Ctrl-C, or whoever ends this process, hang up; a second signal gives the call up.

    Without this the terminal would be left without echo.
    """
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, phone.leave)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _conclude(story: Story, record: CallRecord) -> int:
    """Say how the call ended, and give the exit code."""
    for fault in record.protocol_violations:
        story.line(record.seconds, "error", f"the bridge broke the protocol: {fault}")
    result = record.variables.get(RESULT)
    ended = f"after {record.seconds:.1f} s: AGISTATUS {record.status}"
    if record.refused is not None:
        story.line(None, "error", f"the bridge refused the call: {printable(record.refused)}")
    elif result is None:
        story.line(None, "error", f"the bridge broke off {ended}, {RESULT} was never set")
    else:
        story.line(None, "over", f"{ended}, {RESULT} {printable(result)}")
        return SEEN_THROUGH
    return NOT_SEEN_THROUGH
