"""The script sheet for a studio: a line's texts, numbered, with file names and speaking notes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agi_bridge import __version__
from agi_bridge.prompts.errors import IncompleteScriptError
from agi_bridge.speech import DIGIT_PROMPTS, LONG_DISCLOSURE_SECONDS, text_hash

if TYPE_CHECKING:
    from agi_bridge.prompts.inspection import LinePrompts, Prompt

_TEMPLATES: Final = Path(__file__).parent / "templates"

COLUMNS: Final = (
    "No",
    "Language",
    "File",
    "Text",
    "How to speak it",
    "About (s)",
    "Script version",
    "SHA-256 of the text",
)
"""Column names of the sheet as a table."""

CHARACTERS_PER_SECOND: Final = 15.0
"""Speaking rate of the shipped prompts, including spaces and pauses."""

SPEAKING_NOTES: Final = {
    "language-menu-item": "Inviting. The word for the key is the one that matters.",
    "returning": "Friendly, matter-of-fact.",
    "opt-out-offer": "Matter-of-fact. A digit follows, spoken by the telephone system: keep the "
    "voice up, no falling end.",
    "enter-number": "A clear request; a small pause before the last part.",
    "you-entered": "Digits follow, spoken by the telephone system: keep the voice up, no falling "
    "end.",
    "confirm-number": "Slowly, with a pause after each choice. The keys matter most.",
    "invalid-number": "Helpful, no reproach.",
    "no-input": "Helpful, no reproach.",
    "accepted": "Friendly; good news.",
    "declined": "Neutral; the caller has done nothing wrong.",
    "not-confirmed": "Neutral, calm.",
    "please-hold": "Friendly, calm.",
    "please-wait": "Friendly, calm.",
    "no-forwarding": "Apologetic, short.",
    "not-linked": "Apologetic, short.",
    "caller-id-offer": "Digits follow, spoken by the telephone system: keep the voice up, no "
    "falling end.",
    "caller-id-confirm": "Begins in the middle of a sentence, right after spoken digits.",
    "opted-out": "Reassuring, final.",
    "no-more-texts": "Reassuring, final.",
    "no-answer": "Apologetic.",
    "busy": "Apologetic.",
    "goodbye": "Friendly, falling.",
    **dict.fromkeys(DIGIT_PROMPTS, "As in the middle of a number: level, no falling end."),
}
"""Speaking notes for the shipped prompts."""

DISCLOSURE_NOTE: Final = (
    "The legal text: exactly as written, nothing added or left out. Neutral and unhurried, every "
    "word understood at first hearing; a short pause after each sentence. Words in capitals are "
    "what callers will text: stress them lightly."
)
"""Speaking note for a disclosure."""


@dataclass(frozen=True, slots=True)
class SheetPrompt:
    """A text to record."""

    number: int
    """Position on the sheet, the same in every language."""
    file: str
    """File to deliver: `LANGUAGE/NAME.wav`."""
    text: str
    version: int | None
    """Version of the script's text; None: the text is not from a script."""
    how: str
    seconds: float
    """Approximate length in seconds."""
    is_disclosure: bool
    """Whether the prompt is the disclosure."""

    @property
    def text_sha256(self) -> str:
        """Hash of the text, in hex."""
        return text_hash(self.text)


@dataclass(frozen=True, slots=True)
class SheetLanguage:
    """All texts in one language."""

    tag: str
    name: str
    prompts: tuple[SheetPrompt, ...]

    @property
    def seconds(self) -> float:
        """Approximate length of all texts in seconds."""
        return sum(prompt.seconds for prompt in self.prompts)


@dataclass(frozen=True, slots=True)
class Sheet:
    """The content of the sheet."""

    brand: str
    line: str
    languages: tuple[SheetLanguage, ...]
    software: str
    longest: float = LONG_DISCLOSURE_SECONDS
    """Recommended maximum length of a disclosure, in seconds."""

    def rows(self) -> list[tuple[str, ...]]:
        """Return the sheet as a table. The first row contains the column names."""
        return [
            COLUMNS,
            *(
                (
                    str(prompt.number),
                    language.name,
                    prompt.file,
                    prompt.text,
                    prompt.how,
                    f"{prompt.seconds:g}",
                    "" if prompt.version is None else str(prompt.version),
                    prompt.text_sha256,
                )
                for language in self.languages
                for prompt in language.prompts
            ),
        ]


def build_sheet(line: LinePrompts) -> Sheet:
    """Build the sheet of a line. Texts come from the script, or else from the recordings.

    Raises:
        IncompleteScriptError: a text is missing; a studio must get the complete script.
    """
    from agi_bridge.evidence.export import language_name  # noqa: PLC0415 - loads the templates

    missing = [
        prompt.wanted.problem
        for prompt in line.prompts
        if prompt.wanted.text is None and (prompt.found is None or prompt.found.source == "shipped")
    ]
    if missing:
        raise IncompleteScriptError(
            f"the script is incomplete: {'; '.join(dict.fromkeys(missing))}"
        )
    return Sheet(
        brand=line.line.brand,
        line=line.line.name,
        languages=tuple(
            SheetLanguage(tag, language_name(tag), tuple(map(_prompt, count(1), prompts)))
            for tag, prompts in line.by_language()
        ),
        software=f"agi-bridge {__version__}",
    )


def sheet_html(sheet: Sheet) -> str:
    """Render a sheet as an HTML page that opens without a network and prints on A4."""
    from agi_bridge.evidence.export import page  # noqa: PLC0415 - the same

    return page("script.html", _TEMPLATES, sheet=sheet)


def _prompt(number: int, prompt: Prompt) -> SheetPrompt:
    wanted = prompt.wanted
    text = prompt.words if wanted.text is None else wanted.text.text
    return SheetPrompt(
        number=number,
        file=f"{wanted.language}/{wanted.name}.wav",
        text=text,
        version=None if wanted.text is None else wanted.text.version,
        how=DISCLOSURE_NOTE if wanted.is_disclosure else SPEAKING_NOTES.get(wanted.name, ""),
        seconds=max(0.5, round(2 * len(text) / CHARACTERS_PER_SECOND) / 2),
        is_disclosure=wanted.is_disclosure,
    )
