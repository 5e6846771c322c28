"""Stores what a verification knows of each record, in bounded memory.

An event may come years after the one before it, and a ledger has millions of records. So the facts
of the records that were read last are in memory, and the others in a temporary file that goes with
the process.
"""

from __future__ import annotations

import json
import sqlite3
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_IN_MEMORY: Final = 5_000
"""Records in memory, about 2 KiB each."""


@dataclass(slots=True)
class RecordFacts:
    """What the events of one record have said so far. Places are [chain, event's number].

    Attributes:
        states: for each chain, its states as letters of `history`.
        bad_step: the first transition that is not allowed: place and text.
        dialogue: type and body of the events up to the agreement; empty after it.
        bound: for each chain and sealed value, the last commitment with its place.
        erased: the names of sealed values that were erased, or `*`.
        suppressed: what binds an erased revocation to its number's keyed hash; empty if nothing.
        tags: for each event its place and the tag that names no record; empty if it has none.
        call: the facts of the call, or of the import, that other rules need.
        kinds: what kinds of record its events are of: call, imported, revocation, message.
        submitted: for each chain, place, type, time and receiver of the last `submitting`.
        settled: the outcomes that its `settled` events tell.
        resolved: the place of a `resolved`.
        agreed: place, type and time of `confirmed`, `returned` or `imported`.
        revoked: place, revocation and time of `revoked`.
        relies_on: the consent that a `returned` names.
        lifts: place, revocation, brand, consent and time of each `lifted`.
        requests: what a `revocation` says: scope, brand, seller, how many consents it ended and how
            many of these were on their way; its place, type and time; whether it names what its
            scope asks for.
        ended: how many `revoked` events name this revocation.
        replied: place, type and time of the first `replied`, and when it was received.
        needs_reply: whether it needs one.
        declined: whether it ended without a text, so that nothing personal was kept.
        restricted: until when the data is kept for a defence.
        first: the place of its first event.
    """

    states: dict[str, str] = field(default_factory=dict)
    bad_step: list[Any] = field(default_factory=list)
    dialogue: list[Any] = field(default_factory=list)
    bound: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)
    suppressed: str = ""
    tags: list[list[Any]] = field(default_factory=list)
    call: dict[str, Any] = field(default_factory=dict)
    kinds: list[str] = field(default_factory=list)
    submitted: dict[str, list[Any]] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    resolved: list[Any] = field(default_factory=list)
    agreed: list[Any] = field(default_factory=list)
    revoked: list[Any] = field(default_factory=list)
    relies_on: str = ""
    lifts: list[list[Any]] = field(default_factory=list)
    requests: dict[str, Any] = field(default_factory=dict)
    ended: int = 0
    replied: list[Any] = field(default_factory=list)
    needs_reply: bool = False
    declined: bool = False
    restricted: str = ""
    first: list[Any] = field(default_factory=list)


class RecordStore:
    """Facts and personal values of records, by their ids."""

    def __init__(self) -> None:
        self._file = sqlite3.connect("", isolation_level=None)  # its own temporary file
        self._close = weakref.finalize(self, self._file.close)  # at the latest when it is dropped
        self._file.execute("PRAGMA journal_mode=OFF")
        self._file.execute("CREATE TABLE facts (id TEXT PRIMARY KEY, is_ TEXT) WITHOUT ROWID")
        self._file.execute("CREATE TABLE opened (id TEXT PRIMARY KEY, is_ TEXT) WITHOUT ROWID")
        self._file.execute("CREATE TABLE lookup (id TEXT PRIMARY KEY, is_ TEXT) WITHOUT ROWID")
        self._file.execute("CREATE TABLE number (is_ TEXT, id TEXT, PRIMARY KEY (is_, id))")
        self._file.execute("CREATE TABLE lift (revocation TEXT, is_ TEXT)")
        self._file.execute("CREATE INDEX lift_of ON lift (revocation)")
        self._excused: set[str] = set()
        self._recent: OrderedDict[str, RecordFacts] = OrderedDict()

    def facts(self, record: str) -> RecordFacts:
        """The facts of a record, to be read and added to; new ones if it is not known."""
        found = self._recent.get(record)
        if found is None:
            found = self._recent[record] = self._stored(record) or RecordFacts()
            if len(self._recent) > _IN_MEMORY:
                self._spill(_IN_MEMORY // 2)
        else:
            self._recent.move_to_end(record)
        return found

    def known(self, record: str) -> RecordFacts | None:
        """The facts of a record, to be read only; None if it is not known."""
        return self._recent.get(record) or self._stored(record)

    def all(self) -> Iterator[tuple[str, RecordFacts]]:
        """Every record by its id, to be read only."""
        self._spill(0)
        for record, text in self._file.execute("SELECT id, is_ FROM facts ORDER BY id"):
            yield record, _read(text)

    def open(self, record: str, values: Mapping[str, str]) -> bool:
        """Keep a record's personal values; False if there are some already."""
        text = json.dumps(dict(values))
        done = self._file.execute("INSERT OR IGNORE INTO opened VALUES (?, ?)", (record, text))
        if "number" in values:
            row = (json.dumps(values["number"]), record)  # it may hold bytes that are not UTF-8
            self._file.execute("INSERT OR IGNORE INTO number VALUES (?, ?)", row)
        return done.rowcount == 1

    def opened(self, record: str) -> dict[str, str] | None:
        """A record's personal values; None if it has none."""
        found = self._file.execute("SELECT is_ FROM opened WHERE id = ?", (record,)).fetchone()
        return None if found is None else json.loads(found[0])

    def of_number(self, number: str) -> list[str]:
        """The records of a number, as far as it is known."""
        rows = self._file.execute(
            "SELECT id FROM number WHERE is_ = ? ORDER BY id", (json.dumps(number),)
        )
        return [id_ for (id_,) in rows]

    def note_lift(self, revocation: str, brand: str, record: str, place: list[Any]) -> None:
        """Note what lifts a revocation for a brand: a record, and its event's place and time."""
        row = (revocation, json.dumps([brand, record, place]))
        self._file.execute("INSERT INTO lift VALUES (?, ?)", row)

    def lifts_of(self, revocation: str) -> list[tuple[str, str, list[Any]]]:
        """What lifts a revocation: brand, record, and the event's place and time."""
        query = "SELECT is_ FROM lift WHERE revocation = ?"
        rows = self._file.execute(query, (revocation,))
        return [(brand, id_, place) for brand, id_, place in (json.loads(row[0]) for row in rows)]

    def forget_values(self, record: str) -> None:
        """Forget a record's personal values: they are about to be read again."""
        self._file.execute("DELETE FROM opened WHERE id = ?", (record,))
        self._excused.discard(record)

    def excuse(self, record: str) -> None:
        """A record's values are there but damaged, which is told already."""
        self._excused.add(record)

    def is_excused(self, record: str) -> bool:
        """Whether that is so."""
        return record in self._excused

    def note_lookup(self, record: str, lookup: str | None) -> None:
        """Note the keyed hash that a record's number should be found by."""
        if lookup is not None:
            self._file.execute("INSERT OR REPLACE INTO lookup VALUES (?, ?)", (record, lookup))

    def lookup(self, record: str) -> str | None:
        """That hash; None if the number is not known."""
        found = self._file.execute("SELECT is_ FROM lookup WHERE id = ?", (record,)).fetchone()
        return None if found is None else str(found[0])

    def all_opened(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Every record's personal values by its id."""
        for record, text in self._file.execute("SELECT id, is_ FROM opened ORDER BY id"):
            yield record, json.loads(text)

    def close(self) -> None:
        """Remove the file."""
        self._close()

    def _stored(self, record: str) -> RecordFacts | None:
        found = self._file.execute("SELECT is_ FROM facts WHERE id = ?", (record,)).fetchone()
        return None if found is None else _read(found[0])

    def _spill(self, keep: int) -> None:
        gone = [self._recent.popitem(last=False) for _ in range(len(self._recent) - keep)]
        self._file.execute("BEGIN")
        self._file.executemany(
            "INSERT OR REPLACE INTO facts VALUES (?, ?)",
            [(record, _text(facts)) for record, facts in gone],
        )
        self._file.execute("COMMIT")


_NAMES: Final = tuple(each.name for each in fields(RecordFacts))


def _text(facts: RecordFacts) -> str:
    return json.dumps([getattr(facts, name) for name in _NAMES])


def _read(text: str) -> RecordFacts:
    return RecordFacts(*json.loads(text))
