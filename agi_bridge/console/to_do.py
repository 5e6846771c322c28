"""To do: what waits for a person, and what went wrong of late; of each, what it needs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog
from starlette.responses import RedirectResponse, Response

from agi_bridge.consent import Filter, State
from agi_bridge.console.forms import read_form
from agi_bridge.console.pages import page
from agi_bridge.console.records import acting
from agi_bridge.console.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from agi_bridge.console.service import Service

PAGE: Final = 100
"""Records of a kind, and messages, that are shown."""
RECENT_DAYS: Final = 7
"""How long a consent that was refused or expired is shown: nobody can settle those."""
NEEDS: Final = {
    "consent": "Ask the platform whether the text went out, then choose what it says.",
    "returned": "Ask the platform whether the text went out, then choose what it says.",
    "imported": "Ask the platform whether the text went out, then choose what it says.",
    "revocation": "Tell the platform that sends the texts, then press the button.",
    "message": "Find out whose number it is, revoke it, then press the button.",
}
"""What a record needs that waits for a person, by its kind."""
WAYS: Final = {
    "revocation": ("passed-on",),
    "message": ("done",),
}
"""How records of a kind are settled; all others: see `resolutions`."""
_TEXTED: Final = ("texted", "not-texted")


class ToDoPage:
    """The page of what a person has to do.

    Args:
        service: whose ledger.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def show(self, request: Request) -> Response:
        """Show what waits, oldest needs first, page by page."""
        ledger = await self._service.ledger()
        since = (datetime.now(UTC) - timedelta(days=RECENT_DAYS)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        past = request.query_params.get("past") or None
        waiting = await ledger.summaries(
            Filter(open_=True, oldest_first=True, past=past, limit=PAGE + 1)
        )
        recent = {
            state.value: await ledger.summaries(Filter(state=state, since=since, limit=PAGE + 1))
            for state in (State.REFUSED, State.EXPIRED, State.NOT_SENT)
        }
        messages = await ledger.outbox.entries(limit=PAGE + 1)
        return page(
            request,
            "to-do.html",
            waiting=waiting,
            most=PAGE,
            begins=past is None,
            recent=recent,
            messages=messages,
            receivers={each.name for each in self._service.settings.push},
            needs=NEEDS,
            ways={kind: WAYS.get(kind, _TEXTED) for kind in NEEDS},
            days=RECENT_DAYS,
        )

    async def retry(self, request: Request) -> Response:
        """Make a receiver's messages due at once, also those of one that was gone."""
        visitor = acting(request)
        endpoint = (await read_form(request)).get("endpoint", "")
        ledger = await self._service.ledger()
        retried = await ledger.outbox.retry(endpoint=endpoint)
        if not retried.messages and not retried.endpoints:
            raise Refusal(409, "Nothing waits", "No message waits for this receiver any more.")
        structlog.get_logger().info(
            "console.acted", name=visitor.name, act="push_retry", endpoint=endpoint
        )
        return RedirectResponse("/to-do", 303)
