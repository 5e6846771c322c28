"""`consents erase`: erases or restricts personal data. The events stay and still verify."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import ConsentOption, NumberOption, load_settings

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Erased:
    """How many records were found and changed; `done` is None if the question was answered no.

    `calls` are those of the call history that lost what stood for a person.
    """

    found: int
    done: int | None
    until: str | None
    calls: int = 0

    @property
    def ok(self) -> bool:
        """Whether it was done."""
        return self.done is not None

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        return {
            "found": self.found,
            "done": self.done,
            "restricted_until": self.until,
            "calls": self.calls,
        }

    def show(self, console: Console) -> None:
        """Print how many records were changed."""
        from agi_bridge.cli.output import count

        if self.done is None:
            console.print("nothing was done")
            return
        what = "erased" if self.until is None else f"restricted until {self.until}"
        console.print(f"personal data {what}: {self.done} of {count(self.found, 'record')}")
        if self.done < self.found:
            console.print("The other records have no personal data, or are restricted.")
        if self.calls:
            console.print(f"call history: numbers erased from {count(self.calls, 'call')}")


def command(
    basis: Annotated[
        str, typer.Option(help="Why, in one line. It is never erased: do not name a number.")
    ],
    *,
    number: NumberOption = None,
    consent: ConsentOption = None,
    restrict: Annotated[
        bool,
        typer.Option("--restrict", help="Keep it for the defence of claims only, until a date."),
    ] = False,
    until: Annotated[
        str | None, typer.Option(help="The last day of a restriction.", metavar="DATE")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase the personal data of a number or of one record; the events stay and still verify.

    The call history loses what stands for the number or belongs to the record, also with
    --restrict: it is not evidence.
    """
    import asyncio

    from agi_bridge.app.history import calls_of, erase_calls
    from agi_bridge.app.ledger import open_ledger
    from agi_bridge.cli.arguments import permanent_text, phone_number, record_ids, utc_timestamp
    from agi_bridge.cli.audit import actor
    from agi_bridge.cli.common import UsageError
    from agi_bridge.cli.output import count
    from agi_bridge.consent import NotOnRecord

    settings = load_settings(config)

    async def work() -> Erased:
        if (number is None) == (consent is None):
            raise UsageError("name one of --number and --consent")
        if restrict != (until is not None):
            raise UsageError("--restrict and --until DATE go together")
        reason = permanent_text("--basis", basis)
        end = None if until is None else utc_timestamp("--until", until, end=True)
        called = None if number is None else phone_number(settings, number)
        async with await open_ledger(settings) as ledger:
            try:
                ids = await record_ids(settings, ledger, number, consent)
            except NotOnRecord:  # somebody who called and gave no consent
                if called is None or not await asyncio.to_thread(calls_of, settings, called):
                    raise
                ids = []
            records = count(len(ids), "record")
            question = (
                f"Erase the personal data of {records}? This cannot be undone."
                if end is None
                else f"Restrict the personal data of {records}?"
            )
            if not yes and not typer.confirm(question, err=True):
                return Erased(len(ids), None, end)
            calls = await asyncio.to_thread(erase_calls, settings, called, ids)
            if end is None:
                done = await ledger.erase(ids, basis=reason, actor=actor())
            else:
                done = await ledger.restrict(ids, basis=reason, until=end, actor=actor())
        return Erased(len(ids), done, end, calls)

    answer(work(), as_json=as_json)
