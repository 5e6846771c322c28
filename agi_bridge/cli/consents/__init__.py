"""The commands `agi-bridge consents …`. Each module of this package is one command."""

from __future__ import annotations

from typing import Final

import typer

from agi_bridge.cli.commands import CommandGroup, Entry


class _Commands(CommandGroup):
    table = {  # noqa: RUF012 - never changed
        "list": Entry(
            "agi_bridge.cli.consents.list_:command",
            "List consents, revocations and messages, newest first.",
        ),
        "show": Entry(
            "agi_bridge.cli.consents.show:command",
            "Show one record and everything that happened to it.",
        ),
        "verify": Entry(
            "agi_bridge.cli.consents.verify:command",
            "Verify that the ledger, or an export, is as it was written.",
        ),
        "export": Entry(
            "agi_bridge.cli.consents.export:command",
            "Write the proof of consents into a folder or a zip file, for a lawyer or the person.",
        ),
        "import": Entry(
            "agi_bridge.cli.consents.import_:command",
            "Import consents that were given elsewhere, with the files that show it.",
        ),
        "revoke": Entry(
            "agi_bridge.cli.consents.revoke:command",
            "Revoke a number's consent, effective immediately on every bridge.",
        ),
        "resolve": Entry(
            "agi_bridge.cli.consents.resolve:command",
            "Record how a person settled what the software could not.",
        ),
        "erase": Entry(
            "agi_bridge.cli.consents.erase:command",
            "Erase the personal data of a number or of one record; the events stay and still "
            "verify.",
        ),
        "retain": Entry(
            "agi_bridge.cli.consents.retain:command",
            "Erase the personal data whose retention period has ended.",
        ),
        "checkpoint": Entry(
            "agi_bridge.cli.consents.checkpoint:command",
            "Sign the head of the chain now, send it to the configured places, and have it "
            "stamped.",
        ),
        "rekey": Entry(
            "agi_bridge.cli.consents.rekey:command",
            "Renew the key that seals personal data: first with --new-key, then, after a "
            "restart, without.",
        ),
        "upgrade": Entry(
            "agi_bridge.cli.consents.upgrade:command",
            "Bring the ledger of an older version to this one.",
        ),
        "optin-page": Entry(
            "agi_bridge.cli.consents.optin_page:command",
            "Write the opt-in page that carriers ask for when a campaign is registered (10DLC).",
        ),
        # its name before 0.2
        "workflow": Entry("agi_bridge.cli.consents.optin_page:command", hidden=True),
    }


consents: Final = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Consent records: list, prove, revoke, erase. Numbers are masked unless you pass "
    "--reveal, which is itself recorded.",
)
