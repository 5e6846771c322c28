"""Opens the ledger of a configuration: its keys, service lock, checkpoints and maintenance."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import structlog

from agi_bridge.app import start_checks
from agi_bridge.app.findings import Level
from agi_bridge.app.push import push_routes
from agi_bridge.consent import BadCheckpoint, KeyFault, LedgerLost, LedgerUnavailable
from agi_bridge.consent.ledger import Ledger, MaintenanceSchedule, upgrade_tables
from agi_bridge.consent.signing import (
    CheckpointPublisher,
    CommandSink,
    FileSink,
    Keys,
    SyslogSink,
    backup_advice,
    make_signing_key,
    read_checkpoints,
    world_accessible_key_files,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agi_bridge.consent.signing import Sink, TimestampAuthority
    from agi_bridge.settings import Settings

NEWEST_CHECKPOINTS: Final = 100
"""How many of the file's last checkpoints the database is held against at a start; bridges that
share the file may each have written some of them."""


def load_keys(settings: Settings, *, create: bool = False) -> tuple[Keys, tuple[Path, ...]]:
    """Return the keys of a configuration, and the key files just created. Blocks.

    Raises:
        KeyFault: a key is missing, unreadable or invalid.
    """
    return Keys.load(settings.keys_dir, **settings.ledger.key_texts(), create=create)


def _service_keys(settings: Settings, there: bool) -> tuple[Keys, tuple[Path, ...]]:  # noqa: FBT001 - private
    """Return the keys, made where a start may make them; `there` if a ledger exists. Blocks."""
    if there and start_checks.signing_key_is_replaced(settings):
        made = make_signing_key(settings.keys_dir)
        keys, _ = load_keys(settings)
        return keys, (made,)
    may_create = not there or start_checks.shared_keys_are_set(settings)
    return load_keys(settings, create=may_create)


async def open_ledger(
    settings: Settings, *, create: bool = False, owner: str | None = None
) -> Ledger:
    """Open the ledger of a configuration.

    Only the service makes what is missing (`create`): a command run by the wrong account or with
    the wrong configuration must not begin a second ledger. It does so after `require_start_checks`
    has passed. `owner` is the name that submissions are leased to; None is the service's.

    Raises:
        LedgerUnavailable: the database is missing, cannot be opened, or has another version.
        KeyFault: the keys are missing, or the ledger was written with others.
    """
    if create:
        await asyncio.to_thread(require_start_checks, settings)
    where = settings.ledger_place
    there = await Ledger.exists(where)
    if not there and not create:
        place = settings.ledger.url or where
        raise LedgerUnavailable(
            f"{place}: no ledger is there; `agi-bridge serve` creates one at its first start",
            code="no_ledger",
        )
    if create:
        keys, made = await asyncio.to_thread(_service_keys, settings, there)
    else:
        keys, made = await asyncio.to_thread(load_keys, settings)
    log = structlog.get_logger()
    if made:
        log.warning("keys.created", advice=backup_advice(made))
    for path in await asyncio.to_thread(world_accessible_key_files, settings.keys_dir):
        log.warning("keys.world_accessible", file=str(path))
    home = settings.state_dir if create else None
    ledger = await Ledger.open(where, keys, owner=owner, home=home)
    ledger.push_to(push_routes(settings))
    return ledger


def upgrade_ledger(settings: Settings) -> None:
    """Bring the tables of an older version to this one, before the service starts. Blocks.

    Does nothing where there is no ledger yet, where its tables are of this version or a newer one,
    or where another service runs with this state directory: the start itself judges those.

    Raises:
        LedgerUnavailable: the database failed; its tables are unchanged.
    """
    if service_is_running(settings):
        return
    try:
        before, after = upgrade_tables(settings.ledger_place)
    except LedgerUnavailable as error:
        if error.code not in {"no_ledger", "schema_newer"}:
            raise
        return
    if before != after:
        structlog.get_logger().info("ledger.upgraded", before=before, after=after)


def require_start_checks(settings: Settings) -> None:
    """Check that a start can open or create the ledger and its keys; writes nothing. Blocks.

    Raises:
        KeyFault: the keys are missing, unreadable or those of another ledger.
        LedgerUnavailable: the state directory or the database cannot be used. The text is the
            finding of `agi-bridge check`.
    """
    for finding in start_checks.check_start(settings):
        if finding.level is Level.FAULT:
            of_keys = finding.key == "ledger" or finding.key.endswith("_key")
            raise (KeyFault if of_keys else LedgerUnavailable)(f"{finding.key}: {finding.text}")


@asynccontextmanager
async def service_lock(settings: Settings) -> AsyncIterator[None]:
    """Hold the lock of a state directory while the block runs.

    A second service, started by mistake, would treat the submissions that the first one has in
    progress as left open by a crash.

    Raises:
        OSError: another service holds the lock, or the lock file cannot be created.
    """
    path = settings.state_dir / start_checks.LOCK_FILE
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)  # as the ledger creates it
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"{path}: another agi-bridge is already running with this state_dir; "
                "stop it first, or set another state_dir"
            ) from None
        yield
    finally:
        os.close(handle)  # a crash releases the lock too


@asynccontextmanager
async def chain_lease(ledger: Ledger) -> AsyncIterator[None]:
    """Hold the lease of the bridge's chain while the block runs.

    Raises:
        LedgerUnavailable: another bridge is running with the same signing key.
    """
    await ledger.lease.take()
    keeping = asyncio.create_task(ledger.lease.keep(), name="lease")
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.wait({keeping})
        await ledger.lease.release()


def service_is_running(settings: Settings) -> bool:
    """Return whether a service is running with the state directory; writes nothing.

    If this account cannot open the lock file, the answer is True: the file exists.
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
    """Hold the ledger against the newest checkpoints in the file.

    Where an older copy of the database was put back, or none, revocations may be missing, and what
    is written from then on would contradict the checkpoints. So no consent is taken, callers go on
    without a text, and the log says so.

    Raises:
        LedgerUnavailable: the database failed.
    """
    path = settings.checkpoint_file
    try:
        kept = await asyncio.to_thread(read_checkpoints, path) if path.exists() else []
    except (BadCheckpoint, OSError) as error:
        structlog.get_logger().error("checkpoint.file_unreadable", reason=str(error))
        return
    try:
        await ledger.expect(kept[-NEWEST_CHECKPOINTS:])
    except LedgerLost:
        structlog.get_logger().error("ledger.contradicts_checkpoint", file=str(path))


def checkpoint_publisher(settings: Settings) -> CheckpointPublisher:
    """Return the publisher for the checkpoint destinations of a configuration."""
    given = settings.ledger.checkpoints
    sinks: list[Sink] = [FileSink(settings.checkpoint_file)]
    if given.syslog:
        sinks.append(SyslogSink())
    if given.command:
        sinks.append(CommandSink(given.command))
    return CheckpointPublisher(sinks)


def timestamp_authority(settings: Settings) -> TimestampAuthority | None:
    """The authority that stamps a configuration's checkpoints; None if it names none. Blocks.

    Raises:
        BadStamp: the file of its root certificates holds none.
    """
    given = settings.ledger.checkpoints
    if not given.timestamp_url:
        return None
    # X.509 and RFC 3161 cost a part of the start: only who names an authority loads them.
    from agi_bridge.consent.signing import (  # noqa: PLC0415 - the reason stands above
        TimestampAuthority,
        read_certificates,
    )

    roots = () if given.timestamp_ca is None else read_certificates(given.timestamp_ca)
    return TimestampAuthority(given.timestamp_url, roots)


def maintenance_schedule(settings: Settings) -> MaintenanceSchedule:
    """Return the configured checkpoint intervals and retention of personal data."""
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
