"""Asks the PBX everything, in order, and turns what cannot be asked into findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agi_bridge.doctor import dialplan_checks, endpoint_checks, pbx_checks
from agi_bridge.doctor.ami import AmiError, AmiLimits, AmiSession, Clock, RealClock
from agi_bridge.doctor.findings import Finding, Id, fault, not_looked_at, note, ok
from agi_bridge.doctor.pbx import MissingRightError, Pbx
from agi_bridge.net import is_loopback
from agi_bridge.shipped_files import share_path

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from agi_bridge.doctor.line_sounds import LineSounds
    from agi_bridge.doctor.pbx import Context
    from agi_bridge.settings import Settings

_MANAGER_CONF: Final = f"{share_path('asterisk-conf')}/manager.conf shows the account"
MEND_FIRST: Final = "see pbx-reach and pbx-login, and run the doctor again"
"""The fix of what could not be looked at because the PBX does not answer."""
_PBX_IDS: Final = (
    Id.PBX_VERSION,
    Id.PBX_MODULES,
    Id.DIALPLAN_CONTEXTS,
    Id.DIALPLAN_URL,
    Id.DIALPLAN_DID,
    Id.FALLBACK,
    Id.DEFAULT_DESTINATION,
    Id.DIAL_TEMPLATE,
    Id.SOUNDS,
    Id.DANGER,
    Id.CDR,
)
"""What only the PBX can answer, in the order of asking."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the doctor judges the PBX by.

    Attributes:
        settings: the configuration, with `ami.secret` read.
        lines: what each line plays.
        shipped: the contexts of the shipped dialplan.
        synchronised: whether a time service keeps this machine's clock.
    """

    settings: Settings
    lines: Sequence[LineSounds]
    shipped: Mapping[str, Context]
    synchronised: Callable[[], bool]


async def connect(
    settings: Settings, limits: AmiLimits | None = None, clock: Clock | None = None
) -> tuple[AmiSession | None, list[Finding]]:
    """Log in to the PBX; return the session, or None, and what is to say about it."""
    ami = settings.ami
    if ami.secret is None:
        what = "ami.secret is not set, so the PBX is not asked"
        fix = f"add an account to the PBX's manager.conf ({_MANAGER_CONF}) and set ami.secret"
        return None, [not_looked_at(Id.PBX_REACH, what, fix)]
    try:
        session = await AmiSession.open(
            ami.host,
            ami.port,
            ami.user,
            ami.secret.reveal(),
            limits=limits,
            clock=clock or RealClock(),
        )
    except AmiError as error:
        if error.code == "login":
            fix = (
                "correct ami.user and ami.secret, or the account's secret and permit lines in"
                " manager.conf; then asterisk -rx 'manager reload'"
            )
            return None, [fault(Id.PBX_LOGIN, str(error), fix)]
        return None, [lost(error)]
    place = f"{ami.host} port {ami.port}"
    found = [ok(Id.PBX_REACH, f"{place} answers"), ok(Id.PBX_LOGIN, f"as {ami.user}")]
    if not is_loopback(ami.host):
        what = f"the secret crosses the network to {ami.host} unencrypted"
        fix = "reach the PBX over a private network or a tunnel"
        found.append(note(Id.PBX_LOGIN, what, fix, why="Anyone who reads it can place calls."))
    return session, found


def lost(error: AmiError) -> Finding:
    """Say that the PBX's manager interface does not do."""
    fix = {
        "refused": f"enable AMI in manager.conf ({_MANAGER_CONF}); correct ami.host and ami.port",
        "unreachable": "correct ami.host, or open the firewall for this machine",
        "not_ami": "correct ami.port: another program listens there",
        "login": "see manager.conf",
    }.get(
        error.code, "see whether Asterisk hangs: asterisk -rx 'core show uptime'; restart it if so"
    )
    return fault(Id.PBX_REACH, str(error), fix)


async def examine_pbx(session: AmiSession | None, situation: Situation) -> AsyncIterator[Finding]:
    """Ask the PBX everything; without a session, only what this machine knows."""
    settings, lines = situation.settings, situation.lines
    pbx = None if session is None else Pbx(session)
    if pbx is None:
        for each in _unasked(_PBX_IDS, "the PBX was not asked"):
            yield each
        async for finding in pbx_checks.clock(None, situation.synchronised):
            yield finding
        return
    asked: dict[Id, AsyncIterator[Finding]] = {
        Id.PBX_VERSION: pbx_checks.version(pbx),
        Id.PBX_MODULES: pbx_checks.modules(pbx, settings),
        Id.DIALPLAN_CONTEXTS: dialplan_checks.contexts(pbx, situation.shipped),
        Id.DIALPLAN_URL: dialplan_checks.url(pbx, settings),
        Id.DIALPLAN_DID: dialplan_checks.dids(pbx, settings),
        Id.FALLBACK: endpoint_checks.fallback(pbx, settings),
        Id.DEFAULT_DESTINATION: endpoint_checks.defaults(pbx, settings),
        Id.DIAL_TEMPLATE: endpoint_checks.trunks(pbx, settings),
        Id.SOUNDS: pbx_checks.sounds(pbx, settings, lines),
        Id.DANGER: pbx_checks.danger(pbx),
        Id.CDR: pbx_checks.cdr(pbx, settings),
        Id.CLOCK: pbx_checks.clock(pbx, situation.synchronised),
    }
    unlooked = dict.fromkeys(asked)
    try:
        for which, findings in asked.items():
            try:
                async for finding in findings:
                    yield finding
            except MissingRightError as missing:
                yield _needs(which, missing)
            del unlooked[which]
    except AmiError as error:
        yield lost(error)
        del unlooked[Id.CLOCK]  # the last one, so it was not reached; this machine's is known
        for each in _unasked(unlooked, "the PBX did not answer"):
            yield each
        async for finding in pbx_checks.clock(None, situation.synchronised):
            yield finding


def _needs(which: Id, missing: MissingRightError) -> Finding:
    fix = f"add {missing.right} to `write` of the account in manager.conf"
    return not_looked_at(which, f"needs {missing.right}", fix)


def _unasked(
    which: Iterator[Id] | Sequence[Id] | Mapping[Id, None], what: str
) -> Iterator[Finding]:
    for each in which:
        yield not_looked_at(each, what, MEND_FIRST)
