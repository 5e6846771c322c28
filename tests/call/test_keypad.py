from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call import keypad
from agi_bridge.call.keypad import (
    KeyedDigits,
    Timing,
    most_digits_keyed,
    read_back_groups,
    read_number,
)
from tests.support.fake_library import recording

if TYPE_CHECKING:
    from agi_bridge.agi import Channel

US, FRENCH = most_digits_keyed(("US", "CA")), most_digits_keyed(("FR", "US"))


async def keyed(keys: str, *, whole: float = 45, regions: tuple[str, ...] = ("US",)) -> KeyedDigits:
    entries: list[KeyedDigits] = []

    async def handler(channel: Channel) -> None:
        await channel.answer()
        entries.append(
            await read_number(
                channel,
                [recording("enter-number", "en")],
                timing=Timing(10, 4, whole),
                most_digits=most_digits_keyed(regions),
            )
        )

    await FakeAsterisk(keys=keys).run(handler)
    return entries[0]


@pytest.mark.parametrize(
    ("keys", "entry"),
    [
        ("4155550123", KeyedDigits("4155550123", "full")),
        ("14155550123", KeyedDigits("14155550123", "full")),
        ("415555#", KeyedDigits("415555", "hash")),
        ("#", KeyedDigits("", "hash")),
        ("*", KeyedDigits("", "star")),
        ("415*", KeyedDigits("415", "star")),
        ("415", KeyedDigits("415", "pause")),
        ("", KeyedDigits("", "silence")),
        ("41A55550123", KeyedDigits("4155550123", "full")),
        ("011442079460000#", KeyedDigits("011442079460000", "hash")),
        ("01144207946000012345", KeyedDigits("011442079460000123", "full")),
    ],
)
async def test_a_number_is_read_as_people_key_it(keys: str, entry: KeyedDigits) -> None:
    assert await keyed(keys) == entry


async def test_all_of_an_entry_has_its_own_limit() -> None:
    assert await keyed("415", whole=3) == KeyedDigits("415", "time")
    assert await keyed("4155550123", whole=0) == KeyedDigits("4", "time")


@pytest.mark.parametrize(
    ("digits", "us", "french"),
    [
        ("4", 10, 9),  # bare digits are the first region's, where a number has nine without its 0
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
