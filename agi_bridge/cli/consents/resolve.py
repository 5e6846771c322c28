"""`consents resolve`: what a person found out or did about a record that waited for one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from agi_bridge.app.ledger import open_ledger
from agi_bridge.cli import arguments
from agi_bridge.cli.audit import actor
from agi_bridge.cli.errors import UsageError
from agi_bridge.consent import Act, State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from agi_bridge.settings import Settings

Resolution: TypeAlias = Literal["texted", "not-texted", "passed-on", "done"]
"""What can be said of a record: the text went out or not; the platform knows; it is seen to."""

FITS: Final[Mapping[str, tuple[Resolution, ...]]] = {
    State.UNKNOWN: ("texted", "not-texted"),
    Act.REVOCATION: ("passed-on",),
    Act.MESSAGE: ("done",),
}
"""What can be said of which kind of record."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """The answer."""

    consent_id: str
    resolution: Resolution
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The same as plain values."""
        return {"consent_id": self.consent_id, "as": self.resolution}

    def show(self, console: Console) -> None:
        """Print that it is on record."""
        console.print(f"{self.consent_id}: resolved as {self.resolution}", soft_wrap=True)


async def run(
    settings: Settings, wanted: str, resolution: Resolution, note: str | None
) -> Resolved:
    """Put a resolution on record; it can be said once.

    Raises:
        NotOnRecord: the ledger has no such record.
        UsageError: it does not wait for a person, or not for that; or the note holds a number.
        LedgerUnavailable, KeyFault: as the ledger says.
    """
    body = {"as": resolution, "actor": actor()}
    if note is not None:
        body["note"] = arguments.words("--note", note)
    async with await open_ledger(settings) as ledger:
        consent_id = await arguments.record(ledger, wanted)
        rows = await ledger.rows_of(consent_id)
        types = {row.type for row in rows}
        fitting = [each for kind, said in FITS.items() if kind in types for each in said]
        if not fitting or Act.RESOLVED in types:
            raise UsageError(f"{consent_id}: does not wait for anybody")
        if resolution not in fitting:
            raise UsageError(f"--as: of this record it is one of {', '.join(fitting)}")
        await ledger.record_act(Act.RESOLVED, consent_id, **body)
    return Resolved(consent_id, resolution)
