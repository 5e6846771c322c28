"""Digits on a PBX that has them in some languages only."""

from __future__ import annotations

import wave
from typing import TYPE_CHECKING

import pytest

from agi_bridge.call.context import CallContext, LanguageChoice
from agi_bridge.call.digits import DigitSounds
from agi_bridge.call.keypad import play
from agi_bridge.call.variables import CHANNEL_LANGUAGE
from agi_bridge.observe import CallLogEntry
from agi_bridge.speech import Library, PromptFolder
from tests.support.bridge_fixture import tone
from tests.support.call_env import line
from tests.support.heard import exact
from tests.support.scripted_bridge import ScriptedBridge

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.agi import Channel
    from agi_bridge.lab.sip.call import Call
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk

NUMBER = "415"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Digits of our own, a tone each, in French and in German."""
    for language in ("fr", "de"):
        for digit in range(10):
            file = tmp_path / language / f"digit-{digit}.wav"
            file.parent.mkdir(exist_ok=True)
            with wave.open(str(file), "wb") as sound:
                sound.setparams((1, 2, 8000, 0, "NONE", ""))
                sound.writeframes(tone(400 + 100 * digit, 0.3).tobytes())
            file.with_suffix(".txt").write_text(str(digit))
    return tmp_path


async def spell_out(pbx: Pbx, own: Path, language: str, digits: str = "pbx") -> Call:
    """Have the number said to a caller."""
    library = Library(cache=own).with_overrides(PromptFolder(own))
    shop = line().model_copy(update={"digits": digits})

    async def script(channel: Channel) -> None:
        await channel.set_variable(CHANNEL_LANGUAGE, language)
        choice = LanguageChoice(language)
        context = CallContext(channel, shop, library, CallLogEntry("test"), choice=choice)
        found = await DigitSounds(context).sounds(NUMBER)
        await play(context, found, "")

    async with ScriptedBridge(pbx) as bridge:
        call = await bridge.call(script)
        await call.ended()
    return call


def in_order(call: Call, files: list[Path]) -> bool:
    """Whether all of these were heard, whole and one after the other."""
    heard = [exact(call, file) for file in files]
    times = [each.at for each in heard]
    return times == sorted(times) and all(each.milliseconds > 250 for each in heard)


@pytest.mark.parametrize(
    ("language", "digits"), [("de", "pbx"), ("fr", "own")], ids=["it has none", "the line's wish"]
)
async def test_our_digits_are_heard_where_the_pbx_has_none_or_the_line_wants_ours(
    pbx: Pbx, own: Path, language: str, digits: str
) -> None:
    call = await spell_out(pbx, own, language, digits)
    assert in_order(call, [own / language / f"digit-{digit}.wav" for digit in NUMBER])
    assert not in_order(call, [pbx.sound(f"digits/{digit}") for digit in NUMBER])


async def test_the_pbxs_digits_are_heard_where_it_has_them(pbx: Pbx, own: Path) -> None:
    call = await spell_out(pbx, own, "fr")
    assert in_order(call, [pbx.sound(f"digits/{digit}", "fr") for digit in NUMBER])
    assert pbx.log().count("does not exist") == 0


async def test_the_pbx_alone_would_have_said_english_ones(pbx: Pbx) -> None:
    """Why it is found out beforehand: SAY DIGITS answers 0 for a language that Asterisk lacks."""

    async def script(channel: Channel) -> None:
        await channel.set_variable(CHANNEL_LANGUAGE, "de")
        assert await channel.say_digits(NUMBER) == ""

    async with ScriptedBridge(pbx) as bridge:
        call = await bridge.call(script)
        await call.ended()
    assert in_order(call, [pbx.sound(f"digits/{digit}") for digit in NUMBER])
