"""The verifier: replays chains of events and reports four verdicts, from the events alone.

Pure: it needs no database, no key and no network, and its memory does not grow with the number of
records. Four verdicts, because each has other remedies:

* integrity: every event is as it was written, follows from the one before it, and was valid;
* anchored: a checkpoint signed with the chain's own key confirms it, up to some event;
* completeness: no event of the records that are shown is missing or hidden, nor what belongs to it;
* time: stamps of an authority outside confirm when events were written.

A person who has the database but not the signing key can rebuild a chain so that it is consistent
in itself. It then contradicts the checkpoints of the true one, has none, or belongs to another key.
So keep checkpoints, or at least the chain's id, where that person cannot change them.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agi_bridge.consent import START, Act, Row, canonical, hidden_leaf, leaf, link
from agi_bridge.evidence.verify.claims import Claims
from agi_bridge.evidence.verify.event import EventChecker
from agi_bridge.evidence.verify.order import Orders
from agi_bridge.evidence.verify.record import RecordChecker
from agi_bridge.evidence.verify.record_store import RecordStore
from agi_bridge.evidence.verify.report import Findings, VerifiedChain, counted
from agi_bridge.evidence.verify.time import Resume, TimeChecker

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from cryptography.x509 import Certificate

    from agi_bridge.consent.signing import Checkpoint, Stamp
    from agi_bridge.evidence.verify.contents import NamedContents
    from agi_bridge.evidence.verify.report import Report


@dataclass(frozen=True, slots=True)
class Hidden:
    """An event of other people: its tags, and the hash of its body."""

    ledger_id: str
    seq: int
    tags: str
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Start:
    """Where a part of a chain begins: after the event `seq`, where the chain's hash was `hash`."""

    ledger_id: str
    seq: int
    hash: str


Entry: TypeAlias = Row | Hidden
"""What a chain is replayed from: events, and what stands for events that are not shown."""


@dataclass(slots=True)
class _Position:
    """The position up to which a chain was read."""

    ledger_id: str
    start: int
    """The event before the first one read."""
    seq: int
    """The last event read, or the one before the first."""
    head: bytes | None
    """The chain's hash there; None where a gap leaves it unknown."""
    first: int = 0
    anchored: int = 0
    own: int = 0
    """The newest event that a checkpoint of the chain's own key confirms."""
    last_of_record: int = 0
    """The newest event of a record that is shown."""
    resume: Resume | None = None


class Verifier:
    """Reads events in pieces, then reports what holds.

    Args:
        checkpoints: the ones stored with the events. The chains that they name must be there and
            reach them.
        elsewhere: checkpoints that were kept apart from an export. They may cover more events than
            it holds, so they are compared where they can be. A chain that none of them is of is
            not taken for the business's. For a whole ledger, pass them as `checkpoints` too.
        stamps: time stamps of checkpoints.
        roots: root certificates of the time stamping authorities that the verifier trusts; None
            takes stamps as they are.
        contents: judges texts and recordings; None leaves them out.
        starts: where chains begin that are not read from their first event.
        trusted: the ids of the chains that are the business's own; None if the verifier knows none.
        own: the ids of chains whose signing keys the verifier has.
        whole: whether this is a ledger with all its records, not an export.
        keep_windows: remember each event's window of time.
    """

    def __init__(
        self,
        checkpoints: Iterable[Checkpoint] = (),
        *,
        elsewhere: Iterable[Checkpoint] = (),
        stamps: Iterable[Stamp] = (),
        roots: Sequence[Certificate] | None = None,
        contents: NamedContents | None = None,
        starts: Iterable[Start] = (),
        trusted: Collection[str] | None = None,
        own: Collection[str] = (),
        whole: bool = False,
        keep_windows: bool = False,
        findings: Findings | None = None,
    ) -> None:
        self.findings = findings or Findings()
        self.records = RecordStore()
        self.time = TimeChecker(self.findings, stamps, roots, keep_windows=keep_windows, tail=whole)
        self._trusted = trusted
        self._whole = whole
        self._time_text = ""
        self._goes_on = False
        self._positions: dict[str, _Position] = {}
        self._claims = Claims(self.findings, checkpoints, elsewhere)
        self._known = {*own, *self._claims.known}
        self._events = EventChecker(self.findings, self.records, contents)
        self._public_keys: dict[str, bytes] = {}
        self._previous: list[tuple[Row, Mapping[str, Any]]] = []
        self._strangers: dict[str, None] = {}
        self._shown = self._hidden = 0
        for start in starts:
            self._begin(start)

    def go_on(self, since: Resume) -> None:
        """Start a chain where an earlier verification ended."""
        self._goes_on = True
        position = self._begin(Start(since.ledger_id, since.seq, since.hash))
        position.resume = since  # if there is nothing new
        self.findings.note(
            f"chain {since.ledger_id[:8]}: events 1 to {since.seq:,} were read by an earlier "
            "verification, and not again"
        )
        self._events.go_on(since.ledger_id, since.seq)
        self.time.go_on(since)

    def resume(self) -> list[Resume]:
        """Where a later verification may go on, if this one found no fault."""
        return [each.resume for each in self._positions.values() if each.resume is not None]

    def open(self, record: str, values: Mapping[str, str]) -> None:
        """Add a record's personal values, to open the commitments in its events."""
        if not self.records.open(record, values):
            what = f"personal values are given twice for {record}"
            self.findings.add("integrity", "values_repeated", what)

    def read(self, entries: Iterable[Entry]) -> None:
        """Read the next events, of each chain in order; chains may be interleaved."""
        for entry in entries:
            position = self._positions.get(entry.ledger_id)
            if position is None:
                position = self._begin(Start(entry.ledger_id, 0, START.hex()))
            try:
                self._step(position, entry)
            except (TypeError, ValueError, AttributeError):  # SQLite takes any type in any column
                what = "it was changed: it holds values that no event holds"
                self._add("integrity", "event_malformed", what, position, position.seq + 1)
                position.seq, position.head = position.seq + 1, None

    def remember(self, rows: Iterable[Row]) -> None:
        """Load the facts of events that were verified earlier, as context of new ones."""
        for row in rows:
            self._events.remember(row)

    @property
    def shown(self) -> int:
        """The number of events shown so far."""
        return self._shown

    @property
    def hidden(self) -> int:
        """The number of events shown only by their hashes."""
        return self._hidden

    @property
    def chains(self) -> Collection[str]:
        """The ids of the chains that were read."""
        return self._positions.keys()

    def records_shown(self) -> list[str]:
        """The ids of the records whose events were shown."""
        return [record for record, facts in self.records.all() if facts.tags]

    def finish(self) -> None:
        """Run the checks that need all events."""
        self._time_text = self.time.finish()  # first: what else is wrong with times says more
        orders = Orders(self._claims.cuts, self.time.was_set)
        earlier = {each.ledger_id: each.start for each in self._positions.values()}
        RecordChecker(
            self.findings, self.records, orders, earlier if self._goes_on else None
        ).check_all()
        self._check_reach()
        self._check_previous()
        if not self._positions:
            self.findings.add("anchored", "no_chain", "there is no chain")
        for each in self._positions.values():
            self._judge_anchor(each)
            head = each.head.hex() if each.head else ""
            self.findings.add_chain(
                VerifiedChain(each.ledger_id, each.first, each.seq, head, each.anchored)
            )
        if not self._whole:
            read = {name: (each.start, each.seq) for name, each in self._positions.items()}
            self._claims.judge_apart(read, self.time)

    def report(self, subject: str) -> Report:
        """Report what holds, after `finish`."""
        return self.findings.report(subject, {**self._texts(), "time": self._time_text})

    def close(self) -> None:
        """Release the stored facts."""
        self.records.close()

    def _texts(self) -> dict[str, str]:
        positions = self._positions.values()
        hidden = f", {self._hidden:,} more by their hashes" if self._hidden else ""
        missing = "none missing or hidden" if self._hidden else "none missing"
        dated = not self._whole and self._claims.as_of
        as_of = f", as of {self._claims.as_of}" if dated else ""
        return {
            "integrity": f"{counted(self._shown, 'event')} as written{hidden}",
            "anchored": "; ".join(
                f"chain {p.ledger_id[:8]}: up to event {p.anchored:,} of {p.seq:,}"
                for p in positions
            ),
            "completeness": "; ".join(
                f"chain {p.ledger_id[:8]}: events {p.first:,} to {p.seq:,}, {missing}"
                if p.first
                else f"chain {p.ledger_id[:8]}: no event after {p.seq:,}"
                for p in positions
            )
            + as_of,
        }

    def _add(
        self, verdict: str, code: str, what: str, position: _Position, seq: int | None = None
    ) -> None:
        self.findings.add(verdict, code, what, position.ledger_id, seq)

    def _begin(self, start: Start) -> _Position:
        position = _Position(start.ledger_id, start.seq, start.seq, _bytes(start.hash))
        self._positions[start.ledger_id] = position
        if start.seq:
            self._compare(position)
            if position.own != start.seq:
                what = "the events before are missing, and no checkpoint confirms the rest"
                self._add("completeness", "start_not_anchored", what, position, start.seq + 1)
            for checkpoint, _ in self._checkpoints(position):
                self.time.start(checkpoint)
        elif start.hash != START.hex():
            what = "its first hash is not zeros"
            self._add("integrity", "start_hash_wrong", what, position, 0)
        return position

    def _checkpoints(self, position: _Position) -> list[tuple[Checkpoint, str]]:
        return self._claims.of(position.ledger_id).checkpoints.get(position.seq, [])

    def _step(self, position: _Position, entry: Entry) -> None:
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
            self._shown += 1
            head = self._follow(position, entry)
            self._check(position, entry)
        else:
            self._hidden += 1
            leaf_ = hidden_leaf(entry.tags, bytes.fromhex(entry.body_sha256))
            head = None if position.head is None else link(position.head, leaf_)
        position.seq, position.head, position.first = seq, head, position.first or seq
        if seq in self._claims.of(position.ledger_id).hashes:
            self._compare(position)
            for checkpoint, line_sha256 in self._checkpoints(position):
                self.time.checkpoint(checkpoint, line_sha256)
            if position.own == seq and position.head is not None:
                times = self.time.place(position.ledger_id)
                position.resume = Resume(position.ledger_id, seq, position.head.hex(), *times)

    def _check(self, position: _Position, row: Row) -> None:
        body = self._events.check(row)
        if body is None:
            return
        self.time.event(row, body)
        if row.type == Act.WITNESSED:
            sums = self._claims.of(row.ledger_id).sums.get(body["checkpoint"])
            if sums and body["checkpoint_sha256"] not in sums:
                what = "it is of another checkpoint of that event than the one that is there"
                self._add("integrity", "witness_of_other", what, position, row.seq)
        if row.type == Act.OPENED:
            self._public_keys[row.ledger_id] = base64.b64decode(body["public_key"])
            if "previous" in body:
                self._previous.append((row, body))
        elif row.type not in {Act.CLOCK, Act.WITNESSED}:
            position.last_of_record = row.seq

    def _follow(self, position: _Position, row: Row) -> bytes | None:
        """The chain's hash after an event. After a fault the stored one, to find the next fault."""
        if position.head is not None:
            try:
                head = link(position.head, leaf(row.tags, row.body))
            except (AttributeError, UnicodeEncodeError):  # not a text that was ever written
                head = b""
            if head.hex() == row.hash or not row.hash:
                return head
            what = "it was changed: its hash does not match its body and the event before it"
            self._add("integrity", "hash_mismatch", what, position, row.seq)
        return _bytes(row.hash)

    def _compare(self, position: _Position) -> None:
        """Compare the chain with the checkpoints of the event that was reached."""
        if position.head is None:
            return  # the gap before it is reported already
        hashes = self._claims.of(position.ledger_id).hashes.get(position.seq, {})
        head = position.head.hex()
        if head in hashes:
            position.anchored = position.seq
            if hashes[head]:
                position.own = position.seq
        if hashes.keys() - {head}:
            what = "a checkpoint has another hash: the chain up to here was rebuilt"
            self._add("integrity", "chain_rebuilt", what, position, position.seq)

    def _check_reach(self) -> None:
        """Every chain that a checkpoint names is there, starts in time, and reaches it."""
        reaches = {name: signed.must_reach for name, signed in self._claims.chains.items()}
        reached = {name: position.seq for name, position in self._positions.items()}
        for ledger_id, seq in self._claims.reached_apart(reached):
            reaches[ledger_id] = max(reaches[ledger_id], seq)
        for ledger_id, reach in reaches.items():
            position = self._positions.get(ledger_id)
            if position is None:
                if reach:
                    what = f"the chain is missing, although a checkpoint is of its event {reach:,}"
                    self.findings.add("completeness", "chain_missing", what, ledger_id)
            elif position.seq < reach:
                what = f"the chain ends here, although a checkpoint is of its event {reach:,}"
                self._add("completeness", "chain_cut_off", what, position, position.seq)
        if self._goes_on:
            return  # an earlier verification read what is before
        for position in self._positions.values():
            if position.last_of_record:
                self._check_starts(position)

    def _check_starts(self, position: _Position) -> None:
        """No other chain starts after the place it had when this part of the chain started."""
        signed = self._claims.of(position.ledger_id)
        heads = {
            ledger_id: seq
            for checkpoint, _ in signed.checkpoints.get(position.start, ())
            for ledger_id, seq, _ in checkpoint.heads
        }
        for other in self._positions.values():
            if other is not position and other.start > heads.get(other.ledger_id, 0):
                what = (
                    f"events before it are left out, which chain {position.ledger_id[:8]} may need"
                )
                self._add("completeness", "start_too_late", what, other, other.start + 1)

    def _check_previous(self) -> None:
        """A chain that follows another names its true head, signed with the other's key."""
        for row, body in self._previous:
            ledger_id, seq, hash_ = body["previous"]
            stated = self._claims.of(ledger_id).hashes.get(seq, {})
            if stated and hash_ not in stated:
                what = "the head of the chain that it follows is not the one that was signed"
                self.findings.add("integrity", "previous_wrong", what, row.ledger_id, row.seq)
            key = self._public_keys.get(ledger_id)
            signature = body.get("previous_signature")
            if key is not None and signature is not None:
                statement = {
                    "ledger_id": row.ledger_id, "previous": body["previous"], "type": "opened",
                }  # fmt: skip
                if not _is_signed(key, canonical(statement), signature):
                    what = "the chain that it follows did not sign it"
                    self.findings.add("integrity", "previous_forged", what, row.ledger_id, row.seq)

    def _judge_anchor(self, position: _Position) -> None:
        ledger_id = position.ledger_id
        named = self._trusted is not None and ledger_id in self._trusted
        known = named or ledger_id in self._known
        if self._trusted is not None and not known:
            code, what = "key_not_trusted", "the chain belongs to a key that is not the business's"
        elif self._claims.kept_apart and not known and not self._whole:
            code = "not_kept_elsewhere"
            what = "none of the checkpoints kept elsewhere is of this chain"
        elif not position.anchored:
            code, what = "no_checkpoint", "no checkpoint confirms any event"
        else:
            if not self._whole and position.last_of_record > position.anchored:
                newer = f"events {position.anchored + 1:,} to {position.last_of_record:,}"
                what = f"not yet anchored: chain {ledger_id[:8]}, {newer}"
                self.findings.wait("anchored", what)
            if not known:
                self._strangers[ledger_id] = None
                what = f"holds if the business confirms key {' and '.join(self._strangers)}"
                self.findings.trust("anchored", what)
            return
        self._add("anchored", code, what, position)


def _is_signed(key: bytes, text: str, signature: str) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(base64.b64decode(signature), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _bytes(hash_: str) -> bytes | None:
    """A hash's 32 bytes; None if the text is not a hash."""
    try:
        return bytes.fromhex(hash_) if len(hash_) == len(START) * 2 else None
    except (ValueError, TypeError):
        return None


def _missing(first: int, last: int) -> str:
    events = f"event {first:,} is" if first == last else f"events {first:,} to {last:,} are"
    return f"{events} missing before it"
