"""Models in their own processes: they crash, hang and chatter; nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import sys
import wave
from typing import TYPE_CHECKING

import pytest

from agi_bridge.speech import EngineError, EngineTimeout
from agi_bridge.speech.engines import model_client as module
from agi_bridge.speech.engines.model_client import (
    ModelEngine,
    ModelProcess,
    PcmAudio,
    model_command,
    write,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

pytestmark = pytest.mark.programs

NEVER = 60.0


@pytest.fixture
async def worker(installed: Path) -> AsyncIterator[ModelProcess]:
    """A real worker, with piper's stand-in in it."""
    (installed / "voice.onnx").touch()
    options = {"voices": {"en": str(installed / "voice.onnx")}}
    made = ModelProcess(model_command("piper", options))
    yield made
    await made.close()


@pytest.fixture
async def program() -> AsyncIterator[Callable[..., ModelProcess]]:
    """A worker that is any Python program."""
    made: list[ModelProcess] = []

    def make(
        text: str, *, start_seconds: float = NEVER, sentence_seconds: float = NEVER
    ) -> ModelProcess:
        command = [sys.executable, "-I", "-c", text]
        one = ModelProcess(command, start_seconds=start_seconds, sentence_seconds=sentence_seconds)
        made.append(one)
        return one

    yield make
    for one in made:
        await one.close()


async def rendered(worker: ModelProcess, text: str) -> str:
    return (await worker.ask(text, "en")).samples.decode("utf-16-le")


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def turns() -> None:
    """Let a task that was just made get to where it waits for the process."""
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_model_is_loaded_once_and_asked_again_and_again(worker: ModelProcess) -> None:
    await worker.start()
    assert await rendered(worker, "Où ça ?") == "Où ça ?"
    assert await rendered(worker, "pid") == await rendered(worker, "pid") != str(os.getpid())
    assert (await worker.ask("x", "en")).rate == 22050


async def test_it_sees_nothing_of_the_bridges_environment(
    worker: ModelProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTAPLY_KEY", "secret")
    assert await rendered(worker, "environ") == str(["LC_ALL", "PATH", "PYTHONPATH"])
    assert await rendered(worker, "cwd") == "/"


@pytest.mark.parametrize("text", ["fail", "write"])
async def test_a_sentence_that_it_cannot_say_is_an_error_but_not_its_end(
    worker: ModelProcess, text: str
) -> None:
    pid = await rendered(worker, "pid")
    with pytest.raises(EngineError, match=r"^the model failed \((ValueError|OSError)\)$"):
        await worker.ask(text, "en")
    assert await rendered(worker, "pid") == pid


async def test_a_process_that_crashes_is_started_again(worker: ModelProcess) -> None:
    pid = await rendered(worker, "pid")
    with pytest.raises(EngineError):
        await worker.ask("crash", "en")
    assert await rendered(worker, "pid") != pid


async def test_a_process_that_was_killed_is_started_again(worker: ModelProcess) -> None:
    pid = await rendered(worker, "pid")
    process = worker._process
    assert process is not None
    process.kill()
    await process.wait()
    assert await rendered(worker, "pid") != pid


async def test_one_that_hangs_is_ended(worker: ModelProcess) -> None:
    pid = int(await rendered(worker, "pid"))
    worker._sentence_seconds = 0.05
    with pytest.raises(EngineTimeout):
        await worker.ask("hang", "en")
    assert gone(pid)


async def test_a_caller_who_hangs_up_does_not_cost_the_next_one_the_model(
    worker: ModelProcess,
) -> None:
    pid = await rendered(worker, "pid")
    call = asyncio.create_task(worker.ask("a sentence", "en"))
    await turns()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await rendered(worker, "pid") == pid


async def test_closing_ends_it_in_the_midst_of_a_sentence(worker: ModelProcess) -> None:
    pid = int(await rendered(worker, "pid"))
    call = asyncio.create_task(worker.ask("hang", "en"))
    await turns()
    await worker.close()
    await asyncio.wait([call])
    assert gone(pid)
    await worker.close()


async def test_it_ends_with_the_bridge_even_in_the_midst_of_a_sentence(
    worker: ModelProcess,
) -> None:
    await worker.start()
    process = worker._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.write(b'{"text": "hang", "language": "en"}\n')
    process.stdin.close()
    assert await process.wait() == 0


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("garbage", "failed"),
        ("[]", "failed"),
        ('{"rate": 8000}', "failed"),
        ('{"rate": 8000, "bytes": 3}', "failed"),
        ('{"rate": 0, "bytes": 2}', "failed"),
        ('{"rate": 8000, "bytes": -2}', "failed"),
        ('{"rate": 8000, "bytes": 104857600}', "failed"),
        ('{"rate": 8000, "bytes": 20}', "failed"),
        ("x" * 100_000, "failed"),
    ],
)
async def test_an_invalid_reply_stops_the_process(
    program: Callable[..., ModelProcess], reply: str, words: str
) -> None:
    talker = program(f"print('{{}}', flush=True)\ninput()\nprint({reply!r})")
    with pytest.raises(EngineError, match=words):
        await talker.ask("x", "en")
    assert talker._process is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('print(\'{"error": "ImportError: piper"}\')', "cannot be loaded: ImportError: piper"),
        ("", "failed"),
        ("print('ready')", "failed"),
    ],
)
async def test_a_model_that_cannot_be_loaded_names_the_reason(
    program: Callable[..., ModelProcess], text: str, words: str
) -> None:
    with pytest.raises(EngineError, match=words):
        await program(text).start()


async def test_the_process_reports_a_missing_model(installed: Path) -> None:
    (installed / "voice.onnx").write_text("broken", encoding="utf-8")
    options = {"voices": {"en": str(installed / "voice.onnx")}}
    with pytest.raises(EngineError, match="cannot be loaded: RuntimeError: no model"):
        await ModelProcess(model_command("piper", options)).start()


async def test_one_that_takes_too_long_to_load_is_ended(
    program: Callable[..., ModelProcess],
) -> None:
    slow = program("import threading; threading.Event().wait()", start_seconds=0.05)
    with pytest.raises(EngineTimeout):
        await slow.start()
    assert slow._process is None


async def test_a_program_that_is_not_there_is_an_error() -> None:
    with pytest.raises(EngineError, match="FileNotFoundError"):
        await ModelProcess(["/nonexistent/python"]).start()


# -- the engine over it


def model_engine(worker: ModelProcess, **more: int) -> ModelEngine:
    return ModelEngine("piper", "piper", ["en"], worker, **more)


async def test_sentences_are_joined_with_pauses(worker: ModelProcess, tmp_path: Path) -> None:
    engine = model_engine(worker)
    await engine.start()
    await engine.render("One. Two.", "en", tmp_path / "out.wav")
    await engine.close()
    with wave.open(str(tmp_path / "out.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (22050, 1, 2)
        spoken = sound.readframes(sound.getnframes()).decode("utf-16-le")
    assert spoken.replace("\0", "") == "One.Two."
    assert spoken.count("\0") == int(22050 * module.PAUSE_SECONDS)


async def test_a_text_that_has_no_sound_is_an_error(worker: ModelProcess, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="produced no sound"):
        await model_engine(worker).render("silent", "en", tmp_path / "out.wav")


async def test_a_model_that_says_too_much_is_stopped(worker: ModelProcess, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="produced too much sound"):
        await model_engine(worker, max_output_bytes=20).render(
            "A sentence. Another one.", "en", tmp_path / "out.wav"
        )
    assert not (tmp_path / "out.wav").exists()


def test_a_model_that_changes_its_rate_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="changed its sample rate"):
        write([PcmAudio(8000, b"xx"), PcmAudio(16000, b"xx")], tmp_path / "out.wav")


def test_a_sound_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be written"):
        write([PcmAudio(8000, b"xx")], tmp_path / "gone" / "out.wav")
