"""`agi-bridge console-password`: makes the hash of a password for `[[console.users]]`."""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

import typer

from agi_bridge.cli.common import MISUSED


def console_password() -> None:
    """Make the hash of a password for a person in [[console.users]].

    Asks for the password twice, or reads one line of standard input. The password is kept nowhere.
    """
    import sys

    from agi_bridge.console import hash_password

    if sys.stdin.isatty():
        given = str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
    else:
        given = sys.stdin.readline().rstrip("\r\n")
    try:
        made = hash_password(given)
    except ValueError as error:
        typer.echo(f"agi-bridge: {error}", err=True)
        raise typer.Exit(MISUSED) from None
    typer.echo(f'password_hash = "{made}"')
