"""`agi-bridge replay`: recorded calls with this configuration, without a PBX and without a text."""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

from typing import Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, answer, load


def replay(
    config: ConfigOption = None,
    *,
    last: Annotated[int, typer.Option("--last", help="How many calls, the newest.", min=1)] = 200,
    line: Annotated[
        str | None,
        typer.Option(
            "--line",
            metavar="NAME",
            help="Only calls of this line, by its name or number.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Play the last calls again with your configuration, and show which would end otherwise.

    Takes what callers did from the call history. Asterisk and the hook are simulated, the ledger is
    a temporary one: nobody is called or texted. The history holds no digits and no texts, so keys
    and answers are taken to mean what they meant then; docs/calls.md says what else is assumed.
    Exit code 1 if a call would leave its caller in silence or connected to nobody.
    """
    from agi_bridge.cli.replay.report import replayed

    answer(replayed(load(config, secrets="lines.", prompts=False), line, last), as_json=as_json)
