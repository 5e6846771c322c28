"""`consents list`: consents, revocations and messages in one line each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.app.ledger import open_ledger
from agi_bridge.cli import arguments
from agi_bridge.cli.errors import UsageError
from agi_bridge.cli.fold_revealing import revealed
from agi_bridge.cli.output import plain, table
from agi_bridge.consent import Filter, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from agi_bridge.consent import Summary
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.settings import Settings

COMMAND: Final = "consents list --reveal"
_ANY_WIDTH: Final = 10_000
_COLUMNS: Final = ("record", "kind", "number", "line", "brand", "state", "began")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command, as they were typed."""

    number: str | None = None
    line: str | None = None
    state: str | None = None
    since: str | None = None
    until: str | None = None
    open_: bool = False
    limit: int = 100
    reveal: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer; `numbers` are in full, of those that were asked to be revealed."""

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
                "at": each.at,
                "last_at": each.last_at,
                "erased": each.erased,
                "restricted_until": each.restricted_until,
            }
            for each in self.summaries
        ]

    def show(self, console: Console) -> None:
        """Print a table, newest first; on a narrow terminal two lines each, with the id whole."""
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
                str(each.state or ""),
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
            console.print(f"    {plain(about)}", soft_wrap=True)

    def _number(self, summary: Summary) -> str | None:
        return self.numbers.get(summary.consent_id, summary.masked_number)


async def run(settings: Settings, asked: Asked) -> Listing:
    """List what the options ask for; with `reveal` that is on record before it is shown.

    Raises:
        UsageError: an option has no sense.
        LedgerUnavailable, KeyFault, VaultDamaged: as the ledger says.
    """
    wanted = _filter(settings, asked)
    async with await open_ledger(settings) as ledger:
        found = await ledger.summaries(wanted)
        numbers = await _numbers(ledger, found) if asked.reveal else {}
    return Listing(tuple(found), numbers)


async def _numbers(ledger: Ledger, found: list[Summary]) -> dict[str, str]:
    numbers = {}
    for each in found:
        if each.masked_number is not None:
            known = await revealed(ledger, each.consent_id, COMMAND)
            numbers[each.consent_id] = known["number"]
    return numbers


def _filter(settings: Settings, asked: Asked) -> Filter:
    return Filter(
        number=None if asked.number is None else arguments.number(settings, asked.number),
        line=None if asked.line is None else _line(settings, asked.line),
        state=None if asked.state is None else _state(asked.state),
        since=None if asked.since is None else arguments.moment("--since", asked.since),
        until=None if asked.until is None else arguments.moment("--until", asked.until, end=True),
        open_=asked.open_,
        limit=asked.limit,
    )


def _line(settings: Settings, wanted: str) -> str:
    return settings.find_line(wanted).name


def _state(name: str) -> State:
    try:
        return State(name)
    except ValueError:
        raise UsageError(f"--state: one of {', '.join(State)}") from None
