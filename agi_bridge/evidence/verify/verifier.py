"""Verification: replays chains and says what holds, as a stranger would, years later.

Pure: it needs no database, no key and no network, and a million events take no more memory than the
states of their consents. Three questions are answered apart, for each has other remedies:

* integrity: every event is as it was written, follows from the one before it, and was lawful;
* anchored: a checkpoint signed with the chain's own key vouches for it, up to some event;
* completeness: none is missing at the start, between, or, as far as a checkpoint tells, at the end.

Whoever has the database but not the signing key can rebuild a chain so that it is whole in itself.
It then contradicts the checkpoints of the true one, or has none, or belongs to another key; so keep
checkpoints, or at least the chain's id, where that person cannot reach them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from agi_bridge.consent import START, Row, leaf, link
from agi_bridge.evidence.verify.event import Events
from agi_bridge.evidence.verify.verdict import ChainSeen, Faults, Verdicts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from agi_bridge.consent.signing import Checkpoint


@dataclass(frozen=True, slots=True)
class Leaf:
    """An event of which only the hash is shown: it is somebody else's."""

    ledger_id: str
    seq: int
    leaf: str
    """The hash of its body, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a chain begins if not at its first event: after `seq`, where its hash was `hash`."""

    ledger_id: str
    seq: int
    hash: str


Entry: TypeAlias = Row | Leaf


@dataclass(slots=True)
class _Walk:
    """How far one chain was read."""

    ledger_id: str
    seq: int
    """The last event read, or the one before the first."""
    head: bytes | None
    """The chain's hash there; None where a gap leaves it unknown."""
    marks: dict[int, set[str]]
    """The hashes that genuine checkpoints say, by event."""
    first: int = 0
    anchored: int = 0


class Verifier:
    """Reads events piece by piece, then says what holds.

    Args:
        checkpoints: those that lie with the events. The chains must be there and reach them.
        elsewhere: those that somebody kept apart from an export. They may be about more than it
            holds, so they are compared where they can be; but a chain that none of them is about
            is not taken for the business's. For a ledger, which holds everything, they belong
            with `checkpoints`.
        disclosures: the texts by their SHA-256, looked up as events are read; None leaves them out.
        starts: where chains begin that are not there from their first event. A genuine checkpoint
            has to vouch for each.
        trusted: the ids of the chains that are the business's own; None trusts any.
    """

    def __init__(
        self,
        checkpoints: Iterable[Checkpoint] = (),
        *,
        elsewhere: Iterable[Checkpoint] = (),
        disclosures: Mapping[str, str] | None = None,
        starts: Iterable[Start] = (),
        trusted: Collection[str] | None = None,
    ) -> None:
        self._integrity = Faults()
        self._anchored = Faults()
        self._completeness = Faults()
        self._trusted = trusted
        self._walks: dict[str, _Walk] = {}
        self._marks: dict[str, dict[int, set[str]]] = {}
        self._reach: dict[str, int] = {}
        for checkpoint in self._genuine(checkpoints):
            reach = self._reach.get(checkpoint.ledger_id, 0)
            self._reach[checkpoint.ledger_id] = max(reach, checkpoint.seq)
        apart = tuple(elsewhere)
        self._known = {checkpoint.ledger_id for checkpoint in self._genuine(apart)}
        self._kept_apart = bool(apart)
        starts = tuple(starts)
        for start in starts:
            self._begin(start)
        self._events = Events(
            self._integrity,
            self._completeness,
            disclosures=disclosures,
            unknown_before=any(start.seq for start in starts),
        )
        self._read = 0

    def read(
        self, entries: Iterable[Entry], personal: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        """Read events on, of each chain in its order; chains one after another or interleaved.

        `personal` is what the vault holds, by consent, as far as it is
        at hand; what is not in it is not opened.
        """
        opened = personal or {}
        for entry in entries:
            walk = self._walks.get(entry.ledger_id)
            if walk is None:
                walk = self._begin(Start(entry.ledger_id, 0, START.hex()))
            try:
                self._step(walk, entry, opened)
            except (TypeError, ValueError):  # SQLite takes any type in any column
                self._integrity.add(walk.ledger_id, walk.seq + 1, "it holds what no event holds")
                walk.seq, walk.head = walk.seq + 1, None

    def verdicts(self) -> Verdicts:
        """What holds of all that was read; to be asked once, at the end."""
        self._events.judge()
        for ledger_id, reach in self._reach.items():
            walk = self._walks.get(ledger_id)
            if walk is None:
                what = f"the chain is not there, though a checkpoint is of its event {reach:,}"
                self._completeness.add(ledger_id, None, what)
            elif walk.seq < reach:
                what = f"the chain ends here, though a checkpoint is of its event {reach:,}"
                self._completeness.add(ledger_id, walk.seq, what)
        for walk in self._walks.values():
            self._judge_anchor(walk)
        walks = tuple(self._walks.values())
        if not walks:
            self._anchored.add("", None, "there is no chain")
        return Verdicts(
            self._integrity.verdict(f"{_events(self._read)} as written"),
            self._anchored.verdict(
                _each(f"up to event {w.anchored:,} of {w.seq:,}" for w in walks)
            ),
            self._completeness.verdict(
                _each(f"events {w.first:,} to {w.seq:,}, none missing" for w in walks)
            ),
            tuple(
                ChainSeen(w.ledger_id, w.first, w.seq, w.head.hex() if w.head else "", w.anchored)
                for w in walks
            ),
        )

    def _genuine(self, checkpoints: Iterable[Checkpoint]) -> Iterator[Checkpoint]:
        """Note what genuine checkpoints say, each once; blame the others."""
        for checkpoint in dict.fromkeys(checkpoints):
            if checkpoint.is_genuine:
                marks = self._marks.setdefault(checkpoint.ledger_id, {})
                marks.setdefault(checkpoint.seq, set()).add(checkpoint.hash)
                yield checkpoint
            else:
                what = "a checkpoint of it is not signed with the chain's key"
                self._anchored.add(checkpoint.ledger_id, checkpoint.seq, what)

    def _begin(self, start: Start) -> _Walk:
        marks = self._marks.get(start.ledger_id, {})
        walk = _Walk(start.ledger_id, start.seq, _bytes(start.hash), marks)
        self._walks[start.ledger_id] = walk
        if start.seq:
            self._compare(walk)
            if walk.anchored != start.seq:
                what = "the events before are missing, and no checkpoint vouches for the rest"
                self._completeness.add(start.ledger_id, start.seq + 1, what)
        return walk

    def _step(self, walk: _Walk, entry: Entry, opened: Mapping[str, Mapping[str, str]]) -> None:
        seq = entry.seq
        if seq != walk.seq + 1:
            if seq <= walk.seq:
                self._integrity.add(walk.ledger_id, seq, "it comes again, or out of its order")
                return
            self._completeness.add(walk.ledger_id, seq, _missing(walk.seq + 1, seq - 1))
            walk.head = None
        if isinstance(entry, Row):
            head = self._follow(walk, entry)
            self._events.check(entry, opened.get(entry.consent_id))
        else:
            head = None if walk.head is None else link(walk.head, bytes.fromhex(entry.leaf))
        walk.seq, walk.head, walk.first = seq, head, walk.first or seq
        self._read += 1
        if seq in walk.marks:
            self._compare(walk)

    def _follow(self, walk: _Walk, row: Row) -> bytes | None:
        """The chain's hash after an event. After a fault the stored one, to find the next fault."""
        if walk.head is not None:
            try:
                head = link(walk.head, leaf(row.body))
            except (AttributeError, UnicodeEncodeError):  # no text, or none that was ever written
                head = b""
            if head.hex() == row.hash:
                return head
            what = "it was changed: its hash is not that of its body and the event before it"
            self._integrity.add(row.ledger_id, row.seq, what)
        return _bytes(row.hash)

    def _compare(self, walk: _Walk) -> None:
        """Hold the chain against the checkpoints of the event that was reached."""
        if walk.head is None:
            return  # the gap before it is blamed already
        said = walk.marks.get(walk.seq, set())
        if walk.head.hex() in said:
            walk.anchored = walk.seq
        if said - {walk.head.hex()}:
            what = "a checkpoint says otherwise: the chain up to here was rebuilt"
            self._integrity.add(walk.ledger_id, walk.seq, what)

    def _judge_anchor(self, walk: _Walk) -> None:
        if self._trusted is not None and walk.ledger_id not in self._trusted:
            what = "the chain belongs to a key that is not the business's"
        elif self._kept_apart and walk.ledger_id not in self._known:
            what = "none of the checkpoints kept elsewhere is of this chain"
        elif not walk.anchored:
            what = "no checkpoint vouches for any event"
        else:
            return
        self._anchored.add(walk.ledger_id, None, what)


def verify(
    entries: Iterable[Entry],
    checkpoints: Iterable[Checkpoint] = (),
    *,
    personal: Mapping[str, Mapping[str, str]] | None = None,
    elsewhere: Iterable[Checkpoint] = (),
    disclosures: Mapping[str, str] | None = None,
    starts: Iterable[Start] = (),
    trusted: Collection[str] | None = None,
) -> Verdicts:
    """Read all events at once and say what holds; the arguments are those of `Verifier`."""
    verifier = Verifier(
        checkpoints, elsewhere=elsewhere, disclosures=disclosures, starts=starts, trusted=trusted
    )
    verifier.read(entries, personal)
    return verifier.verdicts()


def _bytes(hash_: str) -> bytes | None:
    """A hash's 32 bytes; None if it is none, and so unknown."""
    try:
        return bytes.fromhex(hash_) if len(hash_) == len(START) * 2 else None
    except (ValueError, TypeError):
        return None


def _events(count: int) -> str:
    return f"{count:,} event{'' if count == 1 else 's'}"


def _missing(first: int, last: int) -> str:
    events = f"event {first:,} is" if first == last else f"events {first:,} to {last:,} are"
    return f"{events} missing before it"


def _each(parts: Iterable[str]) -> str:
    return "; ".join(parts)
