"""`[[speech.engines]]`: the engines that speak texts known only at run time, best first.

An engine has only the keys of its kind. The packages and files that it needs are checked when the
service starts, and by `agi-bridge check`.
"""

import re
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, Field, TypeAdapter, field_validator, model_validator

from agi_bridge.speech import BadEngine, EngineSpec, build_engine

from .secret import SecretPlace
from .sections import Section
from .types import AbsolutePath, CommandLine, FilledText, Language, ListOf, invalid

_PLACEHOLDERS = frozenset({"{text}", "{language}", "{output}"})
_ANY = "*"
_VOICE_FILE = ".onnx"

LanguageTag = Annotated[Language, AfterValidator(str.lower)]
"""A language tag in lower case, the form that engines take."""

Languages = Annotated[tuple[LanguageTag, ...], ListOf]
"""The languages that an engine speaks; empty: any."""

Voices = dict[LanguageTag, FilledText]
"""Voices by language."""

_TAG: TypeAdapter[str] = TypeAdapter(LanguageTag)


def _tag_or_any(value: str) -> str:
    return value if value == _ANY else _TAG.validate_python(value)


class KokoroSettings(Section):
    """`kind = "kokoro"`: the voice of the shipped prompts, half a second a sentence."""

    kind: Literal["kokoro"]

    voices_at: AbsolutePath
    """A folder of voices in the form of npm's kokoro-js, or kokoro-onnx's single file."""

    voices: Voices = Field(default_factory=dict)
    """Voice names by language; they add to or replace those of the shipped prompts."""

    model: AbsolutePath | None = None
    """The model in ONNX form; not set: the one in the installed packages."""

    vocabulary: AbsolutePath | None = None
    """Its vocab.json or config.json; not set: the one in the installed package."""

    def spec(self) -> EngineSpec:
        """Return the specification from which `speech` builds the engine."""
        return EngineSpec(
            "kokoro",
            voices=self.voices,
            model="" if self.model is None else str(self.model),
            vocabulary=self.vocabulary,
            voices_at=self.voices_at,
        )


class PiperSettings(Section):
    """`kind = "piper"`: a tenth of a second a sentence, voices of uneven quality."""

    kind: Literal["piper"]

    voices: Annotated[Voices, Field(min_length=1)]
    """By language: the path of an .onnx file, or the name of an installed voice package."""

    @field_validator("voices")
    @classmethod
    def _absolute(cls, value: dict[str, str]) -> dict[str, str]:
        # The process that loads them runs in another working folder.
        if any(v.endswith(_VOICE_FILE) and not v.startswith("/") for v in value.values()):
            raise invalid("contains a file without an absolute path", "start it with /")
        return value

    def spec(self) -> EngineSpec:
        """Return the specification from which `speech` builds the engine."""
        return EngineSpec("piper", voices=self.voices)


class CommandSettings(Section):
    """`kind = "command"`: any program that writes a WAV file."""

    kind: Literal["command"]

    command: Annotated[tuple[FilledText, ...], CommandLine, Field(min_length=1)]
    """Program and arguments; {output} is the file. No shell is used."""

    languages: Languages = ()
    """The languages it speaks; empty: any."""

    @field_validator("command")
    @classmethod
    def _placeholders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        everything = "\0".join(value)
        if everything.count("{output}") != 1 or everything.count("{text}") > 1:
            raise invalid(
                "must contain {output} once and {text} at most once",
                'write it like ["espeak-ng", "-v", "{language}", "-w", "{output}", "--stdin"];'
                " without {text} the program reads the text from standard input",
                "placeholder",
            )
        if set(re.findall(r"\{\w*\}", everything)) - _PLACEHOLDERS:
            raise invalid(
                "contains an unknown placeholder",
                "use only {text}, {language} and {output}",
                "placeholder",
            )
        if "{" in value[0]:
            raise invalid(
                "has a placeholder in the program's name",
                "write the program's name",
                "placeholder",
            )
        return value

    def spec(self) -> EngineSpec:
        """Return the specification from which `speech` builds the engine."""
        return EngineSpec("command", command=self.command, languages=self.languages)


class HttpSettings(Section):
    """`kind = "http"`: a service with OpenAI's `POST /v1/audio/speech`; it receives the texts."""

    kind: Literal["http"]

    url: FilledText
    """The service's full URL; plain http only to loopback."""

    model: FilledText
    """The service's name for its model."""

    voices: Annotated[
        dict[Annotated[str, AfterValidator(_tag_or_any)], FilledText], Field(min_length=1)
    ]
    """By language: the service's name for the voice; `*` is every other language."""

    languages: Languages = ()
    """The languages it speaks; empty: those of `voices`, or any if `voices` has `*`."""

    key: SecretPlace | None = None
    """The service's bearer token, if it needs one."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        _try(self._spec(""))
        return self

    def spec(self) -> EngineSpec:
        """Return the specification from which `speech` builds the engine; it holds the secret."""
        return self._spec("" if self.key is None else self.key.reveal())

    def _spec(self, key: str) -> EngineSpec:
        return EngineSpec(
            "http",
            url=self.url,
            model=self.model,
            voices=dict(self.voices),
            languages=self.languages,
            key=key,
        )


class PbxSettings(Section):
    """`kind = "pbx"`: an application of the PBX, such as Flite."""

    kind: Literal["pbx"]

    command: Annotated[tuple[str, ...], CommandLine, Field(min_length=1)]
    """Application and arguments; {text} is the text."""

    languages: Languages = ()
    """The languages it speaks; empty: any."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        _try(self.spec())
        return self

    def spec(self) -> EngineSpec:
        """Return the specification from which `speech` builds the engine."""
        return EngineSpec("pbx", command=self.command, languages=self.languages)


EngineSettings: TypeAlias = (
    KokoroSettings | PiperSettings | CommandSettings | HttpSettings | PbxSettings
)
"""One table of `[[speech.engines]]`."""


def _try(spec: EngineSpec) -> None:
    """Refuse an invalid engine; only for kinds that need no package or file."""
    try:
        build_engine(spec)
    except BadEngine as error:
        what, _, fix = error.problem.partition(": ")
        shown = fix or "compare with agi-bridge.example.toml"
        raise invalid(f"{error.field} {what}", shown) from None
