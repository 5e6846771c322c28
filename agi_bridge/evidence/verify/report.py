"""What a verification answers: three verdicts, what they are about, and whose signature it was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from agi_bridge.evidence.verify.verdict import Verdict

QUESTIONS: Final = {
    "integrity": "Every event is as it was written, and each follows from the one before it.",
    "anchored": "Checkpoints signed with the business’s own key vouch for the events.",
    "completeness": "No event is missing between the first and the last.",
}
"""What each verdict answers."""
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Report:
    """The three verdicts on a ledger or an export.

    Attributes:
        subject: what was verified.
        chains: the ids of the chains in it: fingerprints of the keys that sign them.
    """

    subject: str
    integrity: Verdict
    anchored: Verdict
    completeness: Verdict
    chains: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether all three hold."""
        return all(verdict.ok for _, verdict in self.verdicts)

    @property
    def verdicts(self) -> tuple[tuple[str, Verdict], ...]:
        """The verdicts by name."""
        return tuple((name, getattr(self, name)) for name in QUESTIONS)

    def json(self) -> dict[str, object]:
        """The same as plain values."""
        return {"ok": self.ok, **asdict(self)}

    def show(self, console: Console) -> None:
        """Print the verdicts, and under each what is wrong."""
        console.print(self.subject, soft_wrap=True)
        for name, verdict in self.verdicts:
            word = "holds" if verdict.ok else "FAILS"
            style = "green" if verdict.ok else "bold red"
            console.print(f"{name:<13}", end="")
            console.print(f"{word:<7}", style=style, end="")
            console.print(verdict.text, soft_wrap=True)
            for fault in verdict.faults[:_SHOWN]:
                console.print(f"  {fault}", soft_wrap=True)
            if verdict.count > _SHOWN:
                console.print(f"  and {verdict.count - _SHOWN:,} more")
        console.print(f"signed by    {_keys(self.chains)}", soft_wrap=True)


def _keys(chains: Iterable[str]) -> str:
    return ", ".join(f"key {each}" for each in chains) or "nobody"
