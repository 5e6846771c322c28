"""The files of an export: their names, and the three kinds of lines in `chain.jsonl`.

    {"hash":…,"ledger_id":…,"seq":…}     a part of a chain starts after event `seq`
    [["…tag…"],{…body…}]                 the next event of it, shown
    [["…tag…"],"…SHA-256 of the body…"]  the next event of it, hidden: it is other people's

Each line is canonical JSON, so that an event's tags and body are in it as they were hashed.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NoReturn

from agi_bridge.consent import Row, canonical
from agi_bridge.evidence.errors import BadExport
from agi_bridge.evidence.export.archive import SIGNATURE, SIGNER, SUMS, lines
from agi_bridge.evidence.verify import Hidden, Start

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.evidence.export.archive import Archive
    from agi_bridge.evidence.verify import Entry

CHAIN: Final = "chain.jsonl"
CHECKPOINTS: Final = "checkpoints.jsonl"
OPENED: Final = "opened.jsonl"
MANIFEST: Final = "manifest.json"
CERTIFICATE: Final = "certificate.html"
INDEX: Final = "index.html"
INSTRUCTIONS: Final = "VERIFY.txt"
PROGRAM: Final = "check.py"
STAMPS: Final = "stamps"
TEXTS: Final = "texts"
AUDIO: Final = "audio"
RECORDS: Final = "records"

_HASH: Final = re.compile("[0-9a-f]{64}")
_MOST: Final = 2**53
_UUID: Final = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_OTHERS: Final = re.compile(
    f"{TEXTS}/{_HASH.pattern}[.]txt|{AUDIO}/{_HASH.pattern}[.]wav|{STAMPS}/{_HASH.pattern}[.]tsr"
    f"|{RECORDS}/{_UUID}[.]html"
)
_NAMES: Final = frozenset(
    {CHAIN, CHECKPOINTS, OPENED, MANIFEST, CERTIFICATE, INDEX, INSTRUCTIONS, PROGRAM}
    | {SIGNER, SUMS, SIGNATURE}
)


def is_name(name: str) -> bool:
    """Whether a file of an export may have this name: nothing that people read is added to it."""
    return name in _NAMES or _OTHERS.fullmatch(name) is not None


def start_line(start: Start) -> str:
    """The line that starts a part of a chain."""
    return canonical({"hash": start.hash, "ledger_id": start.ledger_id, "seq": start.seq})


def shown_line(row: Row) -> str:
    """The line of an event."""
    return f"[{row.tags},{row.body}]"


def hidden_line(tags: str, body_sha256: str) -> str:
    """The line of an event that is not shown."""
    return f'[{tags},"{body_sha256}"]'


def read_starts(archive: Archive) -> list[Start]:
    """Where the parts of chains start, in order.

    Raises:
        BadExport: a line is malformed, or a chain has two parts.
    """
    found: dict[str, Start] = {}
    for number, line in enumerate(lines(archive, CHAIN), 1):
        if line.startswith("{"):
            start = _start(number, line)
            if start.ledger_id in found:
                raise BadExport(
                    f"{CHAIN}, line {number}: a second part of a chain", code="chain_malformed"
                )
            found[start.ledger_id] = start
    return list(found.values())


def read_chain(archive: Archive) -> Iterator[Entry]:
    """Yield the events of each part, in order. The hashes of shown events are left empty.

    Raises:
        BadExport: a line is malformed, or an event stands before the first start.
    """
    ledger_id, seq = "", 0
    for number, line in enumerate(lines(archive, CHAIN), 1):
        if line.startswith("{"):
            start = _start(number, line)
            ledger_id, seq = start.ledger_id, start.seq
            continue
        if not ledger_id:
            raise BadExport(
                f"{CHAIN}, line {number}: an event before the start of any chain",
                code="chain_malformed",
            )
        seq += 1
        yield _entry(number, line, ledger_id, seq)


def _start(number: int, line: str) -> Start:
    match _json(number, line):
        case {"hash": str(hash_), "ledger_id": str(ledger_id), "seq": int(seq), **rest} if (
            not rest and _HASH.fullmatch(hash_) and type(seq) is int and 0 <= seq <= _MOST
        ) and start_line(start := Start(ledger_id, seq, hash_)) == line:
            return start
        case _:
            raise BadExport(
                f"{CHAIN}, line {number}: not the start of a chain", code="chain_malformed"
            )


def _entry(number: int, line: str, ledger_id: str, seq: int) -> Entry:
    match _json(number, line):
        case [list(tags), str(body_sha256)] if _HASH.fullmatch(body_sha256):
            text = canonical(tags)
            if hidden_line(text, body_sha256) == line:
                return Hidden(ledger_id, seq, text, body_sha256)
        case [list(tags), dict(body)]:
            text = canonical(tags)
            kept = canonical(body)
            names = ("ledger_id", "seq", "consent_id", "type", "at")
            values = [body.get(name) for name in names]
            if f"[{text},{kept}]" == line and [*map(type, values)] == [str, int, str, str, str]:
                if values[:2] != [ledger_id, seq]:
                    raise BadExport(
                        f"{CHAIN}, line {number}: an event of another place", code="chain_malformed"
                    )
                _, _, consent_id, type_, at = map(str, values)
                return Row(ledger_id, seq, consent_id, type_, at, text, kept, "")
        case _:
            pass
    raise BadExport(f"{CHAIN}, line {number}: not an event", code="chain_malformed")


def _no_floats(_: str) -> NoReturn:
    raise ValueError("only integers")


def _json(number: int, line: str) -> object:
    try:
        return json.loads(line, parse_float=_no_floats, parse_constant=_no_floats)
    except (ValueError, RecursionError):
        raise BadExport(f"{CHAIN}, line {number}: not JSON", code="chain_malformed") from None
