"""Finds out whose STOP or YES a message is: asks Instaply for the customer's number, then acts.

The message is in the ledger before Instaply is asked, and the webhook was answered long ago. So
nothing is lost by a restart, a failure or a stop: what is open is asked about again. What cannot be
found out stays on the list of a person, with the reason.

`LookupQueue` says which message is next. If the API has no number for one customer, that message is
looked up rarely: a person may have corrected the profile, or given the key's user access.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from agi_bridge import phone
from agi_bridge.consent import REPLY_DAYS, Act, ConsentError, IllegalTransition, Reply
from agi_bridge.hook import InstaplyApi, InstaplyApiError
from agi_bridge.web.instaply import UNKNOWN, brands_of, intent_of, revocation
from agi_bridge.web.lookup_queue import FIRST_WAIT, LookupQueue
from agi_bridge.web.revocations import rfc_3339
from agi_bridge.web.stop_words import Intent

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.consent import CompletedConsent, OpenMessage, Revocation, RevocationResult
    from agi_bridge.observe import Metrics
    from agi_bridge.settings import Settings

POLL_SECONDS: Final = 60.0
"""Between two looks at all open messages: another bridge may have stored one."""
LAST_DAYS: Final = 14
"""How old a message may be: ten business days are the law's limit (47 CFR 64.1200(a)(10))."""

OF_THE_API: Final = frozenset({"token_refused", "unreachable", "unavailable"})
"""Failures that say nothing about the customer."""
NO_ID: Final = "no_id"
"""The reason of a message that names no customer."""
_ACTOR: Final = "profile lookup"


class MessageStore(Protocol):
    """What keeps messages and revocations: the ledger."""

    async def open_message_ids(self, since: str) -> list[str]:
        """The messages stored since then that nobody has dealt with, oldest first."""
        ...

    async def open_message(self, message_id: str) -> OpenMessage | None:
        """A message that nobody has dealt with; None if somebody has."""
        ...

    async def note_lookup(self, message_id: str, reason: str) -> None:
        """Keep why a look-up found no number."""
        ...

    async def revoke(self, request: Revocation) -> RevocationResult:
        """Store a request to revoke; it holds when this returns."""
        ...

    async def complete(self, reply: Reply) -> list[CompletedConsent]:
        """Complete the consents that wait for a YES by text."""
        ...

    async def settle_message(self, message_id: str, *, note: str, actor: str) -> None:
        """Note that a message was dealt with, and erase what it holds of the customer."""
        ...


class StopLookups:
    """Looks up whose open STOPs and YESes are; `run` is one task of the service.

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
        self._queue = LookupQueue()
        self._look_at = 0.0
        self._failing = ""

    def notify(self, message_id: str) -> None:
        """A STOP or a YES was stored: it is looked up at once."""
        self._queue.add(message_id)
        self._due.set()

    async def run(self) -> None:
        """Look up what is open, again and again, until cancelled."""
        while True:
            self._due.clear()
            wait = await self.round()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._due.wait(), wait)

    async def round(self) -> float:
        """Look up each message that is due; return the seconds until the next round."""
        settings = self._settings()
        token = settings.web.instaply_api_secret()
        if token is None:
            return POLL_SECONDS
        try:
            await self._look_at_all()
            if self._queue.next(self._now()) is not None:
                async with _api(settings, token) as api:
                    while (message_id := self._queue.next(self._now())) is not None:
                        await self._look_up(api, message_id, settings)
                        await self._look_at_all()
        except ConsentError as error:  # the message stays where it is
            structlog.get_logger().error("web.stop_not_revoked", exc_info=error)
            return FIRST_WAIT
        until_look = max(self._look_at - self._now(), 0.0)
        due = self._queue.wait(self._now())
        return until_look if due is None else min(due, until_look)

    async def _look_at_all(self) -> None:
        """Take in the open messages, from time to time."""
        if self._now() < self._look_at:
            return
        since = rfc_3339(datetime.now(UTC) - timedelta(days=LAST_DAYS))
        self._queue.fill(await self._ledger.open_message_ids(since))
        self._look_at = self._now() + POLL_SECONDS

    async def _look_up(self, api: InstaplyApi, message_id: str, settings: Settings) -> None:
        """Look up one message.

        Raises:
            ConsentError: the ledger failed; the message waits.
        """
        try:
            message = await self._ledger.open_message(message_id)
            if message is None:  # somebody was faster, or it was erased
                self._queue.remove(message_id)
            elif _is_late_yes(message):
                await self._settle(message, "no consent waits for it any more")
            elif not _is_lookable(message):
                self._queue.leave(message_id)
            else:
                await self._ask(api, message, settings)
        except ConsentError:
            self._queue.hold(message_id, self._now())
            raise
        except Exception as error:  # noqa: BLE001 - one message must not hold those of others
            self._queue.hold(message_id, self._now())
            structlog.get_logger().error(
                "web.stop_not_looked_up", consent=message_id, exc_info=error
            )

    async def _ask(self, api: InstaplyApi, message: OpenMessage, settings: Settings) -> None:
        try:
            number = await _number(api, message, settings)
        except InstaplyApiError as error:
            if error.code not in OF_THE_API:
                self._served()
            elif not self._api_failed(message.message_id, error.code):
                return
            await self._note(message, error.code)
            return
        self._served()
        if intent_of(message.words) is Intent.YES:
            await self._complete(message, number, settings)
        else:
            await self._revoke(message, number, settings)

    async def _revoke(self, message: OpenMessage, number: str, settings: Settings) -> None:
        revoked = await self._ledger.revoke(revocation(message, number, settings.lines.values()))
        await self._settle(message, f"revocation {revoked.revocation_id}")
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

    async def _complete(self, message: OpenMessage, number: str, settings: Settings) -> None:
        reply = Reply(
            number=number,
            brands=brands_of(message.business_id, settings.lines.values()),
            channel="instaply",
            words=message.words,
            reference=message.reference or message.message_id,
            received=message.received,
        )
        completed = await self._ledger.complete(reply)
        await self._settle(message, f"consents completed: {len(completed)}")
        self._metrics.stop_lookups.add("completed" if completed else "nothing_waits")
        for each in completed:
            self._metrics.consents.add(each.line_id, Act.REPLIED.value)
            structlog.get_logger().info("web.consent_completed", consent=each.consent_id)

    async def _settle(self, message: OpenMessage, note: str) -> None:
        """Take a message off the list: what it asks for is done, and its words are kept there."""
        with suppress(IllegalTransition):  # a person, or another bridge, was faster
            await self._ledger.settle_message(message.message_id, note=note, actor=_ACTOR)
        self._queue.remove(message.message_id)

    async def _note(self, message: OpenMessage, reason: str) -> None:
        """Keep why this message stays on a person's list."""
        if reason not in OF_THE_API:  # those are counted
            self._metrics.stop_lookups.add(reason)
        if reason != message.lookup:
            with suppress(IllegalTransition, LookupError):  # a person was faster
                await self._ledger.note_lookup(message.message_id, reason)
                structlog.get_logger().warning(
                    "web.sender_unknown",
                    consent=message.message_id,
                    intent=intent_of(message.words).value,
                    reason=reason,
                )
        if reason == NO_ID:
            self._queue.leave(message.message_id)
        else:
            self._queue.postpone(message.message_id, self._now())

    def _api_failed(self, message_id: str, reason: str) -> bool:
        """Count a failure of the API; return whether it is the customer's alone."""
        self._metrics.stop_lookups.add(reason)
        is_customers = self._queue.failed(message_id, self._now())
        if reason != self._failing:
            self._failing = reason
            structlog.get_logger().error(
                "web.instaply_api_failed", reason=reason, retry_after=self._queue.pause
            )
        return is_customers

    def _served(self) -> None:
        self._queue.served()
        if self._failing:
            structlog.get_logger().warning("web.instaply_api_back")
        self._failing = ""


def _is_lookable(message: OpenMessage) -> bool:
    """Whether a message is a STOP or a YES without a doubt, and recent."""
    if intent_of(message.words) not in {Intent.STOP, Intent.YES}:
        return False  # a person reads it
    return _is_younger(message, LAST_DAYS)


def _is_late_yes(message: OpenMessage) -> bool:
    """Whether a message is a YES that completes nothing any more, of whichever customer."""
    return intent_of(message.words) is Intent.YES and not _is_younger(message, REPLY_DAYS)


def _is_younger(message: OpenMessage, days: int) -> bool:
    oldest = datetime.now(UTC) - timedelta(days=days)
    return datetime.fromisoformat(message.received) > oldest


async def _number(api: InstaplyApi, message: OpenMessage, settings: Settings) -> str:
    """Return the sender's number in E.164. The API documents it with its country code.

    Raises:
        InstaplyApiError: there is none. A number without a country code is none either: read in
            another country than it was written in, it is somebody else's.
    """
    if message.customer_id == UNKNOWN or message.customer_id.startswith("thread "):
        raise InstaplyApiError(NO_ID, "the message names no customer")
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
