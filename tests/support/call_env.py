"""Lines made in one line, for tests."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agi_bridge.settings import Settings

if TYPE_CHECKING:
    from agi_bridge.settings import Line

DID = "+14155550111"
KEY = "a73d5034210f702515128ac61193cd21"


def settings(
    state_dir: Path | None = None,
    hook: str | None = None,
    tables: dict[str, dict[str, Any]] | None = None,
    **line: Any,
) -> Settings:
    """A configuration of one line called `shop`; `tables` are further tables of the file."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(toml(state_dir, hook, tables, **line))
        file.flush()
        return Settings.load(Path(file.name), {"SHOP_KEY": KEY})


def toml(
    state_dir: Path | None = None,
    hook: str | None = None,
    tables: dict[str, dict[str, Any]] | None = None,
    **line: Any,
) -> str:
    """The text of that configuration; the key is in the variable SHOP_KEY."""
    table: dict[str, Any] = {
        "did": [DID],
        "business_number": DID,
        "hook_key": {"env": "SHOP_KEY"},
        "brand": "Example Store",
        "dial_template": "PJSIP/{number}@trunk",
        "default": {"kind": "dial", "destination": "PJSIP/100"},
        **line,
    }
    values: dict[str, Any] = {
        "state_dir": str(state_dir or "/nonexistent"),
        "agi": {"port": 0},
        "lines": {"shop": table},
        **(tables or {}),
    }
    if hook is not None:
        values["hook"] = {"url": hook, **values.get("hook", {})}
    return "\n".join(_toml(values))


def line(**values: Any) -> Line:
    """The line of `settings`."""
    return settings(**values).lines["shop"]


def _toml(table: dict[str, Any], path: str = "") -> list[str]:
    lines = [f"[{path}]"] if path else []
    lines += [f"{k} = {_value(v)}" for k, v in table.items() if not isinstance(v, dict)]
    for key, inner in table.items():
        if isinstance(inner, dict):
            lines += _toml(inner, f"{path}.{key}" if path else key)
    return lines


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_value(inner)}' for key, inner in value.items())}}}"
    return str(value) if isinstance(value, int | float) else f'"{value}"'
