"""The eight questions of `agi-bridge init`, and what is wrong with an answer.

An answer is judged by the configuration that it would make: the rules are those of
`Settings.load`, so what `init` accepts, `check` accepts.
"""

from __future__ import annotations

import errno
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge import phone
from agi_bridge.cli.init.configuration import Answers, configuration, listed
from agi_bridge.net import bind
from agi_bridge.settings import Fault, Secret, Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

FASTAGI_PORT: Final = 4573
_LAST_PORT: Final = 4599
"""The last port that is tried: beyond FastAGI's own, FreePBX and others take a few."""
_NO_SETTING: Final = "-"
"""A prefix that no setting has, so that no secret is read."""
_REGION: Final = "US"
"""The country of a number without a country code, as in the settings' own defaults."""
_SAMPLES: Final = {
    "did": "+14155550111",
    "brand": "Example Store",
    "languages": "en",
    "business_number": "+14155550111",
    "dial_template": "PJSIP/{number}@trunk",
    "default": "PJSIP/100",
    "port": "0",
}
"""Stand in for the other answers while one is judged."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question.

    Attributes:
        name: the answer's name in `Answers`.
        flag: the option that answers it.
        text: what is asked.
        reason: why, in one line.
        settings: the settings that the answer fills; a fault of one is a fault of the answer.
        hidden: the answer is a secret: it is not echoed, and the flag names its file.
    """

    name: str
    flag: str
    text: str
    reason: str
    settings: tuple[str, ...]
    hidden: bool = False


QUESTIONS: Final = (
    Question(
        "did",
        "--did",
        "Numbers that callers dial, as your trunk delivers them",
        "A call finds its line by the number called. Separate several by commas.",
        ("did",),
    ),
    Question(
        "brand",
        "--brand",
        "Name of the business",
        "The record of consent and the recordings name who texts: the name that callers know.",
        ("brand",),
    ),
    Question(
        "languages",
        "--languages",
        "Languages of your callers",
        "Recordings are there for en, es and fr. Several give a menu; the first is the default.",
        ("languages", "disclosure"),
    ),
    Question(
        "business_number",
        "--business-number",
        "Number of the business, as Instaply knows it",
        "The hook finds the store by it; +, country code and digits.",
        ("business_number",),
    ),
    Question(
        "hook_key",
        "--hook-key-file",
        "Key of the hook (not shown)",
        "Instaply gives it to you. It goes into its own file that others cannot read.",
        (),
        hidden=True,
    ),
    Question(
        "dial_template",
        "--dial-template",
        "How your PBX dials a number outside",
        "Callers who agree are connected to the store's number: {number} stands for it.",
        ("dial_template", "number_format"),
    ),
    Question(
        "default",
        "--default",
        "Where all other callers go",
        "Nobody is left in silence: a telephone (PJSIP/100), or context,extension,priority.",
        ("default",),
    ),
    Question(
        "port",
        "--port",
        "Port for calls from Asterisk",
        "FastAGI's own is 4573, which FreePBX often uses itself.",
        ("agi.port",),
    ),
)


def proposal(question: Question, answers: Answers) -> str:
    """Return what a question proposes; empty if only a person can know."""
    match question.name:
        case "languages":
            return "en"
        case "business_number":
            found = phone.parse(next(iter(listed(answers.did)), ""), region=_REGION)
            return found or ""
        case "dial_template":
            return "Local/{number}@from-internal/n" if answers.freepbx else "PJSIP/{number}@trunk"
        case "default":
            return "agi-bridge-freepbx,chosen,1" if answers.freepbx else ""
        case "port":
            return str(_free_port(answers.host))
        case _:
            return ""


def problem(question: Question, answers: Answers) -> str | None:
    """Return what is wrong with the answer to a question, and what to write; None if it is good."""
    given = getattr(answers, question.name)
    if not given:
        return "is needed; there is no default"
    if question.hidden:
        return _secret_problem(given)
    if not given.isprintable():
        return "contains characters that cannot be shown; write it in plain text"
    if question.name == "default" and "/" not in given and len(given.split(",")) not in {2, 3}:
        return "is not a destination; write PJSIP/100, or context,extension,priority"
    fault = next(_faults(question, answers), None)
    if fault is not None:
        return f"{fault.what}; {fault.fix}"
    return _port_problem(answers) if question.name == "port" else None


def _faults(question: Question, answers: Answers) -> Iterator[Fault]:
    """Yield the faults of this answer, beside samples in place of the others."""
    only = answers
    for name, sample in _SAMPLES.items():
        only = only if name == question.name else only.answered(name, sample)
    keys = {key if "." in key else f"lines.{answers.line}.{key}" for key in question.settings}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "agi-bridge.toml"
        file.write_text(configuration(only), encoding="utf-8")
        try:
            Settings.load(file, {}, secrets=_NO_SETTING, prompts="languages" in question.settings)
        except SettingsError as error:
            faults = error.faults
        else:
            return
    for fault in faults:
        if any(fault.key == key or fault.key.startswith(f"{key}.") for key in keys):
            yield fault


def _secret_problem(text: str) -> str | None:
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:  # mode 0600
        file.write(text)
        file.flush()
        found = Secret(file=Path(file.name)).load({})
    if found is None:
        return None
    return f"{found.removeprefix(f'the file {file.name} ')}; give the key alone, as one word"


def _port_problem(answers: Answers) -> str | None:
    if answers.port == answers.port_in_force:
        return None
    if int(answers.port) == 0:
        return "would be another one at each start; write a fixed one"
    try:
        bound = bind(answers.host, int(answers.port), "agi")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            free = _free_port(answers.host)
            return f"is in use by another program; take {free}, or stop it"
        return f"cannot be listened on ({error.strerror}); take one above 1023"
    for each in bound:
        each.close()
    return None


def _free_port(host: str) -> int:
    for port in range(FASTAGI_PORT, _LAST_PORT):
        try:
            bound = bind(host, port, "agi")
        except OSError:
            continue
        for each in bound:
            each.close()
        return port
    return FASTAGI_PORT
