"""Alerts that the program was sent and that are not over, kept for the next process.

A process that begins knows nothing of them: without this file, a problem that ends while the
service is stopped would never be sent as over, and a pager would stay open.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from agi_bridge.durable import write_synced

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE: Final = "open-alerts.json"
"""In state_dir."""
_MAX_BYTES: Final = 16_384


def read(state_dir: Path) -> dict[str, float]:
    """Return the kinds that were sent as firing, each with its beginning (seconds since the epoch).

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds something else.
    """
    try:
        with (state_dir / FILE).open("rb") as opened:
            found = json.loads(opened.read(_MAX_BYTES))
    except FileNotFoundError:
        return {}
    except RecursionError:
        raise ValueError("no table") from None
    if not isinstance(found, dict):
        raise ValueError("no table")  # noqa: TRY004 - a file's content, no argument's type
    if not all(type(since) is int and 0 <= since < 1 << 40 for since in found.values()):
        raise ValueError("no times")
    return {name: float(since) for name, since in found.items()}


def write(state_dir: Path, since: Mapping[str, float]) -> None:
    """Keep them for the next process, in one step. Raises OSError."""
    file = state_dir / FILE
    temporary = file.with_suffix(".new")
    write_synced(temporary, json.dumps({name: int(at) for name, at in since.items()}).encode())
    temporary.replace(file)
