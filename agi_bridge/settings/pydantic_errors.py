"""Turns pydantic's errors into `Fault` lines: the key's full name, the problem, the fix.

Only types and limits are quoted from pydantic, never the invalid value.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final, get_args

from pydantic import BaseModel

from .errors import Fault
from .line import NAME_ALIAS
from .types import REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import ValidationError
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

ANY_LINE = "*"
"""Placeholder for a line's name in a key's full name."""

_KINDS = frozenset({"dial", "dialplan", "say", "hangup"})
_ENGINES = "engines"
_MARKS = frozenset({NAME_ALIAS, "[key]"})

_GONE = {
    "speech.engine": 'write a table [[speech.engines]] with kind = "command" and command = ["…"]',
}
"""Settings of earlier versions, and what replaces them."""

_LIMITS = {
    "greater_than": ("is too small", "make it more than {gt}", "too_small"),
    "greater_than_equal": ("is too small", "make it at least {ge}", "too_small"),
    "less_than": ("is too large", "make it less than {lt}", "too_large"),
    "less_than_equal": ("is too large", "make it at most {le}", "too_large"),
    "finite_number": ("is not a finite number", "write a number", "type"),
    "string_too_long": ("is too long", "use at most {max_length} characters", "too_long"),
    "string_too_short": ("is empty", "give it a value", "empty"),
    "too_short": ("is empty", "list at least {min_length}", "empty"),
    "too_long": ("has too many entries", "list at most {max_length}", "too_long"),
    "literal_error": ("has an invalid value", "must be one of {expected}", "choice"),
    "union_tag_invalid": ("has an unknown kind", "must be one of {expected_tags}", "choice"),
    "union_tag_not_found": ("has no kind", 'write it like {{kind = "…"}}', "choice"),
}

_WANTED = {
    "string": "text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple": 'a list, like ["…", "…"]',
    "dict": "a table",
    "model": "a table",
    "path": "a path in quotes",
}


_LISTS: Final = (["web", "query"], ["console", "users"], ["push"])
"""Lists of tables whose keys have the place in the list."""


def known_keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield every setting and table with its full name; a line is `lines.*`."""
    for name, field in model.model_fields.items():
        if field.alias == NAME_ALIAS:
            continue
        key = prefix + name
        yield key, field
        several = key in {"lines", "speech.engines", "web.query", "console.users", "push"}
        for inner in _models(field.annotation):
            yield from known_keys(inner, f"{key}.{ANY_LINE}." if several else f"{key}.")


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # noqa: ANN401  # any type expression
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def full_name(location: tuple[int | str, ...]) -> str:
    """Return the dotted key of a pydantic location, without list positions and union tags.

    Engines, systems and receivers are lists of tables: the first is `speech.engines.1`.
    """
    parts: list[str] = []
    before: int | str | None = None
    for part in location:
        if isinstance(part, int):
            if parts[-1:] == [_ENGINES] or parts in _LISTS:
                parts.append(str(part + 1))
        elif not _is_tag(part, before, parts) and part not in _MARKS:
            parts.append(part)
        before = part
    return ".".join(parts)


def _is_tag(part: str, before: int | str | None, parts: list[str]) -> bool:
    """Tell whether a part of a location is the kind of a table, not a key."""
    if parts[-1:] == ["default"]:
        return part in _KINDS
    return isinstance(before, int) and parts[-2:-1] == [_ENGINES]


def read_errors(error: ValidationError, model: type[BaseModel]) -> Iterator[Fault]:
    """Yield a fault for each of pydantic's errors."""
    keys = [key for key, _ in known_keys(model)]
    for detail in error.errors(include_url=False, include_input=False):
        yield _fault(detail, keys)


def _fault(detail: ErrorDetails, keys: list[str]) -> Fault:
    key = full_name(detail["loc"])
    context = detail.get("ctx", {})
    kind = detail["type"]
    if kind == REFUSED:
        return Fault(key, context["what"], context["fix"], context["reason"])
    if kind == "missing":
        return Fault(key, "is missing", "add it; agi-bridge.example.toml shows it", "missing")
    if kind == "extra_forbidden":
        fix = _GONE.get(key) or _suggestion(key, keys)
        return Fault(key, "is not a setting", fix, "unknown")
    if kind in _LIMITS:
        what, fix, reason = _LIMITS[kind]
        return Fault(key, what, fix.format(**context), reason)
    wanted = _WANTED.get(kind.partition("_")[0], "what agi-bridge.example.toml shows")
    return Fault(key, "has the wrong type", f"write {wanted}", "type")


def _suggestion(key: str, keys: list[str]) -> str:
    """Suggest the setting that was most likely meant."""
    parts = key.split(".")
    line = ANY_LINE
    for several in (["lines"], ["speech", _ENGINES]):
        place = len(several)
        if parts[:place] == several and len(parts) > place:
            line, parts[place] = parts[place], ANY_LINE
    table, _, name = ".".join(parts).rpartition(".")
    siblings = {k.rpartition(".")[2]: k for k in keys if k.rpartition(".")[0] == table}
    # Lists have entries of their own: a line's `name` does not stand for an engine's.
    elsewhere = {
        k.rpartition(".")[2]: k
        for k in reversed(keys)
        if ANY_LINE not in k or k.startswith(("lines.", f"{table}."))
    }
    for names in (siblings, elsewhere):
        if close := difflib.get_close_matches(name, names, n=1, cutoff=0.7):
            return f"did you mean {names[close[0]].replace(ANY_LINE, line)}?"
    return "remove it"
