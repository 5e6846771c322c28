"""The softphone: places one call to a bridge from the terminal, without a PBX.

A simulated Asterisk answers the bridge's commands. The caller reads each prompt, with its length,
and keys digits in the terminal. The transcript's lines are in `transcript`.
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

from agi_bridge.agi.testing import (
    CallEvent,
    CallRecord,
    DialOutcome,
    DtmfScript,
    FakeAsterisk,
    NotSimulatedError,
)
from agi_bridge.lab.errors import SoftphoneUsageError
from agi_bridge.lab.softphone.keys import Keyboard
from agi_bridge.lab.softphone.sounds import Sounds
from agi_bridge.lab.softphone.transcript import RESULT, Transcript, printable

DIAL_STATUSES: Final = ("ANSWER", "BUSY", "NOANSWER", "CANCEL", "CONGESTION", "CHANUNAVAIL")
"""How a dialled call can end: the values of DIALSTATUS (Asterisk's `dial_exec_full`)."""

COMPLETED, FAILED = 0, 1
"""Exit codes. Completed: the bridge set its result. Failed: unreachable, refused, or broken off."""

_CONNECT_SECONDS: Final = 2.0
"""How long Asterisk waits for a connection (MAX_AGI_CONNECT)."""
_TALK_SECONDS: Final = 5.0
_PORT: Final = 4573


@dataclass(frozen=True, slots=True)
class Target:
    """Where a bridge is: as the dialplan's ``AGI(agi://host:port/path)`` names it."""

    host: str
    port: int
    path: str

    @classmethod
    def of(cls, url: str, to: str) -> "Target":
        """Read an AGI URL, and add the number called as the dialplan does (`to=`).

        Raises:
            SoftphoneUsageError: it is not an AGI URL.
        """
        parts = urlsplit(url)
        try:
            port = _PORT if parts.port is None else parts.port
        except ValueError:
            raise SoftphoneUsageError("bridge", "the AGI URL has an invalid port") from None
        if parts.scheme != "agi" or not parts.hostname:
            raise SoftphoneUsageError("bridge", "not an AGI URL; write agi://HOST:PORT/consent")
        query = parts.query
        if to and "to" not in parse_qs(query):
            query += ("&" if query else "") + f"to={quote(to, safe='')}"
        path = parts.path.removeprefix("/")
        return cls(parts.hostname, port, f"{path}?{query}" if query else path)


class _Phone(FakeAsterisk):
    """A simulated Asterisk whose caller is the terminal: it supplies keys and shows events."""

    def __init__(self, transcript: Transcript, sounds: Sounds, **more: object) -> None:
        super().__init__(sounds=sounds.milliseconds, on_event=self._on_event, **more)  # type: ignore[arg-type]  # handed on as it came
        self.transcript = transcript
        self.keyboard: Keyboard | None = None
        self.deadline = asyncio.timeout(_CONNECT_SECONDS)
        self._task = cast("asyncio.Task[int]", asyncio.current_task())
        self._can_hang_up = False
        self._at = 0.0
        self._unused_key = ""

    async def next_key(self, timeout: float) -> str | None:  # noqa: ASYNC109 - the PBX's own
        """Wait for a key from the terminal."""
        if self._unused_key:  # an unused key: no "key" event came
            self.transcript.ignored_key(self._at, self._unused_key)
            self._unused_key = ""
        assert self.keyboard is not None  # noqa: S101 - asked only when no keys are scripted
        key = await self.keyboard.next(timeout)
        self._unused_key = key or ""
        return key

    def hang_up_or_cancel(self) -> None:
        """Hang up. A second time, or before the call is connected, cancel the call."""
        if self._can_hang_up:
            self._can_hang_up = False
            self.hang_up()
        else:
            self._task.cancel()

    def _on_event(self, event: CallEvent) -> None:
        self._at = event.at
        if event.kind == "connected":
            self._can_hang_up = True
            self.deadline.reschedule(None)
        elif event.kind == "key":
            self._unused_key = ""
        self.transcript.on_event(event)


async def run_softphone(
    bridge_url: str,
    *,
    to: str,
    keys: str | None,
    caller_id: str,
    dial: str,
    pace: float,
    console: Console | None = None,
) -> int:
    """Place one call and print its transcript.

    Args:
        bridge_url: `agi://host:port/path`, as a dialplan has it.
        to: the called number; '' if the URL names it.
        keys: the keys to press (see `DtmfScript`); None reads them from the terminal.
        caller_id: the caller's number.
        dial: how a dialled call ends: a DIALSTATUS.
        pace: 1.0 is real time, 0 does not wait.
        console: where to print; standard output if None.

    Returns:
        `COMPLETED` or `FAILED`.

    Raises:
        SoftphoneUsageError: an argument is not usable.
    """
    console = console or Console(highlight=False)
    target = Target.of(bridge_url, to)
    _check_arguments(keys, dial, pace)
    sounds = Sounds()
    transcript = Transcript(console, sounds)
    phone = _Phone(
        transcript,
        sounds,
        keys=keys,
        dial=DialOutcome(dial, talk_seconds=_TALK_SECONDS),
        caller_id=caller_id or "unknown",
        dnid=to or "unknown",
        extension=to or "s",
        pace=pace,
    )
    transcript.line(0.0, "calls", f"{to or 'the bridge'} from {caller_id or 'a hidden number'}")
    try:
        with _signals(phone):
            record = await _place(phone, target, interactive=keys is None)
    except OSError as error:  # TimeoutError is one
        why = os.strerror(error.errno) if error.errno else str(error) or "no answer"
        transcript.line(
            None, "error", f"cannot reach a bridge at {target.host} port {target.port}: {why}"
        )
        return FAILED
    except NotSimulatedError as error:
        transcript.line(None, "error", f"this simulated PBX lacks {error.what}")
        return FAILED
    except asyncio.CancelledError:
        transcript.line(None, "error", "cancelled")
        return FAILED
    return _report_end(transcript, record)


def _check_arguments(keys: str | None, dial: str, pace: float) -> None:
    if dial not in DIAL_STATUSES:
        raise SoftphoneUsageError("dial", f"--dial must be one of {', '.join(DIAL_STATUSES)}")
    if keys is not None:
        try:
            DtmfScript(keys)
        except ValueError as error:
            raise SoftphoneUsageError("keys", f"--keys: {error}") from None
    elif not sys.stdin.isatty():
        raise SoftphoneUsageError(
            "keys", "standard input is not a terminal; give the keys with --keys"
        )
    elif not pace:
        raise SoftphoneUsageError("fast", "--fast requires --keys")


async def _place(phone: _Phone, target: Target, *, interactive: bool) -> CallRecord:
    async with phone.deadline:
        if not interactive:
            return await phone.call(target.host, target.port, target.path)
        with Keyboard(sys.stdin.fileno(), phone.hang_up_or_cancel) as phone.keyboard:
            phone.transcript.line(None, "note", "your keys: 0-9 * #   hang up: q or Ctrl-C")
            return await phone.call(target.host, target.port, target.path)


@contextmanager
def _signals(phone: _Phone) -> Iterator[None]:
    """Hang up on SIGINT, SIGTERM and SIGHUP; a second signal cancels the call.

    The default handlers would end the process and leave the terminal without echo.
    """
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, phone.hang_up_or_cancel)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _report_end(transcript: Transcript, record: CallRecord) -> int:
    """Print how the call ended, and return the exit code."""
    for fault in record.protocol_violations:
        transcript.line(record.seconds, "error", f"protocol error by the bridge: {fault}")
    result = record.variables.get(RESULT)
    ended = f"after {record.seconds:.1f} s: AGISTATUS {record.status}"
    if record.refused is not None:
        transcript.line(None, "error", f"the bridge refused the call: {printable(record.refused)}")
    elif result is None:
        transcript.line(
            None, "error", f"the bridge ended the call {ended} without setting {RESULT}"
        )
    else:
        transcript.line(None, "over", f"{ended}, {RESULT} {printable(result)}")
        return COMPLETED
    return FAILED
