"""`consents erase`: personal data goes, or is restricted; the events stay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agi_bridge.app.ledger import open_ledger
from agi_bridge.cli import arguments
from agi_bridge.cli.audit import actor
from agi_bridge.cli.errors import UsageError
from agi_bridge.consent import Filter, NotOnRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Erased:
    """The answer; None where the person said no."""

    found: int
    done: int | None
    until: str | None

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.done is not None

    def json(self) -> dict[str, object]:
        """The same as plain values."""
        return {"found": self.found, "done": self.done, "restricted_until": self.until}

    def show(self, console: Console) -> None:
        """Print of how many records."""
        if self.done is None:
            console.print("nothing was done")
            return
        what = "erased" if self.until is None else f"restricted until {self.until}"
        console.print(f"personal data {what}: {self.done} of {_records(self.found)}")
        if self.done < self.found:
            console.print("The others hold none any more, or are restricted.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command, as they were typed."""

    basis: str
    number: str | None = None
    consent: str | None = None
    restrict: bool = False
    until: str | None = None


async def run(settings: Settings, asked: Asked, confirm: Callable[[str], bool]) -> Erased:
    """Erase or restrict, once `confirm` has said yes to the question it is given.

    Raises:
        UsageError: an option has no sense.
        NotOnRecord: the ledger has no such record.
        LedgerUnavailable, KeyFault: as the ledger says.
    """
    if (asked.number is None) == (asked.consent is None):
        raise UsageError("name one of --number and --consent")
    if asked.restrict != (asked.until is not None):
        raise UsageError("--restrict and --until DATE go together")
    basis = arguments.words("--basis", asked.basis)
    until = None if asked.until is None else arguments.moment("--until", asked.until, end=True)
    async with await open_ledger(settings) as ledger:
        ids = await _ids(settings, ledger, asked)
        what = "Erase" if until is None else "Restrict"
        end = " This cannot be undone." if until is None else ""
        if not confirm(f"{what} the personal data of {_records(len(ids))}?{end}"):
            return Erased(len(ids), None, until)
        if until is None:
            done = await ledger.erase(ids, basis=basis, actor=actor())
        else:
            done = await ledger.restrict(ids, basis=basis, until=until, actor=actor())
    return Erased(len(ids), done, until)


async def _ids(settings: Settings, ledger: Ledger, asked: Asked) -> list[str]:
    if asked.consent is not None:
        return [await arguments.record(ledger, asked.consent)]
    number = arguments.number(settings, asked.number or "")
    found = await ledger.summaries(Filter(number=number, limit=None))
    if not found:
        raise NotOnRecord("--number: nothing is on record")
    return [summary.consent_id for summary in found]


def _records(count: int) -> str:
    return f"{count} record{'' if count == 1 else 's'}"
