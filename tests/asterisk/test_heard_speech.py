"""Texts from outside, rendered by espeak-ng or spoken by the PBX, as the caller hears them."""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from xml.sax.saxutils import escape

import pytest

from agi_bridge.call.context import CallContext
from agi_bridge.call.execute import PlanExecutor
from agi_bridge.call.plan import Speak, plan_call
from agi_bridge.call.say import AHEAD, passages
from agi_bridge.hook import read_answer
from agi_bridge.lab.asterisk.provision import default_tree
from agi_bridge.observe import CallLogEntry
from agi_bridge.speech import CommandEngine, Library, PbxEngine
from tests.support.call_env import line
from tests.support.heard import exact, heard, hears, milliseconds
from tests.support.heard import recording as samples
from tests.support.scripted_bridge import ScriptedBridge

if TYPE_CHECKING:
    from array import array
    from collections.abc import AsyncIterator, Iterator

    from agi_bridge.agi import Channel
    from agi_bridge.lab.sip.call import Call
    from agi_bridge.settings import Line
    from agi_bridge.speech import Recording
    from tests.asterisk.conftest import Pbx

pytestmark = pytest.mark.asterisk

PACKET = 20.0
"""Milliseconds: the end of a recording fills its last packet with silence."""

HOSTILE = {
    "commas": "Closed, sadly, until nine, or ten, or so.",
    "quotes": 'The "shop" is \'closed\' until \\"nine\\" today.',
    "semicolons": "Closed; open tomorrow; perhaps | later & so on.",
    "dialplan": "We open at ${EXTEN} or at $[1+1], ${SHELL(touch MARKER)}.",
    "shell": "Call $(touch MARKER) today; touch MARKER",
    "backticks": "Call `touch MARKER` today.",
    "option": "-v fr -w MARKER is what we say.",
    "newlines": "Closed today.\r\nHANGUP\nEXEC System touch MARKER\nCall again soon.",
    "emoji": "Closed \N{GRINNING FACE} today! See you soon \N{HEAVY BLACK HEART}.",
    "right to left": "\u0627\u0644\u0645\u062a\u062c\u0631 \u0645\u063a\u0644\u0642",
    "markup": "Closed <break time='1s'/> today {text} {output}.",
}
"""MARKER is a file that none of them may bring about."""


class EspeakLibrary:
    """Espeak-ng behind a library, and what it was given to speak."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.given_in = folder / "given"
        self.given_in.mkdir()
        program = folder / "espeak"
        program.write_text(
            "#!/bin/sh\n"
            f'given=$(mktemp "{self.given_in}/XXXXXX") && cat >"$given" &&\n'
            f'exec "{default_tree()}/bin/espeak-ng" -v "$1" -w "$2" --stdin <"$given"\n'
        )
        program.chmod(0o755)
        self.engine = CommandEngine([str(program), "{language}", "{output}"])
        self.library = Library(cache=folder / "speech", engines=[self.engine], budget=20.0)
        self.library.prepare()

    def given(self) -> set[str]:
        return {file.read_text(encoding="utf-8") for file in self.given_in.iterdir()}

    async def recordings(self, text: str, language: str = "en") -> list[Recording]:
        """What a text was rendered to."""
        found = [await self.library.say(passage, language) for passage in passages(text)]
        return [recording for recording in found if recording is not None]


@pytest.fixture
def marker() -> Iterator[Path]:
    """A file that is not there, by a name that is quickly spoken."""
    file = Path(tempfile.gettempdir()) / f"m{os.getpid()}"
    yield file
    file.unlink(missing_ok=True)


@pytest.fixture
def espeak(tmp_path: Path) -> EspeakLibrary:
    return EspeakLibrary(tmp_path)


@asynccontextmanager
async def hears_answers(
    pbx: Pbx, library: Library, *applications: str, **of_line: Any
) -> AsyncIterator[Listener]:
    async with ScriptedBridge(pbx, *applications) as bridge:
        yield Listener(bridge, library, line(**of_line))


class Listener:
    """Places calls whose hook has answered with a text."""

    def __init__(self, bridge: ScriptedBridge, library: Library, of: Line) -> None:
        self._bridge = bridge
        self._library = library
        self._line = of

    async def call(self, text: str, language: str = "en") -> Call:
        document = f'<Response><Say language="{language}">{escape(text)}</Say></Response>'
        answer = read_answer(200, "text/xml", document.encode())
        steps = plan_call(answer, self._line, "en").steps
        assert isinstance(steps[0], Speak)

        async def script(channel: Channel) -> None:
            context = CallContext(channel, self._line, self._library, CallLogEntry("test"))
            executor = PlanExecutor(context)
            try:
                await executor.execute(steps[:1])
            finally:
                executor.close()

        return await self._bridge.call(script)

    async def listened(self, text: str, language: str = "en") -> Call:
        call = await self.call(text, language)
        await call.ended(within=60)
        return call


def unheard(call: Call, recording: Recording) -> float:
    """Milliseconds of a recording that a caller did not hear."""
    return milliseconds(recording.wav) - exact(call, recording.wav).milliseconds


async def test_hostile_texts_are_heard_as_they_are_and_do_nothing(
    pbx: Pbx, espeak: EspeakLibrary, marker: Path
) -> None:
    texts = {name: text.replace("MARKER", str(marker)) for name, text in HOSTILE.items()}
    language = {"right to left": "ar"}
    async with hears_answers(pbx, espeak.library) as listener:
        calls = await asyncio.gather(
            *(listener.listened(text, language.get(name, "en")) for name, text in texts.items())
        )
    missing = {
        name: lost
        for (name, text), call in zip(texts.items(), calls, strict=True)
        for recording in await espeak.recordings(text, language.get(name, "en"))
        if (lost := unheard(call, recording)) > PACKET
    }
    assert missing == {}
    assert espeak.given() == {passage for text in texts.values() for passage in passages(text)}
    assert not marker.exists()


async def test_twenty_callers_at_once_each_hear_their_own_text(
    pbx: Pbx, espeak: EspeakLibrary
) -> None:
    texts = [f"You are caller number {number}, and this is for you." for number in range(20)]
    async with hears_answers(pbx, espeak.library) as listener:
        calls = await asyncio.gather(*map(listener.listened, texts))
    recordings = [(await espeak.recordings(text))[0] for text in texts]
    for own, call in enumerate(calls):
        assert [n for n, each in enumerate(recordings) if unheard(call, each) <= PACKET] == [own]


async def test_a_very_long_text_begins_at_once_and_is_rendered_no_further_than_needed(
    pbx: Pbx, espeak: EspeakLibrary
) -> None:
    text = "".join(f"This is sentence number {number} of it. " for number in range(130))[:4096]
    parts = passages(text)
    assert len(parts) > 100
    async with hears_answers(pbx, espeak.library) as listener:
        call = await listener.call(text)
        for recording in await espeak.recordings(" ".join(parts[:2])):
            await hears(call, recording.wav)
        await call.hang_up()
        await pbx.silent()
    assert len(espeak.given()) <= 4 + AHEAD


async def test_a_key_of_the_line_ends_a_text(pbx: Pbx, espeak: EspeakLibrary) -> None:
    text = "This is the first sentence of two. This is the second sentence of two."
    async with hears_answers(pbx, espeak.library, say_skip_keys="#") as listener:
        call = await listener.call(text)
        first, second = await espeak.recordings(text)
        await hears(call, first.wav, 300)
        await call.press("1#")
        await call.ended()
    assert 300 <= exact(call, first.wav).milliseconds < milliseconds(first.wav) - PACKET
    assert exact(call, second.wav).milliseconds == 0


class Festival:
    """A Festival server as Asterisk's application knows it: it answers every text with one sound.

    Attributes:
        asked: what came, as it came.
    """

    def __init__(self, sound: array[int]) -> None:
        self.asked: list[str] = []
        self._sound = sound
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"(quit)\n")).decode())
        writer.write(b"WV\n" + self._sound.tobytes() + b"ft_StUfF_keyOK\n")
        writer.close()


@asynccontextmanager
async def with_festival(pbx: Pbx, port: int) -> AsyncIterator[None]:
    """Let the PBX have its application Festival."""
    config = pbx.asterisk.directory / "etc" / "festival.conf"
    config.write_text(f"[general]\nhost=127.0.0.1\nport={port}\n")
    await pbx.asterisk.cli("module load app_festival.so")
    try:
        yield
    finally:
        await pbx.asterisk.cli("module unload app_festival.so")
        config.unlink()


async def test_the_pbx_itself_speaks_and_nothing_in_the_text_means_anything_to_it(
    pbx: Pbx, espeak: EspeakLibrary, marker: Path
) -> None:
    text = f'We are, "sadly" (yes), $EXTEN; ${{EXTEN}} | `touch {marker}` & 50 % off.'
    (voice,) = await espeak.recordings("This is what Festival says.")
    sound = samples(voice.wav)
    del sound[-(len(sound) % 160 or 1) :]
    sound.append(0)  # Asterisk's Festival blocks forever after a last packet that is full
    espeak.library = Library(cache=marker, engines=[PbxEngine(["Festival", "{text}"])])
    async with (
        Festival(sound) as festival,
        with_festival(pbx, festival.port),
        hears_answers(pbx, espeak.library, "Festival") as listener,
    ):
        call = await listener.listened(text)
    (asked,) = festival.asked
    assert f"We are, sadly yes , $EXTEN; $ EXTEN touch {marker} & 50 % off." in asked
    assert heard(call, sound).milliseconds > len(sound) / 8 - 100
    assert not marker.exists()


async def test_where_the_pbx_cannot_speak_the_next_engine_does(
    pbx: Pbx, espeak: EspeakLibrary
) -> None:
    """Festival is there, its server is not: EXEC answers -1."""
    text = "Somebody else has to say this."
    espeak.library = Library(
        cache=espeak.folder / "speech",
        engines=[PbxEngine(["Festival", "{text}"]), espeak.engine],
        budget=20.0,
    )
    async with (
        with_festival(pbx, 9),
        hears_answers(pbx, espeak.library, "Festival") as listener,
    ):
        call = await listener.listened(text)
    (recording,) = await espeak.recordings(text)
    assert unheard(call, recording) <= PACKET
