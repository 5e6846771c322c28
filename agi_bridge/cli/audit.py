"""Who runs a command, for the events that say who did it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Final

_LOGIN: Final = Path("/proc/self/loginuid")
_NOBODY_LOGGED_IN: Final = 4294967295


def actor(login: Path = _LOGIN) -> str:
    """The account of this process; behind `sudo`, `alice as root`.

    The login is the kernel's own note (`/proc/self/loginuid`), which outlives `su` and `sudo`; the
    variables that these set could be anybody's.
    """
    uid = os.geteuid()
    try:
        logged_in = int(login.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no such note on this kernel
        logged_in = _NOBODY_LOGGED_IN
    if logged_in in {uid, _NOBODY_LOGGED_IN}:
        return _name(uid)
    return f"{_name(logged_in)} as {_name(uid)}"


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # an account of a container that has no name there
        return f"uid {uid}"
