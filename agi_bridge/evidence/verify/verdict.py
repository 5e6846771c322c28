"""What a verification says: three verdicts, each with its reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SHOWN: Final = 100
"""How many faults of a verdict are kept; a chain that was rebuilt has one for every event."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where."""

    ledger_id: str
    """The chain; empty if it is in none."""
    seq: int | None
    """The event in it; None if it is no event's fault."""
    what: str

    def __str__(self) -> str:
        """Return one line for people."""
        chain = f"chain {self.ledger_id[:8]}" if self.ledger_id else ""
        event = f"event {self.seq:,}" if self.seq is not None else ""
        where = ", ".join(filter(None, (chain, event)))
        return f"{where}: {self.what}" if where else self.what


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one question."""

    ok: bool
    text: str
    """One line for people."""
    faults: tuple[Fault, ...] = ()
    """The first of them."""
    count: int = 0
    """How many there are in all."""


@dataclass(frozen=True, slots=True)
class ChainSeen:
    """One chain as far as it was there."""

    ledger_id: str
    first: int
    """The first event that was there."""
    last: int
    """The last one."""
    hash: str
    """The chain's hash after it, in hexadecimal; empty where a gap leaves it unknown."""
    anchored: int
    """The last event that a genuine checkpoint vouches for; 0 if none does."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a verification found."""

    integrity: Verdict
    """Is every event as it was written, and does each follow from the one before it?"""
    anchored: Verdict
    """Up to which event does a checkpoint of the business's own key vouch for it?"""
    completeness: Verdict
    """Is no event missing, at the start, between, or at the end?"""
    chains: tuple[ChainSeen, ...]

    @property
    def ok(self) -> bool:
        """Whether all three hold."""
        return self.integrity.ok and self.anchored.ok and self.completeness.ok


class Faults:
    """Collects the faults of one verdict: the first ones, and how many there were."""

    __slots__ = ("count", "first")

    def __init__(self) -> None:
        self.first: list[Fault] = []
        self.count = 0

    def add(self, ledger_id: str, seq: int | None, what: str) -> None:
        """Note one more."""
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(Fault(ledger_id, seq, what))

    def verdict(self, text: str) -> Verdict:
        """The verdict: that text if nothing is wrong, else how much is."""
        if self.count:
            text = f"{self.count:,} fault{'s' if self.count > 1 else ''}"
        return Verdict(not self.count, text, tuple(self.first), self.count)
