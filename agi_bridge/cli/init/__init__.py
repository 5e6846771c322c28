"""`agi-bridge init`: asks eight questions and writes configuration, key file and dialplan."""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from agi_bridge.cli.common import MISUSED, UsageError

_ETC = Path("/etc/agi-bridge")


def init(
    *,
    did: Annotated[
        str, typer.Option(help="Numbers that callers dial, separated by commas.", metavar="NUMBERS")
    ] = "",
    brand: Annotated[str, typer.Option(help="The name that callers know.", metavar="NAME")] = "",
    languages: Annotated[
        str, typer.Option(help="Languages, the default first: en,es,fr.", metavar="CODES")
    ] = "",
    business_number: Annotated[
        str, typer.Option(help="The business's number as the hook knows it.", metavar="NUMBER")
    ] = "",
    hook_key_file: Annotated[
        Path | None,
        typer.Option(
            help="A file that holds the hook's key, which is copied; - reads standard input.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    webhook: Annotated[
        str,
        typer.Option(
            help="A receiver of your own that texts in place of Instaply; a secret that signs the "
            "requests is made.",
            metavar="URL",
        ),
    ] = "",
    dial_template: Annotated[
        str, typer.Option(help="How the PBX dials a {number} outside.", metavar="DIAL")
    ] = "",
    default: Annotated[
        str,
        typer.Option(
            help="Where callers go otherwise: PJSIP/100, or context,extension,priority.",
            metavar="PLACE",
        ),
    ] = "",
    port: Annotated[
        str, typer.Option(help="The port for calls from Asterisk.", metavar="PORT")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing: take the defaults.")] = (
        False
    ),
    freepbx: Annotated[
        bool | None,
        typer.Option(
            "--freepbx/--no-freepbx",
            help="Write the files for FreePBX. Default: if this machine has one.",
            show_default=False,
        ),
    ] = None,
    pbx: Annotated[
        str, typer.Option(help="The PBX's address, if it is another machine.", metavar="ADDRESS")
    ] = "127.0.0.1",
    line: Annotated[str, typer.Option(help="The line's name.", metavar="NAME")] = "main",
    policy_url: Annotated[
        str, typer.Option(help="Terms and privacy, as the disclosure says it.", metavar="URL")
    ] = "",
    directory: Annotated[
        Path, typer.Option("--dir", help="For configuration and key.", metavar="FOLDER")
    ] = _ETC,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            help="For the service's data. Default: /var/lib/agi-bridge; with --dir, FOLDER/state.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
    asterisk_dir: Annotated[
        Path | None,
        typer.Option(
            help="For the dialplan. Default: /etc/asterisk if it is there, else FOLDER.",
            metavar="FOLDER",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Set up a first line: ask eight questions, write configuration, key and dialplan.

    Each question is an option too. Nothing is overwritten: a file that is there with another
    content is shown as a difference, nothing is written, and the exit code is 1. Exit code 0: the
    files are written, or were there as they are to be.
    """
    from agi_bridge.cli.init.run import Places, answers_from, read_key, run

    try:
        places = Places.of(
            directory, state_dir, asterisk_dir, freepbx=freepbx, pbx=pbx, default_directory=_ETC
        )
        answers = answers_from(
            places,
            did=did,
            brand=brand,
            languages=languages,
            business_number=business_number,
            hook_key=read_key(hook_key_file),
            webhook=webhook,
            dial_template=dial_template,
            default=default,
            port=port,
            line=line,
            policy_url=policy_url,
        )
        status = run(answers, places, yes=yes)
    except UsageError as error:
        for problem in str(error).splitlines():
            typer.echo(f"agi-bridge: {problem}", err=True)
        raise typer.Exit(MISUSED) from None
    raise typer.Exit(status)
