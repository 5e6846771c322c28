"""The ledger of a configuration: where it lies and under which keys."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog

from agi_bridge.app import start_checks
from agi_bridge.app.findings import Level
from agi_bridge.consent import BadCheckpoint, KeyFault, LedgerUnavailable
from agi_bridge.consent.ledger import Ledger, MaintenanceSchedule
from agi_bridge.consent.signing import (
    CheckpointPublisher,
    CommandSink,
    FileSink,
    Keys,
    SyslogSink,
    backup_advice,
    read_checkpoints,
    world_accessible_key_files,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.consent.signing import Sink
    from agi_bridge.settings import Settings


def load_keys(settings: Settings, *, create: bool = False) -> tuple[Keys, tuple[Path, ...]]:
    """The keys of a configuration, and the files that were made now. Blocks.

    Raises:
        KeyFault: one is missing, unreadable or no key.
    """
    return Keys.load(settings.keys_dir, **settings.ledger.key_texts(), create=create)


async def open_ledger(settings: Settings, *, create: bool = False) -> Ledger:
    """Open the ledger of a configuration.

    Only the service makes what is missing (`create`): a command run by the wrong account or with
    the wrong configuration must not begin a second ledger. It does so after `require_start_checks`
    has passed.

    Raises:
        LedgerUnavailable: the database is not there, cannot be opened, or is of another version.
        KeyFault: the keys are missing, or not the ones it was written with.
    """
    if create:
        await asyncio.to_thread(require_start_checks, settings)
    where = settings.ledger_place
    there = await Ledger.exists(where)
    if not there and not create:
        place = settings.ledger.url or where
        raise LedgerUnavailable(
            f"{place}: no ledger is there, or one of the first release: `agi-bridge serve` makes "
            "one, `agi-bridge consents upgrade` brings an old one up to date"
        )
    keys, made = await asyncio.to_thread(
        load_keys,
        settings,
        create=create and (not there or start_checks.shared_keys_are_set(settings)),
    )
    log = structlog.get_logger()
    if made:
        log.warning(backup_advice(made))
    for path in await asyncio.to_thread(world_accessible_key_files, settings.keys_dir):
        log.warning("a key is open to every account: chmod 600 it", file=str(path))
    return await Ledger.open(where, keys)


def require_start_checks(settings: Settings) -> None:
    """See that a start can open or make the ledger and its keys; writes nothing. Blocks.

    Raises:
        KeyFault: the keys are not there, unreadable or not the ledger's.
        LedgerUnavailable: the state directory or the database cannot be used. The text is the one
            that `agi-bridge check` has for it.
    """
    for finding in start_checks.check_start(settings):
        if finding.level is Level.FAULT:
            of_keys = finding.key == "ledger" or finding.key.endswith("_key")
            raise (KeyFault if of_keys else LedgerUnavailable)(f"{finding.key}: {finding.text}")


@asynccontextmanager
async def service_lock(settings: Settings) -> AsyncIterator[None]:
    """Be the only service of a state directory while the block runs.

    A second one, started by mistake, would take the submissions that the first is busy with for
    ones that a crash had left open.

    Raises:
        OSError: another has it, or its file cannot be made.
    """
    path = settings.state_dir / start_checks.LOCK_FILE
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)  # as the ledger makes it
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"{path}: another `agi-bridge serve` is at work here: stop it first, or give each "
                "a state_dir of its own"
            ) from None
        yield
    finally:
        os.close(handle)  # a crash lets go of it too


def service_is_running(settings: Settings) -> bool:
    """Tell whether a service works in the state directory; writes nothing.

    An account that may not look takes it that one does: the file is there.
    """
    try:
        handle = os.open(settings.state_dir / start_checks.LOCK_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


async def check_for_lost_events(settings: Settings, ledger: Ledger) -> None:
    """Say so if the ledger is not the one that its last checkpoint in the file was signed for.

    So it is after an older copy was put back, or none: what is written from then on would
    contradict the checkpoints, as if somebody had rebuilt the chain.

    Raises:
        LedgerUnavailable: the database failed.
    """
    path = settings.checkpoint_file
    try:
        kept = await asyncio.to_thread(read_checkpoints, path) if path.exists() else []
    except (BadCheckpoint, OSError) as error:
        structlog.get_logger().error("the file of checkpoints cannot be used", problem=str(error))
        return
    last = max(
        (each for each in kept if each.ledger_id == ledger.ledger_id),
        key=lambda each: each.seq,
        default=None,
    )
    if last is None or not last.is_genuine:
        return
    there = await ledger.rows(first=last.seq, last=last.seq)
    if [row.hash for row in there] != [last.hash]:
        structlog.get_logger().error(
            "the ledger lacks events that were there before: put the right database back, or begin "
            "a chain with a new signing key (docs/consents.md, Keys and versions)",
            file=str(path),
            event_of_checkpoint=last.seq,
        )


def checkpoint_publisher(settings: Settings) -> CheckpointPublisher:
    """Where the checkpoints of a configuration go."""
    given = settings.ledger.checkpoints
    sinks: list[Sink] = [FileSink(settings.checkpoint_file)]
    if given.syslog:
        sinks.append(SyslogSink())
    if given.command:
        sinks.append(CommandSink(given.command))
    return CheckpointPublisher(sinks)


def maintenance_schedule(settings: Settings) -> MaintenanceSchedule:
    """How often a configuration wants checkpoints, and how long it keeps personal data."""
    ledger = settings.ledger
    return MaintenanceSchedule(
        events=ledger.checkpoints.every_events,
        seconds=ledger.checkpoints.every_seconds,
        personal_days=ledger.retention_days,
        details_days=ledger.details_days,
        personal_days_of_lines={
            name: line.retention_days
            for name, line in settings.lines.items()
            if line.retention_days is not None
        },
    )
