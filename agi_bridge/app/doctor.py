"""Runs the doctor on a configuration: builds what it compares with, asks, and places its calls."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from agi_bridge.app import instaply
from agi_bridge.app.descriptors import raise_soft_limit
from agi_bridge.app.ledger import service_is_running
from agi_bridge.app.speech import build_silent_library, line_libraries
from agi_bridge.doctor import (
    ARRIVE_SECONDS,
    MEND_FIRST,
    Ear,
    Finding,
    Id,
    Level,
    Lines,
    LineSounds,
    Report,
    Situation,
    TestSound,
    connect,
    examine_pbx,
    fault,
    judge_service,
    not_looked_at,
    place_load,
    place_test_call,
    read_shipped,
)
from agi_bridge.net import is_loopback
from agi_bridge.observe import ask_kernel
from agi_bridge.prompts import required_names
from agi_bridge.shipped_files import share_path
from agi_bridge.speech import DIGIT_PROMPTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from agi_bridge.doctor import AmiLimits, AmiSession, CallStep, Clock, Context, Target
    from agi_bridge.settings import Line, Settings
    from agi_bridge.speech import Library

_ENDS: Final = 2
"""Connections of a test call: both its ends come to the ear."""
_OTHER_DESCRIPTORS: Final = 128
"""For the manager interface, the ledger, the hook and open files."""

_SAMPLE_SECONDS: Final = (0.5, 3.0)
"""How long the recording of a test call may be."""


@dataclass(frozen=True, slots=True)
class Trial:
    """The call to place.

    Attributes:
        target: where it goes.
        load: how many at once; 0: one, looked at step by step.
        host: the address at which the ear listens.
        port: its port; 0 picks a free one.
        arrive_seconds: how long the dialplan may take to hand a call to a bridge.
    """

    target: Target
    load: int = 0
    host: str = "127.0.0.1"
    port: int = 0
    arrive_seconds: float = ARRIVE_SECONDS


async def run(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    local: Callable[[], Sequence[Finding]],
    trial: Trial | None = None,
    limits: AmiLimits | None = None,
    clock: Clock | None = None,
    synchronised: Callable[[], bool] = ask_kernel,
) -> Report:
    """Look at everything.

    Args:
        settings: the configuration.
        environ: where `ami.secret` may be.
        local: looks at this machine; blocks, so it runs in a thread meanwhile.
        trial: the call to place; None: none.
        limits: deadlines for the PBX's answers.
        clock: time; replaced in tests.
        synchronised: whether a time service keeps this machine's clock.
    """
    looking = asyncio.ensure_future(asyncio.to_thread(local))
    service = await judge_service(settings, running=service_is_running(settings))
    found = [service]
    found += await instaply.examine(settings)
    steps: tuple[CallStep, ...] | None = None
    lines = await asyncio.to_thread(line_sounds, settings)
    situation = Situation(settings, lines, _shipped_dialplan(), synchronised)
    session, answers = await _connect(settings, environ, limits, clock)
    found += answers
    try:
        found += [finding async for finding in examine_pbx(session, situation)]
        if trial is not None:
            # A bridge that does not run is a finding already: the PBX is not made to look for it.
            ask_bridge = service.level is not Level.FAULT
            known = Lines(lines, partial(line_name, settings))
            more, steps = await _call(session, trial, known, ask_bridge=ask_bridge)
            found = [*(_unheard(found, more) if len(lines) == 1 else found), *more]
    finally:
        if session is not None:
            await session.close()
    return Report((*await looking, *found), steps)


def _shipped_dialplan() -> dict[str, Context]:
    folder = share_path("dialplan")
    names = ("agi-bridge-freepbx.conf", "agi-bridge.conf")
    return read_shipped("\n".join((folder / name).read_text(encoding="utf-8") for name in names))


def _unheard(found: Sequence[Finding], by_call: Sequence[Finding]) -> list[Finding]:
    """Leave out that recordings could not be looked at, if the test call has played them."""
    heard = any(each.id is Id.SOUNDS for each in by_call)
    unseen = (Id.SOUNDS, Level.NOT_LOOKED_AT)
    return [each for each in found if not heard or (each.id, each.level) != unseen]


async def _connect(
    settings: Settings,
    environ: Mapping[str, str],
    limits: AmiLimits | None,
    clock: Clock | None,
) -> tuple[AmiSession | None, list[Finding]]:
    secret = settings.ami.secret
    if secret is not None and (problem := secret.load(environ)) is not None:
        fix = "put the account's secret there, where this account can read it"
        return None, [fault(Id.PBX_LOGIN, f"ami.secret: {problem}", fix)]
    return await connect(settings, limits, clock)


def line_name(settings: Settings, number: str) -> str | None:
    """Return the name of the line that takes calls to a number, as the bridge decides it."""
    line = settings.line_for([number])
    return None if line is None else line.name


async def _call(
    session: AmiSession | None, trial: Trial, lines: Lines, *, ask_bridge: bool
) -> tuple[list[Finding], tuple[CallStep, ...]]:
    which = Id.LOAD if trial.load else Id.CALL
    if session is None:
        what = "the PBX was not asked, so no call was placed"
        return [not_looked_at(which, what, MEND_FIRST)], ()
    if session.lost is not None:
        what = "the PBX does not answer, so no call was placed"
        return [not_looked_at(which, what, MEND_FIRST)], ()
    if trial.load and (problem := _shortage(trial.load)) is not None:
        return [problem], ()
    allow = () if is_loopback(trial.host) else ("0.0.0.0/0", "::/0")  # the token lets in
    advertised = trial.host
    try:
        async with Ear(
            trial.host, trial.port, advertised=advertised, allow=allow, max_calls=2 * trial.load + 8
        ) as ear:
            if trial.load:
                found = await place_load(
                    session,
                    ear,
                    trial.target,
                    lines,
                    number=trial.load,
                    seconds=trial.arrive_seconds,
                )
                return found, ()
            return await place_test_call(
                session, ear, trial.target, lines, trial.arrive_seconds, ask_bridge=ask_bridge
            )
    except OSError as error:
        fix = "give --listen an address of this machine and a free port"
        return [fault(which, f"the ear cannot listen: {error.strerror}", fix)], ()


def _shortage(calls: int) -> Finding | None:
    """Raise the limit of file descriptors for so many calls; say so if that is not possible."""
    needed = _ENDS * calls + _OTHER_DESCRIPTORS
    allowed = raise_soft_limit(needed)
    if allowed >= needed:
        return None
    what = f"{calls} calls need {needed} file descriptors of this command, which may have {allowed}"
    fix = f"run ulimit -n {needed} before, or take a smaller number"
    return not_looked_at(Id.LOAD, what, fix)


def line_sounds(settings: Settings) -> tuple[LineSounds, ...]:
    """Return what each line plays. Blocks: every recording is read.

    Raises:
        BadPrompts: a folder of prompts cannot be used.
    """
    libraries = line_libraries(settings, build_silent_library(settings))
    return tuple(_sounds(settings, line, libraries[line.name]) for line in settings.lines.values())


def _sounds(settings: Settings, line: Line, library: Library) -> LineSounds:
    recordings = [
        library.prompt(name, language)
        for language in line.languages
        for name in required_names(line)
        if library.has(name, language)
    ]
    shortest, longest = _SAMPLE_SECONDS
    fitting = [each for each in recordings if shortest <= each.seconds <= longest]
    sample = min(fitting or recordings, key=lambda each: each.seconds)
    over_http = settings.speech.delivery == "http"
    elsewhere = settings.speech.pbx_prompts or settings.speech.pbx_recordings
    files: tuple[Path, ...] = ()
    if not over_http and not elsewhere:
        files = tuple(dict.fromkeys(each.wav for each in recordings))
    return LineSounds(
        line.name,
        line.did,
        line.languages,
        frozenset(
            language
            for language in line.languages
            if not all(library.has(name, language) for name in DIGIT_PROMPTS)
        ),
        files,
        # Over HTTP only the service knows a recording's URL: the call plays one of the PBX's own.
        TestSound("vm-goodbye", longest, 1)
        if over_http
        else TestSound(sample.path, sample.seconds, sample.samples),
    )
