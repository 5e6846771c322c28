"""Writes the pages of docs/reference from what they describe; a test compares them.

    python -m scripts.reference

The settings come from the example configuration, the commands from the command line's own help,
the channel variables from the module that names them, the metrics from what a scrape writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from scripts.reference.command_page import command_page
from scripts.reference.metrics_page import metrics_page
from scripts.reference.settings_page import settings_page
from scripts.reference.variables_page import variables_page

if TYPE_CHECKING:
    from collections.abc import Mapping

DOCS: Final = Path(__file__).parents[2] / "docs"


def pages() -> Mapping[str, str]:
    """The text of each page, by its path below docs/."""
    return {
        "reference/settings.md": settings_page(),
        "reference/commands.md": command_page(),
        "reference/variables.md": variables_page(),
        "reference/metrics.md": metrics_page(),
    }
