"""Restores a backup into an empty place, and begins a new chain there.

A restored ledger lacks what came after the backup, revocations among it, and the lost events may
exist elsewhere. So its chains end where the backup ends, and the bridge begins a new chain with a
new signing key, which names the old one.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agi_bridge.app.backup_proof import KEY_FILES, OpenedBackup, Proof, Signer, put_into
from agi_bridge.app.ledger import checkpoint_publisher, service_is_running, service_lock
from agi_bridge.app.left_overs import RESTORE_PREFIX, clear_left_overs
from agi_bridge.backup import BackupError, BackupFile
from agi_bridge.consent.ledger import CHAIN_FILE, Ledger, deliver_checkpoints, is_empty
from agi_bridge.consent.signing import Checkpoint, Keys, place_restored_keys
from agi_bridge.evidence.verify import Value

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence

    from agi_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Restored:
    """A ledger that was restored.

    Attributes:
        proof: the verdicts on it, and what it lacks.
        ledger_id: the new chain.
        made: the key files that were made.
        expired: consents that were still to be sent: they will not be.
        push_pending: messages to other systems that had not been delivered.
        failures: places that did not take the first checkpoint of the new chain.
    """

    proof: Proof
    ledger_id: str
    made: tuple[Path, ...]
    expired: int
    push_pending: int
    failures: tuple[str, ...]


async def restore_backup(
    settings: Settings,
    path: Path,
    *,
    passphrase: str | None,
    trusted: Collection[str],
    checkpoints: Sequence[Checkpoint],
    accept_loss: bool,
    accept_faults: bool,
    progress: Callable[[int, int | None], None],
) -> Restored:
    """Restore a backup into the empty database of a configuration, and begin a new chain.

    Everything is verified before anything is put in its place.

    Raises:
        BackupError: the place is not empty, the service is running, a key is missing, later
            events are known and not accepted (`later_events`), or a verdict fails
            (`faults_found`), or nothing here says whose signature it has (`signer_unknown`).
        LedgerUnavailable, KeyFault: the database or a key cannot be used.
    """
    await asyncio.to_thread(_require_empty, settings)
    opened = await OpenedBackup.of(settings, path, passphrase, trusted)
    backup, keys = opened.file, opened.keys
    _require_known(opened.signer, backup)
    _require_new_signing_key(settings, backup, keys, checkpoints)
    state = settings.state_dir
    async with _no_service(settings):
        await asyncio.to_thread(clear_left_overs, state)
        with tempfile.TemporaryDirectory(prefix=RESTORE_PREFIX, dir=state) as folder:
            copy = Path(folder) / "consents.db"
            proof = await opened.proven_in(copy, checkpoints, end_chains=True, progress=progress)
            _require_accepted(proof, accept_loss=accept_loss, accept_faults=accept_faults)
            made = await asyncio.to_thread(_put_in_place, settings, backup, keys, copy)
        new, _ = await asyncio.to_thread(
            Keys.load, settings.keys_dir, **settings.ledger.key_texts(), create=False
        )
        async with await Ledger.open(settings.ledger_place, new, home=state) as ledger:
            expired = await ledger.expire_restored()
            publisher = checkpoint_publisher(settings)
            await ledger.checkpoint(publisher.names)
            failures = [each.reason for each in await deliver_checkpoints(ledger, publisher)]
        await asyncio.to_thread(_give_to_owner, settings)
    pending = backup.manifest.rows.get("outbox", 0)
    return Restored(proof, new.ledger_id, made, expired, pending, tuple(failures))


def _put_in_place(
    settings: Settings, backup: BackupFile, keys: Keys, copy: Path
) -> tuple[Path, ...]:
    """Put keys, checkpoints and, last, the ledger in their places; returns the key files made.

    Whatever ends it before the ledger is there, the restore can be repeated. From then on nothing
    is missing: a start of the service does the rest.
    """
    made = _place_keys(settings, keys)
    _place_beside(settings, backup)
    _give_to_owner(settings)
    if isinstance(settings.ledger_place, Path):
        _link(copy, settings.ledger_place)
    else:
        put_into(settings.ledger_place, backup, end_chains=True)
    return made


@asynccontextmanager
async def _no_service(settings: Settings) -> AsyncIterator[None]:
    """Keep the service, and another restore, from starting while the block runs."""
    async with AsyncExitStack() as held:
        try:
            await held.enter_async_context(service_lock(settings))
        except BlockingIOError:
            raise _running(settings) from None
        yield


def _running(settings: Settings) -> BackupError:
    return BackupError(
        f"{settings.state_dir}: agi-bridge is running with this state_dir; stop it first",
        code="service_running",
    )


def _require_empty(settings: Settings) -> None:
    if service_is_running(settings):
        raise _running(settings)
    where = settings.ledger_place
    # SQLite would put a log that is left there into the restored file, and damage it.
    beside = ("", "-wal", "-shm", "-journal") if isinstance(where, Path) else ()
    there = [path for end in beside if os.path.lexists(path := f"{where}{end}")]
    if there or not is_empty(where):
        place = settings.ledger.url or there[0]
        raise BackupError(
            f"{place}: a ledger, or something else, is there; a backup is restored into an empty "
            "place only. Move it away first, and keep it",
            code="not_empty",
        )


def _require_new_signing_key(
    settings: Settings, backup: BackupFile, keys: Keys, checkpoints: Sequence[Checkpoint]
) -> None:
    """A signing key that the configuration names is not ours to replace."""
    ended = {each.ledger_id for each in backup.manifest.chains}
    ended |= {each.ledger_id for each in checkpoints}
    with suppress(OSError):  # the chain that was written here last may have begun after the backup
        ended.add((settings.state_dir / CHAIN_FILE).read_text("ascii", "replace").strip())
    if settings.ledger.signing_key is not None and keys.ledger_id in ended:
        raise BackupError(
            "ledger.signing_key: is the key of a chain in this backup, which must not go on after "
            "a restore; put a new key there (openssl genpkey -algorithm ed25519)",
            code="keys_missing",
        )


def _require_known(signer: Signer, backup: BackupFile) -> None:
    """Rows can be taken out of a backup, and the rest signed again with a new key."""
    if signer is Signer.UNKNOWN:
        raise BackupError(
            f"{backup.path}: is signed with key {backup.manifest.ledger_id}, which this machine "
            "does not have: give --passphrase-file if its keys are in it, or name the bridge's "
            "key with --public-key",
            code="signer_unknown",
        )


def _require_accepted(proof: Proof, *, accept_loss: bool, accept_faults: bool) -> None:
    if proof.report.value is Value.FAILS and not accept_faults:
        raise BackupError(
            f"{proof.backup.path}: a verdict on it fails; `restore --prove` says which. With "
            "--accept-faults it is restored as it is",
            code="faults_found",
        )
    if proof.later and not accept_loss:
        events = sum(each.newest - each.seq for each in proof.later)
        raise BackupError(
            f"{proof.backup.path}: lacks {events} later event(s) that checkpoints name; "
            "revocations and erasures may be among them. With --accept-loss it is restored "
            "without them",
            code="later_events",
        )


def _place_keys(settings: Settings, keys: Keys) -> tuple[Path, ...]:
    texts = settings.ledger.key_texts()
    named = {"vault": texts["vault"], "lookup": texts["lookup"], "signing": texts["signing"]}
    if all(named.values()):
        return ()
    without = {KEY_FILES[name] for name, text in named.items() if text is not None}
    return place_restored_keys(settings.keys_dir, keys, without=without)


def _place_beside(settings: Settings, backup: BackupFile) -> None:
    """Note whose chain it was, and put the checkpoints in their place if none are there."""
    chain = settings.state_dir / CHAIN_FILE
    if not chain.exists():
        chain.write_text(f"{backup.manifest.ledger_id}\n", "ascii")
    file = settings.checkpoint_file
    if backup.checkpoints and not file.exists():
        file.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        file.write_bytes(backup.checkpoints)
        file.chmod(0o640)


def _link(copy: Path, place: Path) -> None:
    """Put the file in its place; never over another."""
    handle = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        place.hardlink_to(copy)
    except FileExistsError:
        raise BackupError(f"{place}: a ledger is there", code="not_empty") from None
    with _folder(place.parent) as folder:
        os.fsync(folder)


@contextmanager
def _folder(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _give_to_owner(settings: Settings) -> None:
    """Give what root made to the account that owns the state directory: the service's."""
    if os.geteuid() != 0:
        return
    state = settings.state_dir
    owner = state.stat()
    there = [settings.checkpoint_file]
    for folder, _, names in os.walk(state):
        there += (Path(folder), *(Path(folder) / name for name in names))
    for path in there:
        with suppress(OSError):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
