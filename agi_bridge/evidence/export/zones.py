"""Local times on pages: the zone's offsets are kept, so a page renders the same years later.

The rules of time zones change, and a verifier's machine may have others. So an export notes the
offsets that its pages were rendered with: from which time on, minutes east of UTC, abbreviation.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

_FALLBACK: Final = (0, "UTC")


class Zones:
    """Offsets of time zones: looked up and remembered, or those that an export notes."""

    def __init__(self, noted: Mapping[str, list[Any]] | None = None) -> None:
        """Use the offsets that an export notes; None looks them up on this machine."""
        self._noted = noted
        self._used: dict[str, dict[str, tuple[int, str]]] = {}

    @classmethod
    def parse(cls, noted: object) -> Self | None:
        """The offsets in a manifest; None if it has no such thing."""
        if not isinstance(noted, dict):
            return None
        for runs in noted.values():
            if not isinstance(runs, list) or not runs or not all(map(_is_run, runs)):
                return None
        return cls(noted)

    def local(self, at: str, zone: str) -> str:
        """A timestamp of the ledger in a time zone, to the second; in UTC if it is not known."""
        minutes, name = self._offset(at, zone)
        moment = datetime.fromisoformat(at).astimezone(UTC) + timedelta(minutes=minutes)
        return f"{moment.day} {moment:%B %Y, %H:%M:%S} {name}"

    @property
    def noted(self) -> dict[str, list[list[Any]]]:
        """The offsets that were used, for a manifest: each with the first time it was used for."""
        noted: dict[str, list[list[Any]]] = {}
        for zone, used in sorted(self._used.items()):
            runs = noted[zone] = []
            for at, (minutes, name) in sorted(used.items()):
                if not runs or runs[-1][1:] != [minutes, name]:
                    runs.append([at, minutes, name])
        return noted

    @property
    def agree_with_this_machine(self) -> bool:
        """Whether the offsets that were used are those of this machine's time zones."""
        return all(
            _look_up(at, zone) == offset
            for zone, used in self._used.items()
            for at, offset in used.items()
        )

    def _offset(self, at: str, zone: str) -> tuple[int, str]:
        if self._noted is None:
            offset = _look_up(at, zone)
        else:
            runs = self._noted.get(zone, [])
            place = bisect_right([run[0] for run in runs], at)
            offset = (runs[place - 1][1], runs[place - 1][2]) if place else _FALLBACK
        self._used.setdefault(zone, {})[at] = offset
        return offset


def _look_up(at: str, zone: str) -> tuple[int, str]:
    try:
        moment = datetime.fromisoformat(at).astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return _FALLBACK
    offset = moment.utcoffset()
    return (0 if offset is None else int(offset.total_seconds() // 60)), moment.tzname() or "UTC"


def _is_run(run: object) -> bool:
    return isinstance(run, list) and [*map(type, run)] == [str, int, str] and abs(run[1]) < 24 * 60
