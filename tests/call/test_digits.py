"""Digits: the PBX's own, or ours where it has none; how a caller hears them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.agi.testing import FakeAsterisk
from agi_bridge.call.context import CallContext, LanguageChoice
from agi_bridge.call.digits import DigitSounds, read_back_groups
from agi_bridge.call.number_entry import Declined, NumberEntry
from agi_bridge.observe import CallLogEntry
from agi_bridge.speech import SHIPPED, Library
from tests.support.call_env import line
from tests.support.fake_library import recording

if TYPE_CHECKING:
    from agi_bridge.agi import Channel
    from agi_bridge.agi.testing import CallRecord
    from agi_bridge.speech import Recording

OWN = [f"/speech/digit-{digit}" for digit in "415"]


class WithDigits(Library):
    """Has recordings of some digits, in every language."""

    def __init__(self, digits: str = "0123456789") -> None:
        super().__init__(cache=SHIPPED)
        self.digits = digits

    def has(self, name: str, language: str) -> bool:
        if not name.startswith("digit-"):
            return super().has(name, language)
        return name[-1] in self.digits

    def prompt(self, name: str, language: str) -> Recording:
        return replace(recording(name, language), samples=8000)


def context(channel: Channel, library: Library, language: str, **of_line: Any) -> CallContext:
    choice = LanguageChoice(language)
    return CallContext(channel, line(**of_line), library, CallLogEntry("test"), choice=choice)


def named(sounds: list[Recording | str]) -> list[str]:
    return [sound if isinstance(sound, str) else sound.path for sound in sounds]


async def sounds(
    has: str, language: str = "fr", *, digits: str = "pbx", pbx: set[str] | None = None
) -> tuple[CallRecord, list[str]]:
    """What is played for 4, 1, 5 by a library that has some digits; `pbx` has these files."""
    found: list[list[str]] = []
    library = WithDigits(has)

    async def handler(channel: Channel) -> None:
        await channel.answer()
        sounds = DigitSounds(context(channel, library, language, digits=digits))
        found.append(named(await sounds.sounds("415")))
        assert named(await sounds.sounds("415")) == found[0]

    files = dict.fromkeys(pbx or (), 500)
    call = await FakeAsterisk(sounds=files).run(handler)
    return call, found[0]


async def test_the_pbx_says_digits_where_it_has_them_in_the_language() -> None:
    call, played = await sounds("0123456789", pbx={"fr/digits/0"})
    assert played == ["415"]
    assert [heard.milliseconds for heard in call.heard] == [0]


async def test_ours_are_played_where_it_has_them_in_english_only() -> None:
    call, played = await sounds("0123456789", pbx={"digits/0", "en/digits/0"})
    assert played == OWN
    assert call.names == ["ANSWER", "STREAM FILE", "CHANNEL STATUS"]


async def test_a_line_may_want_ours_in_any_case() -> None:
    call, played = await sounds("0123456789", digits="own", pbx={"fr/digits/0"})
    assert played == OWN
    assert call.names == ["ANSWER"]


@pytest.mark.parametrize("digits", ["pbx", "own"])
async def test_without_all_ten_of_ours_the_pbx_says_them(digits: str) -> None:
    call, played = await sounds("012345678", digits=digits)
    assert played == ["415"]
    assert call.names == ["ANSWER"]


@pytest.mark.parametrize(
    ("language", "pbx", "digits", "ours"),
    [
        ("en", {"en/digits/0"}, "pbx", False),
        ("en", {"en/digits/0"}, "own", True),
        ("en", {"digits/0"}, "pbx", True),
        ("es", set(), "own", False),
    ],
    ids=["the PBX has them", "the line's wish", "the PBX lacks them", "none are shipped"],
)
async def test_the_shipped_english_digits_give_way_to_those_of_the_pbx(
    language: str, pbx: set[str], digits: str, *, ours: bool
) -> None:
    library, found = Library(cache=SHIPPED), list[str]()

    async def handler(channel: Channel) -> None:
        await channel.answer()
        sounds = DigitSounds(context(channel, library, language, digits=digits))
        found.extend(named(await sounds.sounds("415")))

    await FakeAsterisk(sounds=dict.fromkeys(pbx, 500)).run(handler)
    assert found == ([f"{SHIPPED}/en/digit-{digit}" for digit in "415"] if ours else ["415"])


async def read_back(number: str, *, own: bool, **of_line: Any) -> CallRecord:
    """Key a number, listen, and press nothing more."""
    library = WithDigits("0123456789" if own else "")

    async def handler(channel: Channel) -> None:
        await channel.answer()
        call = context(channel, library, "fr", digits="own", **of_line)
        entry = NumberEntry(call, question=["ask", "1"])
        assert await entry.obtain() == Declined("not_confirmed")

    return await FakeAsterisk(keys=number).run(handler)


async def test_a_number_is_read_back_with_our_digits_in_groups_with_pauses() -> None:
    call = await read_back("4155550123", own=True)
    digit = "/speech/digit-{}".format
    names = [heard.name for heard in call.heard]
    begin = names.index("/speech/you-entered") + 1
    pause = "silence/1"
    assert names[begin : begin + 15] == [
        *[*map(digit, "415"), pause, *map(digit, "555"), pause, *map(digit, "0123"), pause],
        *["/speech/ask", digit(1)],
    ]
    assert {heard.milliseconds for heard in call.heard if heard.name == pause} == {400}


async def test_a_pbx_without_silence_pauses_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agi_bridge.call.number_entry._SILENCE", "no/silence&")
    call = await read_back("4155550123", own=False)
    waits = [command[3] for command in call.commands if command[:3] == ["WAIT", "FOR", "DIGIT"]]
    assert waits.count("400") == 2 * 3  # three pauses, read back twice


async def test_a_french_number_is_read_back_in_pairs() -> None:
    call = await read_back("0612345678", own=False, regions=["FR"])
    groups = [heard.name for heard in call.heard if heard.kind == "digits"]
    assert groups[:6] == ["06", "12", "34", "56", "78", "1"]


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
