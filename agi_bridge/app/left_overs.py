"""What a process that was killed left in the state directory, with personal data in it.

Only who holds the state directory's lock deletes any of it: nobody else makes such files there.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from agi_bridge.app.console_export import clear_exports

if TYPE_CHECKING:
    from pathlib import Path

RESTORE_PREFIX: Final = ".restore-"
"""Of the folder that a restore makes its copy in."""


def clear_left_overs(state_dir: Path) -> None:
    """Delete exports of the console, and copies of restores. Blocks; never raises."""
    clear_exports(state_dir)
    for folder in state_dir.glob(f"{RESTORE_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)
