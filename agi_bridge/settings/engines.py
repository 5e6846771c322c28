"""`[[speech.engines]]`: who speaks texts that only a call brings, best first.

An engine has the keys of its kind and no others. What the machine has to have for it, packages and
files, is looked at when the service starts, and by `agi-bridge check`.
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
"""A language as engines are asked for it: in lower case."""

Languages = Annotated[tuple[LanguageTag, ...], ListOf]
"""The languages that an engine speaks; empty: any that it is asked for."""

Voices = dict[LanguageTag, FilledText]
"""Voices by language."""

_TAG: TypeAdapter[str] = TypeAdapter(LanguageTag)


def _tag_or_any(value: str) -> str:
    return value if value == _ANY else _TAG.validate_python(value)


class KokoroSettings(Section):
    """`kind = "kokoro"`: the voice of the shipped prompts, half a second a sentence."""

    kind: Literal["kokoro"]

    voices_at: AbsolutePath
    """The folder of voices as npm's kokoro-js has it, or kokoro-onnx's one file of all."""

    voices: Voices = Field(default_factory=dict)
    """Names of voices by language, beside or instead of those of the shipped prompts."""

    model: AbsolutePath | None = None
    """The model in ONNX form; not set: that of the installed packages."""

    vocabulary: AbsolutePath | None = None
    """Its vocab.json or config.json; not set: that of the installed package."""

    def spec(self) -> EngineSpec:
        """Return what the speech room makes an engine of."""
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
    """By language: the path of an .onnx file, or the name of an installed package of a voice."""

    @field_validator("voices")
    @classmethod
    def _absolute(cls, value: dict[str, str]) -> dict[str, str]:
        # The process that loads them has a working folder of its own.
        if any(v.endswith(_VOICE_FILE) and not v.startswith("/") for v in value.values()):
            raise invalid("names a file that is no absolute path", "write it from / on")
        return value

    def spec(self) -> EngineSpec:
        """Return what the speech room makes an engine of."""
        return EngineSpec("piper", voices=self.voices)


class CommandSettings(Section):
    """`kind = "command"`: any program that writes a WAV file."""

    kind: Literal["command"]

    command: Annotated[tuple[FilledText, ...], CommandLine, Field(min_length=1)]
    """Program and arguments, {output} being the file; no shell is involved."""

    languages: Languages = ()
    """The languages it speaks; empty: any."""

    @field_validator("command")
    @classmethod
    def _placeholders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        everything = "\0".join(value)
        if everything.count("{output}") != 1 or everything.count("{text}") > 1:
            raise invalid(
                "must hold {output} once and {text} at most once",
                'write it like ["espeak-ng", "-v", "{language}", "-w", "{output}", "--stdin"]:'
                " without {text} the text comes on standard input",
            )
        if set(re.findall(r"\{\w*\}", everything)) - _PLACEHOLDERS:
            raise invalid(
                "holds an unknown placeholder", "use {text}, {language} and {output} only"
            )
        if "{" in value[0]:
            raise invalid(
                "has a placeholder in the program's name", "name the program as it is called"
            )
        return value

    def spec(self) -> EngineSpec:
        """Return what the speech room makes an engine of."""
        return EngineSpec("command", command=self.command, languages=self.languages)


class HttpSettings(Section):
    """`kind = "http"`: a service with OpenAI's `POST /v1/audio/speech`, which gets the texts."""

    kind: Literal["http"]

    url: FilledText
    """The service's address, whole; plain http only to this machine."""

    model: FilledText
    """The service's name for its model."""

    voices: Annotated[
        dict[Annotated[str, AfterValidator(_tag_or_any)], FilledText], Field(min_length=1)
    ]
    """By language: the service's name for the voice; `*` stands for every other language."""

    languages: Languages = ()
    """The languages it is asked for; empty: those of `voices`, any if `*` is among them."""

    key: SecretPlace | None = None
    """The service's bearer token, if it wants one."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        _try(self._spec(""))
        return self

    def spec(self) -> EngineSpec:
        """Return what the speech room makes an engine of; the secret is in it."""
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
    """`kind = "pbx"`: an application of the PBX itself, such as Flite."""

    kind: Literal["pbx"]

    command: Annotated[tuple[str, ...], CommandLine, Field(min_length=1)]
    """Application and arguments, {text} being the text."""

    languages: Languages = ()
    """The languages it speaks; empty: any."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        _try(self.spec())
        return self

    def spec(self) -> EngineSpec:
        """Return what the speech room makes an engine of."""
        return EngineSpec("pbx", command=self.command, languages=self.languages)


EngineSettings: TypeAlias = (
    KokoroSettings | PiperSettings | CommandSettings | HttpSettings | PbxSettings
)
"""One table of `[[speech.engines]]`."""


def _try(spec: EngineSpec) -> None:
    """Refuse an engine that cannot be; for kinds that look at nothing but what they are given."""
    try:
        build_engine(spec)
    except BadEngine as error:
        what, _, fix = error.problem.partition(": ")
        shown = fix or "compare with agi-bridge.example.toml"
        raise invalid(f"{error.field} {what}", shown) from None
