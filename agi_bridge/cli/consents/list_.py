"""`consents list`: lists consents, revocations and messages, one line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import LineOption, NumberOption, RevealOption, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from agi_bridge.consent import State, Summary
    from agi_bridge.consent.ledger import Ledger

_ANY_WIDTH: Final = 10_000
_COLUMNS: Final = ("record", "kind", "number", "line", "brand", "state", "began")


@dataclass(frozen=True, slots=True)
class Listing:
    """The records; `numbers` has the revealed numbers in full, by record id."""

    summaries: tuple[Summary, ...]
    numbers: Mapping[str, str]
    ok: bool = True

    def json(self) -> list[dict[str, object]]:
        """One object for each record."""
        return [
            {
                "consent_id": each.consent_id,
                "kind": each.kind,
                "number": self._number(each),
                "line": each.line_id,
                "brand": each.brand,
                "state": each.state,
                "damaged": each.damaged,
                "unfinished": each.unfinished,
                "overdue": each.overdue,
                "at": each.at,
                "last_at": each.last_at,
                "erased": each.erased,
                "restricted_until": each.restricted_until,
                "lookup": each.lookup,
            }
            for each in self.summaries
        ]

    def show(self, console: Console) -> None:
        """Print a table, newest first; on a narrow terminal two lines each, with the whole id."""
        from agi_bridge.cli.output import printable, table

        if not self.summaries:
            console.print("none")
            return
        rows = [
            (
                each.consent_id,
                each.kind,
                "erased" if each.erased else self._number(each) or "",
                each.line_id or "",
                each.brand or ("every" if each.kind == "revocation" else ""),
                _state_of(each),
                each.at,
            )
            for each in self.summaries
        ]
        made = table(_COLUMNS, rows)
        wide = console.options.update(max_width=_ANY_WIDTH)
        if console.measure(made, options=wide).maximum <= console.width:
            console.print(made)
            return
        for record, kind, number, line, brand, state, at in rows:
            console.print(f"{record}  {state or kind}  {at}", soft_wrap=True)
            about = ", ".join(filter(None, (kind, number, line, brand)))
            console.print(f"    {printable(about)}", soft_wrap=True)

    def _number(self, summary: Summary) -> str | None:
        return self.numbers.get(summary.consent_id, summary.masked_number)


def _state_of(summary: Summary) -> str:
    """The state, and whether a YES by text is to complete the consent, or its time is over.

    Of a message: why a look-up did not say whose it is.
    """
    told = (
        "changed" if summary.damaged else "",
        str(summary.state or ""),
        "unfinished" if summary.unfinished else "",
        "overdue" if summary.overdue else "",
        (summary.lookup or "").replace("_", " "),
    )
    return ", ".join(filter(None, told))


def command(
    *,
    number: NumberOption = None,
    line: LineOption = None,
    state: Annotated[
        str | None, typer.Option(help="Their last state, like accepted or unknown.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Began on this day (UTC) or later.", metavar="DATE")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Began on this day (UTC) or before.", metavar="DATE")
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Only those that wait for a person (see resolve).")
    ] = False,
    limit: Annotated[int, typer.Option(help="At most this many, the newest.", min=1)] = 100,
    reveal: RevealOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List consents, revocations and messages, newest first."""
    from agi_bridge.app.ledger import open_ledger
    from agi_bridge.cli.arguments import phone_number, utc_timestamp
    from agi_bridge.consent import Filter

    settings = load_settings(config)

    async def work() -> Listing:
        wanted = Filter(
            number=None if number is None else phone_number(settings, number),
            line=None if line is None else settings.find_line(line).name,
            state=None if state is None else _state(state),
            since=None if since is None else utc_timestamp("--since", since),
            until=None if until is None else utc_timestamp("--until", until, end=True),
            open_=open_,
            limit=limit,
        )
        async with await open_ledger(settings) as ledger:
            found = await ledger.summaries(wanted)
            numbers = await _reveal_numbers(ledger, found) if reveal else {}
        return Listing(tuple(found), numbers)

    answer(work(), as_json=as_json)


async def _reveal_numbers(ledger: Ledger, found: list[Summary]) -> dict[str, str]:
    from agi_bridge.cli import audit

    numbers = {}
    for each in found:
        if each.masked_number is not None:
            known = await audit.reveal(ledger, each.consent_id, "consents list --reveal")
            numbers[each.consent_id] = known["number"]
    return numbers


def _state(name: str) -> State:
    from agi_bridge.cli.common import UsageError
    from agi_bridge.consent import State

    try:
        return State(name)
    except ValueError:
        raise UsageError(f"--state: must be one of {', '.join(State)}") from None
