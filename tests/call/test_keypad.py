from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call import keypad
from agi_bridge.call.keypad import Entry, Timing, read_back_groups, read_number, wanted_digits
from tests.support.fake_library import recording

if TYPE_CHECKING:
    from agi_bridge.agi import Channel

US, FRENCH = wanted_digits(("US", "CA")), wanted_digits(("FR", "US"))


async def keyed(keys: str, *, whole: float = 45, regions: tuple[str, ...] = ("US",)) -> Entry:
    entries: list[Entry] = []

    async def handler(channel: Channel) -> None:
        await channel.answer()
        entries.append(
            await read_number(
                channel,
                [recording("enter-number", "en")],
                timing=Timing(10, 4, whole),
                wanted=wanted_digits(regions),
            )
        )

    await FakeAsterisk(keys=keys).run(handler)
    return entries[0]


@pytest.mark.parametrize(
    ("keys", "entry"),
    [
        ("4155550123", Entry("4155550123", "full")),
        ("14155550123", Entry("14155550123", "full")),
        ("415555#", Entry("415555", "hash")),
        ("#", Entry("", "hash")),
        ("*", Entry("", "star")),
        ("415*", Entry("415", "star")),
        ("415", Entry("415", "pause")),
        ("", Entry("", "silence")),
        ("41A55550123", Entry("4155550123", "full")),
        ("011442079460000#", Entry("011442079460000", "hash")),
        ("01144207946000012345", Entry("011442079460000123", "full")),
    ],
)
async def test_a_number_is_read_as_people_key_it(keys: str, entry: Entry) -> None:
    assert await keyed(keys) == entry


async def test_all_of_an_entry_has_its_own_limit() -> None:
    assert await keyed("415", whole=3) == Entry("415", "time")
    assert await keyed("4155550123", whole=0) == Entry("4", "time")


@pytest.mark.parametrize(
    ("digits", "us", "french"),
    [
        ("4", 10, 10),
        ("1", 11, 11),
        ("0", 10, 10),
        ("06", 10, 10),
        ("011", 18, 10),
        ("00", 17, 17),
        ("0033", 17, 17),
    ],
)
def test_how_many_digits_to_wait_for(digits: str, us: int, french: int) -> None:
    assert (US(digits), FRENCH(digits)) == (us, french)


@pytest.mark.parametrize(
    ("digits", "groups"),
    [
        ("4155550123", ("415", "555", "0123")),
        ("14155550123", ("1", "415", "555", "0123")),
        ("0612345678", ("06", "12", "34", "56", "78")),
        ("07400123456", ("074", "001", "234", "56")),
        ("0151123456789", ("015", "112", "345", "67", "89")),
        ("81234567", ("812", "345", "67")),
        ("7290", ("72", "90")),
        ("5", ("5",)),
        ("011442079460000", ("011", "442", "079", "460", "000")),
    ],
)
def test_a_number_is_read_back_as_people_say_it(digits: str, groups: tuple[str, ...]) -> None:
    assert read_back_groups(digits) == groups


@given(st.text(alphabet="0123456789", min_size=1, max_size=20))
def test_reading_back_says_every_digit_once(digits: str) -> None:
    assert "".join(read_back_groups(digits)) == digits


def test_keys_are_those_of_a_telephone() -> None:
    assert set(keypad.KEYS) == set("0123456789*#")
