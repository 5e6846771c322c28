"""The version of a dialplan, and what an older one lacks.

agi-bridge.conf says its version in a context of its own. An older one keeps working: it is a note,
with what came since.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agi_bridge.doctor.pbx import Context

VERSION: Final = "agi-bridge-version"
"""The context whose first step holds the version of the dialplan."""

SAFE_TEST_CALLS: Final = 3
"""From this version on a test call rings no telephone, whatever the way of its number sets."""

_NEWS: Final = {
    SAFE_TEST_CALLS: (
        "with version 3, a test call that is lost is hung up; before, it rang where the way of its"
        " number sets AGI_BRIDGE_FALLBACK_GOTO"
    ),
}
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_IN_FILE: Final = re.compile(
    rf"^\[{VERSION}\][ \t]*\nexten => s,1,NoOp\(([0-9]{{1,9}})\)", re.MULTILINE
)

RENEW: Final = (
    "move agi-bridge.conf away, run agi-bridge init as before (or copy dialplan/agi-bridge.conf),"
    " put your own lines of [agi-bridge-site] back, and run asterisk -rx 'dialplan reload'"
)
"""How the dialplan of an older version is replaced."""


def version_of(context: Context | None) -> int:
    """Return the version that a context says; 0 if it says none, as the oldest did."""
    given = "" if context is None or not context.steps else context.steps[0].arguments
    return int(given) if _NUMBER.fullmatch(given) else 0


def version_in(text: str) -> int:
    """Return the version of an agi-bridge.conf; 0 if it says none."""
    found = _IN_FILE.search(text)
    return int(found[1]) if found else 0


def news_since(version: int) -> str:
    """Return what came after a version; empty if nothing did that users notice."""
    return "; ".join(what for number, what in _NEWS.items() if number > version)
