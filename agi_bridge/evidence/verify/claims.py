"""What genuine checkpoints state of each chain: its hashes, and the events it must have."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agi_bridge.evidence.verify.order import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.evidence.verify.report import Findings
    from agi_bridge.evidence.verify.time import TimeChecker


@dataclass(slots=True)
class Signed:
    """What genuine checkpoints say of one chain."""

    hashes: dict[int, dict[str, bool]] = field(default_factory=dict)
    """By event, each hash, and whether a checkpoint of the chain itself has it."""
    sums: dict[int, set[str]] = field(default_factory=dict)
    """The SHA-256 of the lines of the chain's own checkpoints, by event, kept apart or not."""
    checkpoints: dict[int, list[tuple[Checkpoint, str]]] = field(default_factory=dict)
    """The chain's own checkpoints by event, with the SHA-256 of their lines."""
    must_reach: int = 0


class Claims:
    """Collects checkpoints; those that their chain's key did not sign are reported.

    Args:
        findings: where they are.
        stored: the ones stored with the events. The chains that they name must reach them.
        elsewhere: checkpoints that were kept apart.
    """

    def __init__(
        self, findings: Findings, stored: Iterable[Checkpoint], elsewhere: Iterable[Checkpoint]
    ) -> None:
        self._findings = findings
        self._signed: dict[str, Signed] = {}
        self._apart: list[Checkpoint] = []
        self.as_of = ""
        """When the newest of the stored ones was signed."""
        for checkpoint in self._genuine(stored):
            self._claim(checkpoint, must_reach=True)
        apart = tuple(elsewhere)
        self.known: set[str] = set()
        """The ids of chains that a checkpoint kept apart is of."""
        for checkpoint in self._genuine(apart):
            self.known.add(checkpoint.ledger_id)
            self._apart.append(checkpoint)
            self._claim(checkpoint, must_reach=False)
        self.kept_apart = bool(apart)
        """Whether any was kept apart."""

    def of(self, ledger_id: str) -> Signed:
        """What is stated of a chain; nothing if no checkpoint names it."""
        return self._signed.get(ledger_id) or Signed()

    @property
    def chains(self) -> Mapping[str, Signed]:
        """What is stated, by chain."""
        return self._signed

    def reached_apart(self, reached: Mapping[str, int]) -> Iterator[tuple[str, int]]:
        """The heads of checkpoints that were kept apart, of events that were reached.

        Args:
            reached: the last event that was read of each chain.
        """
        for checkpoint in self._apart:
            if checkpoint.seq <= reached.get(checkpoint.ledger_id, 0):
                for ledger_id, seq, _ in checkpoint.heads:
                    yield ledger_id, seq

    def judge_apart(self, read: Mapping[str, tuple[int, int]], time: TimeChecker) -> None:
        """Say what the checkpoints that were kept apart could not be compared with.

        Args:
            read: by chain, the event before the first one read, and the last one.
            time: knows how the events are dated.
        """
        newest: dict[str, Checkpoint] = {}
        is_compared = not self._apart
        for each in self._apart:
            for ledger_id, seq in ((each.ledger_id, each.seq), *(head[:2] for head in each.heads)):
                start, last = read.get(ledger_id, (1, 0))
                is_compared |= start <= seq <= last
            start, last = read.get(each.ledger_id, (0, 0))
            if each.seq > last:
                newest[each.ledger_id] = max(newest.get(each.ledger_id, each), each, key=_seq)
            elif each.seq <= start:
                early = time.first_before(each.ledger_id, milliseconds(each.at))
                if early is not None:
                    kept = f"the checkpoint of event {each.seq:,}, which was kept elsewhere"
                    what = f"unwitnessed: event {early:,} is dated before {kept}"
                    self._findings.trust("time", what)
        for each in newest.values():
            self._findings.note(
                f"a checkpoint kept elsewhere is newer (event {each.seq:,} of chain "
                f"{each.ledger_id[:8]}, {each.at}): nothing is said of what came after"
            )
        if not is_compared:
            self._findings.note(
                "no checkpoint kept elsewhere could be compared: none is of an event that it has, "
                "or of the one before"
            )

    def cuts(self, one: str, other: str) -> Iterator[tuple[int, int]]:
        """The events that two chains had reached when a checkpoint of either was signed.

        A chain that it does not name had none yet.
        """
        for own, is_first in ((one, True), (other, False)):
            kept = [each for each in self._apart if each.ledger_id == own]
            signed = [each for of in self.of(own).checkpoints.values() for each, _ in of]
            for checkpoint in (*signed, *kept):
                heads = {ledger_id: seq for ledger_id, seq, _ in checkpoint.heads}
                head = heads.get(other if is_first else one, 0)
                yield (checkpoint.seq, head) if is_first else (head, checkpoint.seq)

    def _genuine(self, checkpoints: Iterable[Checkpoint]) -> Iterator[Checkpoint]:
        """The genuine checkpoints, each once; the others are reported."""
        for checkpoint in dict.fromkeys(checkpoints):
            if checkpoint.is_genuine:
                yield checkpoint
            else:
                self._findings.add(
                    "anchored",
                    "checkpoint_forged",
                    "a checkpoint of it is not signed with the chain's key",
                    checkpoint.ledger_id,
                    checkpoint.seq,
                )

    def _claim(self, checkpoint: Checkpoint, *, must_reach: bool) -> None:
        """Note the hashes that a checkpoint states: of its own chain, and of the others' heads."""
        own = self._signed.setdefault(checkpoint.ledger_id, Signed())
        own.hashes.setdefault(checkpoint.seq, {})[checkpoint.hash] = True
        line_sha256 = hashlib.sha256(checkpoint.line.encode()).hexdigest()
        sums = own.sums.setdefault(checkpoint.seq, set())
        sums.add(line_sha256)
        if len(sums) > 1:  # an event is signed once: the second one moves its time or the heads
            what = "two checkpoints of this event differ: one was signed again"
            self._findings.add(
                "integrity", "checkpoints_differ", what, checkpoint.ledger_id, checkpoint.seq
            )
        if must_reach:
            self.as_of = max(self.as_of, checkpoint.at)
            own.checkpoints.setdefault(checkpoint.seq, []).append((checkpoint, line_sha256))
            own.must_reach = max(own.must_reach, checkpoint.seq)
        for ledger_id, seq, hash_ in checkpoint.heads:
            other = self._signed.setdefault(ledger_id, Signed())
            other.hashes.setdefault(seq, {}).setdefault(hash_, False)
            if must_reach:
                other.must_reach = max(other.must_reach, seq)


def _seq(checkpoint: Checkpoint) -> int:
    return checkpoint.seq
