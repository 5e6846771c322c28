"""Quiet hours: whether a number may be texted now, by the local time of the number.

47 CFR 64.1200(c)(1) refers to the called party's local time. At best, the area code gives the
location of a number. Some numbers have several possible time zones (Alaska two, an Australian
mobile number eight); texts are then allowed only when the hours are open in all of them.
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
    """The hours of the day in which texts may be sent.

    Attributes:
        opens: first minute, in the number's local time.
        closes: first minute that is too late, on the same day; equal to `opens` means no limit.
        timezone: IANA name of the zone for a number whose location is unknown.
    """

    opens: time
    closes: time
    timezone: str

    @classmethod
    def of(cls, line: Line) -> Self:
        """Return the hours of a line."""
        return cls(line.hours.opens, line.hours.closes, line.timezone)

    def allow(self, number: str, moment: datetime) -> bool:
        """Return whether the number may be texted at this moment.

        Args:
            number: in E.164.
            moment: with a time zone.
        """
        return self.opens == self.closes or all(
            self.opens <= moment.astimezone(zone).time() < self.closes
            for zone in _zones(number, self.timezone)
        )

    def next_allowed(self, number: str, moment: datetime, until: datetime) -> datetime | None:
        """Return the first allowed moment from `moment` to `until`, or None.

        It steps by the minute, which is correct across clock changes; ten minutes are ten steps.
        """
        while moment <= until:
            if self.allow(number, moment):
                return moment
            moment = moment.replace(second=0, microsecond=0) + _MINUTE
        return None


def _zones(number: str, fallback: str) -> tuple[ZoneInfo, ...]:
    """Return every zone the number may be in; a zone unknown to this machine becomes `fallback`.

    A number without a known location has the zone `Etc/Unknown`, which no machine knows.
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
