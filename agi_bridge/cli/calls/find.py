"""`calls`: finds calls in the history, as a table, and one call as its timeline. Blocks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from agi_bridge.app.history import reading_calls
from agi_bridge.cli.arguments import phone_number, utc_timestamp
from agi_bridge.cli.common import UsageError
from agi_bridge.cli.output import printable, seconds, table
from agi_bridge.history import RESULTS, CallFilter, HistoryError, moments, short, words

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.history import Call
    from agi_bridge.settings import Settings

_COLUMNS: Final = ("call", "began (UTC)", "line", "s", "caller", "ended")
_TIME: Final = slice(5, 16)
"""Month to minute of a time in RFC 3339."""


@dataclass(frozen=True, slots=True)
class CallList:
    """Calls, the newest first; `off` if the history is turned off."""

    calls: tuple[Call, ...]
    off: bool = False
    ok: bool = True

    def json(self) -> list[dict[str, object]]:
        """One object for each call, with its timeline."""
        return [call.document() for call in self.calls]

    def show(self, console: Console) -> None:
        """Print a table of 80 columns."""
        if not self.calls:
            console.print("none" + (": the history is off ([history] days is 0)" * self.off))
            return
        console.print(table(_COLUMNS, [row(call) for call in self.calls]))


@dataclass(frozen=True, slots=True)
class OneCall:
    """One call with its timeline."""

    call: Call
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The call as an object."""
        return self.call.document()

    def show(self, console: Console) -> None:
        """Print what is known of the call, its timeline, and why it ended so."""
        for name, value in facts(self.call):
            console.print(f"{name:<9}{printable(value)}", soft_wrap=True)
        console.print()
        rows = [(seconds(each.ms / 1000), each.text) for each in moments(self.call.events)]
        if self.call.ms is not None and self.call.ms >= (self.call.events or ((0,),))[-1][0]:
            rows.append((seconds(self.call.ms / 1000), "the end"))
        console.print(table(("s", "what happened"), rows))
        console.print()
        console.print(self.call.sentence)


def wanted_calls(
    settings: Settings,
    *,
    line: str | None,
    result: str | None,
    since: str | None,
    until: str | None,
    number: str | None,
    limit: int,
) -> CallFilter:
    """Read the options of the command.

    Raises:
        UsageError: one of them is not valid.
        UnknownLineError: there is no such line.
    """
    known = RESULTS | words()
    if result is not None and result not in known:
        raise UsageError(f"--result: must be one of {', '.join(sorted(known))}")
    return CallFilter(
        line=None if line is None else settings.find_line(line).name,
        outcome=result,
        since=None if since is None else _milliseconds(utc_timestamp("--since", since)),
        until=None if until is None else _milliseconds(utc_timestamp("--until", until, end=True)),
        number=None if number is None else phone_number(settings, number),
        limit=limit,
    )


def call_list(settings: Settings, wanted: CallFilter) -> CallList:
    """Find calls.

    Raises:
        HistoryError: the history cannot be read.
    """
    try:
        with reading_calls(settings) as reader:
            return CallList(tuple(reader.find(wanted)))
    except HistoryError as error:
        if error.code == "no_history":
            return CallList((), off=not settings.history.days)
        raise


def one_call(settings: Settings, wanted: str) -> OneCall:
    """Find one call.

    Raises:
        HistoryError: it is not there, or several begin so.
    """
    with reading_calls(settings) as reader:
        return OneCall(reader.get(wanted))


def row(call: Call) -> tuple[str, ...]:
    """A call as a row of the table."""
    return (
        call.id,
        call.document_time[_TIME].replace("T", " "),
        call.line or "none",
        "" if call.ms is None else seconds(call.ms / 1000),
        call.caller or ("erased" if call.erased else ""),
        short(call.why),
    )


def facts(call: Call) -> list[tuple[str, str]]:
    """What is known of a call besides its timeline; what is not known is left out."""
    erased = "erased" if call.erased else None
    found = (
        ("call", f"{call.id}, Asterisk's {call.uniqueid}" if call.uniqueid else call.id),
        ("began", call.document_time),
        ("line", call.line or "none has the number called"),
        ("called", call.did),
        ("caller", call.caller or erased),
        ("number", call.number or erased),
        ("language", call.language),
        ("consent", call.consent),
        ("result", call.result),
    )
    return [(name, value) for name, value in found if value]


def _milliseconds(timestamp: str) -> int:
    return round(datetime.fromisoformat(timestamp).timestamp() * 1000)
