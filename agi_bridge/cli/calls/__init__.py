"""`agi-bridge calls`: what each call did, from the call history; one call step by step."""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from agi_bridge.cli.common import ConfigOption, JsonOption, load

if TYPE_CHECKING:
    from agi_bridge.cli.output import Answer


def calls(
    call: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="One call: its id, the first digits of it, or Asterisk's unique id.",
            show_default=False,
        ),
    ] = None,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show calls as they begin and end, until Ctrl-C.")
    ] = False,
    line: Annotated[
        str | None,
        typer.Option(
            "--line",
            help="A line, by name or by a number that callers dial.",
            show_default=False,
        ),
    ] = None,
    result: Annotated[
        str | None,
        typer.Option(
            "--result",
            metavar="CODE",
            help="A result, or a part of why a call ended so: done, star, hung_up, cut_off …",
            show_default=False,
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Began on this day (UTC) or at this time, or later.",
            show_default=False,
        ),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="TIME",
            help="Began on this day (UTC) or before this time.",
            show_default=False,
        ),
    ] = None,
    number: Annotated[
        str | None,
        typer.Option(
            "--number",
            metavar="-",
            help="Calls of a number: write `--number -`; it is read from standard input, because "
            "other accounts see what stands on a command line.",
            show_default=False,
        ),
    ] = None,
    limit: Annotated[int, typer.Option(help="At most this many, the newest.", min=1)] = 100,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what calls did: when they came, how they ended, and one call step by step.

    Reads the call history, so it works while the service runs and when it does not. Numbers are
    masked, and no key that a caller pressed is known. With --json and --follow, each line is a JSON
    document. Exit code 1 if the call that is named is not in the history.
    """
    from agi_bridge.cli.calls.find import call_list, one_call, wanted_calls
    from agi_bridge.cli.calls.follow import follow_call, follow_calls
    from agi_bridge.cli.common import answer

    settings = load(config, secrets="history.", prompts=False)

    async def work() -> Answer:
        if call is not None:
            if follow:
                return await follow_call(settings, call, as_json=as_json)
            return one_call(settings, call)
        wanted = wanted_calls(
            settings,
            line=line,
            result=result,
            since=since,
            until=until,
            number=_number(number),
            limit=limit,
        )
        if follow:
            return await follow_calls(settings, wanted, as_json=as_json)
        return call_list(settings, wanted)

    answer(work(), as_json=as_json and not follow)


def _number(option: str | None) -> str | None:
    """Read the number from standard input, if it is asked for."""
    import sys

    from agi_bridge.cli.common import UsageError

    if option is None:
        return None
    if option != "-":
        raise UsageError("--number: write `--number -`, and give the number on standard input")
    if sys.stdin.isatty():
        return str(typer.prompt("Number", hide_input=True, err=True))
    return sys.stdin.readline().strip()
