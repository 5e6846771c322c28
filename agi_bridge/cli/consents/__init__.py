"""`agi-bridge consents …`: names, options and exit codes; what they do is in `tools.consents`."""
# ruff: noqa: PLC0415 - `--help` need not load what a command needs

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer, load

if TYPE_CHECKING:
    from agi_bridge.settings import Settings

consents: Final = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The record of consent: look, prove, revoke, erase. Numbers are masked unless --reveal, "
    "which is itself recorded.",
)

RevealOption = Annotated[
    bool,
    typer.Option("--reveal", help="Show numbers and words in full. Who did so is put on record."),
]
RecordArgument = Annotated[
    str,
    typer.Argument(
        help="The id of a consent, a revocation or a message, or how it begins.", metavar="ID"
    ),
]
PageOption = Annotated[
    Path | None, typer.Option(help="The file to write; else standard output.", metavar="FILE")
]
OutOption = Annotated[
    Path, typer.Option(help="A new folder, or a new file ending in .zip.", metavar="PATH")
]
ExportArgument = Annotated[
    Path | None,
    typer.Argument(help="A folder or zip file; without it the ledger.", metavar="EXPORT"),
]
CheckpointFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoints", help="Checkpoints that were kept elsewhere; repeatable.", metavar="FILE"
    ),
]
NumberOption = Annotated[
    str | None, typer.Option("--number", help="A mobile number.", metavar="NUMBER")
]
ConsentOption = Annotated[
    str | None,
    typer.Option("--consent", help="One record: its id, or how it begins.", metavar="ID"),
]
LineOption = Annotated[
    str | None,
    typer.Option("--line", help="A line, by name or by a number that callers dial."),
]


def _load(config: Path | None, *, prompts: bool = False) -> Settings:
    """Whoever looks at the ledger needs its keys, and neither the hook's nor what callers hear."""
    return load(config, secrets="ledger.", prompts=prompts)


@consents.command("list")
def _list(
    *,
    number: NumberOption = None,
    line: LineOption = None,
    state: Annotated[
        str | None, typer.Option(help="The state it was left in, like accepted or unknown.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Began on this day (UTC) or later.", metavar="DATE")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="Began on this day (UTC) or before.", metavar="DATE")
    ] = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Only what waits for a person (see resolve).")
    ] = False,
    limit: Annotated[int, typer.Option(help="At most so many, the newest.", min=1)] = 100,
    reveal: RevealOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List consents, revocations and messages, newest first."""
    from agi_bridge.cli.consents import list_ as tool

    asked = tool.Asked(
        number=number, line=line, state=state, since=since, until=until, open_=open_,
        limit=limit, reveal=reveal,
    )  # fmt: skip
    answer(tool.run(_load(config), asked), as_json=as_json)


@consents.command("show")
def _show(
    record: RecordArgument,
    *,
    reveal: RevealOption = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one record and everything that happened to it."""
    from agi_bridge.cli.consents import show as tool

    answer(tool.run(_load(config), record, reveal=reveal), as_json=as_json)


@consents.command("verify")
def _verify(
    export: ExportArgument = None,
    *,
    checkpoints: CheckpointFiles = None,
    public_key: Annotated[
        list[str] | None,
        typer.Option(
            help="The business's signing key, as a file (PEM or base64) or as its fingerprint; "
            "repeatable. Any other key's chain is then refused.",
            metavar="KEY",
        ),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say whether the ledger, or an export, is as it was written.

    Three verdicts: integrity, anchored, completeness; exit code 0 only if all hold. An export needs
    no configuration, database, key or network.
    """
    from agi_bridge.cli.consents import verify as tool

    work = tool.run(
        lambda: _load(config), export, checkpoints=checkpoints or [], public_keys=public_key or []
    )
    answer(work, as_json=as_json)


@consents.command("export")
def _export(
    out: OutOption,
    *,
    number: NumberOption = None,
    consent: ConsentOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Every record.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the proof of consents into a folder or a zip file, for a lawyer or the person.

    It holds personal data in full, and needs nothing else to be read and verified: open index.html.
    That it was exported is put on record first.
    """
    from agi_bridge.cli.consents import export as tool

    wanted = tool.Wanted(number=number, consent=consent, everything=everything)
    answer(tool.run(_load(config), wanted, out), as_json=as_json)


@consents.command("revoke")
def _revoke(
    number: Annotated[str, typer.Option(help="The mobile number.", metavar="NUMBER")],
    *,
    brand: Annotated[
        str | None, typer.Option(help="For this brand only. Default: for every brand.")
    ] = None,
    line: LineOption = None,
    words: Annotated[
        str | None, typer.Option(help="What the person wrote or said; kept sealed.")
    ] = None,
    received: Annotated[
        str | None, typer.Option(help="When it was asked for. Default: now.", metavar="DATE")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Your own; the same one again changes nothing.")
    ] = None,
    passed_on: Annotated[
        bool, typer.Option("--passed-on", help="The platform that texts knows already.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a number's consent, at once and on every bridge."""
    from agi_bridge.cli.consents import revoke as tool

    asked = tool.Asked(
        number=number, brand=brand, line=line, words=words, received=received,
        reference=reference, passed_on=passed_on,
    )  # fmt: skip
    answer(tool.run(_load(config), asked), as_json=as_json)


@consents.command("resolve")
def _resolve(
    record: RecordArgument,
    as_: Annotated[
        Literal["texted", "not-texted", "passed-on", "done"],
        typer.Option(
            "--as",
            help="Of an unknown outcome: texted or not-texted, as the platform says. Of a "
            "revocation: passed-on to the platform. Of a message: done.",
        ),
    ],
    *,
    note: Annotated[
        str | None, typer.Option(help="One line, kept for ever: no number in it.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put on record how a person settled what software could not."""
    from agi_bridge.cli.consents import resolve as tool

    answer(tool.run(_load(config), record, as_, note), as_json=as_json)


@consents.command("erase")
def _erase(
    basis: Annotated[
        str, typer.Option(help="Why, in one line that is kept for ever: no number in it.")
    ],
    *,
    number: NumberOption = None,
    consent: ConsentOption = None,
    restrict: Annotated[
        bool, typer.Option("--restrict", help="Keep it for a defence only, until a day.")
    ] = False,
    until: Annotated[
        str | None, typer.Option(help="The last day of a restriction.", metavar="DATE")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase the personal data of a number or of one record; the events stay and still verify."""
    from agi_bridge.cli.consents import erase as tool

    asked = tool.Asked(basis=basis, number=number, consent=consent, restrict=restrict, until=until)
    confirm = (lambda _: True) if yes else (lambda text: typer.confirm(text, err=True))
    answer(tool.run(_load(config), asked, confirm), as_json=as_json)


@consents.command("retain")
def _retain(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how much would be erased.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase the personal data whose time has run out. `serve` does so every day."""
    from agi_bridge.cli.consents import retain as tool

    answer(tool.retain(_load(config), dry_run=dry_run), as_json=as_json)


@consents.command("checkpoint")
def _checkpoint(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Sign the head of the chain now and send it to the configured places.

    `serve` does so every hour and every 100 events. Exit code 1 if it did not arrive everywhere.
    """
    from agi_bridge.cli.consents import checkpoint as tool

    answer(tool.run(_load(config)), as_json=as_json)


@consents.command("rekey")
def _rekey(
    *,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Only make a new key; then restart every bridge.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Renew the key that seals personal data: first with --new-key, then, after a restart, without.

    Without it everything is sealed again under the first key of vault.key.
    """
    from agi_bridge.cli.consents import retain as tool

    answer(tool.rekey(_load(config), new_key=new_key), as_json=as_json)


@consents.command("upgrade")
def _upgrade(config: ConfigOption = None, *, as_json: JsonOption = False) -> None:
    """Bring the ledger of an older version to this one. Stop every bridge and back it up first."""
    from agi_bridge.cli.consents import upgrade as tool

    answer(tool.run(_load(config)), as_json=as_json)


@consents.command("workflow")
def _workflow(
    line: Annotated[
        str, typer.Option(help="The line, by a number that callers dial or by name.", metavar="DID")
    ],
    *,
    out: PageOption = None,
    date: Annotated[
        str | None,
        typer.Option(help="The date on the page. Default: today, in UTC.", metavar="YYYY-MM-DD"),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write the opt-in page that carriers ask for when a campaign is registered (10DLC).

    HTML from the configuration in force: the disclosure word for word, every key press, sample
    texts, STOP and HELP, retention, and the hashes to compare it by.
    """
    from agi_bridge.app import optin_page as tool

    day = date or datetime.now(UTC).date().isoformat()
    answer(tool.run(_load(config, prompts=True), line, date=day, out=out), as_json=as_json)
