"""An open page of the console that notes how late each step of a call is on it.

    python -m bench.servers.page PORT

`bench.servers.browser` is the same in a real browser. It is a process of its own, so that nothing
else that the bench does delays it. When its standard input closes it prints, in seconds, the delays
from a step's beginning to the event that shows it, and the time between two events.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SINCE: Final = re.compile(r'data-since="([^"]+)')
_RECONNECT_SECONDS: Final = 0.2
"""As the stream asks for: `RECONNECT_MS`."""


@dataclass(slots=True)
class Page:
    """What the page shows.

    Attributes:
        delays: of each step that was news, in seconds.
        gaps: between two events, in seconds. Where each look finds news, no step is later than
            that, also none that the page does not show because others are newer.
        steps: when the step of each call on the page began.
        shown_at: when it last changed, in seconds since the epoch; 0.0: it shows nothing yet.
    """

    delays: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    steps: dict[str, str] = field(default_factory=dict)
    shown_at: float = 0.0

    def take(self, text: str) -> None:
        """Take an event of the stream."""
        event = json.loads(text)
        shown = {key: _SINCE.findall(row) for key, row in event["rows"].items()}
        self.show(time.time(), shown, event["order"])

    def show(self, now: float, shown: Mapping[str, Sequence[str]], order: Sequence[str]) -> None:
        """Note what the page shows from now on.

        A call that is among the newest again because a newer one has ended is no news, and neither
        is what the page shows first.

        Args:
            now: in seconds since the epoch.
            shown: of the rows that may be new, by the call's id, when its step and the call began.
            order: the calls on the page.
        """
        for key, (step, begun) in shown.items():
            before = self.steps.get(key)
            news = _seconds(begun) > self.shown_at if before is None else step != before
            if self.shown_at and news:
                self.delays.append(now - _seconds(step))
        self.steps = {key: shown[key][0] if key in shown else self.steps[key] for key in order}
        if self.shown_at:
            self.gaps.append(now - self.shown_at)
        self.shown_at = now


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def keep_open(page: Page, port: int) -> None:
    """Keep the page open for ever."""
    prefix = "data: "
    with httpx.Client(trust_env=False, timeout=30) as client:
        while True:
            try:
                with client.stream("GET", f"http://127.0.0.1:{port}/live") as stream:
                    for line in stream.iter_lines():
                        if line.startswith(prefix):
                            page.take(line.removeprefix(prefix))
            except httpx.HTTPError:
                pass
            time.sleep(_RECONNECT_SECONDS)  # the delay of the stream's `retry:`, as a browser waits


def main(port: int) -> None:
    """Keep a page open until standard input closes, and print the delays."""
    page = Page()
    threading.Thread(target=keep_open, args=(page, port), daemon=True).start()
    print("open", flush=True)
    sys.stdin.read()
    print(json.dumps({"delays": page.delays, "gaps": page.gaps}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
