"""Where each value of a configuration comes from: the file, a variable, or the default."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import SettingsError
from .sources import read_file, variable_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .settings import Settings

DEFAULT = "default"
"""The source of a value that nobody set."""


@dataclass(frozen=True, slots=True)
class ValueInForce:
    """One setting as it is in force.

    Attributes:
        key: its full name.
        value: as JSON; of a secret, the place where it is; of a command, the program alone.
        source: the file's name, the variable, or DEFAULT.
    """

    key: str
    value: str
    source: str


def values_in_force(settings: Settings, environ: Mapping[str, str]) -> list[ValueInForce]:
    """Every setting of a configuration, in the order of its tables. Blocks: the file is read.

    A file that has changed since may name other sources than the values came from.
    """
    tree: dict[str, Any] = {}
    if settings.file is not None:
        try:
            tree = read_file(settings.file)
        except SettingsError:
            tree = {}
    file = "" if settings.file is None else settings.file.name
    return [
        ValueInForce(key, json.dumps(value, ensure_ascii=False), _source(key, tree, environ, file))
        for key, value in _flat(settings.model_dump(mode="json"), "")
    ]


def _flat(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict) and value and not _is_place(value):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _shown(name, value)


def _shown(name: str, value: object) -> object:
    """A value as anybody may see it: a command's arguments may hold a token."""
    if isinstance(value, dict):
        return _place(value)
    if name == "command" and isinstance(value, list) and len(value) > 1:
        return [value[0], f"({len(value) - 1} more)"]
    return value


def _is_place(value: Mapping[str, Any]) -> bool:
    """Whether a table says where a secret is."""
    return set(value) == {"env", "file", "credential"}


def _place(value: Mapping[str, Any]) -> object:
    return {name: each for name, each in value.items() if each is not None}


def _source(key: str, tree: Mapping[str, Any], environ: Mapping[str, str], file: str) -> str:
    parts = key.split(".")
    for length in range(len(parts), 0, -1):
        variable = variable_of(".".join(parts[:length]))
        if variable in environ:
            return variable
    found: object = tree
    for part in parts:
        if not isinstance(found, dict) or part not in found:
            return DEFAULT
        found = found[part]
    return file
