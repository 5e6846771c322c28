"""Proves a backup: restores it into a temporary place, verifies it, and lists later events."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from agi_bridge.backup import BackupDamaged, BackupError, BackupFile, open_keys
from agi_bridge.consent import ConsentError
from agi_bridge.consent.ledger import Ledger, fill, is_empty
from agi_bridge.consent.signing import (
    LOOKUP_KEY_FILE,
    SIGNING_KEY_FILE,
    VAULT_KEY_FILE,
    Checkpoint,
    Keys,
    generate_keys,
    has_signing_key,
)
from agi_bridge.evidence.verify import Report, Value, Verdict, verify_ledger
from agi_bridge.temporary import temporary_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from agi_bridge.backup import Manifest
    from agi_bridge.settings import Settings

KEY_FILES: Final = {"vault": VAULT_KEY_FILE, "lookup": LOOKUP_KEY_FILE, "signing": SIGNING_KEY_FILE}
"""The files of the keys, by their names in `[ledger]`."""
_SEARCHED: Final = 1000
"""Events of a ledger in service that are read at once."""


class Signer(StrEnum):
    """Whose signature a backup's manifest has, and how that is known."""

    SEALED = "sealed"
    """The bridge whose keys are in the backup: the passphrase opened them."""
    OWN = "own"
    """This machine: its signing key, or one that was kept beside it."""
    GIVEN = "given"
    """A bridge that the person named by its key."""
    UNKNOWN = "unknown"
    """Anybody: a manifest can be signed again with a new key after rows were taken out."""


@dataclass(frozen=True, slots=True)
class Later:
    """What came after a backup, in one chain.

    Attributes:
        ledger_id: the chain.
        seq: its last event in the backup; 0 if it began later.
        newest: the last event that is known of.
        source: who says so: `checkpoint` or `ledger`.
        at: when the newest event, or the checkpoint, was written.
        types: how many events of each type came later, if the ledger in service was read.
    """

    ledger_id: str
    seq: int
    newest: int
    source: str
    at: str
    types: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Proof:
    """A backup that was restored into a temporary place, and verified there.

    Attributes:
        backup: the file.
        signer: whose signature it has.
        keys_opened: whether the sealed keys in it were opened.
        report: the four verdicts on the copy.
        later: what is known to have come after it.
        contradicts: chains that the ledger in service has with another event in the same place.
        not_compared: why the ledger in service could not be read; None: it was, or there is none.
    """

    backup: BackupFile
    signer: Signer
    keys_opened: bool
    report: Report
    later: tuple[Later, ...]
    contradicts: tuple[str, ...] = ()
    not_compared: str | None = None

    @property
    def value(self) -> Value:
        """The worst of the verdicts; a signer that is not known has to be taken on trust."""
        if self.contradicts:
            return Value.FAILS
        if self.signer is Signer.UNKNOWN and self.report.value is Value.HOLDS:
            return Value.TRUSTING
        return self.report.value


@dataclass(frozen=True, slots=True)
class OpenedBackup:
    """A backup with what it is verified with.

    Attributes:
        file: the backup.
        keys: those that open its values.
        signer: whose signature it has.
        keys_opened: whether the sealed keys in it were opened.
    """

    file: BackupFile
    keys: Keys
    signer: Signer
    keys_opened: bool

    @classmethod
    async def of(
        cls,
        settings: Settings,
        path: Path,
        passphrase: str | None,
        trusted: Collection[str],
        *,
        only_its_own: bool = False,
    ) -> Self:
        """Open a backup; the arguments are those of `prove_backup` and `backup_keys`.

        Raises:
            BackupError, KeyFault: it is damaged, is signed by none of `trusted`, or a key is
                missing.
        """
        file = await asyncio.to_thread(BackupFile.open, path)
        keys = await asyncio.to_thread(
            backup_keys, settings, file, passphrase, only_its_own=only_its_own
        )
        opened = passphrase is not None
        signer = await asyncio.to_thread(signer_of, settings, file, trusted, opened=opened)
        return cls(file, keys, signer, opened)

    async def proven_in(
        self,
        copy: Path,
        checkpoints: Sequence[Checkpoint],
        *,
        end_chains: bool = False,
        progress: Callable[[int, int | None], None],
    ) -> Proof:
        """Put it into a new SQLite file, and verify that with the checkpoints as old as it.

        `end_chains` if the copy is to be used, `progress` is told how many events are verified.
        """
        await _to_its_end(partial(put_into, copy, self.file, end_chains=end_chains))
        covered = [each for each in checkpoints if _is_covered(self.file, each)]
        async with await Ledger.open(copy, self.keys, read_only=True) as ledger:
            report, _ = await verify_ledger(ledger, covered, progress=progress)
        report = _with_unsigned_chains(report, self.file.manifest)
        later = _later(self.file, checkpoints, self.keys.ledger_id)
        return Proof(self.file, self.signer, self.keys_opened, report, later)


async def prove_backup(
    settings: Settings,
    path: Path,
    *,
    passphrase: str | None,
    trusted: Collection[str],
    checkpoints: Sequence[Checkpoint],
    progress: Callable[[int, int | None], None],
) -> Proof:
    """Restore a backup into a temporary place, verify it, and compare it with what is known now.

    Args:
        settings: the configuration. Its keys are used where the backup has none, and its ledger
            is compared if there is one.
        path: the backup.
        passphrase: what opens the keys in it.
        trusted: the chains whose signature counts; none: any that is known.
        checkpoints: those that were kept elsewhere.
        progress: is told how many events are verified.

    Raises:
        BackupError, LedgerUnavailable, KeyFault: it is damaged, or cannot be read.
    """
    opened = await OpenedBackup.of(settings, path, passphrase, trusted, only_its_own=True)
    with temporary_folder("agi-bridge-prove-") as folder:
        copy = folder / "consents.db"
        proof = await opened.proven_in(copy, checkpoints, progress=progress)
    return await _compare(settings, proof, opened.keys)


async def _to_its_end(work: Callable[[], None]) -> None:
    """Run work in a thread; cancelled, wait for it: a folder must not go while it is written to."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


def put_into(where: Path | str, backup: BackupFile, *, end_chains: bool = False) -> None:
    """Put a backup into an empty database; `end_chains` if it is to be used. Blocks."""
    fill(where, backup.manifest.revision, backup.tables(), end_chains=end_chains)


def _with_unsigned_chains(report: Report, manifest: Manifest) -> Report:
    """Judge chains that no checkpoint confirms: they are not anchored yet, and no fault.

    A bridge that stopped before its first checkpoint leaves such a chain. The backup's signature
    covers its head, so what was not changed before the backup was not changed since.
    """
    faults = report.anchored.faults
    signed = {(head.ledger_id, head.seq, head.hash) for head in manifest.chains}
    unsigned = [part for part in report.parts if not part.anchored]
    covered = {
        part.ledger_id for part in unsigned if (part.ledger_id, part.last, part.head) in signed
    }
    if not faults or report.anchored.count > len(faults):
        return report
    if any(each.code != "no_checkpoint" or each.ledger_id not in covered for each in faults):
        return report
    chains = "; ".join(
        f"chain {each.ledger_id[:8]}, events {each.first:,} to {each.last:,}" for each in unsigned
    )
    what = f"not yet anchored: {chains}: no bridge has signed them; start theirs, and back up again"
    return replace(report, anchored=Verdict(Value.PENDING, what))


async def _compare(settings: Settings, proof: Proof, keys: Keys) -> Proof:
    """Compare a backup with the ledger in service, if there is one that these keys open."""
    where = settings.ledger_place
    try:
        if await asyncio.to_thread(is_empty, where):
            return proof
        ledger = await Ledger.open(where, keys, read_only=True)
    except ConsentError as error:
        return replace(proof, not_compared=str(error))
    try:
        return await _compared(ledger, proof)
    except ConsentError as error:
        return replace(proof, not_compared=str(error))
    finally:
        await ledger.close()


async def _compared(ledger: Ledger, proof: Proof) -> Proof:
    manifest = proof.backup.manifest
    later = {each.ledger_id: each for each in proof.later}
    contradicts = []
    chains = {each.ledger_id: each for each in await ledger.chains()}
    for head in manifest.chains:
        there = await ledger.rows(head.ledger_id, first=head.seq, last=head.seq)
        if there and there[0].hash != head.hash:
            contradicts.append(head.ledger_id)
    for ledger_id, chain in chains.items():
        seq = manifest.head(ledger_id)
        if chain.seq > seq:
            types, at = await _types(ledger, ledger_id, seq + 1, chain.seq)
            later[ledger_id] = Later(ledger_id, seq, chain.seq, "ledger", at, types)
    return replace(proof, later=tuple(later.values()), contradicts=tuple(contradicts))


async def _types(ledger: Ledger, chain: str, first: int, last: int) -> tuple[Counter[str], str]:
    """How many events of each type are in a part of a chain, and when the last was written."""
    types: Counter[str] = Counter()
    at = ""
    for begin in range(first, last + 1, _SEARCHED):
        rows = await ledger.rows(chain, first=begin, last=min(begin + _SEARCHED - 1, last))
        types.update(row.type for row in rows)
        at = rows[-1].at if rows else at
    return types, at


def _is_covered(backup: BackupFile, checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint says nothing of events that came after a backup."""
    heads = [
        (checkpoint.ledger_id, checkpoint.seq),
        *((id_, seq) for id_, seq, _ in checkpoint.heads),
    ]
    return all(seq <= backup.manifest.head(ledger_id) for ledger_id, seq in heads)


def _later(backup: BackupFile, checkpoints: Iterable[Checkpoint], ours: str) -> tuple[Later, ...]:
    """What checkpoints say of events that came after a backup, in our own chain too."""
    found: dict[str, Later] = {}
    known = {ours, *(each.ledger_id for each in backup.manifest.chains)}
    for each in checkpoints:
        # Anybody can sign a checkpoint of their own chain.
        if not each.is_genuine or each.ledger_id not in known:
            continue
        for ledger_id, seq in ((each.ledger_id, each.seq), *((i, s) for i, s, _ in each.heads)):
            held = backup.manifest.head(ledger_id)
            before = found.get(ledger_id)
            if seq > max(held, 0 if before is None else before.newest):
                found[ledger_id] = Later(ledger_id, held, seq, "checkpoint", each.at, {})
    return tuple(found.values())


def signer_of(
    settings: Settings, backup: BackupFile, trusted: Collection[str], *, opened: bool
) -> Signer:
    """Whose signature a backup's manifest has.

    Args:
        settings: the configuration, with the keys of this machine.
        backup: the file.
        trusted: the chains whose signature counts; none: any that is known.
        opened: whether `backup_keys` opened the keys in it, and so compared them.

    Raises:
        BackupDamaged: it is signed with another key than a trusted one (`other_signer`).
    """
    ledger_id = backup.manifest.ledger_id
    if trusted and ledger_id not in trusted:
        raise BackupDamaged(
            f"{backup.path}: is signed with key {ledger_id}, not with one of --public-key",
            code="other_signer",
        )
    if trusted:
        return Signer.GIVEN
    if opened:
        return Signer.SEALED
    signing = settings.ledger.key_texts()["signing"]
    own = has_signing_key(settings.keys_dir, ledger_id, signing=signing)
    return Signer.OWN if own else Signer.UNKNOWN


def backup_keys(
    settings: Settings, backup: BackupFile, passphrase: str | None, *, only_its_own: bool = False
) -> Keys:
    """The configuration's keys, and from the backup those that it lacks.

    With `only_its_own`, and a passphrase, those of the backup: they are what a proof is about.

    Raises:
        BackupError: a key is in neither (`keys_missing`), or the passphrase is for keys that were
            left out (`keys_left_out`).
        WrongPassphrase: it does not open them.
        BackupDamaged: the manifest is signed by another key than the one in it (`other_signer`).
        KeyFault: a key of the configuration cannot be used.
    """
    sealed: Keys | None = None
    if passphrase is not None:
        if backup.keys is None:
            raise BackupError(
                f"{backup.path}: has no keys, they were left out; leave out --passphrase-file",
                code="keys_left_out",
            )
        sealed = open_keys(backup.keys, passphrase)
        # Anybody can sign a manifest with a key of their own; only who knows the passphrase seals.
        if sealed.ledger_id != backup.manifest.ledger_id:
            raise BackupDamaged(
                f"{backup.path}: its manifest is not signed by the bridge whose keys are in it",
                code="other_signer",
            )
        if only_its_own:
            return sealed
    texts = settings.ledger.key_texts()
    given = {"vault": texts["vault"], "lookup": texts["lookup"], "signing": texts["signing"]}
    for name, file in KEY_FILES.items():
        path = settings.keys_dir / file
        if given[name] is not None or path.exists():
            continue
        if sealed is not None:
            given[name] = sealed.texts()[file]
        elif file == SIGNING_KEY_FILE:  # a new one is made anyway
            given[name] = generate_keys().texts()[file]
        else:
            fix = (
                "give --passphrase-file"
                if backup.keys is not None
                else "the keys were left out of this backup: put their copy there first"
            )
            raise BackupError(f"{path}: not there; {fix}", code="keys_missing")
    keys, _ = Keys.load(
        settings.keys_dir,
        vault=given["vault"],
        lookup=given["lookup"],
        signing=given["signing"],
        create=False,
    )
    return keys
