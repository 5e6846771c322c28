"""Engines that are missing, crash, hang, or write garbage or 100 MB: the next best is heard.

Nothing is left behind, neither processes nor files.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.speech import CommandEngine, Engine, Library, PbxEngine
from agi_bridge.speech.audio import load_libraries
from agi_bridge.speech.engines import HttpEngine
from agi_bridge.speech.engines.model_client import ModelEngine, ModelProcess
from tests.support.fake_engines import Held
from tests.support.speech_programs import HANG

from .engines.test_http import Service, ok, serving

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.programs

TEXT = "We open at nine."

CRASH = "import os; os.abort()"
GARBAGE = "import sys; open(sys.argv[1], 'wb').write(b'garbage' * 1000)"
EMPTY = "import sys; open(sys.argv[1], 'wb')"
HUGE = """
import sys
with open(sys.argv[1], "wb") as file:
    for _ in range(100):
        file.write(bytes(1 << 20))
"""
SILENCE = """
import sys, wave
with wave.open(sys.argv[1], "wb") as sound:
    sound.setparams((1, 2, 8000, 0, "NONE", ""))
    sound.writeframes(bytes(16000))
"""
READY = "print('{}', flush=True); input(); "


def children() -> set[str]:
    """The processes that this one has started and that have not been seen off."""
    return {
        pid
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text(encoding="ascii").split()
    }


def command(program: str) -> CommandEngine:
    return CommandEngine([sys.executable, "-I", "-c", program, "{output}"])


def model(program: str) -> ModelEngine:
    return ModelEngine("model", "model", (), ModelProcess([sys.executable, "-I", "-c", program]))


@pytest.fixture
def next_best(tone: Callable[..., Path]) -> Held:
    """An engine that speaks at once."""
    load_libraries()
    engine = Held(tone(), "next")
    engine.go_on.set()
    return engine


async def heard(first: Engine, next_best: Held, tmp_path: Path) -> None:
    before = children()
    library = Library(cache=tmp_path / "speech", engines=[first, next_best], budget=60.0)
    recording = await library.say(TEXT, "en")
    assert recording is not None
    assert next_best.asked == [(TEXT, "en")]
    assert library.failures == {first.name: 1}
    assert [f"{path.stem}" for path in (tmp_path / "speech").iterdir()] == [
        Path(recording.path).name
    ]
    await library.close()
    assert children() == before


@pytest.mark.parametrize(
    "program",
    [CRASH, GARBAGE, EMPTY, HUGE, SILENCE, "import sys; sys.exit(1)", "pass"],
    ids=["crash", "garbage", "empty", "100 MB", "silence", "status", "nothing"],
)
async def test_a_program_that_does_not_speak(program: str, next_best: Held, tmp_path: Path) -> None:
    await heard(command(program), next_best, tmp_path)


async def test_a_program_that_is_missing(next_best: Held, tmp_path: Path) -> None:
    await heard(CommandEngine(["/nonexistent/speak", "{output}"]), next_best, tmp_path)


@pytest.mark.usefixtures("impatient")
async def test_a_program_that_hangs(next_best: Held, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    # It waits at the lifeline that nobody reads.
    await heard(command(f"LOG = {str(tmp_path / 'log')!r}\n{HANG}"), next_best, tmp_path)


@pytest.mark.parametrize(
    "program",
    [
        "",
        CRASH,
        "print('garbage')",
        f"{READY}{CRASH}",
        f"{READY}print('garbage')",
        READY + 'print(\'{"rate": 8000, "bytes": 104857600}\')',
        READY + 'print(\'{"rate": 8000, "bytes": 0}\', flush=True); input()',
        READY + 'print(\'{"error": "MemoryError"}\', flush=True); input()',
    ],
    ids=["ends", "crash", "garbage", "late crash", "late garbage", "100 MB", "silence", "error"],
)
async def test_a_model_that_does_not_speak(program: str, next_best: Held, tmp_path: Path) -> None:
    await heard(model(program), next_best, tmp_path)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("program", ["input()", f"{READY}input()"], ids=["loading", "speaking"])
async def test_a_model_that_hangs(program: str, next_best: Held, tmp_path: Path) -> None:
    await heard(model(program), next_best, tmp_path)


@pytest.mark.parametrize(
    "answer",
    [b"", b"garbage", ok(b"garbage"), b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"],
    ids=["nothing", "no HTTP", "no sound", "fault"],
)
async def test_a_service_that_does_not_speak(
    answer: bytes, next_best: Held, tmp_path: Path
) -> None:
    async with serving(Service(answer)) as url:
        service = HttpEngine(url, model="m", voices={"*": "v"})
        await heard(service, next_best, tmp_path)


@pytest.mark.usefixtures("impatient")
async def test_a_service_that_hangs(next_best: Held, tmp_path: Path) -> None:
    service = Service(b"HTTP/1.1 200 OK\r\n", hang=True)
    async with serving(service) as url:
        await heard(HttpEngine(url, model="m", voices={"*": "v"}), next_best, tmp_path)
        await service.gone.wait()


async def test_where_no_engine_is_left_the_pbx_may_still_speak(tmp_path: Path) -> None:
    library = Library(
        cache=tmp_path / "speech", engines=[command(CRASH), PbxEngine(["Flite", "{text}"])]
    )
    spoken = await library.speech(TEXT, "en")
    assert spoken is not None
    assert library.counts == {"pbx": 1}
    await library.close()
