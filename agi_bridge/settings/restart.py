"""What a reload cannot change: listeners, the ledger, and secrets that only a start can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel

from .ami import AMI_SECRET
from .partial import secrets_of
from .secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .settings import Settings

M = TypeVar("M", bound=BaseModel)

FIXED: Final = (
    "state_dir",
    "agi.host",
    "agi.port",
    "agi.allow",
    "agi.token",
    "alerts",
    "console.enabled",
    "console.host",
    "console.port",
    "ledger",
    "status",
    "web.host",
    "web.port",
    "speech.delivery",
    "speech.url",
)
"""Settings, and whole tables, that hold until the service is restarted."""


def keep_fixed(read: Settings, running: Settings) -> tuple[Settings, tuple[str, ...]]:
    """Return what a reload puts in force, and the full names of what waits for a restart.

    Args:
        read: the configuration as it is on disk now.
        running: the configuration that the service was started with, or reloaded last.

    Raises:
        SettingsError: what would be in force together does not fit: a sign-in that is meant for
            loopback, for example, and a console that still listens on the network.
    """
    waiting: list[str] = []
    kept = read
    for name in FIXED:
        path = name.split(".")
        before, now = _value(running, path), _value(read, path)
        if before != now:
            waiting += _differences(before, now, name)
            kept = _replaced(kept, path, before)
    if kept.web_listens != running.web_listens:
        waiting.append("web.token")  # with its first token the web begins to listen
    if waiting:
        kept.check_again()
    return kept, tuple(waiting)


def read_at_start(settings: Settings) -> tuple[str, ...]:
    """Return the full names of the secrets that only a restart reads again.

    Credentials and environment variables are passed once, when the process starts.
    """
    return tuple(
        name for name, secret in secrets_of(settings) if secret.file is None and name != AMI_SECRET
    )


def same_values(one: Settings, other: Settings) -> bool:
    """Tell whether two configurations say the same, their secrets included."""
    return one.sha256 == other.sha256 and dict(secrets_of(one)) == dict(secrets_of(other))


def _value(model: BaseModel, path: Sequence[str]) -> object:
    value: object = model
    for name in path:
        value = getattr(value, name)
    return value


def _replaced(model: M, path: Sequence[str], value: object) -> M:
    name, *rest = path
    if rest:
        value = _replaced(getattr(model, name), rest, value)
    return model.model_copy(update={name: value})


def _differences(before: object, now: object, name: str) -> Iterator[str]:
    """Yield the settings of a table that differ, or the one setting."""
    if (
        not isinstance(before, BaseModel)
        or isinstance(before, Secret)
        or type(before) is not type(now)
    ):
        yield name
        return
    for field in type(before).model_fields:
        one, other = getattr(before, field), getattr(now, field)
        if one != other:
            yield from _differences(one, other, f"{name}.{field}")
