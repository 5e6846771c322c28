"""Rules that involve several tables, prompts or lines.

They run on the tables that are valid, so that a fault in one table does not hide one in another.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from agi_bridge.speech import (
    OPT_OUT_PROMPTS,
    RETURNING_PROMPTS,
    TEXTS,
    WIDE,
    BadPrompts,
    BadScript,
    Library,
    LineVariables,
    PromptFolder,
    Script,
    menu_key,
)

from .console_rules import check_console
from .dialling import check_dialling
from .errors import Fault
from .line import SayDefault

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from agi_bridge.speech import Recording

    from .dids import DidIndex
    from .line import Line
    from .partial import PartialSettings
    from .secret import Secret
    from .sections import AgiSettings, WebSettings
    from .speech import SpeechSettings

_ASKS_FOR_YES = re.compile(r"\b(?:YES|S[IÍ]|OUI)\b").search
"""A first text that asks for a reply names it in capitals, in any of the languages."""

DIALOGUE_SECONDS = 600
"""Seconds that the consent dialogue may take, besides ringing and talking."""


def check_lines(fallback: object, lines: Collection[str]) -> Iterator[Fault]:
    """Check that there is a line, and that the fallback line is one of `lines` (their names)."""
    if not lines:
        fix = "add a table [lines.NAME]; agi-bridge.example.toml shows one"
        yield Fault("lines", "is empty, so no call can be served", fix, "missing")
    elif isinstance(fallback, str) and fallback not in lines:
        fix = f"name one of {', '.join(sorted(lines))}"
        yield Fault("fallback_line", "names a line that does not exist", fix, "unknown_line")


def check_cross_table(partial: PartialSettings, index: DidIndex) -> Iterator[Fault]:
    """Yield what is wrong between the tables that could be read."""
    for first, second in index.clashes:
        yield Fault(
            f"lines.{second.name}.did",
            f"contains a number of lines.{first.name}.did",
            "assign each number to one line",
            "taken",
        )
    agi, web = partial.agi, partial.web
    if partial.hook is None or partial.hook.kind == "instaply":
        yield from _keyed(partial.lines)
    if agi is not None:
        yield from _long_enough(agi, partial.lines)
    yield from _ports_apart(partial)
    if partial.console is not None and partial.console.enabled:
        yield from check_console(partial.console)
    if web is not None and web.port == 0 and partial.over_http:
        what = "is 0, but speech.url needs a fixed port"
        yield Fault("web.port", what, "set a port number", "missing")
    yield from _one_brand(partial.lines)
    if web is not None:
        yield from _replies(web, partial.lines)
    for line in partial.lines.values():
        yield from check_dialling(line)


def _keyed(lines: Mapping[str, Line]) -> Iterator[Fault]:
    """Instaply's hook knows the business by its key."""
    for line in lines.values():
        if line.hook_key is None:
            fix = 'write {file = "/path"} with the key that Instaply gave you'
            yield Fault(f"lines.{line.name}.hook_key", "is missing", fix, "missing")


def _one_brand(lines: Mapping[str, Line]) -> Iterator[Fault]:
    """A STOP to a business revokes for its brand, so a business has only one."""
    brands: dict[str, Line] = {}
    for line in lines.values():
        if line.business_id:
            first = brands.setdefault(line.business_id, line)
            if first.brand != line.brand:
                yield Fault(
                    f"lines.{line.name}.business_id",
                    f"is the same as lines.{first.name}.business_id, but the brands differ",
                    "give each brand its own business_id, or leave both empty",
                    "taken",
                )


def _replies(web: WebSettings, lines: Mapping[str, Line]) -> Iterator[Fault]:
    """Check that a YES that a line waits for is asked for, and can arrive."""
    for line in lines.values():
        if not line.consent.confirm_by_reply:
            continue
        key = f"lines.{line.name}"
        what = f"is not set, but {key}.consent.confirm_by_reply needs it"
        if web.instaply_token is None:
            fix = "set it, so that a YES by text arrives (docs/revocation.md)"
            yield Fault("web.instaply_token", what, fix, "missing")
        if web.customers is None and web.instaply_api_token is None:
            fix = "set it or web.instaply_api_token: one tells the number of a YES by text"
            yield Fault("web.customers", what, fix, "missing")
        if not _ASKS_FOR_YES(line.workflow.sample):
            what = "does not ask for a YES, but consent.confirm_by_reply waits for one"
            fix = 'write the first text as the platform sends it, with "Reply YES to agree"'
            yield Fault(f"{key}.workflow.sample", what, fix, "reply")


def _ports_apart(partial: PartialSettings) -> Iterator[Fault]:
    """Yield a fault for each listener with the port of another."""
    agi, web = partial.agi, partial.web
    status, console = partial.status, partial.console
    ports = {"agi.port": 0 if agi is None else agi.port}
    if web is not None and partial.web_listens:
        ports["web.port"] = web.port
    if status is not None and status.enabled:
        ports["status.port"] = status.port
    if console is not None and console.enabled:
        ports["console.port"] = console.port
    taken: dict[int, str] = {}
    for key, port in ports.items():
        if port and port in taken:
            fix = "give each listener its own port"
            yield Fault(key, f"is the same as {taken[port]}", fix, "taken")
        taken.setdefault(port, key)


def _long_enough(agi: AgiSettings, lines: Mapping[str, Line]) -> Iterator[Fault]:
    for line in lines.values():
        needed = line.talk_seconds + line.ring_seconds + DIALOGUE_SECONDS
        if line.dial == "exec" and agi.max_call_seconds < needed:
            yield Fault(
                "agi.max_call_seconds",
                f"would end calls that lines.{line.name}.talk_seconds allows",
                f"make it at least {needed}, or reduce talk_seconds",
                "too_small",
            )


def check_prompts(partial: PartialSettings) -> Iterator[Fault]:
    """Check that every prompt a call may need exists in every language of its line."""
    speech = partial.speech
    if speech is None:
        return
    yield from _worded(speech, partial.lines.values())
    key, folder = "speech.prompts", speech.shared.path
    try:
        # Nothing is rendered here, so the cache is never touched.
        library = Library(speech.prompts, cache=Path(os.devnull))
        if speech.recordings is not None:
            key, folder = "speech.recordings", speech.recordings
            library.with_overrides(PromptFolder(folder))
    except BadPrompts as error:
        converts = f"agi-bridge prompts import {folder} --line NAME --convert"
        fix = f"run agi-bridge prompts check; {converts} converts sounds"
        yield from (Fault(key, problem, fix, "unusable") for problem in error.problems)
        return
    for line in partial.lines.values():
        try:
            own = library.with_overrides(*speech.layers(line.name, partial.speech_cache))
        except BadPrompts as error:
            fix = f"render them again: agi-bridge prompts render --line {line.name} --force"
            key = f"lines.{line.name}"
            yield from (Fault(key, problem, fix, "prompts") for problem in error.problems)
        else:
            yield from _recorded(own, line)


def _worded(speech: SpeechSettings, lines: Iterable[Line]) -> Iterator[Fault]:
    """Check the script, and the texts of lines that replace its texts."""
    try:
        script = Script(speech.script)
    except BadScript as error:
        fix = f"compare with {TEXTS}"
        key = "speech.script"
        yield from (Fault(key, problem, fix, "unusable") for problem in error.problems)
        return
    for line in lines:
        for language, texts in line.texts.items():
            key = f"lines.{line.name}.texts.{language}"
            if language not in line.languages:
                fix = "add it there, or remove the texts"
                yield Fault(key, f"is not in lines.{line.name}.languages", fix, "language")
                continue
            words = LineVariables(line.brand, line.policy_url, line.texts, line.mailing_address)
            try:
                script.texts(words, [language], texts)
            except BadScript as error:
                fix = "docs/speech.md lists what a text may contain"
                yield from (Fault(key, problem, fix, "unusable") for problem in error.problems)


def _recorded(library: Library, line: Line) -> Iterator[Fault]:
    key = f"lines.{line.name}"
    menu: set[str | None] = set()
    for language in line.languages:
        if missing := library.missing(language):
            what = f"{language!r} has no recording of {', '.join(missing)}"
            fix = f"record them, or use one of {', '.join(sorted(library.languages))}"
            yield Fault(f"{key}.languages", what, fix, "missing_prompts")
            continue
        named = {f"{key}.disclosure": line.disclosure}
        if isinstance(line.default, SayDefault):
            named[f"{key}.default.prompt"] = line.default.prompt
        for setting, prompt in named.items():
            if not library.has(prompt, language):
                what = f"is not recorded in {language!r}"
                fix = f"record it, or remove {language!r} from {key}.languages"
                yield Fault(setting, what, fix, "missing_prompts")
            elif prompt == line.disclosure:
                yield from _heard_out(library.prompt(prompt, language), setting)
        if line.consent.opt_out_key:
            name = f"{key}.consent.opt_out_key"
            yield from _has_prompts(library, OPT_OUT_PROMPTS, name, language)
        if line.consent.returning == "skip":
            name = f"{key}.consent.returning"
            yield from _has_prompts(library, RETURNING_PROMPTS, name, language)
        pressed = menu_key(library.prompt("language-menu-item", language).text)
        if len(line.languages) > 1 and (pressed is None or pressed in menu):
            what = f"the menu prompt of {language!r} does not name a unique key"
            fix = "record language-menu-item with another digit in its text"
            yield Fault(f"{key}.languages", what, fix, "menu_key")
        menu.add(pressed)


def _heard_out(disclosure: Recording, key: str) -> Iterator[Fault]:
    """Check that Asterisk counts the heard part of a disclosure in samples of 8 kHz.

    It plays a `.wav16` to callers with HD voice and counts twice as many samples: half of the words
    would count as all of them.
    """
    wide = disclosure.wav.with_suffix(WIDE)
    if wide.exists():
        what = f"has a {WIDE} file beside it, of which half would count as all"
        yield Fault(key, what, f"delete {wide}", "wide")


def _has_prompts(
    library: Library, prompts: Iterable[str], key: str, language: str
) -> Iterator[Fault]:
    """Check that the prompts that a setting needs are recorded."""
    for prompt in prompts:
        if not library.has(prompt, language):
            what = f"needs the prompt {prompt!r}, which is not recorded in {language!r}"
            fix = "record it, or leave the setting at its default"
            yield Fault(key, what, fix, "missing_prompts")


def load_secrets(places: Mapping[str, Secret], environ: Mapping[str, str]) -> Iterator[Fault]:
    """Load every secret, given by its setting's name; yield a fault for each that failed."""
    for key, secret in places.items():
        problem = secret.load(environ)
        if problem is not None:
            fix = "put the secret there, where this account can read it"
            if secret.credential is not None:
                fix = (
                    f"write LoadCredential={secret.credential}:/path into the service's unit; run"
                    " other commands with it by systemd-run -p LoadCredential=…"
                )
            if secret.env is not None and secret.env not in environ:
                fix = (
                    f"add {secret.env}=… to the EnvironmentFile= of the service, or export it in"
                    ' this shell, or keep the secret in a file: {file = "/path"}'
                )
            yield Fault(key, problem, fix, "unavailable")
