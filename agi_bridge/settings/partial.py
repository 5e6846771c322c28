"""The valid parts of a configuration that may be invalid as a whole, for `rules`.

pydantic returns all or nothing, but an administrator wants to see all faults at once. So each table
is read alone, and the rules run on those that are valid.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from agi_bridge.config_file import STATE_DIR

from .console import ConsoleSettings
from .line import NAME_ALIAS, Line
from .secret import KeyPlace, Secret, SecretPlace, SigningPlace
from .sections import AgiSettings, HookSettings, WebSettings
from .sources import KEYS, SECRETS, SIGNING, listed
from .speech import SpeechSettings
from .status import StatusSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .sources import Tree

SPEECH_FOLDER = "speech"
"""The folder of rendered speech in `state_dir`."""

M = TypeVar("M", bound=BaseModel)

_SECRET: TypeAdapter[Secret] = TypeAdapter(SecretPlace)
_KEY: TypeAdapter[Secret] = TypeAdapter(KeyPlace)
_SIGNING: TypeAdapter[Secret] = TypeAdapter(SigningPlace)


@dataclass(frozen=True, slots=True)
class PartialSettings:
    """The valid tables; None for an invalid one. Secrets are by their setting's full name."""

    agi: AgiSettings | None
    hook: HookSettings | None
    web: WebSettings | None
    status: StatusSettings | None
    console: ConsoleSettings | None
    speech: SpeechSettings | None
    lines: Mapping[str, Line]
    secrets: Mapping[str, Secret]
    speech_cache: Path

    @property
    def web_listens(self) -> bool:
        """Tell whether `[web]` listens, as far as the tables are valid."""
        return self.over_http or (self.web is not None and self.web.enabled)

    @property
    def over_http(self) -> bool:
        """Tell whether the PBX fetches recordings over HTTP, as far as the tables are valid."""
        return self.speech is not None and self.speech.delivery == "http"

    @classmethod
    def readable(cls, values: Tree) -> Self:
        """Read the valid parts; the faults of the others are already listed."""
        lines: dict[str, Line] = {}
        for name, table in tables(values.get("lines")).items():
            if (line := _read(Line, {**table, NAME_ALIAS: name})) is not None:
                lines[name] = line
        return cls(
            _read(AgiSettings, values.get("agi", {})),
            _read(HookSettings, values.get("hook", {})),
            _read(WebSettings, values.get("web", {})),
            _read(StatusSettings, values.get("status", {})),
            _read(ConsoleSettings, values.get("console", {})),
            _read(SpeechSettings, values.get("speech", {})),
            lines,
            dict(_named(values)),
            Path(str(values.get("state_dir", STATE_DIR))) / SPEECH_FOLDER,
        )


def secrets_of(value: object, key: str = "") -> Iterator[tuple[str, Secret]]:
    """Yield the secrets in a model, each with the full name of its setting."""
    if isinstance(value, Secret):
        yield key, value
        return
    if isinstance(value, BaseModel):
        value = {name: getattr(value, name) for name in type(value).model_fields}
    if isinstance(value, tuple):
        value = dict(enumerate(value, start=1))
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from secrets_of(inner, f"{key}.{name}" if key else name)


def _named(tree: Tree, key: str = "") -> Iterator[tuple[str, Secret]]:
    """Yield the secrets of a tree that name a valid place, with their full names."""
    for name, value in tree.items():
        if name in SECRETS:
            with suppress(ValidationError):
                yield f"{key}{name}", _places(name).validate_python(value)
        elif isinstance(value, dict):
            yield from _named(value, f"{key}{name}.")
        elif isinstance(value, list):
            yield from _named(listed(value), f"{key}{name}.")


def _places(name: str) -> TypeAdapter[Secret]:
    """The kind of secret that a setting of this name is."""
    if name in SIGNING:
        return _SIGNING
    return _KEY if name in KEYS else _SECRET


def tables(value: object) -> dict[str, dict[str, Any]]:
    """Return the entries of a table that are tables."""
    if not isinstance(value, dict):
        return {}
    return {name: inner for name, inner in value.items() if isinstance(inner, dict)}


def _read(model: type[M], value: object) -> M | None:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None
