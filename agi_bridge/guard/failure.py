"""What failed and where, on one line: for logs, which must show neither tracebacks nor locals.

An `ExceptionGroup` says nothing itself: a `TaskGroup` raises it in `taskgroups.py`. So a group is
taken apart into what it holds, and a place is the innermost frame of the code that somebody here
wrote, not of the library that it called.
"""

from __future__ import annotations

import sysconfig
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    _Shown = Callable[[BaseException], str]

_PACKAGE: Final = "agi_bridge"
_LIBRARIES: Final = tuple(
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)

MAX_SHOWN: Final = 4
"""Exceptions of a group that are named; the others are counted."""

MAX_TEXT: Final = 500
"""Characters of an exception's text: some hold what somebody sent."""


def describe(error: BaseException) -> str:
    """Class and text; of a group, those of the exceptions in it.

    Texts are not masked: that is done by whoever writes them out.
    """
    return _joined(error, _class_and_text)


def origin(error: BaseException) -> str:
    """Class and place of what was raised, and of what caused it, without any text.

    Such as ``KeyError at agi_bridge/call/handler.py:120``. Texts may hold what a caller keyed;
    a class and a line of code never do.
    """
    return _joined(error, _class_and_place)


def _joined(error: BaseException, shown: _Shown) -> str:
    leaves = list(_leaves(error))
    told = [shown(leaf) for leaf in leaves[:MAX_SHOWN]]
    if len(leaves) > MAX_SHOWN:
        told.append(f"and {len(leaves) - MAX_SHOWN} more")
    return "; ".join(told)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """What a group holds, however deep: with a stack of its own, as depth may be anything."""
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
    except Exception:  # noqa: BLE001 - an exception that cannot be shown is still to be logged
        text = "(without a text)"
    if len(text) > MAX_TEXT:
        text = f"{text[:MAX_TEXT]}…"
    return f"{type(error).__name__}: {text}"


def _class_and_place(error: BaseException) -> str:
    told = f"{type(error).__name__} at {_place(error.__traceback__)}"
    cause = error.__cause__
    return told if cause is None else f"{told}, from {type(cause).__name__}"


def _place(trace: TracebackType | None) -> str:
    """The innermost frame that is ours; without one, the innermost."""
    ours = innermost = None
    while trace is not None:
        innermost = trace
        if _is_ours(trace):
            ours = trace
        trace = trace.tb_next
    found = ours or innermost
    if found is None:
        return "?"
    path = PurePath(found.tb_frame.f_code.co_filename)
    return f"{_shown(path)}:{found.tb_lineno}"


def _is_ours(trace: TracebackType) -> bool:
    """Of this package, or of an application that uses its engine as a library."""
    name = str(trace.tb_frame.f_globals.get("__name__", ""))
    if name.partition(".")[0] == _PACKAGE:
        return True
    path = trace.tb_frame.f_code.co_filename
    return path.startswith("/") and not path.startswith(_LIBRARIES)


def _shown(path: PurePath) -> str:
    """The file within the package; outside of it its name alone, as folders may name people."""
    parts = path.parts
    if _PACKAGE in parts:
        last = len(parts) - 1 - parts[::-1].index(_PACKAGE)
        return "/".join(parts[last:])
    return path.name
