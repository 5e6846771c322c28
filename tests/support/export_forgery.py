"""An export that its owner forges: chains, values and checkpoints change, and all are signed again.

`forge_export` changes bodies where they are. Here events can also be moved, dropped and added, in
several chains; what the owner can make consistent is made consistent.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agi_bridge.consent import START, canonical, leaf, link, named_records, tag, tags_text
from agi_bridge.consent.signing import Checkpoint, sign
from tests.support.forgery import drop_stamps, edit_lines, resign, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from agi_bridge.consent.signing import Keys

_PASSES = 8
"""A `witnessed` event names a checkpoint, which names heads of other chains: most that depend on
each other in the sample, and some more."""


@dataclass(eq=False)
class Event:
    """One entry of a chain: a body that is shown, or the hash of one that is not."""

    chain: str
    tags: list[str]
    body: dict[str, Any] | str
    seq: int
    tagged: bool = True
    """Whether the person's tag is written."""
    hidden: bool = False
    """Whether it is handed over as the hash of its body."""
    change_tags: Callable[[list[str]], list[str]] | None = None
    """What is made of its tags."""
    hash: bytes = b""


@dataclass(eq=False)
class _Signed:
    """A checkpoint, and the events that it and its heads are of."""

    given: Checkpoint
    event: Event | None
    heads: list[tuple[str, int, str, Event | None]] = field(default_factory=list)
    line: str = ""


class OwnedExport:
    """Reads an export; `write` writes what was changed in `events` and `values`."""

    def __init__(self, export: Path, keys: Iterable[Keys]) -> None:
        self._export = export
        self._keys = {each.ledger_id: each for each in keys}
        self._starts: dict[str, dict[str, Any]] = {}
        self.events: list[Event] = []
        """Of all chains, each chain's in order."""
        self._read_chains()
        self.values: dict[str, dict[str, str]] = {}
        for line in (export / "opened.jsonl").read_text().splitlines():
            opened = json.loads(line)
            self.values[opened.pop("consent_id")] = opened
        places = {(each.chain, each.seq): each for each in self.events}
        self._signed = [
            _Signed(
                given,
                places.get((given.ledger_id, given.seq)),
                [(*head, places.get((head[0], head[1]))) for head in given.heads],
            )
            for line in (export / "checkpoints.jsonl").read_text().splitlines()
            for given in [Checkpoint.parse(line)]
        ]
        self._witnessed = [
            (event, signed)
            for event in self.shown
            if event.body["type"] == "witnessed"
            for signed in self._signed
            if (signed.given.ledger_id, signed.given.seq) == (event.chain, event.body["checkpoint"])
        ]
        self._followed = [
            (event, places.get(tuple(event.body["previous"][:2])))
            for event in self.shown
            if "previous" in event.body
        ]

    def _read_chains(self) -> None:
        chain, seq = "", 0
        for line in (self._export / "chain.jsonl").read_text().splitlines():
            entry = json.loads(line)
            if isinstance(entry, dict):
                chain, seq = entry["ledger_id"], entry["seq"]
                self._starts[chain] = entry
                continue
            seq += 1
            self.events.append(Event(chain, entry[0], entry[1], seq))

    @property
    def shown(self) -> list[Any]:
        """The events that are shown."""
        return [each for each in self.events if isinstance(each.body, dict)]

    def write(self) -> None:
        """Number, tag, chain and sign all of it again."""
        for _ in range(_PASSES):
            before = [each.line for each in self._signed]
            self._chain()
            for each in self._signed:
                self._sign(each)
            for event, head in self._followed:
                self._follow(event.body, head)
            for event, signed in self._witnessed:
                sum_ = sha256(signed.line)
                if event.body.get("checkpoint_sha256") not in {sum_, "0" * 64, None} and (
                    signed.line != signed.given.line
                ):
                    event.body.update(
                        checkpoint=signed.event.seq if signed.event else signed.given.seq,
                        checkpoint_sha256=sum_, stamp_sha256="0" * 64,
                    )  # fmt: skip
            if before == [each.line for each in self._signed]:
                break
        self._write_files()

    def _chain(self) -> None:
        for chain, start in self._starts.items():
            seq, head = start["seq"], bytes.fromhex(start["hash"]) or START
            for event in [each for each in self.events if each.chain == chain]:
                seq += 1
                event.seq = seq
                if isinstance(event.body, dict):
                    event.body.update(seq=seq, ledger_id=chain)
                    self._tag(event)
                    leaf_ = leaf(canonical(event.tags), canonical(event.body))
                else:
                    parts = hashlib.sha256(canonical(event.tags).encode()).digest()
                    leaf_ = hashlib.sha256(b"\0" + parts + bytes.fromhex(event.body)).digest()
                head = event.hash = link(head, leaf_)

    def _tag(self, event: Any) -> None:
        record = event.body.get("consent_id")
        if not isinstance(record, str):
            return
        made = [
            tag(each.encode("utf-8", "surrogatepass"), event.chain, event.seq)
            for each in named_records(record, event.body)
        ]
        salt = self.values.get(record, {}).get("person_salt")
        if salt is not None and event.tagged:
            made.append(tag(bytes.fromhex(salt), event.chain, event.seq))
        event.tags = json.loads(tags_text(made))
        if event.change_tags is not None:
            event.tags = event.change_tags(event.tags)

    def _sign(self, signed: _Signed) -> None:
        given, event = signed.given, signed.event
        if event is None or given.ledger_id not in self._keys:
            signed.line = given.line
            return
        if event not in self.events:  # dropped: the one before it is signed in its place
            signed.line = ""
            return
        heads = [
            (chain, seq, hash_)
            if of is None or of not in self.events
            else (chain, of.seq, of.hash.hex())
            for chain, seq, hash_, of in signed.heads
        ]
        if (event.seq, event.hash.hex(), heads) == (given.seq, given.hash, [*given.heads]):
            signed.line = given.line
            return
        key = self._keys[given.ledger_id].signing
        signed.line = sign(key, event.seq, event.hash.hex(), given.at, heads).line

    def _follow(self, body: dict[str, Any], head: Event | None) -> None:
        """Let a chain name the head of the one before it as it is now, signed with its key."""
        if head is None or head not in self.events or not isinstance(body.get("previous"), list):
            return
        previous = [head.chain, head.seq, head.hash.hex()]
        if body["previous"] == previous:
            return
        signed = {"ledger_id": body["ledger_id"], "previous": previous, "type": "opened"}
        signature = self._keys[head.chain].signing.sign(canonical(signed).encode())
        body.update(previous=previous, previous_signature=base64.b64encode(signature).decode())

    def _write_files(self) -> None:
        lines = []
        for chain, start in self._starts.items():
            lines.append(canonical(start))
            lines += [_line(each) for each in self.events if each.chain == chain]
        edit_lines(self._export / "chain.jsonl", lambda _: lines)
        signed = [each.line for each in self._signed if each.line]
        edit_lines(self._export / "checkpoints.jsonl", lambda _: signed)
        opened = [
            canonical({"consent_id": record, **values}) for record, values in self.values.items()
        ]
        edit_lines(self._export / "opened.jsonl", lambda _: opened)
        drop_stamps(self._export, {sha256(line) for line in signed})
        resign(self._export, next(iter(self._keys.values())))


def _line(event: Event) -> str:
    if isinstance(event.body, str):
        return f'[{canonical(event.tags)},"{event.body}"]'
    body = canonical(event.body)
    said = f'"{sha256(body)}"' if event.hidden else body
    return f"[{canonical(event.tags)},{said}]"
