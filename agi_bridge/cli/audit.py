"""The audit trail of commands: which account ran one, and events for who saw a number in full."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge.consent import Act

if TYPE_CHECKING:
    from agi_bridge.consent.ledger import Ledger

_LOGIN_UID: Final = Path("/proc/self/loginuid")
_NO_LOGIN: Final = 4294967295


def actor(login_uid: Path = _LOGIN_UID) -> str:
    """The account of this process; behind `sudo` like `alice as root`.

    The login comes from the kernel (`/proc/self/loginuid`), which `su` and `sudo` do not change.
    Anyone can set the variables that they leave in the environment.
    """
    uid = os.geteuid()
    try:
        logged_in = int(login_uid.read_text(encoding="ascii"))
    except (OSError, ValueError):  # the kernel does not provide it
        logged_in = _NO_LOGIN
    if logged_in in {uid, _NO_LOGIN}:
        return _account(uid)
    return f"{_account(logged_in)} as {_account(uid)}"


async def reveal(ledger: Ledger, consent_id: str, command: str) -> dict[str, str]:
    """Record who reveals a record's personal data with which command, then return the data.

    Raises:
        LedgerUnavailable: the event could not be stored; nothing is revealed.
        KeyMissing, VaultDamaged: the data cannot be opened.
    """
    await ledger.record_act(Act.REVEALED, consent_id, actor=actor(), command=command)
    return await ledger.personal_data(consent_id) or {}


def _account(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:  # a container's account without a name
        return f"uid {uid}"
