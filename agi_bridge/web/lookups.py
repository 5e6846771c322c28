"""Finds out whose STOP a message is: asks Instaply for the customer's number, and revokes.

The message is in the ledger before Instaply is asked, and the webhook was answered long ago. So
nothing is lost by a restart, a failure or a stop: what is open is asked about again. What cannot be
found out stays on the list of a person, with the reason.

Two kinds of failure differ. If the API as a whole does not serve us (no answer, wrong token), all
wait together, longer each time. If it has no number for one customer, that message waits alone,
and is looked up rarely: a person may have corrected the profile, or given the key's user access.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from agi_bridge import phone
from agi_bridge.consent import Act, ConsentError, IllegalTransition, Revocation
from agi_bridge.hook import InstaplyApi, InstaplyApiError
from agi_bridge.web.instaply import UNKNOWN, reach_of
from agi_bridge.web.stop_words import Intent, read_intent

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.consent import OpenMessage, RevocationResult
    from agi_bridge.observe import Metrics
    from agi_bridge.settings import Settings

MOST_MESSAGES: Final = 200
"""Open messages that are looked at in a round, the newest."""
POLL_SECONDS: Final = 60.0
"""Between two rounds: another bridge may have stored a message."""
FIRST_WAIT: Final = 15.0
"""Seconds after the API's first failure; each further wait is twice as long ..."""
LONGEST_WAIT: Final = 600.0
"""... up to this."""
AGAIN_SECONDS: Final = 3600.0
"""How long a message waits for whose customer there was no number."""
LAST_DAYS: Final = 14
"""How old a message may be: ten business days are the law's limit (47 CFR 64.1200(a)(10))."""

OF_THE_API: Final = frozenset({"token_refused", "unreachable", "unavailable"})
"""Failures that say nothing about the customer."""
_ACTOR: Final = "profile lookup"


class MessageStore(Protocol):
    """What keeps messages and revocations: the ledger."""

    async def open_messages(self, limit: int) -> list[OpenMessage]:
        """The newest messages that nobody has dealt with."""
        ...

    async def note_lookup(self, message_id: str, reason: str) -> None:
        """Keep why a look-up found no number."""
        ...

    async def revoke(self, request: Revocation) -> RevocationResult:
        """Store a request to revoke; it holds when this returns."""
        ...

    async def record_act(self, act: Act, consent_id: str, **body: str) -> None:
        """Store an act that changes no state."""
        ...


class StopLookups:
    """Looks up whose open STOPs are; `run` is one task of the service.

    Args:
        settings: returns the configuration in force.
        ledger: keeps messages and revocations.
        metrics: counts look-ups by outcome.
        now: seconds of running time.
    """

    def __init__(
        self,
        settings: Callable[[], Settings],
        ledger: MessageStore,
        metrics: Metrics,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._metrics = metrics
        self._now = now
        self._due = asyncio.Event()
        self._not_before: dict[str, float] = {}
        self._unanswered: dict[str, int] = {}
        self._failures = 0
        self._stored_reason = ""

    def notify(self) -> None:
        """A message was stored."""
        self._due.set()

    async def run(self) -> None:
        """Look up what is open, again and again, until cancelled."""
        while True:
            self._due.clear()
            wait = await self.round()
            news = asyncio.create_task(self._due.wait())
            try:
                if self._failures:  # then news are not pressing
                    await asyncio.sleep(wait)
                else:
                    await asyncio.wait({news}, timeout=wait)
            finally:
                news.cancel()
                await asyncio.wait({news})

    async def round(self) -> float:
        """Look up each message that is due; return the seconds until the next round."""
        settings = self._settings()
        token = settings.web.instaply_api_secret()
        if token is None:
            return POLL_SECONDS
        try:
            found = await self._ledger.open_messages(MOST_MESSAGES)
            due = [each for each in found if self._is_due(each)]
            # One customer for whom the API fails must not hold the others.
            due.sort(key=lambda each: self._unanswered.get(each.message_id, 0))
            known = {each.message_id for each in found}
            self._unanswered = {k: v for k, v in self._unanswered.items() if k in known}
            self._not_before = {
                each.message_id: self._not_before[each.message_id]
                for each in found
                if each.message_id in self._not_before
            }
            async with AsyncExitStack() as opened:
                if not due:
                    return POLL_SECONDS
                api = await opened.enter_async_context(_api(settings, token))
                for message in due:
                    if not await self._look_up(api, message, settings):
                        return self._backed_off()
        except ConsentError as error:  # the message stays where it is
            structlog.get_logger().error("web.stop_not_revoked", exc_info=error)
            return POLL_SECONDS
        return POLL_SECONDS

    def _is_due(self, message: OpenMessage) -> bool:
        if self._not_before.get(message.message_id, 0.0) > self._now():
            return False
        if read_intent(message.words) is not Intent.STOP:
            return False  # a person reads it
        oldest = datetime.now(UTC) - timedelta(days=LAST_DAYS)
        return datetime.fromisoformat(message.received) > oldest

    async def _look_up(self, api: InstaplyApi, message: OpenMessage, settings: Settings) -> bool:
        """Look up one message; return whether the API serves us."""
        try:
            number = await _number(api, message, settings)
        except InstaplyApiError as error:
            if error.code in OF_THE_API:
                tries = self._unanswered.get(message.message_id, 0)
                self._unanswered[message.message_id] = tries + 1
                self._api_failed(error.code)
                return False
            self._served()
            await self._note(message, error.code)
            return True
        self._served()
        await self._revoke(message, number, settings)
        return True

    async def _revoke(self, message: OpenMessage, number: str, settings: Settings) -> None:
        revoked = await self._ledger.revoke(
            Revocation(
                number=number,
                **reach_of(message.business_id, settings.lines.values()),
                channel="instaply",
                actor="customer",
                reference=message.reference,
                words=message.words,
                received=message.received,
                passed_on=True,  # it comes from the platform
            )
        )
        note = f"revocation {revoked.revocation_id}"
        with suppress(IllegalTransition):  # a person, or another bridge, was faster
            await self._ledger.record_act(
                Act.RESOLVED, message.message_id, **{"as": "done", "actor": _ACTOR, "note": note}
            )
        if not revoked.already:
            self._metrics.revocations.add("instaply")
        self._metrics.stop_lookups.add("revoked")
        structlog.get_logger().info(
            "web.stop_resolved",
            consent=message.message_id,
            revocation=revoked.revocation_id,
            consents=revoked.consents,
            under_way=revoked.under_way,
        )

    async def _note(self, message: OpenMessage, reason: str) -> None:
        """Keep why this message stays on a person's list."""
        self._metrics.stop_lookups.add(reason)
        self._not_before[message.message_id] = self._now() + AGAIN_SECONDS
        if reason == message.lookup:
            return
        try:
            await self._ledger.note_lookup(message.message_id, reason)
        except (IllegalTransition, LookupError):
            return  # a person was faster
        structlog.get_logger().warning(
            "web.stop_sender_unknown", consent=message.message_id, reason=reason
        )

    def _api_failed(self, reason: str) -> None:
        self._metrics.stop_lookups.add(reason)
        self._failures += 1
        if reason != self._stored_reason:
            self._stored_reason = reason
            structlog.get_logger().error(
                "web.instaply_api_failed", reason=reason, retry_after=self._backed_off()
            )

    def _served(self) -> None:
        if self._failures:
            structlog.get_logger().warning("web.instaply_api_back")
        self._failures, self._stored_reason = 0, ""

    def _backed_off(self) -> float:
        doublings = min(max(self._failures, 1) - 1, 10)
        return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)


async def _number(api: InstaplyApi, message: OpenMessage, settings: Settings) -> str:
    """Return the sender's number in E.164. The API documents it with its country code.

    Raises:
        InstaplyApiError: there is none. A number without a country code is none either: read in
            another country than it was written in, it is somebody else's.
    """
    if message.customer_id == UNKNOWN or message.customer_id.startswith("thread "):
        raise InstaplyApiError("no_id", "the message names no customer")
    text = await api.number(message.customer_id)
    region = next(iter(settings.lines.values())).regions[0]
    number = phone.parse(text, region=region)
    if number is None or not text.strip().startswith(("+", "\uff0b")):
        raise InstaplyApiError("not_a_number", "the profile's number is not a telephone number")
    return number


def _api(settings: Settings, token: str) -> InstaplyApi:
    ca_file = settings.hook.ca_file
    return InstaplyApi(
        token,
        settings.web.instaply_api_url,
        ca_file=None if ca_file is None else str(ca_file),
    )
