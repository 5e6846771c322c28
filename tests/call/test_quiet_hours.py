from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers.geodata import GEOCODE_DATA
from phonenumbers.tzdata import TIMEZONE_DATA

from agi_bridge.call import legal_hours
from agi_bridge.call.quiet_hours import SendingHours
from tests.support.call_env import line

NEW_YORK, PHOENIX, ALASKA = "+12125550123", "+14805550123", "+19075550123"
SATELLITE = "+882123456789"


def daily(opens: time, closes: time, timezone: str = "UTC") -> SendingHours:
    return SendingHours(legal_hours.daily((opens, closes)), timezone)


HOURS = daily(time(8), time(20))

moments = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the strategy adds the zone
times = st.times().map(lambda at: at.replace(second=0, microsecond=0))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("number", "moment", "allowed"),
    [
        (NEW_YORK, "2026-01-15T12:59:59.999", False),
        (NEW_YORK, "2026-01-15T13:00", True),  # 08:00 EST
        (NEW_YORK, "2026-01-16T00:59:59", True),
        (NEW_YORK, "2026-01-16T01:00", False),  # 20:00 EST
        (NEW_YORK, "2026-07-15T11:59", False),
        (NEW_YORK, "2026-07-15T12:00", True),  # 08:00 EDT
        (NEW_YORK, "2026-03-07T12:30", False),  # the day before the clocks go forward
        (NEW_YORK, "2026-03-08T12:00", True),  # and that day
        (NEW_YORK, "2026-11-01T12:30", False),  # the day they go back
        (NEW_YORK, "2026-11-01T13:00", True),
        ("+33612345678", "2026-07-15T06:00", True),  # 08:00 in Paris
        ("+33612345678", "2026-07-15T18:00", False),
    ],
)
def test_the_hours_are_those_of_the_numbers_place(
    number: str, moment: str, *, allowed: bool
) -> None:
    assert HOURS.allow(number, utc(moment)) is allowed


@given(times, moments)
def test_hours_that_end_as_they_begin_are_the_whole_day(at: time, moment: datetime) -> None:
    assert daily(at, at).allow(NEW_YORK, moment)


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2026-01-15T17:30", False),  # 08:30 in Anchorage, 07:30 in Adak
        ("2026-01-15T18:00", True),
        ("2026-01-16T04:59", True),
        ("2026-01-16T05:30", False),  # 20:30 and 19:30
    ],
)
def test_a_number_of_two_zones_needs_both(moment: str, *, allowed: bool) -> None:
    assert HOURS.allow(ALASKA, utc(moment)) is allowed


@pytest.mark.parametrize("number", [SATELLITE, "+0", "no number"])
def test_a_number_of_no_known_place_goes_by_the_lines_zone(number: str) -> None:
    hours = daily(time(8), time(20), "Asia/Tokyo")
    assert hours.allow(number, utc("2026-01-15T23:00"))  # 08:00 there
    assert not hours.allow(number, utc("2026-01-15T22:59"))


@given(moments, times, times)
def test_without_a_change_of_clocks_the_hours_are_plain_arithmetic(
    moment: datetime, opens: time, closes: time
) -> None:
    """Arizona is seven hours behind UTC, all the year."""
    now, first, last = (
        (moment.hour * 60 + moment.minute - 7 * 60) % (24 * 60),
        opens.hour * 60 + opens.minute,
        closes.hour * 60 + closes.minute,
    )
    inside = first == last or first <= now < last
    assert daily(opens, closes).allow(PHOENIX, moment) is inside


@given(moments, times, times, st.integers(0, 900), st.floats(0, 1))
def test_the_next_opening_is_open_and_nothing_before_it_is(
    moment: datetime, opens: time, closes: time, seconds: int, part: float
) -> None:
    hours = daily(opens, closes)
    until = moment + timedelta(seconds=seconds)
    found = hours.next_allowed(ALASKA, moment, until)
    assert found is None or (moment <= found <= until and hours.allow(ALASKA, found))
    end = until if found is None else found
    before = moment + (end - moment) * part
    assert before == found or not hours.allow(ALASKA, before)


@pytest.mark.parametrize(
    ("moment", "minutes", "found"),
    [
        ("2026-03-08T06:55:30", 10, "2026-03-08T07:00"),  # 01:55 EST; 02:30 falls in the gap
        ("2026-03-08T06:49:30", 10, None),
    ],
)
def test_an_opening_that_the_clocks_skip_is_when_they_have_gone_forward(
    moment: str, minutes: int, found: str | None
) -> None:
    hours = daily(time(2, 30), time(20))
    begin = utc(moment)
    assert hours.next_allowed(NEW_YORK, begin, begin + timedelta(minutes=minutes)) == (
        None if found is None else utc(found)
    )


def test_every_zone_that_a_number_may_be_in_has_a_clock_here() -> None:
    for name in {zone for zones in TIMEZONE_DATA.values() for zone in zones}:
        assert ZoneInfo(name).key == name


# By weekday, and as the law has it for texts that advertise. 2026-01-17 is a Saturday.

AUSTIN, MIAMI, TULSA, SEATTLE, DENVER = (
    "+15125550123", "+13055550123", "+19185550123", "+12065550123", "+13035550123",
)  # fmt: skip
TORONTO, PARIS, NEWER = "+14165550123", "+33612345678", "+16215550123"


@pytest.mark.parametrize(
    ("number", "local", "allowed"),
    [
        (AUSTIN, "2026-01-17T08:59", False),
        (AUSTIN, "2026-01-17T09:00", True),
        (AUSTIN, "2026-01-17T20:59", True),
        (AUSTIN, "2026-01-17T21:00", False),
        (AUSTIN, "2026-01-18T11:59", False),  # a Sunday
        (AUSTIN, "2026-01-18T12:00", True),
        (NEWER, "2026-01-18T11:59", False),  # Houston's newest code
        *((state, "2026-01-17T07:59", False) for state in (MIAMI, TULSA, SEATTLE, DENVER)),
        *((state, "2026-01-18T08:00", True) for state in (MIAMI, TULSA, SEATTLE, DENVER)),
        *((state, "2026-01-17T20:00", False) for state in (MIAMI, TULSA, SEATTLE)),
        (DENVER, "2026-01-17T20:59", True),
        (DENVER, "2026-01-17T21:00", False),
        (TORONTO, "2026-01-17T20:59", True),  # the line's own hours alone
        (PARIS, "2026-01-17T20:59", True),
    ],
)
def test_the_law_of_the_numbers_place_narrows_the_hours_of_texts_that_advertise(
    number: str, local: str, *, allowed: bool
) -> None:
    zones = {AUSTIN: "America/Chicago", NEWER: "America/Chicago", MIAMI: "America/New_York",
             TULSA: "America/Chicago", SEATTLE: "America/Los_Angeles", DENVER: "America/Denver",
             TORONTO: "America/Toronto", PARIS: "Europe/Paris"}  # fmt: skip
    hours = SendingHours.of(line(purpose="marketing", timezone="America/Chicago"))
    moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zones[number]))
    assert hours.allow(number, moment) is allowed


def test_a_line_may_narrow_the_law_and_not_widen_it() -> None:
    wide = SendingHours.of(line(purpose="marketing", hours={"opens": "00:00", "closes": "00:00"}))
    noon = datetime(2026, 1, 17, 12, tzinfo=ZoneInfo("America/Chicago"))
    assert wide.allow(AUSTIN, noon)
    assert not wide.allow(AUSTIN, noon.replace(hour=22))
    narrow = SendingHours.of(line(purpose="marketing", hours={"opens": "13:00"}))
    assert not narrow.allow(AUSTIN, noon)


def test_the_law_says_nothing_of_texts_that_do_not_advertise() -> None:
    night = datetime(2026, 1, 18, 3, tzinfo=ZoneInfo("America/Chicago"))
    whole = {"opens": "00:00", "closes": "00:00"}
    assert SendingHours.of(line(hours=whole)).allow(AUSTIN, night)


def test_a_weekday_may_have_hours_of_its_own_or_none() -> None:
    hours = SendingHours.of(line(hours={"days": {"saturday": "10:00-14:00", "sunday": "closed"}}))
    at = datetime(2026, 1, 16, 15, tzinfo=ZoneInfo("America/Denver"))
    assert [hours.allow(DENVER, at + timedelta(days=days)) for days in range(4)] == [
        True, False, False, True,
    ]  # fmt: skip
    assert hours.allow(DENVER, at + timedelta(hours=20))


@pytest.mark.parametrize(
    ("purpose", "given", "strict"),
    [
        ("info", {}, False),
        ("marketing", {}, True),
        ("info", {"quiet_hours": "strict"}, True),
        ("marketing", {"quiet_hours": "retry"}, False),
    ],
)
def test_texts_that_advertise_keep_to_the_hours_unless_the_line_says_otherwise(
    purpose: str, given: dict[str, str], *, strict: bool
) -> None:
    assert line(purpose=purpose, consent=given).is_strict is strict


def test_area_codes_are_those_of_the_numbering_data() -> None:
    names = {"Texas": "TX", "Florida": "FL", "Oklahoma": "OK", "Washington State": "WA"}
    found: dict[str, set[str]] = {}
    for prefix, places in GEOCODE_DATA.items():
        place = places.get("en", "")
        for name, state in names.items():
            if prefix[0] == "1" and (place == name or place.endswith(f", {state}")):
                found.setdefault(state, set()).add(prefix[1:4])
    for state, codes in legal_hours.AREA_CODES.items():
        assert found[state] <= set(codes.split())
        assert len(set(codes.split()) - found[state]) <= 1, "newer than the data"
