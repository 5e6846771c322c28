"""The opt-in page of a line, as HTML. Carriers require it to register a campaign (10DLC).

The page states only what is in the current configuration and the recorded prompts. Its hashes let
anyone compare, years later, what was registered with what callers heard. The same configuration,
prompts and date give the same bytes. `cli` writes the file.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge import __version__, phone
from agi_bridge.app.optin_steps import Step, limits, prompt_without_text, steps
from agi_bridge.app.sample_call import SampleCall, sample_call
from agi_bridge.app.speech import line_library
from agi_bridge.evidence.export import language_name, page
from agi_bridge.settings import DialDefault, DialplanDefault

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """Another prompt of the dialogue, word for word."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class OptinPage:
    """The content of the page.

    `sounds` are the recordings of the disclosure by language, as `data:` URLs: the page is one file
    and loads nothing.
    """

    brand: str
    legal_name: str
    line: str
    numbers: tuple[str, ...]
    purpose: str
    purpose_text: str
    policy_url: str
    calls_to_action: tuple[CallToAction, ...]
    steps: tuple[Step, ...]
    samples: tuple[SampleCall, ...]
    sounds: Mapping[str, str] = field(repr=False)
    prompts: Mapping[str, tuple[PromptText, ...]]
    frequency: str
    sample: str
    help: str
    stop: str
    opt_out_key: str
    revocation_reach: str
    returning: str
    limits: tuple[str, ...]
    retention_days: int
    details_days: int
    config_sha256: str
    software: str
    date: str

    def html(self) -> str:
        """Render the page."""
        return page("optin_page.html", _TEMPLATES, w=self)


def describe_optin(settings: Settings, line: Line, *, date: str) -> OptinPage:
    """Describe how callers of a line opt in. The page shows `date` as given.

    Raises:
        BadPrompts: the folder of prompts cannot be used.
        MissingPrompt: a prompt of the line is not recorded in one of its languages.
    """
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
        samples=tuple(sample_call(line, library, each) for each in line.languages),
        sounds={each: _sound(library, line, each) for each in line.languages},
        prompts={each: _heard(library, line, each) for each in line.languages},
        frequency=line.filled(texts.frequency),
        sample=line.filled(texts.sample),
        help=line.filled(texts.help),
        stop=line.filled(texts.stop),
        opt_out_key=line.consent.opt_out_key,
        revocation_reach=_reach(line),
        returning=line.consent.returning,
        limits=limits(line),
        retention_days=line.retention_days or settings.ledger.retention_days,
        details_days=settings.ledger.details_days,
        config_sha256=settings.sha256,
        software=f"agi-bridge {__version__}",
        date=date,
    )


def _reach(line: Line) -> str:
    """What a STOP and the opt-out key end, besides the brand's texts to the number."""
    match line.revocation_scope:
        case "brand":
            return "this brand"
        case "seller":
            return f"every brand of {line.legal_name}"
        case "all":
            return "every brand that texts from this system"


def _call_to_action(library: Library, line: Line, language: str) -> CallToAction:
    recording = library.prompt(line.disclosure, language)
    return CallToAction(
        language=language,
        language_name=language_name(language),
        text=recording.text,
        text_sha256=recording.text_sha256,
        audio_sha256=recording.sha256,
        seconds=round(recording.seconds, 1),
    )


def _sound(library: Library, line: Line, language: str) -> str:
    """The recording of the disclosure, as a `data:` URL (RFC 2397)."""
    wav = library.prompt(line.disclosure, language).wav.read_bytes()
    return f"data:audio/wav;base64,{base64.b64encode(wav).decode('ascii')}"


def _heard(library: Library, line: Line, language: str) -> tuple[PromptText, ...]:
    """Return the other prompts of the dialogue, in the order in which callers may hear them."""
    names = ["enter-number", "no-input", "invalid-number"]
    if len(line.languages) > 1:
        names.insert(0, "language-menu-item")
    if line.consent.opt_out_key:
        names.insert(0, "opt-out-offer")
        if line.consent.returning == "skip":
            names.insert(0, "returning")
        connected = isinstance(line.default, DialDefault | DialplanDefault)
        names.append("opted-out" if connected else "no-more-texts")
    if line.consent.act == "number_then_1":
        names += ["you-entered", "confirm-number"]
    names += ["accepted", prompt_without_text(line), "not-confirmed"]
    return tuple(PromptText(name, library.prompt(name, language).text) for name in names)
