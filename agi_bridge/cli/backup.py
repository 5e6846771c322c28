"""`agi-bridge backup`: writes the ledger, its checkpoints and its sealed keys into one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.backup import Manifest


PassphraseOption = Annotated[
    Path | None,
    typer.Option(help="Put the keys in, sealed with the first line of this file.", metavar="FILE"),
]


@dataclass(frozen=True, slots=True)
class BackupMade:
    """A backup that is on disk."""

    path: Path
    manifest: Manifest
    failures: tuple[str, ...]
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        manifest = self.manifest
        return {
            "file": str(self.path),
            "bytes": self.path.stat().st_size,
            "made": manifest.made,
            "revision": manifest.revision,
            "chains": [
                {"ledger_id": each.ledger_id, "seq": each.seq, "hash": each.hash}
                for each in manifest.chains
            ],
            "checkpoint": manifest.checkpoint or None,
            "keys": "sealed" if manifest.keys else "left_out",
            "rows": dict(manifest.rows),
            "checkpoint_failures": list(self.failures),
        }

    def show(self, console: Console) -> None:
        """Print the file, the heads of the chains, and what became of the keys."""
        megabytes = self.path.stat().st_size / 1e6
        console.print(f"wrote    {self.path} ({megabytes:.1f} MB)", soft_wrap=True)
        for each in self.manifest.chains:
            console.print(f"chain    {each.ledger_id}: events 1 to {each.seq:,}")
        console.print(
            "keys     sealed with the passphrase: keep it apart from the backup"
            if self.manifest.keys
            else "keys     left out: keep copies of them apart from the backup"
        )
        for failure in self.failures:
            console.print(f"unsigned {failure}", soft_wrap=True)


def backup(
    file: Annotated[Path, typer.Argument(help="A new file.", metavar="FILE")],
    *,
    passphrase_file: PassphraseOption = None,
    without_keys: Annotated[
        bool, typer.Option("--without-keys", help="Leave the keys out: you keep them elsewhere.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up the ledger, its checkpoints and its keys into one file, while calls go on.

    Keys are in it only sealed with a passphrase. Prove a backup with `restore FILE --prove`.
    """
    from agi_bridge.app.backup import make_backup
    from agi_bridge.cli.common import UsageError, load
    from agi_bridge.cli.consents.verify import progress_line

    settings = load(config, secrets="ledger.", prompts=False)

    async def work() -> BackupMade:
        if (passphrase_file is None) is not without_keys:
            raise UsageError(
                "give either --passphrase-file FILE, which seals the keys, or --without-keys"
            )
        passphrase = None if passphrase_file is None else passphrase_in(passphrase_file)
        with progress_line("written", "rows") as progress:
            made = await make_backup(settings, file, passphrase=passphrase, progress=progress)
        return BackupMade(file, made.manifest, made.failures)

    answer(work(), as_json=as_json)


def passphrase_in(path: Path) -> str:
    """The passphrase in a file; a warning is logged if other accounts may open the file.

    Raises:
        WrongPassphrase: the file cannot be read, or the passphrase is too short.
    """
    import structlog

    from agi_bridge.backup import is_open_to_others, read_passphrase

    passphrase = read_passphrase(path)
    if is_open_to_others(path):
        structlog.get_logger().warning("backup.passphrase_world_accessible", file=str(path))
    return passphrase
