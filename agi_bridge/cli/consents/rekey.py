"""`consents rekey`: renews the key that seals personal data.

Two steps, because a running bridge knows only the keys that it was started with: it could not open
data that is sealed under a newer one. First make the key, then restart, then seal again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer
from agi_bridge.cli.consents.options import load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from agi_bridge.settings import Settings


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """How many records were sealed again; None if only a new key was made."""

    resealed: int | None
    ok: bool = True

    def json(self) -> dict[str, object]:
        """The answer as plain values."""
        return {"new_key": self.resealed is None, "resealed": self.resealed}

    def show(self, console: Console) -> None:
        """Print what was done, and what to do next."""
        from agi_bridge.cli.output import count

        if self.resealed is None:
            console.print(
                "A new vault key is now the first in its file. Back the file up and restart every "
                "bridge on this database; then run: agi-bridge consents rekey",
                soft_wrap=True,
            )
        else:
            console.print(
                f"Sealed again under the first vault key: {count(self.resealed, 'record')}. You "
                "need the old keys only for older back-ups of the database.",
                soft_wrap=True,
            )


def command(
    *,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Only make a new key; then restart every bridge.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Renew the key that seals personal data: first with --new-key, then, after a restart, without.

    Without --new-key, all personal data is sealed again under the first key of vault.key.
    """
    from agi_bridge.app.ledger import open_ledger
    from agi_bridge.cli.audit import actor

    settings = load_settings(config)

    async def work() -> Rekeyed:
        if new_key:
            await asyncio.to_thread(_add_vault_key, settings)
            return Rekeyed(None)
        async with await open_ledger(settings) as ledger:
            return Rekeyed(await ledger.rekey(actor()))

    answer(work(), as_json=as_json)


def _add_vault_key(settings: Settings) -> None:
    from agi_bridge.cli.common import UsageError
    from agi_bridge.consent.signing import VAULT_KEY_FILE, rotate_vault_key

    setting = settings.ledger.vault_key
    file = settings.keys_dir / VAULT_KEY_FILE if setting is None else setting.file
    if file is None:
        raise UsageError(
            "--new-key: the vault key is in the environment; put a new one (32 bytes in base64) "
            "and a comma before it there, and restart every bridge"
        )
    rotate_vault_key(file)
