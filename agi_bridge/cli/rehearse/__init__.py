"""`agi-bridge rehearse`: plays every ending of a line's calls, without a PBX and without a text."""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

from typing import Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer, load


def rehearse(
    config: ConfigOption = None,
    *,
    line: Annotated[
        str | None,
        typer.Option(
            "--line",
            metavar="NAME",
            help="Only this line, by its name or number.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Play every ending of a call with your configuration and your prompts.

    Shows what each caller hears, where the call goes, and what is stored: for those who agree, who
    decline, who are silent, and for everything that the hook, the ledger and the far end can do.
    Asterisk and the hook are simulated, the ledger is a temporary one: nobody is called or texted.
    Exit code 1 if an ending leaves a caller in silence or connected to nobody.
    """
    from agi_bridge.cli.rehearse.report import rehearsed

    answer(rehearsed(load(config, secrets="lines.", prompts=False), line), as_json=as_json)
