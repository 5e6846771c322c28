"""Safe log lines: an exception on one line, and one line a minute for an event that repeats.

Logs show neither tracebacks nor local variables, because these hold callers' numbers. An
`ExceptionGroup` is reported as the exceptions in it, and the reported place is the innermost frame
of the application's own code, not of a library. Masking and output are not here: see `observe`.
"""

from __future__ import annotations

import asyncio
import sysconfig
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_PACKAGE: Final = "agi_bridge"
_LIBRARIES: Final = tuple(
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)

_MAX_NAMED: Final = 4
"""Exceptions of a group that are named; the rest are counted."""

_MAX_TEXT: Final = 500
"""Characters of an exception's text. Some texts hold what a peer sent."""

_PERIOD_SECONDS: Final = 60.0


class RateLimitedEvent:
    """A log event that peers can cause any number of times, written at most once per period.

    The first occurrence is logged at once, with `count` 1. The occurrences that follow within the
    period become one line at its end, with their number and the fields of the last one. Belongs to
    one event loop.

    Args:
        event: the event's name.
        period: seconds between two lines.
    """

    def __init__(self, event: str, *, period: float = _PERIOD_SECONDS) -> None:
        self._event = event
        self._period = period
        self._count = 0
        self._fields: dict[str, Any] = {}
        self._timer: asyncio.TimerHandle | None = None

    def log(self, **fields: Any) -> None:  # noqa: ANN401 - fields of a log line are anything
        """Count one occurrence; `fields` go onto its line."""
        self._count += 1
        self._fields = fields
        if self._timer is None:
            self._period_ended()

    def close(self) -> None:
        """Write what is still counted, and stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._count:
            self._write()

    def _period_ended(self) -> None:
        self._timer = None
        if self._count:
            self._write()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._period, self._period_ended)

    def _write(self) -> None:
        write: Callable[..., object] = structlog.get_logger().warning
        write(self._event, count=self._count, **self._fields)
        self._count = 0


def exception_summary(error: BaseException) -> str:
    """Return the exception's class and text; of a group, those of each exception in it.

    Texts are not masked: the log's processors do that.
    """
    return _joined(error, _class_and_text)


def exception_origin(error: BaseException, *, outside: str = "") -> str:
    """Return the exception's class and place, and its cause's class, without any text.

    For example ``KeyError at agi_bridge/call/handler.py:120``. A text may hold what a caller keyed;
    a class and a line of code never do. `outside` names a package whose own lines say nothing: the
    place is then the line that called it.
    """
    return _joined(error, partial(_class_and_place, outside=outside))


def _joined(error: BaseException, describe: Callable[[BaseException], str]) -> str:
    leaves = list(_leaves(error))
    described = [describe(leaf) for leaf in leaves[:_MAX_NAMED]]
    if len(leaves) > _MAX_NAMED:
        described.append(f"and {len(leaves) - _MAX_NAMED} more")
    return "; ".join(described)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the exceptions in a group at any depth, without recursion."""
    left = [error]
    while left:
        each = left.pop()
        if isinstance(each, BaseExceptionGroup):
            left += reversed(each.exceptions)
        else:
            yield each


def _class_and_text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception without a text is logged too
        text = "(without a text)"
    if len(text) > _MAX_TEXT:
        text = f"{text[:_MAX_TEXT]}…"
    return f"{type(error).__name__}: {text}"


def _class_and_place(error: BaseException, outside: str) -> str:
    origin = f"{type(error).__name__} at {_place(error.__traceback__, outside)}"
    cause = error.__cause__
    return origin if cause is None else f"{origin}, from {type(cause).__name__}"


def _place(trace: TracebackType | None, outside: str) -> str:
    """Name the innermost frame of application code; without one, the innermost frame."""
    ours = innermost = caller = None
    while trace is not None:
        innermost = trace
        if _is_ours(trace):
            ours = trace
            name = str(trace.tb_frame.f_globals.get("__name__", ""))
            if outside and not f"{name}.".startswith(f"{outside}."):
                caller = trace
        trace = trace.tb_next
    found = caller or ours or innermost
    if found is None:
        return "?"
    path = PurePath(found.tb_frame.f_code.co_filename)
    return f"{_short(path)}:{found.tb_lineno}"


def _is_ours(trace: TracebackType) -> bool:
    """Tell whether the frame belongs to this package or to an application that uses it."""
    name = str(trace.tb_frame.f_globals.get("__name__", ""))
    if name.partition(".")[0] == _PACKAGE:
        return True
    path = trace.tb_frame.f_code.co_filename
    return path.startswith("/") and not path.startswith(_LIBRARIES)


def _short(path: PurePath) -> str:
    """Give the path within the package; outside of it only the name, as folders may name people."""
    parts = path.parts
    if _PACKAGE in parts:
        last = len(parts) - 1 - parts[::-1].index(_PACKAGE)
        return "/".join(parts[last:])
    return path.name
