"""`consents workflow`: how callers of a line opt in, as carriers ask for it at registration.

Everything on the page comes from the configuration in force and the prompts as recorded, so that
what was registered and what callers hear can be compared years later by the hashes on it. The same
configuration, prompts and date give the same bytes.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge import __version__, phone
from agi_bridge.app.optin_steps import Step, limits, steps
from agi_bridge.app.speech import line_library
from agi_bridge.cli import arguments
from agi_bridge.evidence.export import labels
from agi_bridge.evidence.export.html import page

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from agi_bridge.settings import Line, Settings
    from agi_bridge.speech import Library

_TEMPLATES: Final = Path(__file__).parent / "templates"

PURPOSES: Final = {
    "info": "Replies about the caller’s own request (conversational, no advertising)",
    "marketing": "Advertising, with the caller’s written consent given by key press",
}


@dataclass(frozen=True, slots=True)
class CallToAction:
    """The disclosure in one language, as it is played."""

    language: str
    language_name: str
    text: str
    text_sha256: str
    audio_sha256: str
    seconds: float


@dataclass(frozen=True, slots=True)
class PromptText:
    """One more prompt of the dialogue, word for word."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class OptinPage:
    """All that the page says."""

    brand: str
    legal_name: str
    line: str
    numbers: tuple[str, ...]
    purpose: str
    purpose_text: str
    policy_url: str
    calls_to_action: tuple[CallToAction, ...]
    steps: tuple[Step, ...]
    prompts: Mapping[str, tuple[PromptText, ...]]
    frequency: str
    sample: str
    help: str
    stop: str
    opt_out_key: str
    returning: str
    limits: tuple[str, ...]
    retention_days: int
    details_days: int
    config_sha256: str
    software: str
    date: str

    def html(self) -> str:
        """The page."""
        return page("optin_page.html", _TEMPLATES, w=self)


@dataclass(frozen=True, slots=True)
class Written:
    """The answer: the page, or where it was written to."""

    workflow: OptinPage
    out: Path | None
    ok: bool = True

    def json(self) -> dict[str, object]:
        """What the page says, as plain values."""
        return asdict(self.workflow) | {"out": None if self.out is None else str(self.out)}

    def show(self, console: Console) -> None:
        """Print the page itself, or the name of its file."""
        if self.out is None:
            console.file.write(self.workflow.html())
        else:
            console.print(f"written: {self.out}")


async def run(settings: Settings, wanted: str, *, date: str, out: Path | None) -> Written:
    """Describe a line's opt-in, in a file if one is named.

    Raises:
        UsageError: no such line, or `date` is no day.
        OSError: the file cannot be written.
        and what `workflow` raises.
    """
    day = arguments.day("--date", date)
    made = await asyncio.to_thread(describe_optin, settings, wanted, date=day)
    if out is not None:
        await asyncio.to_thread(out.write_text, made.html(), encoding="utf-8")
    return Written(made, out)


def describe_optin(settings: Settings, wanted: str, *, date: str) -> OptinPage:
    """Describe how callers of a line opt in; `date` stands on the page as given.

    Raises:
        UsageError: `wanted` is no line.
        BadPrompts: the folder of prompts cannot be used.
        MissingPrompt: a prompt of the line is not recorded in one of its languages.
    """
    line = settings.find_line(wanted)
    library = line_library(settings, line)
    texts = line.workflow
    return OptinPage(
        brand=line.brand,
        legal_name=line.legal_name,
        line=line.name,
        numbers=tuple(phone.canonical(did, region=line.regions[0]) for did in line.did),
        purpose=line.purpose,
        purpose_text=PURPOSES[line.purpose],
        policy_url=line.policy_url,
        calls_to_action=tuple(_call_to_action(library, line, each) for each in line.languages),
        steps=steps(line, library),
        prompts={each: _heard(library, line, each) for each in line.languages},
        frequency=line.filled(texts.frequency),
        sample=line.filled(texts.sample),
        help=line.filled(texts.help),
        stop=line.filled(texts.stop),
        opt_out_key=line.consent.opt_out_key,
        returning=line.consent.returning,
        limits=limits(line),
        retention_days=line.retention_days or settings.ledger.retention_days,
        details_days=settings.ledger.details_days,
        config_sha256=settings.sha256,
        software=f"agi-bridge {__version__}",
        date=date,
    )


def _call_to_action(library: Library, line: Line, language: str) -> CallToAction:
    recording = library.prompt(line.disclosure, language)
    return CallToAction(
        language=language,
        language_name=labels.language(language),
        text=recording.text,
        text_sha256=recording.text_sha256,
        audio_sha256=recording.sha256,
        seconds=round(recording.seconds, 1),
    )


def _heard(library: Library, line: Line, language: str) -> tuple[PromptText, ...]:
    """The other prompts of the way to a consent, in the order in which callers may meet them."""
    names = ["enter-number", "no-input", "invalid-number"]
    if len(line.languages) > 1:
        names.insert(0, "language-menu-item")
    if line.consent.opt_out_key:
        names.insert(0, "opt-out-offer")
        names.append("opted-out")
    if line.consent.act == "number_then_1":
        names += ["you-entered", "confirm-number"]
    names += ["accepted", "declined", "not-confirmed"]
    return tuple(PromptText(name, library.prompt(name, language).text) for name in names)
