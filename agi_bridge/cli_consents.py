"""`agi-bridge consents …`: names, options and exit codes; what they do is in `tools.consents`."""
# ruff: noqa: PLC0415 - `--help` need not load what a command needs

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from agi_bridge.cli_common import FAILED, MISUSED, OK, ConfigOption, load, run

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from agi_bridge.tools.consents.output import Answer

consents: Final = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="The record of consent: look, prove, revoke, erase. Numbers are masked unless --reveal, "
    "which is itself recorded.",
)

JsonOption = Annotated[
    bool, typer.Option("--json", help="Answer with one JSON document instead of text.")
]
PageOption = Annotated[
    Path | None, typer.Option(help="The file to write; else standard output.", metavar="FILE")
]


def _answer(work: Coroutine[Any, Any, Answer], *, as_json: bool) -> None:
    """Run a command, print its answer; what goes wrong is one line, not a traceback."""
    from agi_bridge.tools.consents.output import give

    answer = run(_told(work))
    give(answer, as_json=as_json)
    raise typer.Exit(OK if answer.ok else FAILED)


async def _told(work: Coroutine[Any, Any, Answer]) -> Answer:
    from agi_bridge.consent import ConsentError
    from agi_bridge.speech import SpeechError
    from agi_bridge.tools.errors import ToolError, UsageError

    try:
        return await work
    except UsageError as error:
        typer.echo(f"agi-bridge: {error}", err=True)
        raise typer.Exit(MISUSED) from None
    except OSError as error:
        typer.echo(f"agi-bridge: {error.filename}: {error.strerror}", err=True)
        raise typer.Exit(FAILED) from None
    except (ConsentError, SpeechError, ToolError) as error:
        typer.echo(f"agi-bridge: {error}", err=True)
        raise typer.Exit(FAILED) from None


@consents.command()
def workflow(
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
    from agi_bridge.tools.consents import workflow as tool

    day = date or datetime.now(UTC).date().isoformat()
    _answer(tool.run(load(config), line, date=day, out=out), as_json=as_json)
