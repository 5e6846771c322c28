"""The parts of a configuration that rules between tables look at, in order or not.

pydantic gives all or nothing; an administrator who wrote two faults wants to hear of both. So
the parts that are in order by themselves are read out of a configuration that as a whole is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from .line import NAME_ALIAS, Line
from .secret import Secret, SecretPlace
from .sections import AgiSettings, SpeechSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .sources import Tree

M = TypeVar("M", bound=BaseModel)

_SECRET: TypeAdapter[Secret] = TypeAdapter(SecretPlace)


@dataclass(frozen=True, slots=True)
class Parts:
    """What could be read. Secrets go by the full name of their setting."""

    agi: AgiSettings | None
    speech: SpeechSettings | None
    lines: Mapping[str, Line]
    secrets: Mapping[str, Secret]

    @classmethod
    def whole(cls, agi: AgiSettings, speech: SpeechSettings, lines: Mapping[str, Line]) -> Self:
        """Take the parts of a configuration that is in order."""
        secrets = {f"lines.{name}.hook_key": line.hook_key for name, line in lines.items()}
        if agi.token is not None:
            secrets["agi.token"] = agi.token
        return cls(agi, speech, lines, secrets)

    @classmethod
    def readable(cls, values: Tree) -> Self:
        """Take those parts that are in order; what is not has been listed already."""
        lines: dict[str, Line] = {}
        secrets: dict[str, Secret] = {}
        for name, table in tables(values.get("lines")).items():
            if (line := _read(Line, {**table, NAME_ALIAS: name})) is not None:
                lines[name] = line
            if (secret := _secret(table.get("hook_key"))) is not None:
                secrets[f"lines.{name}.hook_key"] = secret
        agi = values.get("agi", {})
        if isinstance(agi, dict) and (secret := _secret(agi.get("token"))) is not None:
            secrets["agi.token"] = secret
        speech = _read(SpeechSettings, values.get("speech", {}))
        return cls(_read(AgiSettings, agi), speech, lines, secrets)


def tables(value: object) -> dict[str, dict[str, Any]]:
    """Return those entries of a table that are tables themselves."""
    if not isinstance(value, dict):
        return {}
    return {name: inner for name, inner in value.items() if isinstance(inner, dict)}


def _read(model: type[M], value: object) -> M | None:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


def _secret(value: object) -> Secret | None:
    try:
        return _SECRET.validate_python(value)
    except ValidationError:
        return None
