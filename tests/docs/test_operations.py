"""docs/operations.md names every alert in the code's words."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from agi_bridge.status import KINDS

PAGE: Final = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")


def test_the_page_names_every_alert_in_the_codes_words() -> None:
    rows = [
        f"| `{kind.name}` | {kind.severity} | {kind.notice} | {kind.cure} |"
        for kind in KINDS.values()
    ]
    alerts = PAGE[PAGE.index("| alert |") :].partition("\n\n")[0]
    assert [line for line in alerts.splitlines() if line.startswith("| `")] == rows
