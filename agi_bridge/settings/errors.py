"""Errors of the configuration, with stable codes.

    SettingsError(ValueError)       one or more faults; the text has one line for each
        .faults                     the `Fault` values; each has a `code`
    UnknownLineError(LookupError)   no line has this name or number; its code is `unknown_line`

No text contains the invalid value: it may be a secret in the wrong place.
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
_PLACE: Final = re.compile(r"^(web\.query|console\.users|push)\.\d+")


def fault_code(key: str, reason: str) -> str:
    """Return a stable name for a fault or finding: the setting without a line's name, the reason.

    `lines.shop.dial_template` and "placeholder" give `line.dial_template.placeholder`. A fault of
    the file itself is `configuration.…`.
    """
    if not _KEY.fullmatch(key):
        return f"configuration.{reason}"
    key = _PLACE.sub(r"\1", key)
    setting = _ENGINE.sub("speech.engine", _LINE.sub(r"line\1", key, count=1), count=1)
    return f"{setting}.{reason}"


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault of the configuration.

    Attributes:
        key: the full name of the setting (`lines.shop.dial_template`), variable or file.
        what: the problem.
        fix: what to write instead.
        reason: a stable word for the kind of fault (docs/check.md).
    """

    key: str
    what: str
    fix: str
    reason: str = "invalid"

    @property
    def code(self) -> str:
        """A stable name, the same for every line: `line.dial_template.placeholder`."""
        return fault_code(self.key, self.reason)

    def __str__(self) -> str:
        """Return the fault as one line."""
        return f"{self.key}: {self.what}; {self.fix}"


class SettingsError(ValueError):
    """The configuration cannot be used. `str()` is one line per fault, in the order of the keys."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


class UnknownLineError(LookupError):
    """No line has this name or number. The text lists the lines."""

    code: Final = "unknown_line"
    """A stable name of this error."""
