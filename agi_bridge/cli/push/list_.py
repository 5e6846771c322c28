"""`push list`: lists the messages that wait, with the reason where an attempt failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.push.options import EndpointOption, load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.consent import PushEntry

_COLUMNS: Final = ("endpoint", "event", "record", "happened", "attempts", "failed", "next")


@dataclass(frozen=True, slots=True)
class Waiting:
    """The messages, and the endpoints that the configuration names."""

    entries: tuple[PushEntry, ...]
    configured: frozenset[str]
    ok: bool = True

    def json(self) -> list[dict[str, object]]:
        """One object for each message."""
        return [
            {
                "endpoint": each.key.endpoint,
                "configured": each.key.endpoint in self.configured,
                "type": each.type.value,
                "record": each.record,
                "at": each.at,
                "attempts": each.attempts,
                "reason": each.reason,
                "next_at": each.next_at,
            }
            for each in self.entries
        ]

    def show(self, console: Console) -> None:
        """Print a table, and what to do about endpoints that get nothing."""
        from agi_bridge.cli.output import table
        from agi_bridge.consent import GONE

        if not self.entries:
            console.print("none")
            return
        rows = [
            (
                each.key.endpoint,
                each.type.value,
                each.record,
                each.at,
                str(each.attempts),
                each.reason or "",
                each.next_at or "",
            )
            for each in self.entries
        ]
        console.print(table(_COLUMNS, rows))
        names = {each.key.endpoint for each in self.entries}
        for name in sorted(names - self.configured):
            console.print(f"{name} is not in [[push]]: agi-bridge push drop --endpoint {name}")
        for name in sorted({each.key.endpoint for each in self.entries if each.reason == GONE}):
            console.print(
                f"{name} answered 410 and gets nothing more until: "
                f"agi-bridge push retry --endpoint {name}"
            )


def command(
    *,
    endpoint: EndpointOption = None,
    limit: Annotated[int, typer.Option(help="At most this many, the oldest.", min=1)] = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the messages that wait, oldest first, and why those that failed did."""
    from agi_bridge.app.ledger import open_ledger

    settings = load_settings(config)

    async def work() -> Waiting:
        async with await open_ledger(settings) as ledger:
            entries = await ledger.outbox.entries(endpoint=endpoint, limit=limit)
        return Waiting(tuple(entries), frozenset(each.name for each in settings.push))

    answer(work(), as_json=as_json)
