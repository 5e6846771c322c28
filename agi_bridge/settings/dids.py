"""Which line a called number belongs to.

Trunks hand the same number over in many forms: +14155550111, 14155550111, 4155550111,
(415) 555-0111. What makes two forms one number is `phone.canonical`; here the lines' numbers are
put into that form once, at start, so that a call costs a look-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge import phone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .line import Line


def numbers_of(lines: Iterable[Line]) -> frozenset[str]:
    """The telephone numbers of lines in E.164: their DIDs, and what the hook knows them by."""
    numbers = (
        phone.canonical(number, region=line.regions[0])
        for line in lines
        for number in (line.business_number, *line.did)
    )
    return frozenset(number for number in numbers if number.startswith("+"))


class DidIndex:
    """Lines by their numbers. Does not change once built."""

    __slots__ = ("_by_did", "_regions", "clashes")

    clashes: tuple[tuple[Line, Line], ...]
    """Pairs of lines that claim the same number; the first of each pair has it."""

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

        A number without its country code is read as each line's own country would. If that makes
        it the number of two different lines, it is neither's: guessing would ask for consent in
        the name of the wrong business.
        """
        found = {
            line.name: line
            for region in self._regions
            if (line := self._by_did.get(phone.canonical(called, region=region))) is not None
        }
        return next(iter(found.values())) if len(found) == 1 else None
