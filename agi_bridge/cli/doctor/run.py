"""Runs `agi-bridge doctor`: reads its options, runs it, prints its report."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING, Final

from agi_bridge.app import doctor
from agi_bridge.cli.common import FAILED, OK, UsageError, load
from agi_bridge.cli.common import run as run_async
from agi_bridge.cli.doctor.local import look
from agi_bridge.cli.doctor.screen import ReportAnswer
from agi_bridge.cli.output import print_answer
from agi_bridge.doctor import Target
from agi_bridge.net import is_loopback
from agi_bridge.observe import configure_logging

if TYPE_CHECKING:
    from pathlib import Path

_TARGET: Final = re.compile(r"(?P<did>\+?[0-9*#]{1,40}|s)@(?P<context>[A-Za-z0-9_.*#+-]{1,79})")
_LISTEN: Final = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:]+)\]|(?P<four>[0-9.]+))(?::(?P<port>\d{1,5}))?"
)


def parse_trial(call: str, listen: str, load_calls: int) -> doctor.Trial | None:
    """Read the options of the test call.

    Raises:
        UsageError: one is not valid, or needs another.
    """
    if not call:
        if listen or load_calls:
            raise UsageError("--listen and --load need --call DID@CONTEXT")
        return None
    target = _TARGET.fullmatch(call)
    if target is None:
        raise UsageError("--call: write DID@CONTEXT, like +14155550111@from-trunk")
    host, port = "127.0.0.1", 0
    if listen:
        found = _LISTEN.fullmatch(listen)
        if found is None or int(found["port"] or 0) > 65535:  # noqa: PLR2004 - the last port
            raise UsageError("--listen: write ADDRESS or ADDRESS:PORT, like 192.0.2.20:4574")
        host, port = found["six"] or found["four"], int(found["port"] or 0)
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - refused
            raise UsageError("--listen: write the one address that the PBX connects to")
    return doctor.Trial(Target(target["did"], target["context"]), load_calls, host, port)


def run(config: Path | None, trial: doctor.Trial | None, *, as_json: bool) -> int:
    """Run the doctor, print its report, and return the exit code."""
    settings = load(config)
    configure_logging("error")  # what the ear notes about strangers is not the answer
    if trial is not None and trial.host == "127.0.0.1" and not is_loopback(settings.ami.host):
        raise_usage = "--call: the PBX is another machine: add --listen with an address it reaches"
        return _misused(raise_usage)
    work = doctor.run(settings, os.environ, local=partial(look, settings, os.environ), trial=trial)
    answer = ReportAnswer(run_async(work))
    print_answer(answer, as_json=as_json)
    return OK if answer.ok else FAILED


def _misused(problem: str) -> int:
    import typer  # noqa: PLC0415 - only for an error

    from agi_bridge.cli.common import MISUSED  # noqa: PLC0415 - keeps `--help` fast

    typer.echo(f"agi-bridge: {problem}", err=True)
    return MISUSED
