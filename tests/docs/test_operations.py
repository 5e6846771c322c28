"""docs/operations.md names every metric with its labels, and every alert in the code's words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from agi_bridge.status import KINDS
from tests.status.test_exposition import METRICS

PAGE: Final = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
ROW: Final = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| ([^|]*) \| ([^|]+) \|$", re.MULTILINE)


def names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_the_page_names_every_metric_with_its_labels() -> None:
    metrics = PAGE[PAGE.index("### Metrics") : PAGE.index("### Alerts")]
    documented = {
        name: set(names(labels)) for cell, labels, _ in ROW.findall(metrics) for name in names(cell)
    }
    assert documented == METRICS


def test_the_page_tells_of_every_alert_in_the_codes_words() -> None:
    rows = [
        f"| `{kind.name}` | {kind.severity} | {kind.notice} | {kind.cure} |"
        for kind in KINDS.values()
    ]
    alerts = PAGE[PAGE.index("| alert |") :].partition("\n\n")[0]
    assert [line for line in alerts.splitlines() if line.startswith("| `")] == rows
