"""Running one handler for one call, whatever carries the call."""

from collections.abc import Awaitable, Callable
from pathlib import PurePath

import structlog

from agi_bridge.agi.channel import Channel
from agi_bridge.agi.errors import AGIHangup

Handler = Callable[[Channel], Awaitable[None]]
"""The story of a call. It runs inside `Channel.until_hangup`."""

OnError = Callable[[Channel, Exception], None]
"""Told of a handler's exception, after it was logged. Must not raise."""

log = structlog.get_logger("agi_bridge.agi")


async def conduct(channel: Channel, handler: Handler, on_error: OnError | None = None) -> bool:
    """Run the handler until it ends or the caller hangs up; tell whether it ended well.

    Its exceptions end here, in one log line without their text, which may hold what a caller
    said. A cancellation from outside passes.
    """
    try:
        async with channel.until_hangup():
            await handler(channel)
    except Exception as error:  # noqa: BLE001 - whatever a handler raises, the socket must close
        if _only_hangup(error):
            log.debug("agi.hangup", call=channel.environment.unique_id)
            return True
        log.error(  # noqa: TRY400 - a traceback would show values
            "agi.handler_failed",
            call=channel.environment.unique_id,
            error=type(error).__qualname__,
            at=_place(error),
        )
        if on_error is not None:
            on_error(channel, error)
        return False
    return True


def _only_hangup(error: Exception) -> bool:
    """Tell whether it is a hangup, or a group of nothing else as a TaskGroup raises."""
    if isinstance(error, ExceptionGroup):
        return error.subgroup(lambda found: not isinstance(found, AGIHangup)) is None
    return isinstance(error, AGIHangup)


def _place(error: Exception) -> str:
    """Name the file and line where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "?"
    return f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
