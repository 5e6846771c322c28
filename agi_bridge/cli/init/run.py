"""Runs `agi-bridge init`: the answers, the files, and what to do next."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
import tomllib
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from agi_bridge.cli.common import FAILED, OK, UsageError
from agi_bridge.cli.init.ask import ask, complete, require
from agi_bridge.cli.init.configuration import (
    Answers,
    configuration,
    dialplan,
    freepbx_dialplan,
    listed,
)
from agi_bridge.cli.init.files import PUBLIC, NewFile, compare, mode_of, write
from agi_bridge.config_file import DEFAULT_PATH
from agi_bridge.settings import Settings, SettingsError, is_line_name
from agi_bridge.webhook_signature import new_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agi_bridge.cli.init.files import Difference

PRIVATE: Final = 0o640
"""The configuration: the service's account reads it by its group."""
SECRET: Final = 0o600
"""The key."""

_ASTERISK: Final = Path("/etc/asterisk")
_OF_FREEPBX: Final = (Path("/etc/freepbx.conf"), _ASTERISK / "extensions_additional.conf")
_ZONES: Final = "zoneinfo/"
_MAX_KEY_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Places:
    """Where the PBX is, and where files go.

    Attributes:
        directory: configuration and key.
        state_dir: the service's data.
        asterisk: the dialplan.
        installed: whether Asterisk reads that folder; else the dialplan must be copied.
        freepbx: the PBX is a FreePBX.
        pbx: the PBX's address.
    """

    directory: Path
    state_dir: Path
    asterisk: Path
    installed: bool
    freepbx: bool
    pbx: str

    @classmethod
    def of(
        cls,
        directory: Path,
        state_dir: Path | None,
        asterisk: Path | None,
        *,
        freepbx: bool | None,
        pbx: str,
        default_directory: Path,
    ) -> Places:
        """Fill in what was not said.

        Raises:
            UsageError: the PBX's address is not one.
        """
        try:
            here = ip_address(pbx).is_loopback
        except ValueError:
            raise UsageError("--pbx: is not an IP address; write one like 192.0.2.10") from None
        directory = directory.absolute()
        if state_dir is None:
            usual = directory == default_directory
            state_dir = Path("/var/lib/agi-bridge") if usual else directory / "state"
        installed = asterisk is not None or (here and _ASTERISK.is_dir())
        if asterisk is None:
            asterisk = _ASTERISK if installed else directory
        if freepbx is None:
            freepbx = here and any(path.exists() for path in _OF_FREEPBX)
        return cls(directory, state_dir.absolute(), asterisk.absolute(), installed, freepbx, pbx)


def at_a_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def read_key(file: Path | None) -> str:
    """Return the key in a file, or on standard input; empty if no file is named.

    Raises:
        UsageError: it cannot be read.
    """
    if file is None:
        return ""
    try:
        if str(file) == "-":
            return sys.stdin.read(_MAX_KEY_BYTES + 1).strip()
        with file.open("rb") as opened:
            return opened.read(_MAX_KEY_BYTES + 1).decode().strip()
    except OSError as error:
        raise UsageError(f"--hook-key-file: {file} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise UsageError("--hook-key-file: is not text; name the file of the key") from None


def answers_from(places: Places, **given: Any) -> Answers:  # noqa: ANN401 - texts
    """Return the answers that were given as options, and those that earlier files have.

    Raises:
        UsageError: the PBX cannot be reached, or no line can have that name.
    """
    answers = Answers(
        directory=places.directory,
        state_dir=places.state_dir,
        freepbx=places.freepbx,
        pbx=places.pbx,
        timezone=_timezone(),
        **given,
    )
    if not is_line_name(answers.line):
        raise UsageError("--line: is not a valid name; use a-z, 0-9 and single _, like main_shop")
    try:
        _ = answers.host
    except OSError as error:
        raise UsageError(f"--pbx: cannot be reached from here ({error.strerror})") from None
    if not answers.hook_key:  # the key of an earlier run
        with suppress(OSError, UnicodeDecodeError):
            answers = replace(answers, hook_key=answers.key_file.read_text("utf-8").strip())
    if answers.webhook and not answers.hook_key:
        answers = replace(answers, hook_key=new_secret())
    in_force = _port_in_force(answers.config_file)
    return replace(answers, port_in_force=in_force, port=answers.port or in_force)


def run(answers: Answers, places: Places, *, yes: bool) -> int:
    """Complete the answers, compare, write, and say what to do next; return the exit code.

    Raises:
        UsageError: an answer is missing or cannot be used.
    """
    if yes:
        answers = complete(answers)
    elif at_a_terminal():
        answers = ask(answers)
    else:
        answers = require(answers)
    files = _files(answers, places)
    _require_valid(answers)
    try:
        missing, different = compare(files)
        if different:
            for each in different:
                typer.echo(f"differs {each.file.path}")
                typer.echo(each.diff)
                _explain_version(each)
            typer.echo(
                "agi-bridge: nothing was written: move these files away, or edit them yourself",
                err=True,
            )
            return FAILED
        write(missing)
        modes = {file: mode_of(file.path) for file in files}
    except OSError as error:
        place = error.filename2 or error.filename or "a file"
        denied = isinstance(error, PermissionError)
        fix = "; run this as root, or name other folders with --dir and --asterisk-dir"
        problem = f"nothing was written: {place}: {error.strerror}{fix if denied else ''}"
        typer.echo(f"agi-bridge: {problem}", err=True)
        return FAILED
    for file, mode in modes.items():
        word = "wrote" if file in missing else "as it is"
        typer.echo(f"{word:<8} {file.path} ({mode:04o})")
        if file not in missing and mode & ~file.mode:
            fix = f"chmod {file.mode:o} {_shown(file.path)}"
            typer.echo(f"agi-bridge: {file.path} is open to more accounts: {fix}", err=True)
    for line in _next(answers, places):
        typer.echo(line)
    return OK


def _explain_version(different: Difference) -> None:
    """Say that a dialplan differs because it is an older one, and what it lacks."""
    from agi_bridge.doctor import news_since, version_in  # noqa: PLC0415 - AMI, only for this

    there, ours = version_in(different.there), version_in(different.file.text)
    if ours and there < ours:
        name = different.file.path.name
        typer.echo(
            f"agi-bridge: {name} is version {there} of the dialplan, and this is {ours}:"
            f" {news_since(there)}; to have it, move {name} away, run this again, put your own"
            " lines of [agi-bridge-site] back, and run asterisk -rx 'dialplan reload'",
            err=True,
        )


def _files(answers: Answers, places: Places) -> list[NewFile]:
    files = [
        NewFile(answers.key_file, f"{answers.hook_key}\n", SECRET, secret=True, owned=True),
        NewFile(answers.config_file, configuration(answers), PRIVATE),
        NewFile(places.asterisk / "agi-bridge.conf", dialplan(answers), PUBLIC),
    ]
    if answers.freepbx:
        path = places.asterisk / "agi-bridge-freepbx.conf"
        files.append(NewFile(path, freepbx_dialplan(), PUBLIC))
    return files


def _require_valid(answers: Answers) -> None:
    """Judge the configuration as a whole, for what no single question decides.

    Raises:
        UsageError: it would not be accepted.
    """
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / answers.key_file.name
        file = Path(folder) / "agi-bridge.toml"
        key.touch(SECRET)
        key.write_text(answers.hook_key, encoding="utf-8")
        text = configuration(replace(answers, directory=Path(folder)))
        file.write_text(text, encoding="utf-8")
        try:
            Settings.load(file, {})
        except SettingsError as error:
            raise UsageError("\n".join(_by_flag(error, answers, key))) from None


def _by_flag(error: SettingsError, answers: Answers, key: Path) -> Iterator[str]:
    """Name each fault by the option that it comes from, where there is one."""
    line = f"lines.{answers.line}"
    flags = {
        "hook.url": "--webhook",
        "hook.signing_secret": "--hook-key-file",
        f"{line}.policy_url": "--policy-url",
    }
    for fault in error.faults:
        if answers.webhook and fault.key == f"{line}.hook_key":
            continue  # it is missed only because [hook] could not be read
        what = fault.what.removeprefix(f"the file {key} ")
        fix = "give its secret alone, as one line" if what != fault.what else fault.fix
        yield f"{flags.get(fault.key, fault.key)}: {what}; {fix}"


def _next(answers: Answers, places: Places) -> Iterator[str]:
    yield ""
    if not places.installed:
        yield f"Copy {_names(answers)} from {places.asterisk} to /etc/asterisk on the PBX."
    if answers.freepbx:
        yield "In /etc/asterisk/extensions_custom.conf on the PBX, add the line"
        yield "    #include agi-bridge-freepbx.conf"
        yield "and in the GUI (docs/freepbx.md): Admin > Custom Destinations, with the target"
        yield "agi-bridge-freepbx,s,1, Return = Yes and a destination; then the Inbound Route of"
        yield "each number to it, and Apply Config."
    else:
        yield "In extensions.conf on the PBX, add the line"
        yield '    #include "agi-bridge.conf"'
        yield "and to the context of your trunk"
        yield "    include => agi-bridge"
        yield 'then: asterisk -rx "dialplan reload"'
    if not answers.policy_url:
        yield "Before real callers: set policy_url, and record your brand (docs/prompts.md)."
    if answers.webhook:
        yield f"Your receiver verifies requests with the secret in {answers.key_file}"
        yield "(docs/webhook.md has one to start from)."
    config = (
        "" if answers.config_file == DEFAULT_PATH else f" --config {_shown(answers.config_file)}"
    )
    yield "Once it runs, place a test call:"
    yield f"  {_program()} doctor{config}{_test_call(answers)}"
    yield ""
    yield "Next:"
    for command in ("check", "rehearse", "serve"):
        yield f"  {_program()} {command}{config}"


def _test_call(answers: Answers) -> str:
    """Return the options of a test call; only the trunk's context is not known."""
    called = "".join(sign for sign in listed(answers.did)[0] if sign in "+0123456789*#") or "s"
    listen = f" --listen {answers.host}" if answers.remote else ""
    context = "from-pstn" if answers.freepbx else "CONTEXT-OF-YOUR-TRUNK"
    return f" --call {called}@{context}{listen}"


def _names(answers: Answers) -> str:
    return "agi-bridge.conf and agi-bridge-freepbx.conf" if answers.freepbx else "agi-bridge.conf"


def _program() -> str:
    """Return how this program was called, if a shell does not find it by its name."""
    called = Path(sys.argv[0])
    if called.name != "agi-bridge" or shutil.which("agi-bridge") is not None:
        return "agi-bridge"
    return _shown(called.absolute())


def _shown(path: Path) -> str:
    return shlex.quote(str(path))


def _timezone() -> str:
    """Return this machine's time zone; empty if it does not say."""
    with suppress(OSError):
        target = str(Path("/etc/localtime").resolve(strict=True))
        _, found, name = target.partition(_ZONES)
        if found and name not in {"Etc/UTC", "UTC"}:
            return name.removeprefix("posix/").removeprefix("right/")
    return ""


def _port_in_force(file: Path) -> str:
    """Return the port in a configuration that is there; empty if there is none."""
    with suppress(OSError, ValueError):
        tree: dict[str, Any] = tomllib.loads(file.read_text("utf-8"))
        agi = tree.get("agi")
        if isinstance(agi, dict) and isinstance(agi.get("port"), int):
            return str(agi["port"])
    return ""
