"""The report of a verification: four verdicts, their faults, and the chains they are about.

Data only: what to check is in the modules beside this one, `cli` prints reports.

A verdict has one of four values. `fails`: something is wrong. `holds`: nothing is, and nothing had
to be taken on trust. `trusting`: nothing is wrong, but the verdict depends on what its
text names: a key that is not confirmed, or a clock that no time stamp confirms. `pending`: nothing
is wrong, but the newest events are not anchored yet: their bridge has not signed them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

QUESTIONS: Final[Mapping[str, str]] = {
    "integrity": "Every event is as it was written, follows from the one before it, and was valid.",
    "anchored": "Checkpoints signed with the business’s own key confirm the events.",
    "completeness": "No event of the records is missing, and no text, recording or value.",
    "time": "Time stamps of an authority outside confirm when the events were written.",
}
"""What each verdict states when it holds, by the verdict's published name."""
VERDICTS: Final = tuple(QUESTIONS)
"""The published names of the verdicts."""
MAX_FAULTS: Final = 100
"""How many faults a verdict keeps. All are counted: a rebuilt chain has one for every event."""


class Value(StrEnum):
    """The value of a verdict."""

    HOLDS = "holds"
    TRUSTING = "trusting"
    PENDING = "pending"
    FAILS = "fails"


_WORST_FIRST: Final = (Value.FAILS, Value.PENDING, Value.TRUSTING, Value.HOLDS)


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

    value: Value
    text: str
    """One line for people."""
    faults: tuple[Fault, ...] = ()
    """The first `MAX_FAULTS` faults."""
    count: int = 0
    """How many faults there are in all."""

    @property
    def ok(self) -> bool:
        """Whether it holds without trust."""
        return self.value is Value.HOLDS


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """What was read of one chain."""

    ledger_id: str
    first: int
    """The first event read; 0 if none was."""
    last: int
    head: str
    """The chain's hash after `last`; empty if a fault leaves it unknown."""
    anchored: int
    """The newest event that a checkpoint confirms; 0 if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The verdicts on one ledger or export.

    Attributes:
        subject: what was verified.
        parts: the chains that were read.
        notes: what the verdicts do not cover, one line each.
    """

    subject: str
    integrity: Verdict
    anchored: Verdict
    completeness: Verdict
    time: Verdict
    parts: tuple[VerifiedChain, ...]
    notes: tuple[str, ...] = ()

    @property
    def value(self) -> Value:
        """The worst value of the four."""
        values = {verdict.value for _, verdict in self.verdicts}
        return next(each for each in _WORST_FIRST if each in values)

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
        verdicts = {
            name: {**asdict(verdict), "ok": verdict.ok, "value": verdict.value.value}
            for name, verdict in self.verdicts
        }
        return {
            "value": self.value.value,
            "ok": self.value is Value.HOLDS,
            "subject": self.subject,
            **verdicts,
            "chains": self.chains,
            "notes": self.notes,
        }


class Findings:
    """Collects the faults of each verdict while a verification runs, and makes its report."""

    __slots__ = ("_counts", "_kept", "_notes", "_parts", "_pending", "_trusted")

    def __init__(self) -> None:
        self._kept: dict[str, dict[Fault, None]] = {name: {} for name in VERDICTS}
        self._counts = dict.fromkeys(VERDICTS, 0)
        self._trusted: dict[str, str] = {}
        self._pending: dict[str, list[str]] = {}
        self._notes: dict[str, None] = {}
        self._parts: list[VerifiedChain] = []

    def add(
        self, verdict: str, code: str, what: str, ledger_id: str = "", seq: int | None = None
    ) -> None:
        """Note one fault of a verdict; a fault that was kept before is not counted again."""
        fault = Fault(code, what, ledger_id, seq)
        kept = self._kept[verdict]
        if fault in kept:
            return
        self._counts[verdict] += 1
        if len(kept) < MAX_FAULTS:
            kept[fault] = None

    def trust(self, verdict: str, text: str) -> None:
        """Note that a verdict without faults holds only for a person who trusts something."""
        self._trusted[verdict] = text

    def wait(self, verdict: str, text: str) -> None:
        """Note what a verdict without faults still waits for."""
        self._pending.setdefault(verdict, []).append(text)

    def note(self, text: str) -> None:
        """Note what the verdicts do not cover."""
        self._notes[text] = None

    def add_chain(self, part: VerifiedChain) -> None:
        """Note that a chain, or a part of one, was read."""
        self._parts.append(part)

    def has(self, verdict: str) -> bool:
        """Whether a verdict has a fault so far."""
        return self._counts[verdict] > 0

    def report(self, subject: str, texts: Mapping[str, str]) -> Report:
        """Make the report. `texts` are what each verdict says if it has no fault."""
        return Report(
            subject=subject,
            **{name: self._verdict(name, texts[name]) for name in VERDICTS},
            parts=tuple(self._parts),
            notes=tuple(self._notes),
        )

    def _verdict(self, name: str, text: str) -> Verdict:
        count = self._counts[name]
        if count:
            faults = tuple(self._kept[name])
            summary = _contradicted(faults[0]) if name == "time" else counted(count, "fault")
            return Verdict(Value.FAILS, summary, faults, count)
        if name in self._pending:
            return Verdict(Value.PENDING, "; ".join(self._pending[name]))
        if name in self._trusted:
            return Verdict(Value.TRUSTING, self._trusted[name])
        return Verdict(Value.HOLDS, text)


def _contradicted(fault: Fault) -> str:
    return "contradicted" if fault.seq is None else f"contradicted at event {fault.seq:,}"


def counted(number: int, noun: str) -> str:
    """A number of things, for a verdict's text: `1 event`, `1,234 events`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
