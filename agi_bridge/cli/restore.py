"""`agi-bridge restore`: proves a backup in a temporary place, or restores it into an empty one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.output import printable

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.app.backup_proof import Proof
    from agi_bridge.app.restore import Restored


PassphraseOption = Annotated[
    Path | None,
    typer.Option(help="What opens the keys in the backup: its first line.", metavar="FILE"),
]


@dataclass(frozen=True, slots=True)
class BackupProved:
    """What a backup is worth."""

    proof: Proof

    @property
    def ok(self) -> bool | None:
        """Whether all verdicts hold; None if nothing is wrong, and not all do."""
        from agi_bridge.evidence.verify import Value

        return {Value.HOLDS: True, Value.FAILS: False}.get(self.proof.value)

    @property
    def exit_code(self) -> int | None:
        """The exit code of what is neither; None is the usual one."""
        from agi_bridge.cli.common import PENDING
        from agi_bridge.evidence.verify import Value

        return PENDING if self.proof.value is Value.PENDING else None

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        proof = self.proof
        manifest = proof.backup.manifest
        return {
            "file": str(proof.backup.path),
            "made": manifest.made,
            "software": manifest.software,
            "revision": manifest.revision,
            "ledger_id": manifest.ledger_id,
            "chains": [
                {"ledger_id": each.ledger_id, "seq": each.seq, "hash": each.hash}
                for each in manifest.chains
            ],
            "signer": proof.signer.value,
            "keys": "opened" if proof.keys_opened else "sealed" if manifest.keys else "left_out",
            "rows": dict(manifest.rows),
            "later": [
                {
                    "ledger_id": each.ledger_id,
                    "seq": each.seq,
                    "newest": each.newest,
                    "source": each.source,
                    "at": each.at,
                    "types": dict(each.types),
                }
                for each in proof.later
            ],
            "contradicts": list(proof.contradicts),
            "not_compared": proof.not_compared,
            **proof.report.json(),
            "value": proof.value.value,
        }

    def show(self, console: Console) -> None:
        """Print what the backup is of, the verdicts, and what came after it."""
        from agi_bridge.app.backup_proof import Signer
        from agi_bridge.cli.consents.verify import print_report

        signed = {
            Signer.SEALED: "the bridge's whose keys are in it",
            Signer.OWN: "a key of this machine",
            Signer.GIVEN: "as --public-key says",
            Signer.UNKNOWN: "which this machine does not have: compare it with your bridge's",
        }
        proof = self.proof
        manifest = proof.backup.manifest
        console.print(
            f"backup       {proof.backup.path}, "
            + printable(f"made {manifest.made} by {manifest.software}"),
            soft_wrap=True,
        )
        if proof.keys_opened:
            console.print("keys         sealed in it, and opened")
        elif manifest.keys:
            console.print("keys         sealed in it; without --passphrase-file not opened")
        else:
            console.print("keys         left out; those of the configuration open the ledger")
        console.print(
            f"signer       key {manifest.ledger_id}, {signed[proof.signer]}", soft_wrap=True
        )
        print_report(console, proof.report)
        for each in proof.contradicts:
            chain = printable(each[:8])
            console.print(
                f"contradicts  chain {chain}: the ledger in service has another event there",
                soft_wrap=True,
            )
        print_later(console, proof)


@dataclass(frozen=True, slots=True)
class BackupRestored:
    """A ledger that is in its place again, and what a person has to do now."""

    restored: Restored

    @property
    def ok(self) -> bool:
        """Whether everything went as it should."""
        return not self.restored.failures

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        restored = self.restored
        return {
            "proof": BackupProved(restored.proof).json(),
            "ledger_id": restored.ledger_id,
            "keys_made": [str(path) for path in restored.made],
            "expired": restored.expired,
            "push_pending": restored.push_pending,
            "checkpoint_failures": list(restored.failures),
        }

    def show(self, console: Console) -> None:
        """Print the proof, the new chain, and what is left to do."""
        restored = self.restored
        BackupProved(restored.proof).show(console)
        console.print(f"restored     new chain {restored.ledger_id}, which names the old ones")
        for path in restored.made:
            console.print(f"made         {path}", soft_wrap=True)
        if restored.expired:
            console.print(
                f"expired      {restored.expired:,} consents that had not been sent: whether they "
                "were sent after the backup is not known",
                soft_wrap=True,
            )
        if restored.push_pending:
            console.print(
                f"push         {restored.push_pending:,} messages to other systems had not been "
                "delivered: they are sent, perhaps again, with the same webhook-id",
                soft_wrap=True,
            )
        for failure in restored.failures:
            console.print(f"not sent     {failure}", soft_wrap=True)
        console.print(
            f"now          revoke and erase again what came in since "
            f"{restored.proof.backup.manifest.made}, before you start the service (docs/backup.md)",
            soft_wrap=True,
        )


def restore(
    file: Annotated[Path, typer.Argument(help="A backup.", metavar="FILE")],
    *,
    prove: Annotated[
        bool,
        typer.Option("--prove", help="Only restore into a temporary place, and verify it there."),
    ] = False,
    passphrase_file: PassphraseOption = None,
    public_key: Annotated[
        list[str] | None,
        typer.Option(
            help="The key of the bridge that made the backup, as a file (PEM or base64) or as its "
            "fingerprint; repeatable. A backup signed with any other key is then refused.",
            metavar="KEY",
        ),
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(help="Checkpoints that were kept elsewhere; repeatable.", metavar="FILE"),
    ] = None,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss", help="Restore although later events are known to be missing."
        ),
    ] = False,
    accept_faults: Annotated[
        bool, typer.Option("--accept-faults", help="Restore although a verdict fails.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a backup into an empty place, or prove it in a temporary one.

    Nothing is overwritten. The copy is verified first, with the verdicts of `consents verify`, and
    compared with the checkpoints that are known. Exit codes of `--prove` as of `consents verify`: 3
    if something has to be taken on trust, 4 if the newest events are not anchored yet.
    """
    from agi_bridge.cli.common import UsageError, load

    settings = load(config, secrets="ledger.", prompts=False)

    async def work() -> BackupProved | BackupRestored:
        from agi_bridge.app.backup_proof import prove_backup
        from agi_bridge.app.restore import restore_backup
        from agi_bridge.cli.backup import passphrase_in
        from agi_bridge.cli.consents.verify import progress_line
        from agi_bridge.consent.signing import read_checkpoints
        from agi_bridge.evidence.export import trusted_chain

        if prove and (accept_loss or accept_faults):
            raise UsageError(
                "--prove restores nothing: leave out --accept-loss and --accept-faults"
            )
        trusted = {trusted_chain(each) for each in public_key or ()}
        passphrase = None if passphrase_file is None else passphrase_in(passphrase_file)
        kept = [each for path in checkpoints or () for each in read_checkpoints(path)]
        if await asyncio.to_thread(settings.checkpoint_file.exists):
            kept += await asyncio.to_thread(read_checkpoints, settings.checkpoint_file)
        with progress_line("verified") as progress:
            if prove:
                return BackupProved(
                    await prove_backup(
                        settings,
                        file,
                        passphrase=passphrase,
                        trusted=trusted,
                        checkpoints=kept,
                        progress=progress,
                    )
                )
            return BackupRestored(
                await restore_backup(
                    settings,
                    file,
                    passphrase=passphrase,
                    trusted=trusted,
                    checkpoints=kept,
                    accept_loss=accept_loss,
                    accept_faults=accept_faults,
                    progress=progress,
                )
            )

    answer(work(), as_json=as_json)


def print_later(console: Console, proof: Proof) -> None:
    """Print what came after a backup, chain by chain."""
    if proof.not_compared is not None:
        why = printable(proof.not_compared)
        console.print(
            f"later        the ledger in service was not compared: {why}; what came after this "
            "backup is not known",
            soft_wrap=True,
        )
    elif not proof.later:
        console.print("later        nothing later than this backup is known")
    for each in proof.later:
        source = (
            f"a checkpoint of {each.at}" if each.source == "checkpoint" else "the ledger in service"
        )
        chain = printable(each.ledger_id[:8])
        console.print(
            f"later        chain {chain}: {each.newest - each.seq:,} events after "
            f"event {each.seq:,}, says {source}: not in this backup",
            soft_wrap=True,
        )
        if each.types:
            types = ", ".join(f"{count:,} {name}" for name, count in sorted(each.types.items()))
            console.print(f"             {types}", soft_wrap=True)
