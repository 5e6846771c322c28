"""The parts of chains in an export, read back from its files, one part after the other.

`chain.jsonl` says where each part begins and has the hashes of the events that are not shown;
`events.jsonl` has those that are. Both are in the order of the chains: neither is held in memory.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from agi_bridge.consent import BadExport, Row, leaf, link
from agi_bridge.evidence.export.archive import lines
from agi_bridge.evidence.verify.verifier import Leaf, Start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.evidence.export.archive import Archive
    from agi_bridge.evidence.verify.verifier import Entry

EVENTS: Final = "events.jsonl"
CHAIN: Final = "chain.jsonl"
_HASH: Final = re.compile("[0-9a-f]{64}")


_T = TypeVar("_T")


@dataclass(slots=True)
class _Ahead(Generic[_T]):
    """Lines read one ahead, so that what comes next is known."""

    rest: Iterator[_T]
    next: _T | None = None

    def __post_init__(self) -> None:
        self.take()

    def take(self) -> _T | None:
        taken, self.next = self.next, next(self.rest, None)
        return taken


def starts(archive: Archive) -> list[Start]:
    """Where the parts begin.

    Raises:
        BadExport: a line is none of the file's.
    """
    return [line for line in _chain(archive) if isinstance(line, Start)]


def parts(archive: Archive) -> Iterator[tuple[Start, Iterator[Entry]]]:
    """Each part's start and its entries; a part is to be read before the next one is asked for.

    The hashes of shown events are computed from their bodies: it is the checkpoints that they are
    held against.

    Raises:
        BadExport: a line is none of its file's, or an event is in no part.
    """
    chain = _Ahead[Start | Leaf](_chain(archive))
    events = _Ahead[Row](_events(archive))
    while isinstance(start := chain.take(), Start):
        yield start, _part(start, chain, events)
    if start is not None or events.next is not None:
        raise BadExport("an event is in no part of a chain")


def _part(start: Start, chain: _Ahead[Start | Leaf], events: _Ahead[Row]) -> Iterator[Entry]:
    head = bytes.fromhex(start.hash)
    while True:
        other, shown = chain.next, events.next
        if shown is not None and _is_next(start, other, shown):
            events.take()
            head = link(head, leaf(shown.body))
            yield replace(shown, hash=head.hex())
        elif isinstance(other, Leaf) and other.ledger_id == start.ledger_id:
            chain.take()
            head = link(head, bytes.fromhex(other.leaf))
            yield other
        else:
            return


def _is_next(start: Start, other: Start | Leaf | None, shown: Row) -> bool:
    """Whether a shown event of this chain comes before the next hash, or the next part's start."""
    if shown.ledger_id != start.ledger_id:
        return False
    return other is None or other.ledger_id != start.ledger_id or shown.seq <= other.seq


def _chain(archive: Archive) -> Iterator[Start | Leaf]:
    for number, line in enumerate(lines(archive, CHAIN), 1):
        match _object(CHAIN, number, line):
            case {"ledger_id": str(chain), "seq": int(seq), "hash": str(hash_)} if _is_hash(hash_):
                yield Start(chain, seq, hash_)
            case {"ledger_id": str(chain), "seq": int(seq), "leaf": str(hash_)} if _is_hash(hash_):
                yield Leaf(chain, seq, hash_)
            case _:
                raise BadExport(f"{CHAIN}, line {number}: names no chain, event and hash")


def _events(archive: Archive) -> Iterator[Row]:
    for number, line in enumerate(lines(archive, EVENTS), 1):
        match _object(EVENTS, number, line):
            case {
                "ledger_id": str(chain),
                "seq": int(seq),
                "consent_id": str(consent_id),
                "type": str(type_),
                "at": str(at),
            }:
                yield Row(chain, seq, consent_id, type_, at, line, "")
            case _:
                raise BadExport(f"{EVENTS}, line {number}: is no event")


def _object(name: str, number: int, line: str) -> dict[str, Any]:
    try:
        facts = json.loads(line)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise BadExport(f"{name}, line {number}: is no JSON object")
    return facts


def _is_hash(text: str) -> bool:
    return _HASH.fullmatch(text) is not None
