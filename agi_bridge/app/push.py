"""Builds push from a configuration: what is stored for each receiver, and what sends it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from agi_bridge.consent import PUSHED
from agi_bridge.webhook_signature import read_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.consent import PushRoutes
    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.observe import Metrics
    from agi_bridge.push import Endpoint, Pusher
    from agi_bridge.settings import Settings


def push_routes(settings: Settings) -> PushRoutes:
    """The receivers of each type of event, by name."""
    routes = {
        event: tuple(each.name for each in settings.push if type_.value in each.events)
        for event, type_ in PUSHED.items()
    }
    return {event: names for event, names in routes.items() if names}


class Pushing:
    """Stores and sends messages to other systems, during its `async with` block.

    Args:
        ledger: where they are stored.
        settings: the receivers, until `use` names others.
        metrics: counts deliveries.
    """

    def __init__(self, ledger: Ledger, settings: Settings, metrics: Metrics) -> None:
        self._ledger = ledger
        self._settings = settings
        self._metrics = metrics
        self._pusher: Pusher | None = None

    async def __aenter__(self) -> Self:
        await self.use(self._settings)
        return self

    async def __aexit__(self, *_: object) -> None:
        pusher, self._pusher = self._pusher, None
        if pusher is not None:
            await pusher.close()

    async def use(self, settings: Settings) -> None:
        """Store and send for the receivers of this configuration from now on."""
        loop = asyncio.get_running_loop()

        def stored() -> None:  # on the ledger's thread
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._wake)

        self._ledger.push_to(push_routes(settings), stored)
        if self._pusher is None:
            if not settings.push:
                return
            from agi_bridge.push import Pusher  # noqa: PLC0415 - only who pushes loads it

            self._pusher = Pusher(self._ledger.outbox, self._metrics)
        await self._pusher.use(_endpoints(settings))

    def _wake(self) -> None:
        if self._pusher is not None:
            self._pusher.wake()


def _endpoints(settings: Settings) -> Iterator[Endpoint]:
    """The receivers, with the secrets that sign what they get."""
    from agi_bridge.push import Endpoint  # noqa: PLC0415 - the reason stands above

    for each in settings.push:
        yield Endpoint(
            each.name,
            each.url,
            read_secrets(each.signing_secret.reveal()),
            None if each.ca_file is None else str(each.ca_file),
        )
