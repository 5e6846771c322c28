"""`consents resolve`: records how a person settled a record that waited for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import RecordArgument, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

Resolution: TypeAlias = Literal["texted", "not-texted", "passed-on", "done"]
"""The text went out or did not; the platform knows of the revocation; the message is handled."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The record, and how it was resolved."""

    consent_id: str
    resolution: Resolution
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        return {"consent_id": self.consent_id, "as": self.resolution}

    def show(self, console: Console) -> None:
        """Print the resolution."""
        console.print(f"{self.consent_id}: resolved as {self.resolution}", soft_wrap=True)


def command(
    record: RecordArgument,
    as_: Annotated[
        Resolution,
        typer.Option(
            "--as",
            help="For an unknown outcome: texted or not-texted, as the platform reports it. For a "
            "revocation: passed-on to the platform. For a message: done.",
        ),
    ],
    *,
    note: Annotated[
        str | None, typer.Option(help="One line. It is never erased: do not name a number.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record how a person settled what the software could not. Each record is resolved once."""
    from agi_bridge.app.ledger import open_ledger
    from agi_bridge.cli.arguments import permanent_text, record_id
    from agi_bridge.cli.audit import actor
    from agi_bridge.consent import Act

    settings = load_settings(config)

    async def work() -> Resolved:
        body = {"as": as_, "actor": actor()}
        if note is not None:
            body["note"] = permanent_text("--note", note)
        async with await open_ledger(settings) as ledger:
            consent_id = await record_id(ledger, record)
            await ledger.settle_overdue()  # as `unknown`: that is what a person can resolve
            rows = await ledger.rows_of(consent_id)
            _check(consent_id, [row.type for row in rows], as_)
            await ledger.record_act(Act.RESOLVED, consent_id, **body)
        return Resolved(consent_id, as_)

    answer(work(), as_json=as_json)


def _check(consent_id: str, types: Sequence[str], resolution: Resolution) -> None:
    """Raise UsageError if a record with these types of events does not take the resolution."""
    from agi_bridge.cli.common import UsageError
    from agi_bridge.consent.ledger import resolutions

    allowed = resolutions(types)
    if not allowed:
        raise UsageError(f"{consent_id}: does not wait for a person")
    if resolution not in allowed:
        raise UsageError(f"--as: must be one of {', '.join(allowed)} for this record")
