"""May this number be texted now? The hours of a line, at the place where the number lives.

47 CFR 64.1200(c)(1) counts the called party's local time. A number tells its place by its area
code at best, and some by their country alone (an Alaskan one has two time zones, an Australian
mobile eight): then the hours must be open in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers import timezone as number_zones

if TYPE_CHECKING:
    from agi_bridge.settings import Line

_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SendingHours:
    """The hours of a day in which texts may be sent.

    Attributes:
        opens: first minute, local time at the number's place.
        closes: the minute from which on it is too late, on the same day; the same as `opens`: it
            never is.
        timezone: IANA name of the zone that counts for a number of unknown place.
    """

    opens: time
    closes: time
    timezone: str

    @classmethod
    def of(cls, line: Line) -> Self:
        """The hours of a line."""
        return cls(line.hours.opens, line.hours.closes, line.timezone)

    def allow(self, number: str, moment: datetime) -> bool:
        """Whether the number may be texted at this moment.

        Args:
            number: in E.164.
            moment: with its zone.
        """
        return self.opens == self.closes or all(
            self.opens <= moment.astimezone(zone).time() < self.closes
            for zone in _zones(number, self.timezone)
        )

    def next_allowed(self, number: str, moment: datetime, until: datetime) -> datetime | None:
        """The first moment from `moment` to `until` that is allowed, or None.

        Walks by the minute, which is right across any change of clocks; ten minutes are ten steps.
        """
        while moment <= until:
            if self.allow(number, moment):
                return moment
            moment = moment.replace(second=0, microsecond=0) + _MINUTE
        return None


def _zones(number: str, fallback: str) -> tuple[ZoneInfo, ...]:
    """Every zone that the number may be in; one that this machine has no clock for is `fallback`.

    A number of no known place has the one zone `Etc/Unknown`, which exists nowhere else.
    """
    try:
        names = number_zones.time_zones_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        names = ()
    return tuple(_zone(name, fallback) for name in names) or (ZoneInfo(fallback),)


def _zone(name: str, fallback: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return ZoneInfo(fallback)
