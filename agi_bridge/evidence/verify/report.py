"""The report of a verification: three verdicts, their faults, and the chains they are about.

Data only: what to check is in the modules beside this one, `cli` prints reports.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

QUESTIONS: Final[Mapping[str, str]] = {
    "integrity": "Every event is as it was written, and each follows from the one before it.",
    "anchored": "Checkpoints signed with the business’s own key confirm the events.",
    "completeness": "No event is missing between the first and the last.",
}
"""What each verdict states when it holds, by the verdict's published name."""
VERDICTS: Final = tuple(QUESTIONS)
"""The published names of the verdicts."""
MAX_FAULTS: Final = 100
"""How many faults a verdict keeps. All are counted: a rebuilt chain has one for every event."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where."""

    code: str
    """A stable name of the kind of fault, like `hash_mismatch`."""
    what: str
    """One sentence for people."""
    ledger_id: str = ""
    """The chain; empty if the fault is not in one chain."""
    seq: int | None = None
    """The event's number in the chain; None if the fault is not in one event."""

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
    """The first `MAX_FAULTS` faults."""
    count: int = 0
    """How many faults there are in all."""


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """The part of one chain that was read."""

    ledger_id: str
    """The chain's id: the fingerprint of the key that signs it."""
    first: int
    """The number of the first event that was read."""
    last: int
    """The number of the last event that was read."""
    hash: str
    """The chain's hash after the last event, in hexadecimal; empty if a gap leaves it unknown."""
    anchored: int
    """The last event that a genuine checkpoint confirms; 0 if there is none."""


@dataclass(frozen=True, slots=True)
class Report:
    """The three verdicts on chains, a ledger or an export.

    Attributes:
        subject: what was verified, for people; empty for chains that have no name.
        parts: the chains, or parts of chains, in the order in which they were read.
    """

    subject: str
    integrity: Verdict
    anchored: Verdict
    completeness: Verdict
    parts: tuple[VerifiedChain, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all three verdicts hold."""
        return all(verdict.ok for _, verdict in self.verdicts)

    @property
    def verdicts(self) -> tuple[tuple[str, Verdict], ...]:
        """The verdicts by their published names."""
        return tuple((name, getattr(self, name)) for name in VERDICTS)

    @property
    def chains(self) -> tuple[str, ...]:
        """The ids of the chains, each once: fingerprints of the keys that sign them."""
        return tuple(dict.fromkeys(part.ledger_id for part in self.parts))

    def json(self) -> dict[str, object]:
        """The report as plain values; the keys are published."""
        verdicts = {name: asdict(verdict) for name, verdict in self.verdicts}
        return {"ok": self.ok, "subject": self.subject, **verdicts, "chains": self.chains}


class Findings:
    """Collects the faults of each verdict while a verification runs, and makes its report."""

    __slots__ = ("_counts", "_kept", "_parts")

    def __init__(self) -> None:
        self._kept: dict[str, dict[Fault, None]] = {name: {} for name in VERDICTS}
        self._counts = dict.fromkeys(VERDICTS, 0)
        self._parts: list[VerifiedChain] = []

    def add(
        self, verdict: str, code: str, what: str, ledger_id: str = "", seq: int | None = None
    ) -> None:
        """Note one fault of a verdict; a fault that was kept before is not counted again."""
        self._add(verdict, Fault(code, what, ledger_id, seq))

    def add_chain(self, part: VerifiedChain) -> None:
        """Note that a chain, or a part of one, was read."""
        self._parts.append(part)

    def merge(self, report: Report) -> None:
        """Take over the faults and chains of another report."""
        for name, verdict in report.verdicts:
            for fault in verdict.faults:
                self._add(name, fault)
            self._counts[name] += verdict.count - len(verdict.faults)  # those it did not keep
        self._parts.extend(report.parts)

    def report(self, subject: str = "", **texts: str) -> Report:
        """Make the report. `texts` are what each verdict says if it has no fault."""
        return Report(
            subject,
            **{name: self._verdict(name, texts[name]) for name in VERDICTS},
            parts=tuple(self._parts),
        )

    def _add(self, verdict: str, fault: Fault) -> None:
        kept = self._kept[verdict]
        if fault in kept:
            return
        self._counts[verdict] += 1
        if len(kept) < MAX_FAULTS:
            kept[fault] = None

    def _verdict(self, name: str, text: str) -> Verdict:
        count = self._counts[name]
        if count:
            text = counted(count, "fault")
        return Verdict(not count, text, tuple(self._kept[name]), count)


def counted(number: int, noun: str) -> str:
    """A number of things, for a verdict's text: `1 event`, `1,234 events`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
