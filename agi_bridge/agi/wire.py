"""Parser of what Asterisk sends: bytes in, events out. Pure: no socket, no clock.

Most of the stream is lines, but a value may contain line feeds (`handle_getvariable` prints it
raw), a usage text has several lines (`agi_handle_command`), and HANGUP can come at any time
(`run_agi`).
"""

import re
from dataclasses import dataclass
from typing import Final, NamedTuple

from agi_bridge.agi.environment import Environment, parse_environment
from agi_bridge.agi.errors import AGIProtocolError
from agi_bridge.agi.limits import Limits

OK: Final = 200
TRYING: Final = 100
INVALID_COMMAND: Final = 510
DEAD_CHANNEL: Final = 511
USAGE: Final = 520


class Reply(NamedTuple):
    """One parsed reply. A tuple for speed: every call has many.

    `result` is text, because keys may begin with zeros or be empty. `data` is the text in
    parentheses, up to the last one; for replies other than 200, and for free text after the
    result, it is that text; of SPEECH RECOGNIZE it is all that follows the opening parenthesis.
    `endpos` is where playback or recording ended, in samples.
    """

    code: int
    result: str = ""
    data: str | None = None
    endpos: int | None = None


@dataclass(frozen=True, slots=True)
class UsageBlock:
    """A 520: the usage of a command with wrong syntax. It also follows some applications."""

    text: str


@dataclass(frozen=True, slots=True)
class HangupNotice:
    """The HANGUP line. It is not a reply: the pending command still gets its own."""


Event = Environment | Reply | UsageBlock | HangupNotice

_HANGUP = b"HANGUP"
_RESULT = b"200 result="
_USAGE = b"520-"
_USAGE_END = b"520 End of proper usage."
_CODE = re.compile(rb"\d{3}(?= |$)")
_ENDPOS_BEHIND_DATA = re.compile(r"\) endpos=(-?[0-9]{1,18})$")
_ENDPOS = re.compile(r"endpos=(-?[0-9]{1,18})$")
_RECOGNIZED = re.compile(
    r"\((?:speech\) endpos=[0-9]{1,18} results=[0-9]{1,4} |digit\) digit=. endpos=[0-9]{1,18}$)"
)
"""How SPEECH RECOGNIZE's reply begins whose end is not a ``)`` (`handle_speechrecognize`)."""
_MAX_KNOWN = 512
_KEY_CODE = 3
"""Characters of the longest result that is a key or a status."""
_known: dict[bytes, Reply] = {}
"""Parsed replies that come in every call, by their line, at most `_MAX_KNOWN`: statuses, single
keys, and sounds that played to their end. None holds a number that a caller keyed."""


class StreamParser:
    """Turns the bytes of one connection into events, in chunks of any size.

    A multi-line value ends with the first line that ends in ``)``. A value can forge that, so read
    untrusted values with `Channel.read_variable`.
    Lines that are neither a reply nor HANGUP are dropped and counted.
    """

    __slots__ = (
        "_between", "_buffer", "_environment_due", "_limits", "_open", "_open_bytes", "dropped"
    )  # fmt: skip

    def __init__(self, limits: Limits | None = None, *, environment: bool = True) -> None:
        self._limits = limits or Limits()
        self._environment_due = environment
        self._between = not environment  # the next byte begins a reply
        self._buffer = b""
        self._open: list[bytes] | None = None  # the lines so far of a reply that goes on
        self._open_bytes = 0
        self.dropped: int = 0
        """Number of dropped lines so far."""

    def reply(self, data: bytes) -> Reply | None:
        """Parse bytes that are exactly one reply line, as most reads are.

        None: they are something else, and for `feed`.
        """
        return (_known.get(data) or self._one_line(data)) if self._between else None

    def feed(self, data: bytes) -> list[Event]:
        """Parse the next bytes; return the events that they complete.

        Raises:
            AGIProtocolError: a limit is exceeded, or the environment is invalid.
        """
        events: list[Event] = []
        if self._buffer:
            data = self._buffer + data
        if self._environment_due:
            rest = self._environment(data, events)
            if rest is None:
                return events
            data = rest
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            event = self._line(data[start:end])
            if event is not None:
                events.append(event)
            start = end + 1
        self._buffer = data[start:]
        self._between = not self._buffer and self._open is None
        if self._buffer:
            self._check(len(self._buffer))
        return events

    def _one_line(self, data: bytes) -> Reply | None:
        last = len(data) - 1
        if not data.startswith(_RESULT) or data.find(b"\n") != last:
            return None
        if last > self._limits.reply_bytes:
            return None
        reply = _parse_result(data[len(_RESULT) : last].decode("utf-8", "surrogateescape"))
        if reply is not None and _returns(reply) and len(_known) < _MAX_KNOWN:
            _known[data] = reply
        return reply

    def _environment(self, data: bytes, events: list[Event]) -> bytes | None:
        """Append the environment to `events`; return the rest, or None if it is incomplete."""
        limits = self._limits
        end = 0 if data.startswith(b"\n") else data.find(b"\n\n") + 1
        whole = end > 0 or data.startswith(b"\n")
        block = data[:end] if whole else data
        if len(block) > limits.environment_bytes or block.count(b"\n") > limits.environment_lines:
            raise AGIProtocolError(
                "environment_too_large", "the environment is larger than the limit"
            )
        if not whole:
            self._buffer = data
            return None
        self._environment_due = False
        events.append(parse_environment(block.decode("utf-8", "surrogateescape")))
        return data[end + 1 :]

    def _check(self, more: int) -> None:
        if self._open_bytes + more > self._limits.reply_bytes:
            raise AGIProtocolError("reply_too_large", "a reply is larger than the limit")

    def _line(self, line: bytes) -> Event | None:
        self._check(len(line))
        if self._open is not None:
            return self._continued(line)
        if line == _HANGUP:
            return HangupNotice()
        if line.startswith(_USAGE) and not line.endswith(_USAGE_END):
            self._opened(line)
            return None
        if line.startswith(_RESULT):
            reply = _parse_result(line[len(_RESULT) :].decode("utf-8", "surrogateescape"))
            if reply is None:
                self._opened(line)
            return reply
        event = _parse_other(line)
        if event is None:
            self.dropped += 1
        return event

    def _opened(self, line: bytes) -> None:
        self._open = [line]
        self._open_bytes = len(line)

    def _continued(self, line: bytes) -> Event | None:
        """Append a line to the open reply; return the reply if it is complete."""
        assert self._open is not None  # noqa: S101 - for the type checker; the caller has looked
        self._open.append(line)
        self._open_bytes += len(line) + 1
        usage = self._open[0].startswith(_USAGE)
        if not line.endswith(_USAGE_END if usage else b")"):
            return None
        text = b"\n".join(self._open).decode("utf-8", "surrogateescape")
        self._open = None
        self._open_bytes = 0
        return UsageBlock(text[len(_USAGE) :]) if usage else _parse_result(text[len(_RESULT) :])


def _returns(reply: Reply) -> bool:
    """Tell whether the same reply will come in other calls; see `_known`."""
    if reply.data is not None:
        return False
    return reply.result == "0" if reply.endpos is not None else len(reply.result) <= _KEY_CODE


def _parse_result(body: str) -> Reply | None:
    """Parse the text after ``200 result=``; None if its parenthesis is still open."""
    result, space, rest = body.partition(" ")
    if not space:
        return Reply(OK, result)
    if not rest.startswith("("):
        found = _ENDPOS.match(rest)
        return Reply(OK, result, None, int(found[1])) if found else Reply(OK, result, rest)
    if rest.endswith(")"):
        return Reply(OK, result, rest[1:-1])
    if _RECOGNIZED.match(rest):
        return Reply(OK, result, rest[1:])
    found = _ENDPOS_BEHIND_DATA.search(rest)
    return Reply(OK, result, rest[1 : found.start()], int(found[1])) if found else None


def _parse_other(line: bytes) -> Event | None:
    """Parse a line that is not ``200 result=``; None if it is not a line of AGI."""
    text = line.decode("utf-8", "surrogateescape")
    if line.startswith(_USAGE):
        return UsageBlock(text[len(_USAGE) :])
    if not _CODE.match(line):
        return None
    code, text = int(text[:3]), text[4:]
    return UsageBlock(text) if code == USAGE else Reply(code, "", text or None)
