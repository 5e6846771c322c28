"""Recorded sessions of Asterisk 22.10.1: one case a file, as bytes in order."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

FOLDER = Path(__file__).parents[1] / "agi" / "transcripts" / "22.10.1"
CASES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))

_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


@dataclass(frozen=True, slots=True)
class Entry:
    """A read of the server, a write of it, or a note; `data` is bytes as they were on the wire.

    `at` is in seconds from the start of the case.
    """

    at: float
    who: Literal["pbx", "server", "note"]
    data: bytes
    end: bool


def load(case: str) -> list[Entry]:
    entries = []
    for line in (FOLDER / f"{case}.jsonl").read_text("utf-8").splitlines():
        said = json.loads(line)
        # What was not UTF-8 stands as \xNN in the file.
        data = _ESCAPED.sub(
            lambda found: bytes.fromhex(found[1].decode()), said["data"].encode("utf-8")
        )
        entries.append(Entry(said["t"], said["dir"], data, said.get("eof", False)))
    return entries


def from_asterisk(case: str) -> list[bytes]:
    return [entry.data for entry in load(case) if entry.who == "pbx" and entry.data]
