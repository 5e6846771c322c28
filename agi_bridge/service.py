"""The life of the service: build the parts, listen, drain. The one place that knows them all."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import structlog

from agi_bridge import __version__
from agi_bridge.agi import SAFE_APPLICATIONS, Limits, Server, stdio
from agi_bridge.call.handler import CallHandler, House
from agi_bridge.call.resubmit import Resubmission
from agi_bridge.consent.upkeep import Upkeep
from agi_bridge.hook import Breaker, HookClient
from agi_bridge.speech import BadPrompts
from agi_bridge.tools.ledger import (
    anchors,
    load_keys,
    look_for_lost_events,
    only_service,
    open_ledger,
    periods,
)
from agi_bridge.tools.speech import library, of_lines, stale
from agi_bridge.web import Media, Web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

    from agi_bridge.consent import Ledger
    from agi_bridge.hook import Hook
    from agi_bridge.settings import Settings
    from agi_bridge.speech import Library

CHORE_SECONDS: Final = 60.0
"""How long a chore that broke is left alone."""
ANCHOR_SECONDS: Final = 15.0
"""How long the last checkpoint may take: a database that hangs must not hold up the end."""
DRAIN_SECONDS: Final = 30.0
"""How long calls in progress may go on after the first signal to stop."""


@asynccontextmanager
async def house(
    settings: Settings, ledger: Ledger, media: Media | None = None
) -> AsyncIterator[House]:
    """Build what all calls share besides the ledger: hook client, prompts.

    Args:
        settings: the configuration.
        ledger: keeps the consents.
        media: serves the prompts, if the PBX fetches them.

    Raises:
        LedgerUnavailable: the database did not take the disclosures.
        BadPrompts: a folder of prompts cannot be used.
        BadEngine: an engine cannot be made here.
        HookConfigError: the hook's URL or certificates cannot be used.
    """
    address = None if media is None else media.address
    prompts = await asyncio.to_thread(library, settings, address)
    try:
        await asyncio.to_thread(prompts.prepare)
        lines = await asyncio.to_thread(of_lines, settings, prompts)
        await asyncio.to_thread(warn_of_old_words, settings, lines)
        async with hook_client(settings) as client:
            await keep_disclosures(settings, lines, ledger)
            hook = breaker(settings, client)
            yield House(settings, prompts, ledger, hook, settings.sha256, lines)
    finally:
        await prompts.close()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Server]:
    """Take calls while the block runs; leaving it ends those in progress.

    Submissions that a crash left open are settled as `unknown` first: only this process may do so,
    as it is the one service here.

    Raises:
        OSError: an address cannot be listened on, or another service is at work here.
        and what `open_ledger` and `house` raise.
    """
    agi = settings.agi
    async with await open_ledger(settings, create=True) as ledger, only_service(settings):
        await look_for_lost_events(settings, ledger)
        media = await asyncio.to_thread(served, settings)
        upkeep = Upkeep(ledger, anchors(settings), periods(settings))
        async with house(settings, ledger, media) as parts:
            left_open = await ledger.recover()
            if left_open:
                structlog.get_logger().warning(
                    "a crash left submissions open: they count as unknown and are not sent again",
                    count=left_open,
                )
            async with (
                anchored(upkeep),
                chores(Resubmission(parts).run, upkeep.run, parts.library.start),
                Web(settings, ledger, media),
                Server(
                    CallHandler(parts),
                    host=agi.host,
                    port=agi.port,
                    limits=Limits(max_calls=agi.max_calls, call_seconds=agi.max_call_seconds),
                    allow=agi.allow,
                    token=agi.secret(),
                    applications=applications(settings),
                ) as server,
            ):
                yield server


def served(settings: Settings) -> Media | None:
    """What serves the recordings if the PBX fetches them. Blocks.

    Raises:
        KeyFault: the ledger's keys, one of which the addresses are made with, are not there.
    """
    if settings.speech.delivery == "files":
        return None
    keys, _ = load_keys(settings)
    return Media(settings.speech.url, keys.lookup)


@asynccontextmanager
async def anchored(upkeep: Upkeep) -> AsyncIterator[None]:
    """Anchor at the end of the block what happened last."""
    try:
        yield
    finally:
        finishing = asyncio.create_task(upkeep.finish())
        if not (await asyncio.wait({finishing}, timeout=ANCHOR_SECONDS))[0]:
            finishing.cancel()
            structlog.get_logger().error("no last checkpoint in time", seconds=ANCHOR_SECONDS)


@asynccontextmanager
async def chores(*work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Do what is to be done beside the calls while the block runs."""
    tasks = [asyncio.create_task(_go_on(each)) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _go_on(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do a chore for ever: what ends is begun anew after a while, what breaks is said so too.

    So the speech models that are to be loaded before a caller needs them are there again after one
    of them died.
    """
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - calls go on, whatever happens beside them
            structlog.get_logger().error("a chore of the service broke", exc_info=error)
        await asyncio.sleep(CHORE_SECONDS)


async def keep_disclosures(
    settings: Settings, prompts: Mapping[str, Library], ledger: Ledger
) -> None:
    """Put every disclosure that a caller may hear into the ledger, text and sound.

    Raises:
        LedgerUnavailable: the database did not take it.
        BadPrompts: a file is no longer the one that was read; the hash kept would be another's.
    """
    for line in settings.lines.values():
        for language in line.languages:
            recording = prompts[line.name].prompt(line.disclosure, language)
            wav = await asyncio.to_thread(recording.wav.read_bytes)
            if hashlib.sha256(wav).hexdigest() != recording.sha256:
                raise BadPrompts([f"{recording.wav} has just changed: start again"])
            await ledger.register(recording.language, recording.text, recording.sha256, wav)


def warn_of_old_words(settings: Settings, prompts: Mapping[str, Library]) -> None:
    """Say which lines' prompts were made from other texts than those in force. Blocks."""
    for line in settings.lines.values():
        if old := stale(settings, line, prompts[line.name]):
            structlog.get_logger().warning(
                "prompts say other words than the texts in force: agi-bridge prompts check",
                line=line.name,
                prompts=old,
            )


def breaker(settings: Settings, client: HookClient) -> Hook:
    """The hook behind its circuit breaker, if the configuration wants one."""
    hook = settings.hook
    if not hook.breaker_failures:
        return client
    return Breaker(client, failures=hook.breaker_failures, seconds=hook.breaker_seconds)


def applications(settings: Settings) -> frozenset[str]:
    """What calls may have the PBX run: what is safe, and what it is to speak with."""
    voices = (engine.command[0] for engine in settings.speech.engines if engine.kind == "pbx")
    return SAFE_APPLICATIONS.union(voices)


def hook_client(settings: Settings) -> HookClient:
    """The hook's client, from the configuration."""
    hook = settings.hook
    return HookClient(
        hook.url,
        method=hook.method,
        context=hook.context,
        connect_seconds=hook.connect_seconds,
        total_seconds=hook.total_seconds,
        max_bytes=hook.max_bytes,
        keepalive=hook.keepalive,
        ca_file=None if hook.ca_file is None else str(hook.ca_file),
    )


async def serve(settings: Settings) -> None:
    """Take calls until a signal to stop; let those in progress end; a second signal ends them.

    Raises what `running` raises when it cannot start.
    """
    loop = asyncio.get_running_loop()
    stop, now = asyncio.Event(), asyncio.Event()

    def stopping() -> None:
        (now if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping)
    log = structlog.get_logger()
    try:
        async with running(settings) as server:
            spare_the_collector()
            log.info("listening", host=settings.agi.host, port=server.port, version=__version__)
            await stop.wait()
            log.info("stopping", seconds=DRAIN_SECONDS)
            drained = asyncio.create_task(server.drain(DRAIN_SECONDS))
            forced = asyncio.create_task(now.wait())
            await asyncio.wait({drained, forced}, return_when=asyncio.FIRST_COMPLETED)
            for task in (drained, forced):
                task.cancel()
            await asyncio.wait({drained, forced})
        log.info("stopped")
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def spare_the_collector() -> None:
    """Let the garbage collector look at what calls leave, not at what lives as long as the service.

    Going through all of it takes milliseconds in which every caller waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


async def serve_stdio(settings: Settings) -> None:
    """Serve the one call on standard input and output, as classic AGI.

    Asterisk runs this itself, so it sees our files, whatever way other bridges deliver them.

    Raises what `open_ledger` and `house` raise when it cannot start.
    """
    async with (
        await open_ledger(settings, create=True) as ledger,
        house(settings, ledger) as parts,
    ):
        await stdio.run(CallHandler(parts), applications=applications(settings))
