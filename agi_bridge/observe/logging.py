"""JSON logs through structlog, with every telephone number masked.

The bridge's own log calls mask known numbers. The filter in this module is a second protection: it
masks whatever looks like a number in any value, also in log lines of libraries.
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
"""Seven digits or more, with the usual punctuation between them."""

_IDENTIFIERS: Final = frozenset({"call", "consent", "at", "level", "version", "steps", "where"})
"""Keys that are not masked: identifiers, whose digits are not telephone numbers, and constants of
the code."""

_NO_TEXT: Final = (int, float, type(None))
_FEWEST_DIGITS: Final = 7

_VERBOSE_LIBRARIES: Final = ("alembic", "httpx", "httpcore", "asyncio", "sqlalchemy")
"""Libraries that log every request. Some log whole URLs, which contain the hook's key."""


def mask_numbers(text: str) -> str:
    """Replace the middle of everything in `text` that looks like a telephone number with `***`."""
    return _NUMBER.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    digits = [c for c in found[0] if c.isdigit()]
    if len(digits) < _FEWEST_DIGITS:
        return found[0]
    start = f"+{digits[0]}" if found[0].startswith("+") else ""
    return f"{start}***{''.join(digits[-2:])}"


def _mask(value: object) -> object:
    if isinstance(value, str):
        return mask_numbers(value) if len(value) >= _FEWEST_DIGITS else value
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
    """Add the exception's summary and origin to the line.

    A traceback would take many lines, and could show callers' data.
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
    """`json.dumps` with one encoder for all lines; `json.dumps` builds one for each call."""

    def __init__(self) -> None:
        self._encoder: json.JSONEncoder | None = None

    def __call__(self, event: object, *, default: Callable[[Any], Any]) -> str:
        if self._encoder is None:
            # Nothing that is logged holds itself, and to look for that takes a sixth of the time.
            self._encoder = json.JSONEncoder(
                ensure_ascii=False, default=default, check_circular=False
            )
        return self._encoder.encode(event)


class Stream(Protocol):
    """A text stream for log lines."""

    def write(self, text: str, /) -> int:
        """Write a line, which ends with a line feed."""
        ...

    def flush(self) -> None:
        """Flush what is buffered."""
        ...


class _NullStream:
    """Replaces a closed standard error. Without it, structlog would use standard output."""

    def write(self, text: str, /) -> int:
        return len(text)

    def flush(self) -> None:
        return


def configure_logging(level: str = "info", stream: Stream | None = None) -> None:
    """Log to `stream` (default: standard error), one JSON object per line.

    Standard output is not used: in classic AGI it is connected to Asterisk.

    Args:
        level: lowest level that is logged: debug, info, warning or error.
        stream: the destination; each line is one write.
    """
    out: Stream = stream or sys.stderr or _NullStream()
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
    """Change the lowest level that is logged: debug, info, warning or error."""
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
    for name in _VERBOSE_LIBRARIES:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))


@contextmanager
def background_logging(level: str, descriptor: int = _STDERR) -> Iterator[None]:
    """Log from a thread while the block runs, so that writing a log line never blocks a call.

    Uncaught exceptions of threads and finalizers are logged too: Python would print them to
    standard error, which can block. When the block ends, queued lines are written for up to
    `FLUSH_SECONDS`. Lines logged after that are dropped.
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
    """Open the descriptors 0, 1 and 2 if they are closed.

    Otherwise a file or a socket could get one of them, and receive log lines.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        os.set_inheritable(opened, True)  # noqa: FBT003 - positional only
    os.close(opened)


def _dropped(count: int) -> str:
    """Return the line about dropped lines. The thread writes it directly, past the full queue."""
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
