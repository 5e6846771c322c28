"""How figures are written in all answers."""

from __future__ import annotations


def count(number: int, what: str) -> str:
    """A number of things: `no faults`, `1 fault`, `2 faults`."""
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


def seconds(length: float | None) -> str:
    """A length in seconds, to a tenth; nothing for none."""
    return "" if length is None else f"{length:.1f}"
