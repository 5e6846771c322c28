"""`push retry` and `push drop`: what becomes of messages that wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.push.options import EndpointOption, load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

RecordOption = Annotated[
    list[str] | None,
    typer.Option("--record", help="A consent or a revocation, by its id. Can be repeated."),
]
AllOption = Annotated[bool, typer.Option("--all", help="All messages.")]


@dataclass(frozen=True, slots=True)
class Changed:
    """How many messages were changed, and what was done with them."""

    messages: int
    done: Literal["due", "dropped"]

    @property
    def ok(self) -> bool:
        """Whether there were any."""
        return self.messages > 0

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        return {self.done: self.messages}

    def show(self, console: Console) -> None:
        """Print the number."""
        from agi_bridge.cli.output import count

        ending = "due now" if self.done == "due" else "dropped"
        console.print(f"{count(self.messages, 'message')} {ending}")


def retry(
    *,
    endpoint: EndpointOption = None,
    record: RecordOption = None,
    all_: AllOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Try messages again at once, also those to an endpoint that was gone.

    The running service looks at the outbox every few seconds.
    """
    _change("due", endpoint, record or [], config, everything=all_, as_json=as_json)


def drop(
    *,
    endpoint: EndpointOption = None,
    record: RecordOption = None,
    all_: AllOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Delete messages that nobody is to get any more. The records themselves stay."""
    _change("dropped", endpoint, record or [], config, everything=all_, as_json=as_json)


def _change(
    done: Literal["due", "dropped"],
    endpoint: str | None,
    records: list[str],
    config: Path | None,
    *,
    everything: bool,
    as_json: bool,
) -> None:
    from agi_bridge.app.ledger import open_ledger
    from agi_bridge.cli.arguments import record_id
    from agi_bridge.cli.common import UsageError

    settings = load_settings(config)

    async def work() -> Changed:
        if everything is bool(endpoint or records):
            raise UsageError("name --endpoint or --record, or --all alone")
        async with await open_ledger(settings) as ledger:
            ids = [await record_id(ledger, each) for each in records]
            change = ledger.outbox.retry if done == "due" else ledger.outbox.drop
            return Changed(await change(endpoint=endpoint, records=ids), done)

    answer(work(), as_json=as_json)
