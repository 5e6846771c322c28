"""What is new on open pages: one look at the service for all of them, up to ten times a second.

Nothing looks while no page is open. Of each look, a page gets what has changed since it was last
told (server-sent events, WHATWG HTML section 9.2): rows and parts as HTML, made by the templates
that made the page. A page that does not read misses looks, and never what is.

A stream ends after some seconds and the browser connects again by itself. So it stays within the
listener's time for one exchange, and a session that is over gets nothing more.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import orjson
import structlog
from starlette.responses import StreamingResponse

from agi_bridge.console.pages import render

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping
    from typing import Any

    from agi_bridge.console.service import Live, Service

LOOK_SECONDS: Final = 0.1
"""Least between two looks, and what there is while pages cost little."""
MOST_LOOK_SECONDS: Final = 0.4
"""Most between two looks: a step of a call is on the page within half a second."""
MOST_SHARE: Final = 0.04
"""Of a core, what looks and the pages' events may cost; then looks are further apart."""
STREAM_SECONDS: Final = 20.0
"""How long one stream lasts."""
RECONNECT_MS: Final = 200
"""How soon a browser connects again."""
CROWDED_MS: Final = 20_000
"""The same of a page that is not followed, because too many calls are."""
NOW: Final = ""
"""The topic of the page of calls in progress; other topics are calls, by id."""
_QUIET_LOOKS: Final = 20
"""After so many looks without news, streams look whether their time is over."""
MAX_TOPICS: Final = 64
"""Calls that are followed at once; pages of further ones show what was when they were opened."""


@dataclass(slots=True)
class _Topic:
    """What the pages of one topic show: each piece of HTML, with the look that brought it."""

    version: int = 0
    watchers: int = 0
    order: tuple[str, ...] = ()
    rows: dict[str, tuple[int, str]] = field(default_factory=dict)
    parts: dict[str, tuple[int, str]] = field(default_factory=dict)
    over: bool = False
    messages: dict[int, bytes] = field(default_factory=dict)

    def show(self, rows: Mapping[str, str], parts: Mapping[str, str], *, over: bool) -> bool:
        """Take what is to be shown now; return whether anything has changed."""
        order, number = tuple(rows), self.version + 1
        new_rows = {key: _kept(self.rows.get(key), text, number) for key, text in rows.items()}
        new_parts = {key: _kept(self.parts.get(key), text, number) for key, text in parts.items()}
        if (order, new_rows, new_parts, over) == (self.order, self.rows, self.parts, self.over):
            return False
        self.version, self.order, self.over = number, order, over
        self.rows, self.parts = new_rows, new_parts
        self.messages.clear()
        return True

    def message(self, since: int) -> bytes:
        """The event that brings a page up to date; the same bytes for all that are as far."""
        if since not in self.messages:
            self.messages[since] = _event(
                {
                    "order": self.order,
                    "rows": {key: text for key, (at, text) in self.rows.items() if at > since},
                    "parts": {key: text for key, (at, text) in self.parts.items() if at > since},
                    "over": self.over,
                }
            )
        return self.messages[since]


class Pace:
    """How long to pause between two looks, so that all they cost stays a small share of a core.

    Args:
        least: seconds between two looks while they cost little.
        clock: the processor time of this thread, in seconds.
    """

    def __init__(self, least: float, clock: Callable[[], float] = time.thread_time) -> None:
        self._least = least
        self._clock = clock
        self._spent = clock()
        self.seconds = least
        """The next pause."""

    def adapt(self) -> None:
        """Count what this thread has computed since the last time, the pages' events included."""
        spent, before = self._clock(), self._spent
        self._spent = spent
        self.seconds = max(self._least, min((spent - before) / MOST_SHARE, MOST_LOOK_SECONDS))


class LivePages:
    """Looks at the service for all open pages. Belongs to the console's event loop.

    Args:
        service: what is looked at.
        look_seconds: least between two looks.
    """

    def __init__(self, service: Service, look_seconds: float = LOOK_SECONDS) -> None:
        self._service = service
        self._look_seconds = look_seconds
        self._topics: dict[str, _Topic] = {}
        self._looking: asyncio.Task[None] | None = None
        self._news = asyncio.Event()  # replaced with each news: who waits has the old one
        self._closed = asyncio.Event()

    async def close(self) -> None:
        """End all streams."""
        self._closed.set()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})
        self._tell()

    def stream(self, topic: str, still: Callable[[], bool] = lambda: True) -> StreamingResponse:
        """The events of a topic, NOW or a call's id, while `still` says that the visitor may."""
        return StreamingResponse(self._events(topic, still), media_type="text/event-stream")

    async def _events(self, name: str, still: Callable[[], bool]) -> AsyncIterator[bytes]:
        is_followed = name in self._topics or len(self._topics) < MAX_TOPICS
        yield f"retry: {RECONNECT_MS if is_followed else CROWDED_MS}\n\n".encode()
        if not is_followed:
            return
        seen, clock = 0, asyncio.get_running_loop().time
        ends = clock() + STREAM_SECONDS
        with self._watched(name) as topic:
            while not self._closed.is_set() and clock() < ends and still():
                if topic.version > seen:
                    message, seen = topic.message(seen), topic.version
                    yield message
                elif topic.over:
                    return
                else:
                    await self._news.wait()

    @contextmanager
    def _watched(self, name: str) -> Iterator[_Topic]:
        topic = self._topics.setdefault(name, _Topic())
        topic.watchers += 1
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look_on(), name="console: live pages")
        try:
            yield topic
        finally:
            topic.watchers -= 1
            if not topic.watchers:
                del self._topics[name]

    async def _look_on(self) -> None:
        quiet, pace = 0, Pace(self._look_seconds)
        while self._topics:
            try:
                changed = await self._look()
            except Exception as error:  # noqa: BLE001 - the next look may succeed
                structlog.get_logger().error("console.look_failed", exc_info=error)
                changed = False
            quiet = 0 if changed else quiet + 1
            if not quiet % _QUIET_LOOKS:
                self._tell()
            await asyncio.sleep(pace.seconds)
            pace.adapt()

    async def _look(self) -> bool:
        """Look once; return whether there are news."""
        calls = [name for name in self._topics if name != NOW]
        live = await self._service.live(calls)
        changed = False
        for name, topic in list(self._topics.items()):
            if name == NOW:
                changed |= topic.show(call_rows(live), now_parts(live), over=False)
            elif name in live.timelines:  # else opened during the look: the next has it
                call = live.timelines.get(name)
                parts = {} if call is None else call_parts(call)
                changed |= topic.show({}, parts, over=call is None)
        return changed

    def _tell(self) -> None:
        before, self._news = self._news, asyncio.Event()
        before.set()


def call_rows(live: Live) -> dict[str, str]:
    """The rows of the calls in progress, by id, in the order of the page.

    The seconds are not in them, as they would change with each look: the script counts them.
    """
    return {str(call["id"]): render("live-row.html", call=call) for call in live.calls}


def now_parts(live: Live) -> dict[str, str]:
    """The other parts of the page of calls in progress that change."""
    return {
        "state": render("live-state.html", status=live.status, shown=len(live.calls)),
        "problems": render("live-problems.html", status=live.status),
    }


def call_parts(call: Mapping[str, Any]) -> dict[str, str]:
    """The parts of a call's page that change while it lasts."""
    return {"timeline": render("live-timeline.html", call=call)}


def _kept(before: tuple[int, str] | None, text: str, number: int) -> tuple[int, str]:
    return before if before is not None and before[1] == text else (number, text)


def _event(data: object) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"
