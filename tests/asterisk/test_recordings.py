"""What a real Asterisk makes of WAV files: only what it plays rightly is ever played to callers."""

from __future__ import annotations

import asyncio
import random
import shutil
from array import array
from typing import TYPE_CHECKING

import pytest

from agi_bridge.agi import AGIAppError, Channel, Server
from agi_bridge.call.keypad import QUIET_SECONDS
from agi_bridge.lab.sip import mulaw_encode
from agi_bridge.settings import SettingsError
from agi_bridge.speech import BadAudio, BadPrompts, read_sound_info, rewrite
from agi_bridge.speech.prompt_folder import read_folder
from agi_bridge.speech.wav import header
from tests.support.bridge_fixture import DIGITS
from tests.support.heard import exact, milliseconds, recording
from tests.support.wav_files import PLAIN, RATE, chunk, riff, sound, variants

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.lab.sip.call import Call
    from agi_bridge.lab.sip.phone import SipPhone
    from tests.asterisk.conftest import Pbx
    from tests.support.bridge_fixture import BridgeFixture

pytestmark = pytest.mark.asterisk

LEFT_OUT = 22
"""Samples at the end of every file that Asterisk does not play: it counts the header as sound."""

LENGTH = 20 * 160 + LEFT_OUT
"""Whole packets of RTP, so that nothing of the end is filled up with silence."""

REFUSED_THOUGH_PLAYED = {"wrong size of the whole", "length unknown to SoX", "cut short"}
"""What Asterisk plays to its end, and is refused all the same: who knows whether that is all?"""


def noise(seed: str, length: int = LENGTH) -> array[int]:
    """Samples that no others are like."""
    made = random.Random(seed)  # noqa: S311 - noise, no secret
    return array("h", (made.randint(-8000, 8000) for _ in range(length)))


def coded(samples: array[int]) -> bytes:
    # Asterisk codes four neighbouring samples alike, as the highest (main/ulaw.c, __ast_lin2mu).
    return mulaw_encode(array("h", (sample | 3 for sample in samples)))


async def played(pbx: Pbx, *files: Path) -> tuple[bytes, list[int]]:
    """Have a caller hear files one after the other; what was heard, and the lengths told."""
    lengths: list[int] = []

    async def handler(channel: Channel) -> None:
        await channel.answer()
        for file in files:
            try:
                lengths.append((await channel.stream_file(str(file.with_suffix("")))).endpos)
            except AGIAppError:
                lengths.append(0)

    async with Server(handler, port=0) as server:
        await pbx.use_bridge(f"agi://127.0.0.1:{server.port}/play")
        call = await pbx.call()
        await call.ended(within=60)
    return heard(call), lengths


def heard(call: Call) -> bytes:
    return b"".join(packet.payload for packet in call.media.packets)


async def test_a_file_is_taken_only_if_asterisk_plays_it_bit_for_bit_and_tells_its_length(
    pbx: Pbx, tmp_path: Path
) -> None:
    """Every kind of file, each of its own sound."""
    files = {}
    names = [name for name, _ in variants(noise("").tobytes())]
    for number, name in enumerate(names):
        files[name] = tmp_path / f"{number}.wav"
        files[name].write_bytes(dict(variants(noise(name).tobytes()))[name].content)
    got, lengths = await played(pbx, *files.values())
    rightly = {
        name
        for name, endpos in zip(names, lengths, strict=True)
        if coded(noise(name)[:-LEFT_OUT]) in got and endpos == LENGTH
    }
    taken = set()
    for name, file in files.items():
        try:
            read_sound_info(file)
        except BadAudio:
            continue
        taken.add(name)
    assert rightly == taken | REFUSED_THOUGH_PLAYED
    assert taken == {"as Asterisk writes it"}


@pytest.mark.parametrize("rival", ["disclosure.ulaw", "en/disclosure.wav"])
async def test_what_asterisk_would_play_in_place_of_a_recording_is_refused(
    pbx: Pbx, tmp_path: Path, rival: str
) -> None:
    """Of last year, say: it is heard, and the record would name the recording of today."""
    file = tmp_path / "en" / "disclosure.wav"
    (tmp_path / "en" / "en").mkdir(parents=True)
    file.write_bytes(sound(noise("today").tobytes()))
    file.with_suffix(".txt").write_text("Hello.")
    assert read_folder(tmp_path)["en", "disclosure"].samples == LENGTH
    other = tmp_path / "en" / rival
    old = noise("last year")
    other.write_bytes(coded(old) if rival.endswith("ulaw") else sound(old.tobytes()))
    got, _ = await played(pbx, file)
    assert coded(old[:-LEFT_OUT]) in got
    with pytest.raises(BadPrompts, match=f"en/disclosure.wav has {rival} beside it"):
        read_folder(tmp_path)


@pytest.mark.parametrize("changed", ["confirm-number", "you-entered", "digit-5"])
async def test_no_consent_comes_of_a_question_that_is_emptied_while_the_service_runs(
    pbx: Pbx, bridge: BridgeFixture, tmp_path: Path, changed: str
) -> None:
    bridge.prompts = shutil.copytree(bridge.prompts, tmp_path / "prompts")
    await bridge.open()
    call = await pbx.call()
    await bridge.hears(call, "enter-number")
    (bridge.prompts / "en" / f"{changed}.wav").write_bytes(header(0, RATE))
    await call.press(DIGITS)
    pressing = asyncio.create_task(press_again_and_again(call, "1"))
    await bridge.hears(call, "not-confirmed")
    pressing.cancel()
    assert bridge.fake_hook.requests == []
    assert (await bridge.events())[-1].body["reason"] == "question_not_heard"
    await call.hang_up()


async def press_again_and_again(call: Call, key: str) -> None:
    """What a caller does who hears nothing; not so early that the entry would be wrong."""
    await asyncio.sleep(QUIET_SECONDS + 4)
    while True:
        await call.press(key)
        await asyncio.sleep(1)


@pytest.mark.parametrize("art", [0, 2000, 20_000])
async def test_no_consent_comes_of_a_disclosure_that_would_be_heard_as_noise(
    pbx: Pbx, bridge: BridgeFixture, far_end: SipPhone, tmp_path: Path, art: int
) -> None:
    """Not served as it came from the studio; written again, it is heard and counts."""
    samples = recording(bridge.prompts / "en" / "disclosure.wav").tobytes()
    bridge.prompts = shutil.copytree(bridge.prompts, tmp_path / "prompts")
    file = bridge.prompts / "en" / "disclosure.wav"
    picture = chunk(b"id3 ", random.Random(1).randbytes(art))  # noqa: S311 - noise, no secret
    file.write_bytes(riff(chunk(b"fmt ", PLAIN), picture, chunk(b"data", samples)))
    with pytest.raises(SettingsError, match=r"en/disclosure\.wav has a header that Asterisk misr"):
        await bridge.open()
    rewrite(file, tmp_path / "ready.wav")
    (tmp_path / "ready.wav").replace(file)
    assert file.read_bytes() == sound(samples)
    await bridge.open()
    call = await pbx.call()
    await bridge.agrees(call)
    await (await far_end.next_call()).answered()
    disclosed = (await bridge.events())[0].body
    assert exact(call, file).milliseconds == pytest.approx(milliseconds(file), abs=25)
    assert disclosed["endpos"] == disclosed["samples"] == len(samples) // 2
    await call.hang_up()
