"""`[speech]`: recordings, how they get to the PBX, and engines for what only a call brings."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from agi_bridge.speech import SHIPPED, PromptFolder

from .engines import EngineSettings
from .sections import Section
from .types import AbsolutePath, Count, ListOf, Seconds, Text, invalid

MAX_URL: Final = 80
"""Longest `url`: what is made of it becomes a key of Asterisk's database (256 bytes, astdb.c)."""

RENDERED: Final = "lines"
"""The folder, within that of rendered speech, of the prompts rendered for each line."""

# STREAM FILE takes all of it as it is; nothing in it means anything to an application either.
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~-]+)*")


class SpeechSettings(Section):
    """`[speech]`: recorded prompts, and engines for texts that only a call brings."""

    delivery: Literal["files", "http"] = "files"
    """How the PBX gets recordings: from folders that it sees too, or from the bridge's web."""

    url: Text = ""
    """Where the PBX reaches the bridge's web, for delivery over HTTP alone."""

    prompts: AbsolutePath | None = None
    """A folder of your own prompts (LANGUAGE/NAME.wav); not set: the ones shipped."""

    recordings: AbsolutePath | None = None
    """A folder of recordings (LANGUAGE/NAME.wav) that win over all others; not set: none."""

    script: AbsolutePath | None = None
    """A folder of your own scripts (LANGUAGE.toml): further languages, or shipped ones replaced."""

    pbx_prompts: Text = ""
    """The folder of prompts as the PBX sees it; empty: by the same path."""

    pbx_recordings: Text = ""
    """The folder of recordings as the PBX sees it; empty: by the same path."""

    pbx_cache: Text = ""
    """The folder `speech` of `state_dir` as the PBX sees it; empty: by the same path."""

    engines: Annotated[
        tuple[Annotated[EngineSettings, Field(discriminator="kind")], ...], ListOf
    ] = ()
    """Who speaks texts that only a call brings, best first; none: unknown texts are skipped."""

    budget_seconds: Annotated[Seconds, Field(gt=0, le=30)] = 2.0
    """Longest that all engines may take together: the caller waits for it."""

    max_megabytes: Annotated[Count, Field(ge=1, le=1_000_000)] = 256
    """Most that rendered texts may take on disk; the longest unused ones go first."""

    def layers(self, line: str, cache: Path) -> tuple[PromptFolder, ...]:
        """Return the folders whose prompts win, on a line, over those of `prompts`; best first.

        `cache` is the folder of rendered speech. Not all of them need be there.
        """
        rendered = f"{RENDERED}/{line}"
        seen_as = f"{self.pbx_cache}/{rendered}" if self.pbx_cache else None
        own = PromptFolder(cache / rendered, seen_as, "rendered")
        if self.recordings is None:
            return (own,)
        return PromptFolder(self.recordings, self.pbx_recordings or None, "recording"), own

    @property
    def shared(self) -> PromptFolder:
        """The folder of prompts that all lines share, beneath those of `layers`."""
        if self.prompts is None:
            return PromptFolder(SHIPPED, self.pbx_prompts or None, "shipped")
        return PromptFolder(self.prompts, self.pbx_prompts or None)

    @field_validator("engines", mode="before")
    @classmethod
    def _tables(cls, value: object) -> object:
        if isinstance(value, dict):
            raise invalid("is one table", "begin each engine with [[speech.engines]]")
        return value

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str, info: ValidationInfo) -> str:
        bare = value.rstrip("/")
        if not bare:
            if info.data.get("delivery") == "http":
                raise invalid('is empty although speech.delivery is "http"', _URL_FIX)
            return bare
        if not _URL.fullmatch(bare):
            raise invalid("is no plain http or https address", _URL_FIX)
        if len(bare) > MAX_URL:
            raise invalid("is too long", f"use at most {MAX_URL} characters")
        return bare

    @field_validator("pbx_prompts", "pbx_recordings", "pbx_cache")
    @classmethod
    def _asterisk_path(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("delivery") == "http":
            raise invalid(
                'is set although speech.delivery is "http"', "leave it out: the PBX sees no folder"
            )
        # STREAM FILE and GET DATA take `&` as a literal, but applications take it as a list.
        if value and (not value.startswith("/") or any(sign in value for sign in '&,|"\\$')):
            raise invalid(
                "is no absolute path that Asterisk can play from",
                'start it with / and leave out & , | " \\ $',
            )
        return value.rstrip("/")


_URL_FIX = 'write it like "http://192.0.2.20:4580": host, port and, if need be, a path'
