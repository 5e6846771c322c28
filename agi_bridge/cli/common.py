"""What the command line's modules share: exit codes, options, how a command answers."""
# ruff: noqa: PLC0415 - `--help` need not load what a command needs

from __future__ import annotations

import io
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from agi_bridge.cli.output import Answer
    from agi_bridge.settings import Settings

T = TypeVar("T")

OK: Final = 0
FAILED: Final = 1
"""It ran, and the answer is no: faults found, the far end not reached, cannot start."""
MISUSED: Final = 2
"""The command line or the configuration is wrong; nothing was done."""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration. Default: $AGI_BRIDGE_CONFIG, else "
        "/etc/agi-bridge/agi-bridge.toml, else the environment alone.",
        show_default=False,
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Answer with one JSON document instead of text.")
]


class _Unread(io.FileIO):
    """Standard output whose reader may have gone: what nobody reads is dropped."""

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - what the buffer protocol takes
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def keep_verdict() -> None:
    """Let a command go on to its exit code when the reader of its answer goes (`… | head`).

    An answer that was cut short by the reader is no "no", which is what Python's 1 would say.
    """
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and not out.isatty():
        out.flush()
        raw = _Unread(out.fileno(), "wb", closefd=False)
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(raw), out.encoding, out.errors, line_buffering=out.line_buffering
        )


def load(config: Path | None, *, secrets: str = "", prompts: bool = True) -> Settings:
    """Load the configuration and set logging up; what is wrong with it is told, not raised.

    `secrets` is how the names of the secrets begin that the command needs; all of them if empty.
    Without `prompts` they may be missing.
    """
    from agi_bridge.observe import configure_logging
    from agi_bridge.settings import Settings, SettingsError

    try:
        settings = Settings.load(config, secrets=secrets, prompts=prompts)
    except SettingsError as error:
        typer.echo(f"agi-bridge: the configuration is wrong:\n{error}", err=True)
        raise typer.Exit(MISUSED) from None
    configure_logging(settings.log.level)
    return settings


def die_of_interrupts() -> None:
    """Let SIGINT end this process at once: nothing has been begun that would have to be tidied up.

    Python's own handler raises, and what is raised while modules are imported may get lost.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))


def run(work: Coroutine[Any, Any, T], *, interrupted: int = FAILED) -> T:
    """Run on uvloop, which halves the cost of a call; `interrupted` is Ctrl-C's exit code."""
    import uvloop

    try:
        with _interruptible():
            return uvloop.run(work)
    except KeyboardInterrupt:
        raise typer.Exit(interrupted) from None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT cancel what the event loop runs, also where it was ignored from the start.

    A shell starts what stands before a `&` in a script with SIGINT ignored (POSIX, XCU 2.12). Then
    Python installs no handler, and asyncio none either: it only ever takes Python's own over.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


def answer(work: Coroutine[Any, Any, Answer], *, as_json: bool) -> None:
    """Run a command, print its answer; what goes wrong is one line, not a traceback."""
    from agi_bridge.cli.output import give

    given = run(_told(work))
    give(given, as_json=as_json)
    raise typer.Exit(OK if given.ok else FAILED)


async def _told(work: Coroutine[Any, Any, Answer]) -> Answer:
    from agi_bridge.cli.errors import ToolError, UsageError
    from agi_bridge.consent import ConsentError
    from agi_bridge.settings import UnknownLineError
    from agi_bridge.speech import SpeechError

    try:
        return await work
    except UnknownLineError as error:
        typer.echo(f"agi-bridge: --line: {error}", err=True)
        raise typer.Exit(MISUSED) from None
    except UsageError as error:
        typer.echo(f"agi-bridge: {error}", err=True)
        raise typer.Exit(MISUSED) from None
    except OSError as error:
        typer.echo(f"agi-bridge: {error.filename}: {error.strerror}", err=True)
        raise typer.Exit(FAILED) from None
    except (ConsentError, SpeechError, ToolError) as error:
        typer.echo(f"agi-bridge: {error}", err=True)
        raise typer.Exit(FAILED) from None
