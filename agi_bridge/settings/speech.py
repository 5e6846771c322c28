"""`[speech]`: recordings, how they reach the PBX, and engines for texts known only at run time."""

import re
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from agi_bridge.speech import SHIPPED, PromptFolder

from .engines import EngineSettings
from .sections import Section
from .types import AbsolutePath, Count, ListOf, Seconds, Text, invalid

MAX_URL: Final = 80
"""Longest `url`: recordings' URLs become keys of Asterisk's database (256 bytes, astdb.c)."""

RENDERED: Final = "lines"
"""The folder, within that of rendered speech, of the prompts rendered for each line."""

# Neither STREAM FILE nor an application gives any of these characters a meaning.
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[A-Za-z0-9._~-]+)*")


class SpeechSettings(Section):
    """`[speech]`: recorded prompts, and engines for texts known only at run time."""

    delivery: Literal["files", "http"] = "files"
    """How the PBX gets recordings: from shared folders, or over HTTP from the bridge."""

    url: Text = ""
    """The address of `[web]` as the PBX reaches it; only for delivery over HTTP."""

    prompts: AbsolutePath | None = None
    """A folder of your own prompts (LANGUAGE/NAME.wav); not set: the shipped ones."""

    recordings: AbsolutePath | None = None
    """A folder of recordings (LANGUAGE/NAME.wav) that take precedence; not set: none."""

    script: AbsolutePath | None = None
    """A folder of your own scripts (LANGUAGE.toml), which add languages or replace shipped ones."""

    pbx_prompts: Text = ""
    """The path of the prompts folder on the PBX; empty: the same path."""

    pbx_recordings: Text = ""
    """The path of the recordings folder on the PBX; empty: the same path."""

    pbx_cache: Text = ""
    """The path of `state_dir`/speech on the PBX; empty: the same path."""

    engines: Annotated[
        tuple[Annotated[EngineSettings, Field(discriminator="kind")], ...], ListOf
    ] = ()
    """Engines for texts known only at run time, best first; none: unknown texts are skipped."""

    budget_seconds: Annotated[Seconds, Field(gt=0, le=30)] = 2.0
    """Longest time in seconds for all engines together, while the caller waits."""

    max_megabytes: Annotated[Count, Field(ge=1, le=1_000_000)] = 256
    """Disk space for rendered texts; the least recently used are deleted first."""

    def layers(self, line: str, cache: Path) -> tuple[PromptFolder, ...]:
        """Return the folders that take precedence over `prompts` on a line, best first.

        `cache` is the folder of rendered speech. A folder may be missing.
        """
        rendered = f"{RENDERED}/{line}"
        seen_as = f"{self.pbx_cache}/{rendered}" if self.pbx_cache else None
        own = PromptFolder(cache / rendered, seen_as, "rendered")
        if self.recordings is None:
            return (own,)
        return PromptFolder(self.recordings, self.pbx_recordings or None, "recording"), own

    @property
    def shared(self) -> PromptFolder:
        """The folder of prompts that all lines share; those of `layers` take precedence."""
        if self.prompts is None:
            return PromptFolder(SHIPPED, self.pbx_prompts or None, "shipped")
        return PromptFolder(self.prompts, self.pbx_prompts or None)

    @field_validator("engines", mode="before")
    @classmethod
    def _tables(cls, value: object) -> object:
        if isinstance(value, dict):
            raise invalid(
                "must be a list of tables", "begin each engine with [[speech.engines]]", "type"
            )
        return value

    @field_validator("url")
    @classmethod
    def _web_address(cls, value: str, info: ValidationInfo) -> str:
        bare = value.rstrip("/")
        if not bare:
            if info.data.get("delivery") == "http":
                raise invalid('is required if speech.delivery is "http"', _URL_FIX, "missing")
            return bare
        if not _URL.fullmatch(bare):
            raise invalid("is not a plain http or https address", _URL_FIX)
        if len(bare) > MAX_URL:
            raise invalid("is too long", f"use at most {MAX_URL} characters", "too_long")
        return bare

    @field_validator("pbx_prompts", "pbx_recordings", "pbx_cache")
    @classmethod
    def _asterisk_path(cls, value: str, info: ValidationInfo) -> str:
        if value and info.data.get("delivery") == "http":
            raise invalid('is not used if speech.delivery is "http"', "remove it", "unused")
        # STREAM FILE and GET DATA take `&` as a literal, but applications take it as a list.
        if value and (not value.startswith("/") or any(sign in value for sign in '&,|"\\$')):
            raise invalid(
                "is not an absolute path that Asterisk can play from",
                'start it with / and leave out & , | " \\ $',
            )
        return value.rstrip("/")


_URL_FIX = 'write it like "http://192.0.2.20:4580": host, port, and optionally a path'
