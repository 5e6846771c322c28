"""What goes wrong while the configuration is read.

    SettingsError(ValueError)   one or more faults; its text has one line for each
        .faults                 the `Fault` values themselves

No text in here ever holds the value that was refused: it may be a secret put in the wrong place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong with the configuration.

    `key` is the full name of the setting (`lines.shop.dial_template`), of the environment
    variable or of the file; `what` is what is wrong with it; `fix` is what to write instead.
    """

    key: str
    what: str
    fix: str

    def __str__(self) -> str:
        """Return the one line that an administrator reads."""
        return f"{self.key}: {self.what}; {self.fix}"


class SettingsError(ValueError):
    """The configuration cannot be used. `str()` is one line per fault, in the order of the keys."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults: tuple[Fault, ...] = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))
