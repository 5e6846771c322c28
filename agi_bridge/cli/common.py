"""What all commands share: exit codes, common options, error handling and standard output."""
# ruff: noqa: PLC0415 - keeps `--help` fast: a command loads what it needs when it runs

from __future__ import annotations

import gc
import io
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, TypeVar

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
UNPROVEN: Final = 3
"""Nothing is wrong, but the answer holds only for a person who trusts what it names."""
PENDING: Final = 4
"""Nothing is wrong, but the newest events are not anchored yet."""


_TERMINAL_LIBRARIES: Final = frozenset({"click", "pygments", "rich"})


class ToolError(Exception):
    """A command failed: exit code 1. The text is one line."""


class UsageError(ToolError):
    """The command line asks for something impossible: exit code 2. The text says what is valid."""


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


class _Output(io.FileIO):
    """Standard output that never raises; after a failed write the rest is dropped.

    A reader that goes away (`… | head`) is not a failure.
    """

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - what the buffer protocol takes
        if self.failure is None:
            try:
                return super().write(data)
            except BrokenPipeError:
                pass
            except OSError as error:
                self.failure = error
        return memoryview(data).nbytes


@contextmanager
def checked_output() -> Iterator[None]:
    """Run a command in the block; its exit code is 1 if standard output cannot be written.

    If the reader closes the pipe, the command still ends with its own exit code.
    """
    out = sys.stdout
    if not isinstance(out, io.TextIOWrapper) or out.isatty():
        yield
        return
    out.flush()
    raw = _Output(out.fileno(), "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), out.encoding, out.errors, line_buffering=out.line_buffering
    )
    try:
        yield
    finally:
        sys.stdout.flush()
        if raw.failure is not None:
            typer.echo(f"agi-bridge: cannot write the answer: {raw.failure.strerror}", err=True)
            sys.exit(FAILED)


def load(config: Path | None, *, secrets: str = "", prompts: bool = True) -> Settings:
    """Load the configuration and set up logging. If it is wrong, print why and exit with 2.

    `secrets` is the prefix of the names of the secrets that the command needs; empty for all.
    Without `prompts`, recordings may be missing.
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
    """Let SIGINT end this process at once: nothing is running yet that needs cleaning up.

    Python's own handler raises, and an exception raised while modules are imported may get lost.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))


def hold_back_hangups() -> None:
    """Let signals that mean "reload" or nothing to a service wait until it handles them.

    Unhandled they end the process: a closed terminal or a log rotation in the second of the start
    would be an outage. `lifecycle` takes them once it runs; a reload asked for is then done.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})


def spare_the_start() -> None:
    """Make the start of a service cheaper: nothing is collected, and no terminal is prepared.

    The garbage collector took an eighth of the start, which makes no garbage. `lifecycle` turns it
    on again before the first call. httpx and structlog import rich, click and pygments where they
    are installed, a fifteenth of the start, for what they show on terminals. uvicorn imports its
    own command line, with click and what starts a program again when its files change. pydantic
    looks through all that is installed for plugins, which would see every setting.
    """
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    command_line: Any = ModuleType("uvicorn.main")
    command_line.Server = command_line.main = command_line.run = None  # what the package imports
    sys.modules.setdefault(command_line.__name__, command_line)
    hidden = _TERMINAL_LIBRARIES - sys.modules.keys()
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # importing it raises ImportError
    try:
        import httpx  # noqa: F401 - imported here, without them
        import structlog  # noqa: F401 - the same
    finally:
        for name in hidden:
            del sys.modules[name]


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

    In a script, a shell starts a command that ends in `&` with SIGINT ignored (POSIX, XCU 2.12).
    Python then installs no handler, and asyncio only ever replaces Python's own.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)


@contextmanager
def report_start_errors() -> Iterator[None]:
    """Run a service in the block; an error that prevents its start is one line and exit code 1."""
    from agi_bridge.consent import ConsentError
    from agi_bridge.hook import HookError
    from agi_bridge.speech import SpeechError

    try:
        yield
    except (ConsentError, SpeechError, HookError, OSError, ValueError) as error:
        typer.echo(f"agi-bridge: cannot start: {error}", err=True)
        raise typer.Exit(FAILED) from None


def answer(work: Coroutine[Any, Any, Answer], *, as_json: bool) -> None:
    """Run a command, print its answer, exit with 0, 1, 3 or 4. An error is one line and a code."""
    from asyncio import CancelledError

    from agi_bridge.cli.output import print_answer

    try:
        result = run(_with_exit_codes(work))
    except CancelledError:  # by SIGTERM
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
        raise
    print_answer(result, as_json=as_json)
    unproven = getattr(result, "exit_code", None) or UNPROVEN
    raise typer.Exit(unproven if result.ok is None else OK if result.ok else FAILED)


async def _with_exit_codes(work: Coroutine[Any, Any, Answer]) -> Answer:
    """Map the errors of each package to an exit code; any other exception is a bug.

    SIGTERM cancels the command, which deletes its temporary files; a second one ends it at once.
    """
    import asyncio

    from agi_bridge.backup import BackupError
    from agi_bridge.consent import ConsentError
    from agi_bridge.evidence import BadPublicKey, EvidenceError
    from agi_bridge.history import HistoryError
    from agi_bridge.settings import UnknownLineError
    from agi_bridge.speech import SpeechError

    loop, command = asyncio.get_running_loop(), asyncio.current_task()
    assert command is not None  # noqa: S101 - for the type checker: this runs in a task

    def terminate() -> None:
        loop.remove_signal_handler(signal.SIGTERM)
        command.cancel()

    loop.add_signal_handler(signal.SIGTERM, terminate)
    try:
        return await work
    except UnknownLineError as error:
        _fail(f"--line: {error}", MISUSED)
    except UsageError as error:
        _fail(str(error), MISUSED)
    except BadPublicKey as error:
        _fail(f"--public-key: {error}", MISUSED)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}", FAILED)
    except (
        BackupError,
        ConsentError,
        EvidenceError,
        HistoryError,
        SpeechError,
        ToolError,
    ) as error:
        _fail(str(error), FAILED)


def _fail(problem: str, code: int) -> NoReturn:
    from agi_bridge.cli.output import printable_lines

    typer.echo(f"agi-bridge: {printable_lines(problem)}", err=True)  # it may name what a file says
    raise typer.Exit(code) from None
