"""Recorded sessions of Asterisk: one case a file, as bytes in order, in a folder for each version.

`record_agi` records them.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

VERSION = "22.10.1"
FOLDER = Path(__file__).parents[1] / "agi" / "transcripts"
CASES = sorted(path.stem for path in (FOLDER / VERSION).glob("*.jsonl"))
CASES_OF_16 = sorted(path.stem for path in (FOLDER / "16.28.0").glob("*.jsonl"))

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


def load(case: str, version: str = VERSION) -> list[Entry]:
    entries = []
    for line in (FOLDER / version / f"{case}.jsonl").read_text("utf-8").splitlines():
        entry = json.loads(line)
        # What was not UTF-8 stands as \xNN in the file.
        data = _ESCAPED.sub(
            lambda found: bytes.fromhex(found[1].decode()), entry["data"].encode("utf-8")
        )
        entries.append(Entry(entry["t"], entry["dir"], data, entry.get("eof", False)))
    return entries


def from_asterisk(case: str, version: str = VERSION) -> list[bytes]:
    return [entry.data for entry in load(case, version) if entry.who == "pbx" and entry.data]
