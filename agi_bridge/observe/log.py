"""JSON logs through structlog, with every telephone number masked on the way out.

Our own log calls mask what they know to be a number. The filter here is the second lock: whatever
looks like a number in any value, of any library's line, leaves masked.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from typing import TextIO

_NUMBER: Final = re.compile(r"\+?\b\d(?:[\d().\- ]{5,}\d)")
"""Seven digits or more, with the punctuation that people write between them."""

_IDENTIFIERS: Final = frozenset({"call", "consent", "at", "level", "version", "steps"})
"""Keys that are not looked at: identifiers, whose digits are no telephone numbers, and our own
words, which are constants of the code."""

_FEWEST_DIGITS: Final = 7

_TALKATIVE: Final = ("alembic", "httpx", "httpcore", "aiohttp", "asyncio", "sqlalchemy")
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
        if key not in _IDENTIFIERS and not isinstance(value, int | float | None):
            event[key] = _mask(value)
    return event


def _name_the_exception(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> Mapping[str, Any]:
    """Put an exception on the line as its class and text: a traceback may show callers' data."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = f"{type(error).__name__}: {error}"
    return event


def configure_logging(level: str = "info", stream: TextIO | None = None) -> None:
    """Send everything to `stream` (standard error unless given) as one JSON object a line.

    Standard output stays free: in classic AGI it belongs to Asterisk.

    Args:
        level: least level written: debug, info, warning or error.
        stream: where to; a line is one write.
    """
    out = sys.stderr if stream is None else stream
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _name_the_exception,
        _mask_event,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(out),
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
    root.setLevel(threshold)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
