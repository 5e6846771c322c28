"""Which line a person means who gives a name or a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.cli.errors import UsageError
from agi_bridge.settings.dids import DidIndex

if TYPE_CHECKING:
    from agi_bridge.settings import Line, Settings


def find_line(settings: Settings, wanted: str) -> Line:
    """The line of that name, or the one that callers of that number reach.

    Raises:
        UsageError: there is none; the text names those that there are.
    """
    line = settings.lines.get(wanted) or DidIndex(settings.lines.values()).find(wanted)
    if line is None:
        names = ", ".join(settings.lines) or "none is configured"
        raise UsageError(f"--line: no line of that name or number; the lines are: {names}")
    return line
