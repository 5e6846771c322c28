"""Reads the ranges of chains in an export back from its files, one range after the other.

`chain.jsonl` says where each range starts and has the hashes of events that are not shown;
`events.jsonl` has the events that are. Both are in the order of the chains, and neither is held in
memory. Whether the entries are right is for `verify`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from agi_bridge.consent import Row, hidden_leaf, leaf, link
from agi_bridge.evidence.errors import BadExport
from agi_bridge.evidence.export.archive import lines
from agi_bridge.evidence.verify import Leaf, Start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.evidence.export.archive import Archive
    from agi_bridge.evidence.verify import Entry

EVENTS: Final = "events.jsonl"
CHAIN: Final = "chain.jsonl"
_BODY: Final = '{"body":'
_TAGS: Final = ',"tags":'
_HASH: Final = re.compile("[0-9a-f]{64}")

_T = TypeVar("_T")


@dataclass(slots=True)
class _Peekable(Generic[_T]):
    """An iterator whose next element is known before it is taken."""

    rest: Iterator[_T]
    next: _T | None = None

    def __post_init__(self) -> None:
        self.take()

    def take(self) -> _T | None:
        taken, self.next = self.next, next(self.rest, None)
        return taken


def range_starts(archive: Archive) -> list[Start]:
    """Where the ranges start.

    Raises:
        BadExport: a line is malformed.
    """
    return [line for line in _chain(archive) if isinstance(line, Start)]


def read_ranges(archive: Archive) -> Iterator[tuple[Start, Iterator[Entry]]]:
    """Yield each range's start and its entries. Read a range before you take the next one.

    The hashes of shown events are computed from their bodies; the checkpoints show whether they are
    right.

    Raises:
        BadExport: a line is malformed, or an event is outside every range.
    """
    chain = _Peekable[Start | Leaf](_chain(archive))
    events = _Peekable[Row](_events(archive))
    while isinstance(start := chain.take(), Start):
        yield start, _range(start, chain, events)
    if start is not None or events.next is not None:
        raise BadExport("an event is outside every range of a chain")


def _range(start: Start, chain: _Peekable[Start | Leaf], events: _Peekable[Row]) -> Iterator[Entry]:
    head = bytes.fromhex(start.hash)
    while True:
        other, shown = chain.next, events.next
        if shown is not None and _is_next(start, other, shown):
            events.take()
            head = link(head, leaf(shown.tags, shown.body))
            yield replace(shown, hash=head.hex())
        elif isinstance(other, Leaf) and other.ledger_id == start.ledger_id:
            chain.take()
            head = link(head, bytes.fromhex(other.leaf))
            yield other
        else:
            return


def _is_next(start: Start, other: Start | Leaf | None, shown: Row) -> bool:
    """Whether a shown event of this chain comes before the next hash or the next range's start."""
    if shown.ledger_id != start.ledger_id:
        return False
    return other is None or other.ledger_id != start.ledger_id or shown.seq <= other.seq


def _chain(archive: Archive) -> Iterator[Start | Leaf]:
    for number, line in enumerate(lines(archive, CHAIN), 1):
        match _object(CHAIN, number, line):
            case {"ledger_id": str(chain), "seq": int(seq), "hash": str(hash_)} if _is_hash(hash_):
                yield Start(chain, seq, hash_)
            case {
                "ledger_id": str(chain),
                "seq": int(seq),
                "body_sha256": str(hash_),
                "tags": list(tags),
            } if _is_hash(hash_):
                yield Leaf(chain, seq, hidden_leaf(_compact(tags), bytes.fromhex(hash_)).hex())
            case _:
                raise BadExport(f"{CHAIN}, line {number}: not a chain, event and hash")


def _events(archive: Archive) -> Iterator[Row]:
    for number, line in enumerate(lines(archive, EVENTS), 1):
        match _object(EVENTS, number, line):
            case {
                "body": {
                    "ledger_id": str(chain),
                    "seq": int(seq),
                    "consent_id": str(consent_id),
                    "type": str(type_),
                    "at": str(at),
                },
                "tags": list(),
            } if line.startswith(_BODY):
                body, _, tags = line[len(_BODY) : -1].rpartition(_TAGS)
                yield Row(chain, seq, consent_id, type_, at, tags, body, "")
            case _:
                raise BadExport(f"{EVENTS}, line {number}: not an event")


def _object(name: str, number: int, line: str) -> dict[str, Any]:
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise BadExport(f"{name}, line {number}: not a JSON object")
    return facts


def _compact(tags: list[Any]) -> str:
    return json.dumps(tags, separators=(",", ":"))


def _is_hash(text: str) -> bool:
    return _HASH.fullmatch(text) is not None
