"""Reads the values: one TOML file, and the environment, which overrides it.

`AGI_BRIDGE_HOOK__URL` overrides `url` in `[hook]`, `AGI_BRIDGE_LINES__SHOP__BRAND` overrides
`brand` in `[lines.shop]`: the prefix, then the key's path with `__` between its parts. Lists may
be written `a,b`, tables as JSON (which replaces the whole table) or with one variable per key.

A variable with the prefix that is not a setting is a fault, like an unknown key in the file: a
misspelt override must not be ignored. pydantic-settings ignores such names and stops at the first
value that it cannot decode, so it is not used.
"""

from __future__ import annotations

import os
import stat
import time
import tomllib
from typing import TYPE_CHECKING, Any

from agi_bridge.config_file import CONFIG_VARIABLE, DEFAULT_PATH, MAX_FILE_BYTES, PREFIX

from .errors import Fault, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DELIMITER = "__"

OTHER_NAMES = frozenset({CONFIG_VARIABLE, PREFIX + "ASTERISK", PREFIX + "CACHE"})
"""Variables with the prefix that other tools use."""

KEYS = frozenset({"vault_key", "lookup_key", "signing_key"})
"""Secrets that may have several lines."""

SIGNING = frozenset({"signing_secret"})
"""Secrets that sign webhooks, one a line."""

SECRETS = (
    KEYS
    | SIGNING
    | {"hook_key", "instaply_api_token", "instaply_token", "key", "password", "secret", "token"}
)
"""Settings that are secrets: a variable named after one contains the secret itself."""

_MAX_DEPTH = 20
_FIFO_TRIES = 200
_FIFO_SECONDS = 0.01

Tree = dict[str, Any]

NO_FILE = Fault(
    str(DEFAULT_PATH),
    f"does not exist, and neither --config nor {CONFIG_VARIABLE} names another file",
    "copy agi-bridge.example.toml there, or name your file",
    "unreadable",
)
"""The fault if there is no file and the environment has no configuration either."""


def read_file(path: Path) -> Tree:
    """Read the TOML file. Raises SettingsError naming the file and, where known, the line."""
    try:
        tree = tomllib.loads(_text(path))
    except SettingsError:
        raise
    except OSError as error:
        fix = "name a readable file with --config or " + CONFIG_VARIABLE
        fault = Fault(str(path), f"cannot be read ({error.strerror})", fix, "unreadable")
    except UnicodeDecodeError:
        fault = Fault(str(path), "is not UTF-8 text", "save it as UTF-8", "encoding")
    except tomllib.TOMLDecodeError as error:
        fix = "use straight quotes, and each key only once"
        fault = Fault(str(path), f"is not valid TOML: {error}", fix, "toml")
    except ValueError:  # Python reads no number of more than 4,300 digits
        fix = "write the number in fewer digits"
        fault = Fault(str(path), "contains a number with too many digits", fix, "toml")
    except RecursionError:
        fault = _too_deep(str(path))
    else:
        if _is_flat_enough(tree):
            return tree
        fault = _too_deep(str(path))
    raise SettingsError([fault])


def read_state_dir_line(path: Path) -> Tree:
    """Read `state_dir` alone, from the top of a file that may be no TOML; empty if it is not there.

    Never raises.
    """
    try:
        lines = _text(path).splitlines()
    except (SettingsError, OSError, UnicodeDecodeError):
        return {}
    for line in lines:
        if line.lstrip().startswith("["):
            break
        if line.partition("=")[0].strip() == "state_dir":
            try:
                return tomllib.loads(line)
            except tomllib.TOMLDecodeError:
                break
    return {}


def _text(path: Path) -> str:
    """Return the text of a file or a pipe (`--config <(command)`); a device would have no end.

    Raises:
        OSError: it cannot be read.
        SettingsError: it is not a file, or too large to be the right one.
    """
    # Non-blocking: a FIFO that nobody writes to would block the start.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as opened:
        kind = os.fstat(handle).st_mode
        begun = b""
        if stat.S_ISFIFO(kind):
            begun = _first_of_fifo(handle, path)
            os.set_blocking(handle, True)
        if not stat.S_ISREG(kind) and not stat.S_ISFIFO(kind):
            raise SettingsError(
                [Fault(str(path), "is not a file", "name the right file", "unreadable")]
            )
        data = begun + opened.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise SettingsError(
            [Fault(str(path), "is larger than 1 MiB", "name the right file", "too_large")]
        )
    return data.decode("utf-8-sig").replace("\r\n", "\n")


def _first_of_fifo(handle: int, path: Path) -> bytes:
    """Return what a FIFO contains so far, once it has a writer.

    Raises:
        SettingsError: it has no writer.
    """
    for _ in range(_FIFO_TRIES):
        try:
            if data := os.read(handle, 1 << 16):
                return data
        except BlockingIOError:
            return b""  # it has a writer that has written nothing yet
        time.sleep(_FIFO_SECONDS)
    raise SettingsError(
        [Fault(str(path), "is a pipe without a writer", "name the right file", "unreadable")]
    )


def _is_flat_enough(tree: Tree) -> bool:
    """Tell whether a recursive reader can handle the tree's depth."""
    level: list[Any] = [tree]
    for _ in range(_MAX_DEPTH):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return True
    return False


def _too_deep(key: str) -> Fault:
    fix = "remove brackets or dots; no setting is deeper than five tables"
    return Fault(key, "is nested too deeply", fix, "toml")


def read_environment(environ: Mapping[str, str], also: frozenset[str] = frozenset()) -> Tree:
    """Return the settings in the environment, as a tree like the file's.

    A variable for a key overrides one for the whole table.

    Args:
        environ: the environment.
        also: variables with the prefix that are not settings: those that a secret's `env` names.

    Raises:
        SettingsError: a variable's name is nested too deeply.
    """
    tree: Tree = {}
    others = OTHER_NAMES | also
    for name in sorted(environ, key=len):
        if not name.startswith(PREFIX) or name in others:
            continue
        *tables, key = name.removeprefix(PREFIX).lower().split(DELIMITER)
        if len(tables) >= _MAX_DEPTH:
            raise SettingsError([_too_deep(name)])
        branch = tree
        for table in tables:
            if not isinstance(branch.get(table), dict):
                branch[table] = {}
            branch = branch[table]
        value = environ[name]
        place = key in SECRETS and not value.lstrip().startswith("{")
        branch[key] = {"env": name} if place else value
    return tree


def variable_of(key: str) -> str:
    """Return the name of the environment variable that overrides a setting."""
    return PREFIX + key.replace(".", DELIMITER).upper()


def named_variables(tree: Tree, key: str = "") -> Iterator[str]:
    """Yield the variables that a tree's secrets name, except those named after the settings."""
    for name, given in tree.items():
        value = listed(given) if isinstance(given, list) else given
        if not isinstance(value, dict):
            continue
        if name in SECRETS:
            place = value.get("env")
            if isinstance(place, str) and place != variable_of(key + name):
                yield place
        else:
            yield from named_variables(value, f"{key}{name}.")


def listed(tables: list[Any]) -> Tree:
    """Return the tables of a list by their position, from 1."""
    places = enumerate(tables, start=1)
    return {str(place): table for place, table in places if isinstance(table, dict)}


def merge(below: Tree, above: Tree) -> Tree:
    """Merge two trees; `above` wins. Tables are merged key by key, everything else is replaced."""
    merged = dict(below)
    for key, value in above.items():
        beneath = merged.get(key)
        if isinstance(beneath, dict) and isinstance(value, dict) and key not in SECRETS:
            merged[key] = merge(beneath, value)
        else:
            merged[key] = value  # a secret has one place, never parts of two
    return merged
