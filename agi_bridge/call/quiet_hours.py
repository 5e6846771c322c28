"""Quiet hours: whether a number may be texted now, by the local time and weekday of the number.

The line sets its hours; for marketing texts the law narrows them (`legal_hours`).

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

from agi_bridge.call.legal_hours import legal_hours

if TYPE_CHECKING:
    from agi_bridge.settings import Line, Week

LATEST: Final = time(21)
"""When the day of a line whose texts advertise ends, if it does not say: the law ends it sooner."""
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SendingHours:
    """The hours in which texts may be sent.

    Attributes:
        own: the line's hours, in the number's local time.
        timezone: IANA name of the zone for a number whose location is unknown.
        advertises: whether the hours of the law count too.
    """

    own: Week
    timezone: str
    advertises: bool = False

    @classmethod
    def of(cls, line: Line) -> Self:
        """Return the hours of a line."""
        advertises = line.purpose == "marketing"
        closes = LATEST if advertises else None
        return cls(line.hours.week(closes), line.timezone, advertises)

    def allow(self, number: str, moment: datetime) -> bool:
        """Return whether the number may be texted at this moment.

        Args:
            number: in E.164.
            moment: with a time zone.
        """
        legal = legal_hours(number) if self.advertises else None
        return all(
            _is_open(week, moment.astimezone(zone))
            for zone in _zones(number, self.timezone)
            for week in (self.own, legal)
            if week is not None
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


def _is_open(week: Week, local: datetime) -> bool:
    """Whether a local time is within the hours of its weekday."""
    day = week[local.weekday()]
    if day is None:
        return False
    opens, closes = day
    return opens == closes or opens <= local.time() < closes


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
