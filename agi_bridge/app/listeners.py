"""The listeners of the service: ports that are bound first, and what may come in through them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import structlog

from agi_bridge.agi import Limits
from agi_bridge.app.descriptors import FIX, raise_soft_limit, required_shares, shortage
from agi_bridge.net import bind, bind_in_thread

if TYPE_CHECKING:
    import socket
    from contextlib import ExitStack

    from agi_bridge.app.descriptors import Shares
    from agi_bridge.settings import Settings


async def bind_all(settings: Settings, bound: ExitStack) -> dict[str, list[socket.socket]]:
    """Bind the ports of a configuration, by listener: `agi`, and `web` if it listens.

    `bound` closes them.

    Raises:
        OSError: a port is not available.
    """
    agi, web = settings.agi, settings.web
    listeners: dict[str, list[socket.socket]] = {"agi": [], "web": []}
    for name, host, port in (
        ("agi", agi.host, agi.port),
        *([("web", web.host, web.port)] if settings.web_listens else []),
    ):
        listeners[name] = await bind_in_thread(partial(bind, host, port, name))
        for each in listeners[name]:
            bound.callback(each.close)
    return listeners


def enough_descriptors(settings: Settings) -> int:
    """Raise the limit of file descriptors; log if it stays too low. Returns the limit."""
    limit = raise_soft_limit(required_shares(settings).total)
    if (problem := shortage(settings, limit)) is not None:
        log = structlog.get_logger()
        log.warning("descriptors.too_few", limit=limit, problem=problem, fix=FIX)
    return limit


def agi_limits(settings: Settings, share: Shares) -> Limits:
    """The limits of calls, and of connections that are not calls yet."""
    return Limits(
        max_calls=share.calls,
        call_seconds=settings.agi.max_call_seconds,
        max_pending=share.waiting,
    )
