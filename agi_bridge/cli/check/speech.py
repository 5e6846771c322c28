"""Checks `[speech]`: whether the PBX can read the recordings, and the engines can speak."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agi_bridge.app.findings import Finding, Level, secret
from agi_bridge.net import is_loopback
from agi_bridge.settings import CommandSettings, HttpSettings, PbxSettings
from agi_bridge.speech import SHIPPED, BadEngine, build_engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from agi_bridge.settings import EngineSettings, Settings


def look(settings: Settings, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the findings about `[speech]`."""
    speech = settings.speech
    if speech.delivery == "http":
        yield from _over_http(settings)
    else:
        yield _as_files("prompts", speech.prompts or SHIPPED, speech.pbx_prompts)
        if speech.recordings is not None:
            yield _as_files("recordings", speech.recordings, speech.pbx_recordings)
    for place, given in enumerate(speech.engines, start=1):
        yield from _engine(f"speech.engines.{place}", given, environ)
    if not speech.engines:
        text = "none configured: texts without a recording are not spoken"
        yield Finding(Level.OK, "speech.engines", text)
        return
    if all(isinstance(given, PbxSettings) for given in speech.engines):
        return
    if speech.delivery == "files" and not speech.pbx_cache:
        yield _open_to_pbx("speech.pbx_cache", settings.speech_cache, ())


def _over_http(settings: Settings) -> Iterator[Finding]:
    url, web = settings.speech.url, settings.web
    host = urlsplit(url).hostname or ""
    text = f"the PBX fetches recordings from {url}, which must reach {web.host} port {web.port}"
    yield Finding(Level.OK, "speech.delivery", text)
    text = "Asterisk before 18.18 and 20.3 fetches without a timeout: callers may wait for minutes"
    fix = (
        "use 18.18, 20.3, 21 or later, with timeout_secs = 2 in res_http_media_cache.conf "
        "(docs/speech-http.md)"
    )
    yield Finding(Level.NOTE, "speech.delivery", text, fix, "pbx_version")
    if is_loopback(host):
        text = f"{host} is this machine: a PBX on another machine cannot fetch from it"
        yield Finding(
            Level.NOTE, "speech.url", text, "write an address that the PBX can reach", "loopback"
        )
    elif is_loopback(web.host):
        text = f"web.host is {web.host}: only this machine can connect"
        fix = f"forward to it from a reverse proxy at {host}"
        yield Finding(Level.NOTE, "speech.url", text, fix, "proxy")


def _as_files(name: str, place: Path, seen_as: str) -> Finding:
    key = f"speech.{name}"
    if not place.is_dir():
        text = f"{place} does not exist: no recording is played from it"
        return Finding(Level.NOTE, key, text, reason="missing")
    if seen_as:
        return Finding(Level.OK, key, f"{place}, which the PBX must see as {seen_as}")
    files = [*place.glob("*/*.wav")]
    return _open_to_pbx(key, place, [*files, *{file.parent for file in files}])


def _open_to_pbx(key: str, place: Path, files: Iterable[Path]) -> Finding:
    """Whether another account, such as the PBX's, can read the files of a folder."""
    way = [part for part in (place, *place.parents) if part.exists()]
    shut = [part for part in way if not part.stat().st_mode & stat.S_IXOTH]
    shut += [file for file in files if not file.stat().st_mode & stat.S_IROTH]
    if shut:
        text = f"other accounts cannot read {shut[-1]}; Asterisk's account may be one of them"
        return Finding(
            Level.NOTE,
            key,
            text,
            "share a group with that account, or make it readable for all",
            "closed",
        )
    return Finding(Level.OK, key, f"every account can read {place}")


def _engine(key: str, given: EngineSettings, environ: Mapping[str, str]) -> Iterator[Finding]:
    match given:
        case CommandSettings():
            yield _program(f"{key}.command", given.command[0], environ)
        case PbxSettings():
            test = f"asterisk -rx 'core show application {given.command[0]}'"
            text = f"{given.command[0]}; to see whether the PBX has it: {test}"
            yield Finding(Level.OK, f"{key}.command", text)
        case HttpSettings():
            text = (
                f"{urlsplit(given.url).hostname}, not contacted; it receives the texts callers hear"
            )
            yield Finding(Level.OK, f"{key}.url", text)
            if given.key is not None:
                yield from secret(f"{key}.key", given.key)
        case _:
            yield _model(key, given)


def _program(key: str, name: str, environ: Mapping[str, str]) -> Finding:
    program = shutil.which(name, path=environ.get("PATH", os.defpath))
    if program is None:
        text = f"program {name!r} not found"
        return Finding(Level.FAULT, key, text, "install it, or write its full path", "not_found")
    return Finding(Level.OK, key, program)


def _model(key: str, given: EngineSettings) -> Finding:
    """Build the engine, which looks for its packages and reads the model's files."""
    try:
        made = build_engine(given.spec())
    except BadEngine as error:
        return Finding(Level.FAULT, f"{key}.{error.field}", error.problem, reason="unusable")
    except OSError as error:
        text = f"cannot read a file of the model ({error.strerror})"
        return Finding(Level.FAULT, key, text, reason="unreadable")
    languages = ", ".join(sorted(made.languages))
    return Finding(Level.OK, key, f"{made.name} speaks {languages}: packages and files found")
