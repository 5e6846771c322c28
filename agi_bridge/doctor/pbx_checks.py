"""Findings about the PBX itself: version, modules, clock, sounds, and what it logs."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final

from agi_bridge.doctor.findings import Id, fault, not_looked_at, note, ok
from agi_bridge.doctor.numbers import template_endpoint
from agi_bridge.doctor.pbx_sounds import find_data_folder, has_sound, process_account, readable_by
from agi_bridge.settings import DialDefault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from agi_bridge.doctor.findings import Finding
    from agi_bridge.doctor.line_sounds import LineSounds
    from agi_bridge.doctor.pbx import Pbx
    from agi_bridge.settings import Settings

OLDEST: Final = 18
"""The oldest version that its makers, or a distribution, still keep."""
WORKS: Final = 16
"""The oldest version that the tests place calls on."""

MODULES: Final = (
    "res_agi",
    "app_dial",
    "app_playback",
    "app_stack",
    "func_strings",
    "func_uri",
    "func_channel",
    "func_logic",
    "func_dialplan",
    "func_callerid",
    "app_exec",
    "app_verbose",
    "format_wav",
    "bridge_simple",
)
"""What agi-bridge.conf and the dialogue use: recordings are WAV files, and a connected caller is in
a bridge of two."""

_PJSIP_MODULES: Final = (
    "chan_pjsip",
    "res_pjsip_session",
    "res_pjsip_sdp_rtp",
    "res_rtp_asterisk",
)
"""What a call over a PJSIP endpoint needs; the endpoint itself is shown without them."""

_CODECS: Final = frozenset({"ulaw", "alaw", "g722", "gsm"})
"""Codecs with a module that is named after them: without it the PBX cannot play a recording."""

TEST_CALL_MODULE: Final = "app_senddtmf"
"""What only the test call uses."""

_HTTP_MODULES: Final = ("res_curl", "res_http_media_cache")
_DRIFT: Final = 5.0
"""Seconds by which the PBX's clock may differ from this machine's."""
_TRUE: Final = frozenset({"yes", "true", "y", "t", "1", "on"})
_APOLOGY: Final = "vm-nobodyavail&vm-goodbye"
_FORMAT: Final = re.compile(r"^\s*\[[^\]]*\]")
"""How a log is written, before its levels: `[json]notice,dtmf`."""
_VERSION: Final = re.compile(r"(\d{1,3})(?:\.\d{1,3})*")


async def version(pbx: Pbx) -> AsyncIterator[Finding]:
    """Judge the version of Asterisk."""
    given = (await pbx.settings()).get("AsteriskVersion", "")
    found = _VERSION.search(given)
    text = found[0] if found else given
    number = int(found[1]) if found else None
    fix = "install Asterisk 20 or 22"
    if number is None:
        yield note(Id.PBX_VERSION, f"the version {text!r} is not known", fix)
    elif number < WORKS:
        yield fault(Id.PBX_VERSION, f"Asterisk {text} is too old", fix)
    elif number < OLDEST:
        what = f"Asterisk {text} works, and its makers no longer keep it"
        yield note(Id.PBX_VERSION, what, fix, why="Its known security holes stay open.")
    else:
        yield ok(Id.PBX_VERSION, f"Asterisk {text}")


async def modules(pbx: Pbx, settings: Settings) -> AsyncIterator[Finding]:
    """Look whether the modules that calls need are loaded."""
    http = _HTTP_MODULES if settings.speech.delivery == "http" else ()
    records = ("func_cdr",) if settings.agi.cdr_field else ()
    pjsip = _PJSIP_MODULES if _uses_pjsip(settings) else ()
    wanted = (*MODULES, *pjsip, *http, *records, *await _codec_modules(pbx, settings))
    missing = [name for name in wanted if not await pbx.has_module(name)]
    if missing:
        what = f"not loaded: {', '.join(missing)}"
        load = f"asterisk -rx 'module load {missing[0]}.so'"
        yield fault(Id.PBX_MODULES, what, f"add `load = {missing[0]}.so` to modules.conf; {load}")
    else:
        yield ok(Id.PBX_MODULES, f"all {len(wanted)} modules are loaded")


def _uses_pjsip(settings: Settings) -> bool:
    """Whether a line dials by PJSIP, or its default destination does."""
    return any(
        destination.upper().startswith("PJSIP/")
        for line in settings.lines.values()
        for destination in (
            line.dial_template,
            *(line.default.destination.split("&") if isinstance(line.default, DialDefault) else ()),
        )
    )


async def _codec_modules(pbx: Pbx, settings: Settings) -> list[str]:
    """Return the modules of the codecs that the trunks of the lines allow."""
    names = dict.fromkeys(template_endpoint(line.dial_template) for line in settings.lines.values())
    endpoints = [await pbx.endpoint(name) for name in names if name]
    allowed = {codec for each in endpoints if each is not None for codec in each.codecs}
    return [f"codec_{codec}" for codec in sorted(allowed & _CODECS or {"ulaw"})]


async def clock(
    pbx: Pbx | None,
    synchronised: Callable[[], bool],
    now: Callable[[], float] = time.time,
) -> AsyncIterator[Finding]:
    """Judge this machine's clock, and compare the PBX's with it."""
    sound = synchronised()
    theirs = None if pbx is None else await pbx.clock()
    if not sound:
        what = "the kernel says that no time service keeps this machine's clock"
        yield note(Id.CLOCK, what, "install chrony, or run timedatectl set-ntp true")
    if theirs is None:
        if sound:
            yield ok(Id.CLOCK, "kept by a time service")
        return
    off = theirs - now()
    if abs(off) > _DRIFT:
        what = f"the PBX's clock differs from this machine's by {abs(off):.0f} s"
        why = "The times of the PBX's logs and of the consent records do not match."
        yield note(Id.CLOCK, what, "synchronise both machines with NTP", why=why)
    elif sound:
        yield ok(Id.CLOCK, "kept by a time service; the PBX's agrees")


async def danger(pbx: Pbx) -> AsyncIterator[Finding]:
    """Look for settings of the PBX that expose customers' numbers, or the PBX."""
    options = dict((await pbx.file("asterisk.conf") or {}).get("options", ()))
    found = False
    if options.get("live_dangerously", "no").lower() in _TRUE:
        found = True
        yield fault(
            Id.DANGER,
            "live_dangerously is on in asterisk.conf",
            "remove it, and restart Asterisk",
            about="asterisk.conf",
            why="Anyone who can set a variable from outside can run programs on the PBX.",
        )
    logger = await pbx.file("logger.conf") or {}
    for name, levels in logger.get("logfiles", ()):
        plain = _FORMAT.sub("", levels)
        words = {word.strip().lower().partition("(")[0] for word in plain.split(",")}
        if words & {"dtmf", "*"}:
            found = True
            what = f"{name} logs every key that callers press (level dtmf)"
            fix = f"take dtmf out of {name} in logger.conf, run asterisk -rx 'logger reload',"
            yield fault(Id.DANGER, what, f"{fix} and delete the log", about="logger.conf")
        elif "verbose" in words and name not in {"console", "syslog.local0"}:
            found = True
            what = f"{name} logs dialled numbers and AGI URLs with their token (level verbose)"
            fix = f"take verbose out of {name} in logger.conf, unless this is a test PBX"
            yield note(Id.DANGER, what, fix, about="logger.conf")
    if not found:
        yield ok(Id.DANGER, "neither live_dangerously nor keys in a log")


async def cdr(pbx: Pbx, settings: Settings) -> AsyncIterator[Finding]:
    """Say whether the PBX writes call detail records."""
    field = settings.agi.cdr_field
    if (await pbx.settings()).get("CoreCDRenabled", "").lower() != "yes":
        if field:
            what = f"agi.cdr_field is {field!r}, but call detail records are off"
            fix = "set enable = yes in cdr.conf, or remove agi.cdr_field"
            yield note(Id.CDR, what, fix, why="No record of the PBX names the consent of a call.")
        else:
            yield ok(Id.CDR, "call detail records are off")
    else:
        fix = "delete them in time, as you promise your customers"
        yield note(Id.CDR, "call detail records are on", fix)


async def sounds(
    pbx: Pbx, settings: Settings, lines: Sequence[LineSounds]
) -> AsyncIterator[Finding]:
    """Look for digits, apologies and our prompts, where the PBX's files are on this machine."""
    data = find_data_folder(settings.ami.host, await pbx.file("asterisk.conf"))
    account = process_account() if data is not None else None
    if data is None:
        what = "the PBX's files are not on this machine"
        fix = "run agi-bridge doctor --call: the PBX then plays them"
        yield not_looked_at(Id.SOUNDS, what, fix)
        return
    apology = await apology_of(pbx)
    problems = 0
    for language, names in wanted_sounds(lines, apology).items():
        if missing := [name for name in names if not has_sound(data, language, name)]:
            problems += 1
            yield missing_sounds(language, missing)
    for line in lines:
        path = line.unreadable(lambda file: account is None or readable_by(account, file))
        if path is not None:
            problems += 1
            yield unreadable(line, path)
    if not problems:
        yield ok(Id.SOUNDS, f"digits, apologies and prompts in {_languages(lines)}")


async def apology_of(pbx: Pbx) -> str:
    """Return what the dialplan plays if nobody can be reached: names joined by `&`."""
    return await pbx.variable("AGI_BRIDGE_APOLOGY") or _APOLOGY


def wanted_sounds(lines: Sequence[LineSounds], apology: str) -> Mapping[str, list[str]]:
    """Return the recordings of the PBX that callers need, by language."""
    wanted: dict[str, list[str]] = {}
    for line in lines:
        for language in line.languages:
            names = wanted.setdefault(language, [name for name in apology.split("&") if name])
            if language in line.digits_from_pbx and "digits/0" not in names:
                names += [f"digits/{digit}" for digit in range(10)]
    return wanted


def missing_sounds(language: str, names: Sequence[str]) -> Finding:
    """Say which recordings the PBX lacks in a language."""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004 - how many names fit on a line
    what = f"the PBX has no recording of {shown} in {language!r}"
    fix = f"install the PBX's sounds for it (asterisk-core-sounds-{language})"
    if any(name.startswith("digits/") for name in names):
        fix += ", or record digit-0 to digit-9 (docs/prompts.md)"
    return fault(Id.SOUNDS, what, fix, about=language)


def unreadable(line: LineSounds, path: Path | str) -> Finding:
    """Say that the PBX cannot read a prompt of a line."""
    what = f"the PBX's account cannot read {path}"
    fix = "put that account into a group that may read the folder, or chmod -R o+rX it"
    return fault(Id.SOUNDS, what, fix, about=f"lines.{line.name}")


def _languages(lines: Sequence[LineSounds]) -> str:
    return ", ".join(dict.fromkeys(each for line in lines for each in line.languages)) or "none"
