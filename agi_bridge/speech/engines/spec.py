"""The specification of an engine as plain values, and how an engine is built from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agi_bridge.speech.errors import BadEngine

from .command import LANGUAGE, OUTPUT, TEXT, CommandEngine
from .http import HttpEngine
from .kokoro import kokoro_engine
from .pbx import PbxEngine
from .piper import piper_engine

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .base import Engine

Kind = Literal["kokoro", "piper", "command", "http", "pbx"]


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """The specification of an engine. Each kind uses only the fields listed here.

    `kokoro`: voices_at, optionally voices, model, vocabulary. `piper`: voices. `command`, `pbx`:
    command. `http`: url, model, voices, key. All but kokoro and piper: languages.
    """

    kind: Kind
    languages: tuple[str, ...] = ()
    """BCP 47 tags in lower case; empty: those of `voices`, or every language."""
    voices: Mapping[str, str] = field(default_factory=dict)
    """By language: the voice's name (kokoro, http), file or package (piper)."""
    command: tuple[str, ...] = ()
    """Program or application, and its arguments."""
    url: str = ""
    key: str = field(default="", repr=False)
    """The service's token. Secret."""
    model: str = ""
    """A file (kokoro; empty: from the packages), or the service's name of the model."""
    vocabulary: Path | None = None
    """Kokoro's vocab.json or config.json; None: from the package."""
    voices_at: Path | None = None
    """Kokoro's folder or file of voices."""


def build_engine(spec: EngineSpec) -> Engine | PbxEngine:
    """Build an engine. Reads a model's files once: blocks for about 0.1 s.

    Raises BadEngine with the field that is missing or invalid.
    """
    match spec.kind:
        case "kokoro":
            if spec.voices_at is None:
                raise BadEngine("voices_at", "is not set: name the folder or file of the voices")
            return kokoro_engine(
                spec.voices_at,
                model=Path(spec.model) if spec.model else None,
                vocabulary=spec.vocabulary,
                names=spec.voices,
            )
        case "piper":
            return piper_engine(spec.voices)
        case "command":
            return CommandEngine(_checked(spec.command), spec.languages)
        case "http":
            return HttpEngine(
                spec.url,
                model=spec.model,
                voices=spec.voices,
                languages=spec.languages,
                key=spec.key,
            )
    return PbxEngine(spec.command, spec.languages)


def _checked(command: tuple[str, ...]) -> tuple[str, ...]:
    everything = "\0".join(command)
    if everything.count(OUTPUT) != 1 or everything.count(TEXT) > 1:
        raise BadEngine("command", f"must contain {OUTPUT} once and {TEXT} at most once")
    if any(mark in command[0] for mark in (TEXT, LANGUAGE, OUTPUT)):
        raise BadEngine("command", "must not have a placeholder in the program's name")
    return command
