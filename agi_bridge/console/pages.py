"""Renders pages: templates whose every value is escaped, and the words that they share."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from agi_bridge import __version__

if TYPE_CHECKING:
    from starlette.requests import Request

    from agi_bridge.console.refusal import Refusal
    from agi_bridge.console.sessions import Visitor

PAGES: Final = (
    ("/", "Now"),
    ("/calls", "Calls"),
    ("/consents", "Consents"),
    ("/to-do", "To do"),
    ("/prompts", "Prompts"),
    ("/settings", "Settings"),
)
"""The pages that every page leads to."""
CURE_PAGES: Final = {
    "ConfigStale": ("/settings", "Settings"),
    "PushLate": ("/to-do", "To do"),
    "WaitingForPerson": ("/to-do", "To do"),
}
"""Where a kind of problem can be cured in the console."""
FOLDER: Final = Path(__file__).parent
_HIDING: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff"
    r"\U000e0000-\U000e007f]"
)
"""Characters that let a text read as another one: they turn its direction, or are not seen."""
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86_400


def page(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:  # noqa: ANN401 - a template takes anything
    """Render a page for a request's visitor."""
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    by_password = bool(getattr(request.state, "by_password", False))
    shown = render(
        template, visitor=visitor, path=request.url.path, by_password=by_password, **values
    )
    return HTMLResponse(shown, status)


def refusal_page(refusal: Refusal) -> HTMLResponse:
    """The page of a request that is refused before it is known whose it is."""
    shown = render("refused.html", visitor=None, path="", by_password=False, refusal=refusal)
    return HTMLResponse(shown, refusal.status)


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - a template takes anything
    """Render a template."""
    return environment().get_template(template).render(values)


@cache
def environment() -> Environment:
    """The templates, with what they call."""
    made = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,  # a brand, a caller's name or a hook's answer is never markup
        undefined=StrictUndefined,
        auto_reload=False,  # else each rendering asks the disk for each template's age
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "ago": ago,
        "bytes": in_bytes,
        "clock": clock,
        "quoted": quoted,
        "seconds": in_seconds,
        "within_hour": within_hour,
        "words": in_words,
    }
    made.globals |= {"version": __version__, "pages": lambda: PAGES, "now": _now}
    made.globals["cure_pages"] = CURE_PAGES
    return made


def _visible(value: object) -> object:
    """A value with the characters that hide or turn others written as their escapes."""
    if not isinstance(value, str) or hasattr(value, "__html__"):  # markup of a template's own
        return value
    return _HIDING.sub(lambda found: found[0].encode("unicode_escape").decode(), value)


def _now() -> int:
    """The time, in milliseconds since the epoch: the script counts from here, not by its own."""
    return time.time_ns() // 1_000_000


def within_hour(moment: str | None) -> bool:
    """Whether a time is less than an hour ago; one that is not known is not."""
    if not moment:
        return False
    return time.time() - datetime.fromisoformat(moment).timestamp() < _HOUR


def in_words(code: object) -> str:
    """A code as words: `hung_up` is "hung up"."""
    return str(code).replace("_", " ").replace("-", " ")


def quoted(part: object) -> str:
    """A part of an address, with everything escaped that would end the part: also `/`."""
    return quote(str(part), safe="")


def in_seconds(seconds: float) -> str:
    """A duration: `12.3 s`, `2 min 05 s`, `1 h 02 min`."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds) // _MINUTE} min {int(seconds) % _MINUTE:02d} s"
    return f"{int(seconds) // _HOUR} h {int(seconds) % _HOUR // _MINUTE:02d} min"


def in_bytes(count: int) -> str:
    """A number of bytes: `3.2 GiB`."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - a kibibyte
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def clock(moment: str | None) -> str:
    """A time in RFC 3339 as people read it, in UTC: `27 Nov, 14:05:09`; with a year before this."""
    if not moment:
        return ""
    try:
        read = datetime.fromisoformat(moment).astimezone(UTC)
    except ValueError:
        return moment
    year = "" if read.year == datetime.now(UTC).year else f" {read.year}"
    return f"{read.day} {read:%b}{year}, {read:%H:%M:%S}"


def ago(moment: str | None) -> str:
    """How long ago a time in RFC 3339 is: `5 min ago`."""
    if not moment:
        return "never"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    for length, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"
