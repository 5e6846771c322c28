"""Asks the running bridge how it is, where the dialplan looks for it and as the dialplan would.

The lock of a service says only that its process is there. A process that hangs, that listens
elsewhere, or that takes no calls, holds its lock too, and every caller gets silence or the
fallback.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.doctor.findings import Id, fault, note, ok
from agi_bridge.net import is_loopback

if TYPE_CHECKING:
    from agi_bridge.doctor.findings import Finding
    from agi_bridge.settings import Settings

SECONDS: Final = 3.0
"""How long a bridge may take to answer: it takes milliseconds."""

_HEALTH: Final = "AGI_BRIDGE_HEALTH"
"""What `AGI(agi://host/health)` sets."""
_MORE: Final = "agi-bridge status says why"
_RESTART: Final = "restart it (systemctl restart agi-bridge); its log says what it waited for"
_LOCAL: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where to connect instead
_ANSWERED: Final = frozenset({"ready", "degraded", "not_ready"})


async def judge_service(settings: Settings, *, running: bool, seconds: float = SECONDS) -> Finding:
    """Judge the bridge of a configuration.

    Args:
        settings: the configuration, with `agi.token` read.
        running: whether a process holds the lock of its state_dir.
        seconds: how long it may take to answer.
    """
    host, port = settings.agi.host, settings.agi.port
    where = f"{host} port {port}"
    if not running:
        what = f"no bridge runs with state_dir {settings.state_dir}"
        fix = (
            "systemctl start agi-bridge, or agi-bridge serve; its log says why it does not stay up"
        )
        return fault(Id.SERVICE, what, fix)
    if port == 0:
        return ok(Id.SERVICE, "a bridge runs, at a port that only it knows")
    try:
        async with asyncio.timeout(seconds):
            health = await _ask(_LOCAL.get(host, host), port, settings.agi.secret() or "")
    except TimeoutError:
        what = f"the bridge at {where} takes the connection and does not answer: it hangs"
        why = "Every caller hears silence for as long as the dialplan waits for it."
        return fault(Id.SERVICE, what, _RESTART, why=why)
    except OSError:
        what = f"a bridge runs, but does not listen at {where}"
        fix = f"if [agi] was changed since its start, restart it; else {_MORE}"
        return fault(Id.SERVICE, what, fix)
    return _judged(health, where, host)


def _judged(health: str, where: str, host: str) -> Finding:
    if health not in _ANSWERED:
        return _refused(where, host)
    if health == "not_ready":
        return fault(Id.SERVICE, f"the bridge at {where} takes no calls (not ready)", _MORE)
    if health == "degraded":
        why = "Calls are served, but something that they need is missing or down."
        return note(Id.SERVICE, f"the bridge at {where} is degraded", _MORE, why=why)
    return ok(Id.SERVICE, f"a bridge answers at {where}: ready")


async def _ask(host: str, port: int, token: str) -> str:
    """Return what the bridge says of itself; empty if it closes the connection without a word."""
    path = f"health?token={token}" if token else "health"
    record = await FakeAsterisk().call(host, port, path)
    return record.variables.get(_HEALTH, "")


def _refused(where: str, host: str) -> Finding:
    if not is_loopback(host):  # only the PBX may connect (agi.allow)
        return ok(Id.SERVICE, f"a bridge runs and listens at {where}; it answers the PBX alone")
    what = f"what listens at {where} closes the connection at once"
    fix = f"if agi.token was changed since the start of the bridge, restart it; else {_MORE}"
    return fault(Id.SERVICE, what, fix)
