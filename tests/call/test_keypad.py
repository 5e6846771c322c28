from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call import keypad
from agi_bridge.call.context import CallContext
from agi_bridge.call.keypad import (
    KeyedDigits,
    Timing,
    most_digits_keyed,
    read_number,
)
from agi_bridge.observe import CallLogEntry
from tests.support.call_env import line
from tests.support.fake_library import FakeLibrary, recording

if TYPE_CHECKING:
    from agi_bridge.agi import Channel


def context(channel: Channel) -> CallContext:
    """A call on a line of which nothing is asked."""
    return CallContext(channel, line(), FakeLibrary(), CallLogEntry("test"))


US, FRENCH = most_digits_keyed(("US", "CA")), most_digits_keyed(("FR", "US"))


async def keyed(keys: str, *, whole: float = 45, regions: tuple[str, ...] = ("US",)) -> KeyedDigits:
    entries: list[KeyedDigits] = []

    async def handler(channel: Channel) -> None:
        await channel.answer()
        entries.append(
            await read_number(
                context(channel),
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


def test_keys_are_those_of_a_telephone() -> None:
    assert set(keypad.KEYS) == set("0123456789*#")
