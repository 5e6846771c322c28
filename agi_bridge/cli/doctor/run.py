"""Runs `agi-bridge doctor`: reads its options, runs it, prints its report."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from agi_bridge.app import doctor
from agi_bridge.app.doctor_report import keep_report
from agi_bridge.cli.common import UsageError, answer, load
from agi_bridge.cli.doctor.local import look
from agi_bridge.cli.doctor.screen import ReportAnswer
from agi_bridge.doctor import Target
from agi_bridge.net import is_loopback
from agi_bridge.observe import configure_logging

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.settings import Settings

_TARGET: Final = re.compile(r"(?P<did>\+?[0-9*#]{1,40}|s)@(?P<context>[A-Za-z0-9_.*#+-]{1,79})")
_LISTEN: Final = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:]+)\]|(?P<four>[0-9.]+))(?::(?P<port>\d{1,5}))?"
    r"|(?P<bare>[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*)"
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
            raise UsageError(
                "--listen: write ADDRESS or ADDRESS:PORT, like 192.0.2.20:4574 or"
                " [2001:db8::1]:4574"
            )
        host = found["six"] or found["four"] or found["bare"]
        port = int(found["port"] or 0)
        if host in {"0.0.0.0", "::"}:  # noqa: S104 - refused
            raise UsageError("--listen: write the one address that the PBX connects to")
    return doctor.Trial(Target(target["did"], target["context"]), load_calls, host, port)


def run(config: Path | None, trial: doctor.Trial | None, *, as_json: bool) -> None:
    """Run the doctor, print its report, and exit with its code.

    Raises:
        UsageError: the options do not fit the configuration.
    """
    settings = load(config)
    configure_logging("error")  # what the ear notes about strangers is not the answer
    if trial is not None and is_loopback(trial.host) and not is_loopback(settings.ami.host):
        raise UsageError(
            "--call: the PBX is another machine: add --listen with an address it reaches"
        )
    answer(_examined(settings, trial), as_json=as_json)


async def _examined(settings: Settings, trial: doctor.Trial | None) -> ReportAnswer:
    local = partial(look, settings, os.environ)
    report = await doctor.run(settings, os.environ, local=local, trial=trial)
    with suppress(OSError):  # the console shows it; an account that may not write there does not
        await asyncio.to_thread(keep_report, settings.state_dir, report)
    return ReportAnswer(report)
