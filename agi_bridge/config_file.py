"""Finds the configuration file and, in the simple case, the state directory that it names.

No value is typed or checked here; `settings` does that. This is all that a command needs that
speaks to the running service, and it imports little.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "AGI_BRIDGE_"
"""How the names of environment variables begin that override a setting."""
CONFIG_VARIABLE: Final = PREFIX + "CONFIG"
DEFAULT_PATH: Final = Path("/etc/agi-bridge/agi-bridge.toml")
STATE_DIR: Final = Path("/var/lib/agi-bridge")
"""The default of `state_dir`."""
MAX_FILE_BYTES: Final = 1 << 20
"""No configuration is larger; a larger file is the wrong one."""

_STATE_DIR_VARIABLE: Final = PREFIX + "STATE_DIR"


def find_file(
    path: Path | None, environ: Mapping[str, str], default: Path = DEFAULT_PATH
) -> Path | None:
    """Return the file to read: `path`, else the environment's, else the default if it exists."""
    if path is not None:
        return path
    if named := environ.get(CONFIG_VARIABLE):
        return Path(named)
    try:
        default.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        pass  # reading it reports the problem
    return default


def plain_state_dir(file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the state directory if a plain file or one variable names it, or it is the default.

    None for everything else: a pipe, a file that is damaged or too large, a path that is not
    absolute. `settings.find_state_dir` reads these, or says what is wrong.
    """
    if any(
        name.upper().startswith(_STATE_DIR_VARIABLE) and name != _STATE_DIR_VARIABLE
        for name in environ
    ):
        return None
    named: object = str(STATE_DIR)
    try:
        if file is not None:
            named = _read(file).get("state_dir", named)
    except (OSError, ValueError, RecursionError):
        return None
    named = environ.get(_STATE_DIR_VARIABLE, named)
    plain = isinstance(named, str) and named.startswith("/") and "\0" not in named
    return Path(str(named)) if plain else None


def _read(file: Path) -> dict[str, object]:
    # Non-blocking: a FIFO that nobody writes to would block the start.
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as opened:
        if not S_ISREG(os.fstat(handle).st_mode):
            raise ValueError("not a file")
        data = opened.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ValueError("too large")
    return tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
