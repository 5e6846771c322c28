"""What a verification has found so far, gathered from several places into one report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.evidence.verify.report import Report
from agi_bridge.evidence.verify.verdict import Faults

if TYPE_CHECKING:
    from agi_bridge.evidence.verify.verdict import Verdict, Verdicts


class Findings:
    """Collects faults by verdict, each once, and what there is to say where there are none."""

    def __init__(self) -> None:
        self.chains: dict[str, None] = {}
        self._faults = {name: Faults() for name in ("integrity", "anchored", "completeness")}
        self._known: set[tuple[str, str, int | None, str]] = set()

    def wrong(self, verdict: str, what: str, ledger_id: str = "", seq: int | None = None) -> None:
        """Note one fault of a verdict."""
        fault = (verdict, ledger_id, seq, what)
        if fault not in self._known:
            self._known.add(fault)
            self._faults[verdict].add(ledger_id, seq, what)

    def add(self, verdicts: Verdicts) -> None:
        """Take over what was found of some chains."""
        for name, faults in self._faults.items():
            theirs: Verdict = getattr(verdicts, name)
            for fault in theirs.faults:
                self.wrong(name, fault.what, fault.ledger_id, fault.seq)
            faults.count += theirs.count - len(theirs.faults)  # those that were not kept
        self.chains.update(dict.fromkeys(chain.ledger_id for chain in verdicts.chains))

    def report(self, subject: str, *, integrity: str, anchored: str, completeness: str) -> Report:
        """The report on a subject; the texts are what to say where nothing is wrong."""
        texts = {"integrity": integrity, "anchored": anchored, "completeness": completeness}
        verdicts = {name: faults.verdict(texts[name]) for name, faults in self._faults.items()}
        return Report(subject, **verdicts, chains=tuple(self.chains))
