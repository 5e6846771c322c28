"""The commands: names, options and exit codes. What they do stands in the rooms below."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn, TypeAlias

import typer
from typer.core import TyperGroup

from agi_bridge import __version__
from agi_bridge.cli.common import (
    FAILED,
    MISUSED,
    OK,
    ConfigOption,
    JsonOption,
    die_of_interrupts,
    keep_verdict,
    load,
    run,
)
from agi_bridge.cli.consents import consents
from agi_bridge.cli.prompts import prompts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Scenario: TypeAlias = Literal[
    "dial", "say", "not-linked", "403", "400", "500", "slow", "reset", "garbage", "refuse"
]
"""What the hook's stand-in can answer (`tools.stand_in_answers.Scenario`)."""
ByNumber: TypeAlias = Literal["by-number"]

_UsageError: type[typer.BadParameter] = typer.BadParameter.__mro__[1]
"""All that can be wrong with a command line; in typer's copy of click it has no public name."""


class _Commands(TyperGroup):
    """The commands, with one line for a wrong command line instead of a box of five."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT001, FBT002 - as in click
        windows_expand_args: bool = True,  # noqa: FBT001, FBT002 - as in click
        **extra: Any,  # noqa: ANN401 - as in click
    ) -> Any:  # noqa: ANN401 - as in click
        """Run a command; end the process with its exit code."""
        given = (args, prog_name, complete_var, False, windows_expand_args)
        if not standalone_mode:
            return super().main(*given, **extra)
        try:
            status = super().main(*given, **extra)
        except _UsageError as error:
            # Empty where the help was asked for by saying nothing: it is printed by then.
            if problem := " ".join(str(error.format_message()).split()).rstrip("."):
                context = error.ctx
                command = context.command_path if context is not None else "agi-bridge"
                typer.echo(f"agi-bridge: {problem}; see {command} --help", err=True)
            sys.exit(MISUSED)
        except typer.Abort:
            typer.echo("agi-bridge: not done", err=True)
            sys.exit(FAILED)
        sys.exit(status if isinstance(status, int) else OK)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="FastAGI bridge: a caller keys a mobile number and agrees to a text; the consent is "
    "stored, the Instaply hook is called, and its answer becomes the rest of the call.",
    epilog="Exit codes: 0 done; 1 it ran and the answer is no; "
    "2 the command line or the configuration is wrong.",
)
app.add_typer(consents, name="consents")
app.add_typer(prompts, name="prompts")


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        typer.echo(f"agi-bridge {__version__}")
        raise typer.Exit(OK)


@app.callback()
def _main(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    del version


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Take calls until stopped.

    Listens for FastAGI (127.0.0.1:4573 unless configured otherwise) and logs one JSON line per call
    to standard error. SIGTERM or Ctrl-C: no new calls, those in progress may end within 30 seconds;
    a second signal ends them. Writes only inside the configured state_dir, and to
    ledger.checkpoints.file if that is set.
    """
    from agi_bridge.app import service
    from agi_bridge.observe import background_logging

    settings = load(config)
    with _starting(), background_logging(settings.log.level):
        run(service.serve(settings))


@app.command()
def agi(config: ConfigOption = None) -> None:
    """Serve one call on standard input and output: classic AGI.

    For a dialplan that says AGI(/path/to/agi-bridge,agi) rather than agi://. Each call starts a
    process of its own; FastAGI (serve) is faster: use it if you can. What serve does between calls
    (send again, sign checkpoints, erase in time) a single call does not.
    """
    from agi_bridge.agi import AGIProtocolError
    from agi_bridge.agi.stdio import comes_from_asterisk
    from agi_bridge.app import service
    from agi_bridge.observe import background_logging

    settings = load(config)
    if not comes_from_asterisk():  # before keys and a ledger are made for nobody
        _not_asterisk("standard input is no pipe")
    try:
        with _starting(), background_logging(settings.log.level):
            run(service.serve_stdio(settings))
    except AGIProtocolError as error:
        _not_asterisk(str(error))


def _not_asterisk(why: str) -> NoReturn:
    typer.echo(
        f"agi-bridge: {why}; this command is started by Asterisk, by AGI(/path/to/agi-bridge,agi) "
        "in the dialplan; to call a bridge from here, start `agi-bridge serve` and then "
        "`agi-bridge softphone`",
        err=True,
    )
    raise typer.Exit(MISUSED)


@app.command()
def check(
    config: ConfigOption = None,
    *,
    connect: Annotated[
        bool,
        typer.Option(
            "--connect", help="Also open (and close) a connection to the hook. Texts nobody."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say whether the configuration is right and fits this machine; if not, what is wrong where.

    Looks at every setting, the secrets, the prompts of each line's languages, the engines, the
    ledger and its keys, the folders and the ports. Changes nothing. Exit code 0: no fault (notes
    can wait); 1: a fault keeps the bridge from running as configured.
    """
    from agi_bridge.cli.check import run as tool

    raise typer.Exit(run(tool.run(config, connect=connect, as_json=as_json)))


@app.command()
def softphone(
    to: Annotated[
        str,
        typer.Argument(
            help="The number to call: one of a line's `did`. Without it the call is for no line's "
            "number, so `fallback_line` takes it.",
            metavar="NUMBER",
        ),
    ] = "",
    *,
    bridge: Annotated[
        str, typer.Option(help="The bridge's AGI URL.", metavar="URL")
    ] = "agi://127.0.0.1:4573/consent",
    keys: Annotated[
        str | None,
        typer.Option(
            help="Press these instead of asking: groups between commas, one at each chance to "
            "key, like 4155550123,1. An empty group is silence, ! hangs up.",
            metavar="KEYS",
        ),
    ] = None,
    caller_id: Annotated[
        str, typer.Option("--from", help="The caller's own number.", metavar="NUMBER")
    ] = "+14155550100",
    dial: Annotated[
        str, typer.Option(help="How a dialled call ends: its DIALSTATUS.", metavar="STATUS")
    ] = "ANSWER",
    fast: Annotated[
        bool, typer.Option("--fast", help="Let no real time pass (with --keys).")
    ] = False,
) -> None:
    """Call a running bridge from this terminal, without a PBX.

    Plays the PBX's side of the call: each prompt is shown as text with its length, your keys are
    DTMF. q or Ctrl-C hangs up. Exit code 0 if the bridge saw the call through, 1 if it cannot be
    reached, refuses the call or breaks off.
    """
    from agi_bridge.lab.softphone import phone as tool

    raise typer.Exit(
        run(
            tool.run(
                bridge, to=to, keys=keys, caller_id=caller_id, dial=dial, pace=0.0 if fast else 1.0
            )
        )
    )


@app.command()
def fake_hook(
    *,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65535)
    ] = 8080,
    scenario: Annotated[
        Literal[Scenario, ByNumber],
        typer.Option(
            help="What to answer. by-number: the last two digits of `from` choose: 01 say, 02 "
            "not-linked, 03 403, 04 400, 05 500, 06 slow, 07 reset, 08 garbage, others dial."
        ),
    ] = "by-number",
    forward: Annotated[
        str, typer.Option(help="The number that a dial answers with.", metavar="NUMBER")
    ] = "+14155550199",
    key: Annotated[
        str | None, typer.Option(help="Answer 403 to any other key.", metavar="KEY")
    ] = None,
    show_numbers: Annotated[
        bool, typer.Option("--show-numbers", help="Show telephone numbers unmasked.")
    ] = False,
) -> None:
    """Stand in for Instaply: answer the hook's requests, and show what came.

    Sends no text to anybody. Point hook.url at the address it prints; Ctrl-C ends it.
    """
    from agi_bridge.hook.testing import serve_fake_hook

    with _starting():
        run(
            serve_fake_hook(
                host,
                port,
                scenario=None if scenario == "by-number" else scenario,
                forward=forward,
                key=key,
                on_request=lambda got: typer.echo(got.describe(show_numbers=show_numbers)),
                on_start=lambda fake_hook: typer.echo(f"hook.url = {fake_hook.url}"),
            ),
            interrupted=OK,
        )


@app.command()
def demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="End after the call; exit code 0 only if it all worked.")
    ] = False,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Only fetch Asterisk, for later runs and the tests.")
    ] = False,
    fake: Annotated[
        bool, typer.Option("--fake", help="Without Asterisk: a simulated PBX plays its part.")
    ] = False,
    scenario: Annotated[Scenario, typer.Option(help="What the hook answers.")] = "dial",
) -> None:
    """Place one real call through a real Asterisk, then keep it up to be called.

    Takes the Asterisk that $AGI_BRIDGE_ASTERISK names, one fetched before, or this machine's own.
    Else fetches Asterisk 22 from Debian's packages (once, no root) into .asterisk/22 of the
    checkout; where agi-bridge is installed, into ~/.cache/agi-bridge/asterisk-22
    ($XDG_CACHE_HOME counts).

    Starts it with the files of asterisk-conf/ and dialplan/, a stand-in for the hook, the bridge
    and a far-end phone; a caller keys a number and 1. Then prints how a softphone registers, until
    Ctrl-C. Needs no configuration. What a run writes is in a folder agi-bridge-demo-… under $TMPDIR
    or /tmp, and goes when it ends.
    """
    from agi_bridge.lab.demo import demo as tool

    if prepare:
        raise typer.Exit(run(tool.prepare()))
    raise typer.Exit(run(tool.run(once=once, fake=fake, scenario=scenario)))


@contextmanager
def _starting() -> Iterator[None]:
    """Run a service in the block; what keeps it from starting is one line, not a traceback."""
    from agi_bridge.consent import ConsentError
    from agi_bridge.hook import HookError
    from agi_bridge.speech import SpeechError

    try:
        yield
    except (ConsentError, SpeechError, HookError, OSError, ValueError) as error:
        typer.echo(f"agi-bridge: cannot start: {error}", err=True)
        raise typer.Exit(FAILED) from None


def main() -> None:
    """Entry point of the console script."""
    die_of_interrupts()
    keep_verdict()
    app()
