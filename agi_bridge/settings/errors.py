"""What goes wrong while the configuration is read.

    SettingsError(ValueError)       one or more faults; the text has one line for each
        .faults                     the `Fault` values themselves
    UnknownLineError(LookupError)   no line has the name or number that was asked for

No text in here ever holds the value that was refused: it may be a secret put in the wrong place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


_KEY: Final = re.compile(r"[a-z0-9_*.-]+")
_LINE: Final = re.compile(r"lines\.[^.]+(?:(\.texts)\.[^.]+)?")
_ENGINE: Final = re.compile(r"speech\.engines\.[^.]+")


def fault_code(key: str, reason: str) -> str:
    """Return a stable name for a fault or finding: the setting without a line's name, the reason.

    `lines.shop.dial_template` and "placeholder" are `line.dial_template.placeholder`; what is wrong
    with a file itself is `configuration.…`.
    """
    if not _KEY.fullmatch(key):
        return f"configuration.{reason}"
    setting = _ENGINE.sub("speech.engine", _LINE.sub(r"line\1", key, count=1), count=1)
    return f"{setting}.{reason}"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong with the configuration.

    `key` is the full name of the setting (`lines.shop.dial_template`), of the environment
    variable or of the file; `what` is what is wrong with it; `fix` is what to write instead;
    `reason` is a stable word for the kind of fault (docs/check.md).
    """

    key: str
    what: str
    fix: str
    reason: str = "invalid"

    def __str__(self) -> str:
        """Return the one line that an administrator reads."""
        return f"{self.key}: {self.what}; {self.fix}"


class SettingsError(ValueError):
    """The configuration cannot be used. `str()` is one line per fault, in the order of the keys."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class UnknownLineError(LookupError):
    """No line has this name, and no line is called on this number. The text lists the lines."""
