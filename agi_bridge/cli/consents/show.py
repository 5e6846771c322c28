"""`consents show`: one record with everything that happened to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.app.ledger import open_ledger
from agi_bridge.cli import arguments
from agi_bridge.cli.fold_revealing import revealed
from agi_bridge.cli.output import plain, table
from agi_bridge.evidence.export.case import dossier
from agi_bridge.evidence.export.summary import personal_label, tell

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.evidence.export.summary import Story
    from agi_bridge.settings import Settings

COMMAND: Final = "consents show --reveal"


@dataclass(frozen=True, slots=True)
class Shown:
    """The answer."""

    story: Story
    ok: bool = True

    def json(self) -> dict[str, object]:
        """What is known, and its events with all that they say."""
        events = [
            {"type": moment.type, "at": moment.at, "ledger_id": moment.ledger_id,
             "seq": moment.seq, "hash": moment.hash, "facts": dict(moment.said)}
            for moment in self.story.moments
        ]  # fmt: skip
        return {**self.story.json(), "events": events}

    def show(self, console: Console) -> None:
        """Print it as the page of an export has it, shorter."""
        story = self.story
        console.print(plain(story.title), style="bold")
        lines = [("record", story.consent_id), ("standing", story.status)]
        if story.given is not None:
            lines += [("given", f"{story.given.local} ({story.given.utc})"), ("how", story.act)]
        lines += [(personal_label(name), said) for name, said in story.personal.items()]
        if story.erased:
            lines.append(("personal data", "erased"))
        if story.played is not None:
            played = story.played
            lines += [
                ("disclosure", played.text or "no longer on record"),
                ("played", f"{played.heard:.1f} of {played.seconds:.1f} s"),
            ]
        lines += [("key", f"{key} at {offset} ({prompt})") for prompt, offset, key in story.keys]
        for name, said in lines:
            console.print(f"{name:<18} {plain(said)}", soft_wrap=True)
        events = [
            (moment.at, moment.title, "; ".join(f"{name}: {said}" for name, said in moment.facts))
            for moment in story.moments
        ]
        console.print(table(("at", "event", "says"), events))


async def run(settings: Settings, wanted: str, *, reveal: bool) -> Shown:
    """Show a consent, a revocation or a message; to reveal it is put on record before.

    Raises:
        NotOnRecord, UsageError: the ledger has no such record, or several whose ids begin so.
        LedgerUnavailable, KeyFault, VaultDamaged: as the ledger says.
    """
    async with await open_ledger(settings) as ledger:
        consent_id = await arguments.record(ledger, wanted)
        found = await dossier(ledger, consent_id)
        if reveal:
            await revealed(ledger, consent_id, COMMAND)
            found = await dossier(ledger, consent_id)
    return Shown(tell(found, reveal=reveal))
