"""The verifier: replays chains of events and reports what holds, as an outsider would, years later.

Pure: it needs no database, no key and no network. A million events take no more memory than the
states of their consents. Three verdicts, because each has other remedies:

* integrity: every event is as it was written, follows from the one before it, and was valid;
* anchored: a checkpoint signed with the chain's own key confirms it, up to some event;
* completeness: no event is missing at the start, between, or, as far as a checkpoint shows, at the
  end.

A person who has the database but not the signing key can rebuild a chain so that it is consistent
in itself. It then contradicts the checkpoints of the true one, has none, or belongs to another key.
So keep checkpoints, or at least the chain's id, where that person cannot change them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from agi_bridge.consent import START, Row, leaf, link
from agi_bridge.evidence.verify.event import EventChecker
from agi_bridge.evidence.verify.report import Findings, VerifiedChain, counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from agi_bridge.consent.signing import Checkpoint
    from agi_bridge.evidence.verify.report import Report


@dataclass(frozen=True, slots=True)
class Leaf:
    """An event of another consent, of which only the hash is shown."""

    ledger_id: str
    seq: int
    leaf: str
    """The hash of its body, in hexadecimal."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where a part of a chain begins: after the event `seq`, where the chain's hash was `hash`."""

    ledger_id: str
    seq: int
    hash: str


Entry: TypeAlias = Row | Leaf
"""What a chain is replayed from: events, and the hashes of events that are not shown."""


@dataclass(slots=True)
class _Position:
    """How far one chain was read."""

    ledger_id: str
    seq: int
    """The last event read, or the one before the first."""
    head: bytes | None
    """The chain's hash there; None where a gap leaves it unknown."""
    signed: dict[int, set[str]]
    """The hashes in genuine checkpoints, by event."""
    first: int = 0
    anchored: int = 0


class Verifier:
    """Reads events in pieces, then reports what holds.

    Args:
        checkpoints: the ones stored with the events. Their chains must be there and reach them.
        elsewhere: checkpoints that were kept apart from an export. They may cover more events than
            it holds, so they are compared where they can be; a chain that none of them is of is
            not taken for the business's. For a whole ledger, pass them as `checkpoints`.
        disclosures: the texts by SHA-256, looked up as events are read; None skips this check.
        starts: where chains begin that are not read from their first event. A genuine checkpoint
            must confirm each.
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
        self._findings = Findings()
        self._trusted = trusted
        self._positions: dict[str, _Position] = {}
        self._signed: dict[str, dict[int, set[str]]] = {}
        self._must_reach: dict[str, int] = {}
        for checkpoint in self._genuine(checkpoints):
            reach = self._must_reach.get(checkpoint.ledger_id, 0)
            self._must_reach[checkpoint.ledger_id] = max(reach, checkpoint.seq)
        apart = tuple(elsewhere)
        self._known = {checkpoint.ledger_id for checkpoint in self._genuine(apart)}
        self._kept_apart = bool(apart)
        starts = tuple(starts)
        for start in starts:
            self._begin(start)
        self._events = EventChecker(
            self._findings,
            disclosures=disclosures,
            unknown_before=any(start.seq for start in starts),
        )
        self._read = 0

    def read(
        self, entries: Iterable[Entry], personal: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        """Read the next events, of each chain in order; chains may be interleaved.

        `personal` is what the vault holds, by consent. Commitments of other consents are not
        checked.
        """
        opened = personal or {}
        for entry in entries:
            position = self._positions.get(entry.ledger_id)
            if position is None:
                position = self._begin(Start(entry.ledger_id, 0, START.hex()))
            try:
                self._step(position, entry, opened)
            except (TypeError, ValueError):  # SQLite takes any type in any column
                what = "it holds values that no event holds"
                self._add("integrity", "event_malformed", what, position, position.seq + 1)
                position.seq, position.head = position.seq + 1, None

    def report(self) -> Report:
        """Report what holds of all that was read. Call it once, at the end."""
        self._events.finish()
        for ledger_id, reach in self._must_reach.items():
            position = self._positions.get(ledger_id)
            if position is None:
                what = f"the chain is missing, although a checkpoint is of its event {reach:,}"
                self._findings.add("completeness", "chain_missing", what, ledger_id)
            elif position.seq < reach:
                what = f"the chain ends here, although a checkpoint is of its event {reach:,}"
                self._add("completeness", "chain_cut_off", what, position, position.seq)
        positions = tuple(self._positions.values())
        if not positions:
            self._findings.add("anchored", "no_chain", "there is no chain")
        for each in positions:
            self._judge_anchor(each)
            head = each.head.hex() if each.head else ""
            self._findings.add_chain(
                VerifiedChain(each.ledger_id, each.first, each.seq, head, each.anchored)
            )
        return self._findings.report(
            integrity=f"{counted(self._read, 'event')} as written",
            anchored="; ".join(f"up to event {p.anchored:,} of {p.seq:,}" for p in positions),
            completeness="; ".join(
                f"events {p.first:,} to {p.seq:,}, none missing" for p in positions
            ),
        )

    def _add(
        self, verdict: str, code: str, what: str, position: _Position, seq: int | None = None
    ) -> None:
        self._findings.add(verdict, code, what, position.ledger_id, seq)

    def _genuine(self, checkpoints: Iterable[Checkpoint]) -> Iterator[Checkpoint]:
        """Note the hashes in genuine checkpoints, each once; report the others."""
        for checkpoint in dict.fromkeys(checkpoints):
            if checkpoint.is_genuine:
                signed = self._signed.setdefault(checkpoint.ledger_id, {})
                signed.setdefault(checkpoint.seq, set()).add(checkpoint.hash)
                yield checkpoint
            else:
                self._findings.add(
                    "anchored",
                    "checkpoint_forged",
                    "a checkpoint of it is not signed with the chain's key",
                    checkpoint.ledger_id,
                    checkpoint.seq,
                )

    def _begin(self, start: Start) -> _Position:
        signed = self._signed.get(start.ledger_id, {})
        position = _Position(start.ledger_id, start.seq, _bytes(start.hash), signed)
        self._positions[start.ledger_id] = position
        if start.seq:
            self._compare(position)
            if position.anchored != start.seq:
                what = "the events before are missing, and no checkpoint confirms the rest"
                self._add("completeness", "start_not_anchored", what, position, start.seq + 1)
        return position

    def _step(
        self, position: _Position, entry: Entry, opened: Mapping[str, Mapping[str, str]]
    ) -> None:
        seq = entry.seq
        if seq != position.seq + 1:
            if seq <= position.seq:
                what = "it is repeated or out of order"
                self._add("integrity", "event_repeated", what, position, seq)
                return
            what = _missing(position.seq + 1, seq - 1)
            self._add("completeness", "events_missing", what, position, seq)
            position.head = None
        if isinstance(entry, Row):
            head = self._follow(position, entry)
            self._events.check(entry, opened.get(entry.consent_id))
        else:
            head = None if position.head is None else link(position.head, bytes.fromhex(entry.leaf))
        position.seq, position.head, position.first = seq, head, position.first or seq
        self._read += 1
        if seq in position.signed:
            self._compare(position)

    def _follow(self, position: _Position, row: Row) -> bytes | None:
        """The chain's hash after an event. After a fault the stored one, to find the next fault."""
        if position.head is not None:
            try:
                head = link(position.head, leaf(row.tags, row.body))
            except (AttributeError, UnicodeEncodeError):  # not a text that was ever written
                head = b""
            if head.hex() == row.hash:
                return head
            what = "it was changed: its hash does not match its body and the event before it"
            self._add("integrity", "hash_mismatch", what, position, row.seq)
        return _bytes(row.hash)

    def _compare(self, position: _Position) -> None:
        """Compare the chain with the checkpoints of the event that was reached."""
        if position.head is None:
            return  # the gap before it is reported already
        signed = position.signed.get(position.seq, set())
        if position.head.hex() in signed:
            position.anchored = position.seq
        if signed - {position.head.hex()}:
            what = "a checkpoint has another hash: the chain up to here was rebuilt"
            self._add("integrity", "chain_rebuilt", what, position, position.seq)

    def _judge_anchor(self, position: _Position) -> None:
        if self._trusted is not None and position.ledger_id not in self._trusted:
            code, what = "key_not_trusted", "the chain belongs to a key that is not the business's"
        elif self._kept_apart and position.ledger_id not in self._known:
            code = "not_kept_elsewhere"
            what = "none of the checkpoints kept elsewhere is of this chain"
        elif not position.anchored:
            code, what = "no_checkpoint", "no checkpoint confirms any event"
        else:
            return
        self._add("anchored", code, what, position)


def verify(
    entries: Iterable[Entry],
    checkpoints: Iterable[Checkpoint] = (),
    *,
    personal: Mapping[str, Mapping[str, str]] | None = None,
    elsewhere: Iterable[Checkpoint] = (),
    disclosures: Mapping[str, str] | None = None,
    starts: Iterable[Start] = (),
    trusted: Collection[str] | None = None,
) -> Report:
    """Read all events at once and report what holds; the arguments are those of `Verifier`."""
    verifier = Verifier(
        checkpoints, elsewhere=elsewhere, disclosures=disclosures, starts=starts, trusted=trusted
    )
    verifier.read(entries, personal)
    return verifier.report()


def _bytes(hash_: str) -> bytes | None:
    """A hash's 32 bytes; None if the text is not a hash."""
    try:
        return bytes.fromhex(hash_) if len(hash_) == len(START) * 2 else None
    except (ValueError, TypeError):
        return None


def _missing(first: int, last: int) -> str:
    events = f"event {first:,} is" if first == last else f"events {first:,} to {last:,} are"
    return f"{events} missing before it"
