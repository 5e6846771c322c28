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
    """How many messages were changed, what was done with them, and what else with endpoints."""

    messages: int
    done: Literal["due", "dropped"]
    asked_again: int = 0

    @property
    def ok(self) -> bool:
        """Whether anything was changed."""
        return self.messages + self.asked_again > 0

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        again = {"endpoints_asked_again": self.asked_again} if self.done == "due" else {}
        return {self.done: self.messages, **again}

    def show(self, console: Console) -> None:
        """Print the numbers."""
        from agi_bridge.cli.output import count

        ending = "due now" if self.done == "due" else "dropped"
        console.print(f"{count(self.messages, 'message')} {ending}")
        if self.asked_again:
            console.print(f"{count(self.asked_again, 'endpoint')} asked again after a 410")


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
    """Delete messages that nobody is to get any more.

    The records themselves stay. An endpoint that answered 410 gets later messages only after
    `push retry`.
    """
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
            if done == "dropped":
                return Changed(await ledger.outbox.drop(endpoint=endpoint, records=ids), done)
            retried = await ledger.outbox.retry(endpoint=endpoint, records=ids)
            return Changed(retried.messages, done, retried.endpoints)

    answer(work(), as_json=as_json)
