"""The services of one configuration: prompts, engines and the hook's client, built from it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import structlog

from agi_bridge.agi import SAFE_APPLICATIONS
from agi_bridge.app.disclosures import check_disclosures
from agi_bridge.app.registration import register_content
from agi_bridge.app.speech import build_library, line_libraries, outdated_prompts
from agi_bridge.call import DeferredOutcomes, DialledCalls, Services
from agi_bridge.consent import LedgerLost
from agi_bridge.history import History
from agi_bridge.hook import Breaker, HookClient, InstaplyFormat, WebhookFormat
from agi_bridge.observe import Metrics

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.hook import Hook, RequestFormat
    from agi_bridge.settings import HookSettings, Settings
    from agi_bridge.speech import EnginePool, Library
    from agi_bridge.web import RecordingEndpoint


@asynccontextmanager
async def build_services(
    settings: Settings,
    ledger: Ledger,
    media: RecordingEndpoint | None = None,
    *,
    metrics: Metrics | None = None,
    engines: EnginePool | None = None,
    before: Services | None = None,
    history: History | None = None,
) -> AsyncIterator[Services]:
    """Build what calls share besides the ledger: hook client, prompts.

    Args:
        settings: the configuration.
        ledger: keeps the consents.
        media: serves the prompts, if the PBX fetches them.
        metrics: the counters; None: the services get their own.
        engines: shares engines with the services of other configurations; None: no sharing.
        before: the services that these replace: state that is not configuration is taken over.
        history: keeps what calls did; None: nothing is kept.

    Raises:
        LedgerUnavailable: the database did not take the disclosures.
        BadPrompts: a folder of prompts cannot be used.
        BadEngine: an engine cannot be made here.
        SettingsError: a disclosure does not say what its line asks for.
        HookConfigError: the hook's URL or certificates cannot be used.
    """
    address = None if media is None else media.address
    metrics = metrics or Metrics(settings.lines)
    prompts = await asyncio.to_thread(build_library, settings, address, metrics, engines)
    try:
        await asyncio.to_thread(prompts.prepare)
        lines = await asyncio.to_thread(line_libraries, settings, prompts)
        check_disclosures(settings, lines)
        await asyncio.to_thread(warn_of_old_words, settings, lines)
        async with hook_client(settings) as client:
            with suppress(LedgerLost):  # logged; no consent is taken, and callers go on
                await register_content(settings, lines, ledger)
            if before is not None:  # at a start, calls do not wait for the models
                await prompts.start()
            yield Services(
                settings,
                prompts,
                ledger,
                breaker(settings, client, before),
                settings.sha256,
                lines,
                asyncio.Event() if before is None else before.resubmission_due,
                DeferredOutcomes() if before is None else before.deferred_outcomes,
                DialledCalls() if before is None else before.dialled_calls,
                metrics,
                history or History(),
            )
    finally:
        await prompts.close()


def warn_of_old_words(settings: Settings, prompts: Mapping[str, Library]) -> None:
    """Log the lines whose prompts are out of date with the current texts. Blocks."""
    for line in settings.lines.values():
        if old := outdated_prompts(settings, line, prompts[line.name]):
            structlog.get_logger().error(
                "service.prompts_outdated",
                line=line.name,
                prompts=old,
            )


def breaker(settings: Settings, client: HookClient, before: Services | None = None) -> Hook:
    """The hook behind its circuit breaker, if one is configured.

    What the services `before` know of the same hook stays known: a reload ends no outage.
    """
    hook = settings.hook
    if not hook.breaker_failures:
        return client
    if before is not None and isinstance(before.hook, Breaker) and before.settings.hook == hook:
        return before.hook.before(client)
    return Breaker(client, failures=hook.breaker_failures, seconds=hook.breaker_seconds)


def applications(settings: Settings) -> frozenset[str]:
    """The dialplan applications that calls may run: the safe ones, and those that speak."""
    voices = (engine.command[0] for engine in settings.speech.engines if engine.kind == "pbx")
    return SAFE_APPLICATIONS.union(voices)


def _hook_format(hook: HookSettings) -> RequestFormat:
    if hook.kind == "instaply" or hook.signing_secret is None:
        return InstaplyFormat(hook.method, hook.context)
    return WebhookFormat.with_secret(
        hook.signing_secret.reveal(), context=hook.context, idempotent=hook.idempotent
    )


def hook_client(settings: Settings) -> HookClient:
    """The hook's client, from the configuration."""
    hook = settings.hook
    return HookClient(
        hook.url,
        format_=_hook_format(hook),
        connect_seconds=hook.connect_seconds,
        total_seconds=hook.total_seconds,
        max_bytes=hook.max_bytes,
        keepalive=hook.keepalive,
        prepare_seconds=hook.prepare_seconds,
        traceparent=hook.traceparent,
        ca_file=None if hook.ca_file is None else str(hook.ca_file),
    )
