"""Where each value of a configuration comes from: the file, a variable, or the default."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pydantic import BaseModel

from .errors import SettingsError
from .sources import read_file, variable_of
from .types import CommandLine, PrivatePath

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .settings import Settings

DEFAULT = "default"
"""The source of a value that nobody set."""
HIDDEN = "***"
"""Stands for what is not shown."""
_WITH_ARGUMENTS = 2


@dataclass(frozen=True, slots=True)
class ValueInForce:
    """One setting as it is in force.

    Attributes:
        key: its full name.
        value: as JSON. Of a secret, the place where it is; of a command, the program without its
            arguments; of a URL, nothing that may let somebody in.
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
        for key, value in _flat(_shown(settings), "")
    ]


def _shown(model: BaseModel) -> dict[str, Any]:
    """A model as plain values, without what may be a secret though it is no `Secret`."""
    plain = model.model_dump(mode="json")
    for name, field in type(model).model_fields.items():
        if name in plain:
            value = getattr(model, name)
            if CommandLine in field.metadata:
                plain[name] = _program(value)
            elif PrivatePath in field.metadata:
                plain[name] = _host(value)
            else:
                plain[name] = _without_secrets(value, plain[name])
    return plain


def _without_secrets(value: object, plain: object) -> object:
    if isinstance(value, BaseModel):
        return _shown(value)
    if isinstance(value, dict) and isinstance(plain, dict):
        pairs = zip(value.values(), plain.items(), strict=True)
        return {name: _without_secrets(each, shown) for each, (name, shown) in pairs}
    if isinstance(value, tuple | list) and isinstance(plain, list):
        return [_without_secrets(each, shown) for each, shown in zip(value, plain, strict=True)]
    return _public(plain) if isinstance(plain, str) and "://" in plain else plain


def _program(command: tuple[str, ...]) -> list[str]:
    """A command without its arguments, which may be tokens."""
    if len(command) < _WITH_ARGUMENTS:
        return list(command)
    return [command[0], f"({len(command) - 1} more, not shown)"]


def _public(text: str) -> str:
    """A URL without a password and without the values of its query."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    query = "&".join(
        f"{each.partition('=')[0]}={HIDDEN}" for each in parts.query.split("&") if each
    )
    netloc = f"{name}{colon}{HIDDEN if colon else ''}{at}{host}"
    return parts._replace(netloc=netloc, query=query).geturl()


def _host(url: str) -> str:
    """A URL whose path may be a secret, as many webhooks have it: its host."""
    parts = urlsplit(_public(url))
    path = parts.path.strip("/") and f"/{HIDDEN}"
    return parts._replace(path=path, query="", fragment="").geturl()


def _flat(table: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        if isinstance(value, dict) and value and not _is_place(value):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, _place(value) if isinstance(value, dict) else value


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
