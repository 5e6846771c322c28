"""Asks the running bridge how it is, where the dialplan looks for it and as the dialplan would.

The lock of a service says only that its process is there. A process that hangs, that listens
elsewhere, or that takes no calls, holds its lock too, and every caller gets silence or the
fallback. A bridge that lets in the PBX alone is asked through its control socket.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.control_client import ControlError, ask
from agi_bridge.doctor.findings import Id, fault, not_looked_at, note, ok
from agi_bridge.net import is_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network, IPv6Network

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
    if health not in _ANSWERED:
        return await _refused(settings, where, seconds)
    return _judged(health, where)


async def _refused(settings: Settings, where: str, seconds: float) -> Finding:
    if not _lets_in(settings.agi.host, settings.agi.allow):
        return await _by_control(settings, where, seconds)
    what = f"what listens at {where} closes the connection at once"
    fix = f"if agi.token was changed since the start of the bridge, restart it; else {_MORE}"
    return fault(Id.SERVICE, what, fix)


async def _by_control(settings: Settings, where: str, seconds: float) -> Finding:
    """Judge a bridge that takes connections from the PBX alone by what it says of itself."""
    try:
        answer = await asyncio.to_thread(ask, settings.state_dir, "status", seconds=seconds)
    except ControlError:
        what = f"a bridge runs, and what listens at {where} answers the PBX alone"
        fix = "run agi-bridge status as root or as the bridge's account; agi-bridge doctor --call"
        return not_looked_at(Id.SERVICE, what, f"{fix} has the PBX ask it")
    health = answer.get("level")
    if health in _ANSWERED:
        return _judged(str(health), f"{where}, for the PBX alone")
    return fault(Id.SERVICE, f"the bridge at {where} does not say how it is", _RESTART)


def _lets_in(host: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether the bridge lets in this machine, which it sees under the address asked for."""
    if is_loopback(host):
        return True
    with suppress(ValueError):  # a name
        address = ip_address(_LOCAL.get(host, host))
        return any(address in each for each in networks)
    return False


def _judged(health: str, where: str) -> Finding:
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
