"""JSON logs through structlog, with every telephone number masked on the way out.

Our own log calls mask what they know to be a number. The filter here is the second lock: whatever
looks like a number in any value, of any library's line, leaves masked.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from agi_bridge.diagnostics import exception_origin, exception_summary
from agi_bridge.observe.writer import BackgroundWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping

_STDERR: Final = 2

_NUMBER: Final = re.compile(r"\+?\b\d(?:[\d().\- ]{5,}\d)")
"""Seven digits or more, with the punctuation that people write between them."""

_IDENTIFIERS: Final = frozenset({"call", "consent", "at", "level", "version", "steps", "where"})
"""Keys that are not looked at: identifiers, whose digits are no telephone numbers, and our own
words, which are constants of the code."""

_NO_TEXT: Final = (int, float, type(None))
_FEWEST_DIGITS: Final = 7

_TALKATIVE: Final = ("alembic", "httpx", "httpcore", "asyncio", "sqlalchemy")
"""Libraries that speak of every request; some write whole URLs, which hold the hook's key."""


def mask_numbers(text: str) -> str:
    """Return `text` with the middle of everything that looks like a telephone number as `***`."""
    return _NUMBER.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    digits = [c for c in found[0] if c.isdigit()]
    if len(digits) < _FEWEST_DIGITS:
        return found[0]
    start = f"+{digits[0]}" if found[0].startswith("+") else ""
    return f"{start}***{''.join(digits[-2:])}"


def _mask(value: object) -> object:
    if isinstance(value, str):
        return mask_numbers(value)
    if isinstance(value, dict):
        return {key: _mask(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_mask(inner) for inner in value]
    return value


def _mask_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    for key, value in event.items():
        if key not in _IDENTIFIERS and not isinstance(value, _NO_TEXT):
            event[key] = _mask(value)
    return event


def _name_the_exception(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    """Put an exception on the line: what it is and where it was raised.

    A traceback would be many lines, and may show callers' data.
    """
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = exception_summary(error)
        event["where"] = exception_origin(error)
    return event


class _Serializer:
    """`json.dumps` with one encoder for all lines, which it would build anew for each."""

    def __init__(self) -> None:
        self._encoder: json.JSONEncoder | None = None

    def __call__(self, event: object, *, default: Callable[[Any], Any]) -> str:
        if self._encoder is None:
            self._encoder = json.JSONEncoder(ensure_ascii=False, default=default)
        return self._encoder.encode(event)


class Stream(Protocol):
    """What log lines are written to."""

    def write(self, text: str, /) -> int:
        """Take a line with its line feed."""
        ...

    def flush(self) -> None:
        """Have it written."""
        ...


class _Nowhere:
    """In the place of a standard error that was closed; structlog would take standard output."""

    def write(self, text: str, /) -> int:
        return len(text)

    def flush(self) -> None:
        return


def configure_logging(level: str = "info", stream: Stream | None = None) -> None:
    """Send everything to `stream` (standard error unless given) as one JSON object a line.

    Standard output stays free: in classic AGI it belongs to Asterisk.

    Args:
        level: least level written: debug, info, warning or error.
        stream: where to; a line is one write.
    """
    out: Stream = stream or sys.stderr or _Nowhere()
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _name_the_exception,
        _mask_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(_Serializer())],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(out),  # type: ignore[arg-type]  # it writes and flushes, no more
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    _set_threshold(threshold)


def set_log_level(level: str) -> None:
    """Write lines of another least level from now on: debug, info, warning or error."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        **{
            **structlog.get_config(),
            "wrapper_class": structlog.make_filtering_bound_logger(threshold),
        }
    )
    _set_threshold(threshold)


def _set_threshold(threshold: int) -> None:
    logging.getLogger().setLevel(threshold)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))


@contextmanager
def background_logging(level: str, descriptor: int = _STDERR) -> Iterator[None]:
    """Log from a thread while the block runs, so that no log line can hold up a call.

    What Python itself would print to standard error, where it could block, is logged too: an
    exception that nothing caught in a thread or in a finaliser. At the end of the block what still
    waits is written, for a moment; what is logged later is dropped.
    """
    _open_standard_descriptors()
    writer = BackgroundWriter(descriptor, _dropped)
    configure_logging(level, writer)
    logging.captureWarnings(capture=True)
    before = sys.unraisablehook, threading.excepthook
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_in_thread
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = before
        logging.captureWarnings(capture=False)
        writer.close()


def _open_standard_descriptors() -> None:
    """Have 0, 1 and 2 open: else a file or a socket gets one of them, and log lines in it."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(opened, True)  # noqa: FBT003 - positional only
    os.close(opened)


def _dropped(count: int) -> str:
    """Make the line itself: it is written by the thread, past the queue that was full."""
    line = {
        "count": count,
        "event": "log.lines_dropped",
        "level": "warning",
        "at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    return f"{json.dumps(line)}\n"


def _log_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    error = unraisable.exc_value or unraisable.exc_type()
    structlog.get_logger().error("python.exception_ignored", exc_info=error)


def _log_in_thread(args: threading.ExceptHookArgs) -> None:
    error = args.exc_value or args.exc_type()
    structlog.get_logger().error("python.thread_failed", exc_info=error)
