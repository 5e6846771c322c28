"""Finds the line that a called number belongs to.

Trunks write the same number in many forms: +14155550111, 14155550111, 4155550111, (415) 555-0111.
`phone.canonical` makes them equal. The lines' numbers are put into that form once, at start, so
that a call costs one look-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge import phone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .line import Line


def numbers_of(lines: Iterable[Line]) -> frozenset[str]:
    """Return the phone numbers of lines in E.164: their DIDs and business numbers."""
    numbers = (
        phone.canonical(number, region=line.regions[0])
        for line in lines
        for number in (line.business_number, *line.did)
    )
    return frozenset(number for number in numbers if number.startswith("+"))


class DidIndex:
    """Lines by their numbers. Immutable once built."""

    __slots__ = ("_by_did", "_regions", "clashes")

    clashes: tuple[tuple[Line, Line], ...]
    """Pairs of lines with the same number; calls go to the first of each pair."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self._by_did: dict[str, Line] = {}
        regions: dict[str, None] = {}  # keeps the order of the lines
        clashes: list[tuple[Line, Line]] = []
        for line in lines:
            regions[line.regions[0]] = None
            for did in line.did:
                first = self._by_did.setdefault(phone.canonical(did, region=line.regions[0]), line)
                if first is not line and (first, line) not in clashes:
                    clashes.append((first, line))
        self._regions = tuple(regions)
        self.clashes = tuple(clashes)

    def find(self, called: str) -> Line | None:
        """Return the line that a called number belongs to, or None.

        A number without a country code is read in each line's country. If it then matches two
        lines, the result is None: a guess could ask for consent on behalf of the wrong business.
        """
        found = {
            line.name: line
            for region in self._regions
            if (line := self._by_did.get(phone.canonical(called, region=region))) is not None
        }
        return next(iter(found.values())) if len(found) == 1 else None
