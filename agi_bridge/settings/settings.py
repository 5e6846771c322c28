"""The whole configuration, read once at start and then immutable."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, PrivateAttr, ValidationError, field_validator

from agi_bridge.config_file import STATE_DIR, find_file
from agi_bridge.speech import PromptFolder

from . import rules
from .ami import AMI_SECRET, AmiSettings
from .console import ConsoleSettings
from .dids import DidIndex, numbers_of
from .errors import Fault, SettingsError, UnknownLineError
from .ledger import LedgerSettings
from .line import NAME_ALIAS, Line
from .partial import SPEECH_FOLDER, PartialSettings, secrets_of, tables
from .push import PushSettings
from .pydantic_errors import read_errors
from .sections import AgiSettings, HookSettings, LogSettings, Section, WebSettings
from .sources import (
    NO_FILE,
    Tree,
    merge,
    named_variables,
    read_environment,
    read_file,
    read_state_dir_line,
)
from .speech import SpeechSettings
from .status import AlertSettings, HistorySettings, StatusSettings
from .types import AbsolutePath, LineName, ListOf, invalid

LEDGER_FILE = "consents.db"
CHECKPOINT_FILE = "checkpoints.jsonl"


class Settings(Section):
    """The configuration of one bridge, made by `load`. Attributes are the keys of the TOML file."""

    state_dir: AbsolutePath = STATE_DIR
    """The only folder that `serve` writes to: the ledger and rendered speech."""

    fallback_line: LineName | None = None
    """The line for calls to unknown numbers; not set: such calls are refused."""

    agi: AgiSettings = AgiSettings()
    hook: HookSettings = HookSettings()
    ledger: LedgerSettings = LedgerSettings()
    web: WebSettings = WebSettings()
    status: StatusSettings = StatusSettings()
    alerts: AlertSettings = AlertSettings()
    history: HistorySettings = HistorySettings()
    console: ConsoleSettings = ConsoleSettings()
    speech: SpeechSettings = SpeechSettings()
    ami: AmiSettings = AmiSettings()
    log: LogSettings = LogSettings()

    push: Annotated[tuple[PushSettings, ...], ListOf] = ()
    """Other systems of the business that are told what happens to consents."""

    lines: dict[str, Line] = Field(default_factory=dict)
    """The lines by name, in the order of the file."""

    _index: DidIndex = PrivateAttr(default_factory=lambda: DidIndex(()))
    _fingerprint: str = PrivateAttr(default="")
    _file: Path | None = PrivateAttr(default=None)

    @classmethod
    def load(
        cls,
        path: Path | None,
        environ: Mapping[str, str] = os.environ,
        *,
        secrets: str = "",
        prompts: bool = True,
    ) -> Self:
        """Read the file and the environment, check everything, and read the secrets.

        Args:
            path: the file; None means `AGI_BRIDGE_CONFIG`, else `/etc/agi-bridge/agi-bridge.toml`
                if it exists. The environment alone can be a complete configuration.
            environ: the environment.
            secrets: a prefix of full names; only these secrets are read. A command on the ledger
                does not need the hook's key. `ami.secret` is never read here: the doctor reads it,
                and a service that may not see it still takes calls.
            prompts: whether all prompts must exist. The command that renders them does not
                need them.

        Raises:
            SettingsError: every fault that was found, one line each.
        """
        file = find_file(path, environ)
        values = _values(file, environ)
        faults: list[Fault] = [] if file is not None or values.get("lines") else [NO_FILE]
        settings = None
        try:
            settings = cls(**values)
        except ValidationError as error:
            faults += read_errors(error, cls)
        partial = PartialSettings.readable(values) if settings is None else settings._partial()
        index = DidIndex(partial.lines.values())
        faults += rules.check_cross_table(partial, index)
        faults += rules.check_lines(values.get("fallback_line"), tables(values.get("lines")))
        faults += rules.check_prompts(partial) if prompts else ()
        wanted = {
            key: each
            for key, each in partial.secrets.items()
            if key.startswith(secrets) and key != AMI_SECRET
        }
        faults += rules.load_secrets(wanted, environ)
        if settings is None or faults:
            raise SettingsError(faults)
        settings._index = index
        settings._file = file
        own = numbers_of(settings.lines.values())
        for line in settings.lines.values():
            line.stand_beside(own)
        return settings

    @property
    def file(self) -> Path | None:
        """The file that it was read from; None: from the environment alone."""
        return self._file

    def _partial(self) -> PartialSettings:
        """Return this configuration in the form that `rules` takes."""
        return PartialSettings(
            self.agi,
            self.hook,
            self.web,
            self.status,
            self.console,
            self.speech,
            self.lines,
            dict(secrets_of(self)),
            self.speech_cache,
        )

    @field_validator("push")
    @classmethod
    def _names_differ(cls, value: tuple[PushSettings, ...]) -> tuple[PushSettings, ...]:
        if len({each.name for each in value}) < len(value):
            raise invalid("has two receivers of one name", "give each its own name", "duplicate")
        return value

    @field_validator("lines", mode="before")
    @classmethod
    def _name_lines(cls, value: object) -> object:
        """Tell each line its name."""
        if not isinstance(value, dict):
            return value
        return {
            name: {**table, NAME_ALIAS: name} if isinstance(table, dict) else table
            for name, table in value.items()
        }

    def line_for(self, candidates: Sequence[str | None]) -> Line | None:
        """Return the line that a call arrived on.

        `candidates` may contain the called number, best first (the URL's `to`, the first argument,
        DNID, extension); None and empty ones are skipped. The first that is a line's number, in any
        form, decides; otherwise it is the fallback line, or None.
        """
        for called in candidates:
            if called and (line := self._index.find(called)) is not None:
                return line
        return None if self.fallback_line is None else self.lines[self.fallback_line]

    def find_line(self, name_or_number: str) -> Line:
        """Return the line with that name or number.

        Raises:
            UnknownLineError: there is none; the text lists the lines.
        """
        line = self.lines.get(name_or_number) or self._index.find(name_or_number)
        if line is None:
            names = ", ".join(self.lines) or "none"
            raise UnknownLineError(f"no line has that name or number; lines: {names}")
        return line

    def check_again(self) -> None:
        """Check a configuration that was put together from two valid ones, as `load` does.

        Raises:
            SettingsError: every fault that was found, one line each.
        """
        given = {name: getattr(self, name) for name in type(self).model_fields}
        parts = {name: dict(value) for name, value in given.items() if isinstance(value, Section)}
        faults: list[Fault] = []
        try:
            type(self).model_validate({**given, **parts})
        except ValidationError as error:
            faults += read_errors(error, type(self))
        partial = self._partial()
        faults += rules.check_cross_table(partial, self._index)
        faults += rules.check_prompts(partial)
        if faults:
            raise SettingsError(faults)

    def with_lines(self, lines: Mapping[str, Line]) -> Self:
        """Return this configuration with other lines, which are not checked: for a rehearsal."""
        copy = self.model_copy(update={"lines": dict(lines)})
        copy._index = DidIndex(lines.values())  # noqa: SLF001 - the same class
        return copy

    @property
    def web_listens(self) -> bool:
        """Tell whether `[web]` listens: for requests, or for a PBX that fetches recordings."""
        return self.web.enabled or self.speech.delivery == "http"

    @property
    def speech_cache(self) -> Path:
        """The folder of rendered speech; the PBX must be able to read it."""
        return self.state_dir / SPEECH_FOLDER

    def prompt_layers(self, line: str) -> tuple[PromptFolder, ...]:
        """Return the folders that take precedence over the shared prompts on a line, best first.

        The last one holds the prompts rendered for the line. A folder may be missing.
        """
        return self.speech.layers(line, self.speech_cache)

    @property
    def ledger_place(self) -> Path | str:
        """Where the ledger is: a SQLite file, or a postgresql:// URL.

        The URL contains the password: it is for the driver, never for a log or an error.
        """
        return self.ledger.database_url() or self.state_dir / LEDGER_FILE

    @property
    def keys_dir(self) -> Path:
        """The folder of the ledger's keys, for those without a setting.

        Their files are `vault.key`, `lookup.key` and `signing.key`.
        """
        return self.state_dir / "keys"

    @property
    def checkpoint_file(self) -> Path:
        """The file to which checkpoints are appended."""
        return self.ledger.checkpoints.file or self.state_dir / CHECKPOINT_FILE

    @property
    def sha256(self) -> str:
        """SHA-256 of the configuration, for the record of consent; no secret is hashed."""
        if not self._fingerprint:
            self._fingerprint = hashlib.sha256(self.public_text.encode()).hexdigest()
        return self._fingerprint

    @property
    def public_text(self) -> str:
        """The configuration in force as JSON without its secrets; `sha256` is its hash."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy this configuration with other values, which are not checked again."""
        copy = super().model_copy(update=update, deep=deep)
        copy._fingerprint = ""  # noqa: SLF001 - the same class
        return copy


def find_state_dir(path: Path | None, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the state directory of a configuration, whatever else is wrong with it.

    Commands that speak to the running service need no more, least of all when its file is broken.

    Of a file that is not valid TOML, the line counts that names it.

    Raises SettingsError if the file cannot be read, or its state_dir is wrong.
    """
    file = find_file(path, environ)
    try:
        given = _values(file, environ).get("state_dir", STATE_DIR)
    except SettingsError:
        named = {} if file is None else read_state_dir_line(file)
        given = {**named, **read_environment(environ)}.get("state_dir")
        if given is None:
            raise
    try:
        return Settings(state_dir=given).state_dir
    except ValidationError as error:
        raise SettingsError(read_errors(error, Settings)) from None


def _values(file: Path | None, environ: Mapping[str, str]) -> Tree:
    """Return the file's values, overridden by the environment's."""
    below = {} if file is None else read_file(file)
    above = read_environment(environ)
    elsewhere = frozenset({*named_variables(below), *named_variables(above)})
    return merge(below, read_environment(environ, elsewhere))
