"""The doctor's last report, kept in the state directory for the console."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agi_bridge.doctor import Report

FILE: Final = "doctor.json"


def keep_report(state_dir: Path, report: Report) -> None:
    """Keep a report, for the account that the state directory belongs to. Blocks.

    Raises:
        OSError: this account may not write there.
    """
    owner = state_dir.stat()
    fresh = state_dir / f".{FILE}.new"
    document = {"at": datetime.now(UTC).isoformat(), **report.document().model_dump(mode="json")}
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as opened:
        if os.geteuid() != owner.st_uid:
            os.fchown(handle, owner.st_uid, owner.st_gid)
        json.dump(document, opened)
    fresh.replace(state_dir / FILE)


def last_report(state_dir: Path) -> Mapping[str, Any] | None:
    """Return the last report with `at`, when it was made; None: there is none. Blocks."""
    try:
        found = json.loads((state_dir / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    complete = isinstance(found, dict) and {"at", "ok", "faults", "findings"} <= found.keys()
    return found if complete else None
