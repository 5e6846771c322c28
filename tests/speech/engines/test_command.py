"""Programs that speak: what they are given, and what becomes of bad ones."""

from __future__ import annotations

import asyncio
import signal
import wave
from typing import TYPE_CHECKING

import pytest

from agi_bridge.speech import CommandEngine, EngineError
from agi_bridge.speech.engines.command import SHARED_MEMORY_BYTES
from tests.support.speech_programs import ECHO, HANG, LEAVE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.speech_programs import Lifeline

pytestmark = pytest.mark.programs


async def test_a_program_turns_a_text_into_a_file(
    engine: Callable[..., CommandEngine], tmp_path: Path
) -> None:
    await engine().render("Bonjour", "fr", tmp_path / "out.wav")
    with wave.open(str(tmp_path / "out.wav")) as sound:
        assert sound.getnframes() > 0


async def test_the_text_comes_on_standard_input_unless_it_is_an_argument(
    engine: Callable[..., CommandEngine], tmp_path: Path
) -> None:
    await engine(ECHO, "{output}").render("été", "fr", tmp_path / "1")
    assert (tmp_path / "1").read_text(encoding="utf-8").startswith("[]\0été\0")
    await engine(ECHO, "{output}", "--text={text}").render("été", "fr", tmp_path / "2")
    assert (tmp_path / "2").read_text(encoding="utf-8").startswith("['--text=été']\0\0")


@pytest.mark.parametrize(
    "text", ["-o /etc/passwd", "--help", "$(id) `id`; id | id > x", "{output}"]
)
async def test_a_text_is_neither_an_option_nor_a_command_nor_a_placeholder(
    engine: Callable[..., CommandEngine], tmp_path: Path, text: str
) -> None:
    speaker = engine(ECHO, "{output}", "{language}", "{text}")
    await speaker.render(text, "fr-ca", tmp_path / "out")
    given = (tmp_path / "out").read_text(encoding="utf-8").partition("\0")[0]
    assert given == str(["fr-ca", f" {text}" if text.startswith("-") else text])


async def test_the_program_sees_nothing_of_the_bridges_environment(
    engine: Callable[..., CommandEngine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSTAPLY_KEY", "secret")
    await engine(ECHO, "{output}").render("x", "en", tmp_path / "out")
    names, folder = (tmp_path / "out").read_text(encoding="utf-8").split("\0")[2:]
    assert names == str(["HOME", "LC_ALL", "PATH", "TMPDIR"])
    assert folder == str(tmp_path)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import sys; sys.exit(3)", "exited with status 3"),
        ("", "wrote no file"),
        ("import sys; open(sys.argv[1], 'w')", "wrote no usable file"),
        ("import os, sys; os.mkdir(sys.argv[1])", "wrote no usable file"),
        ("import os, sys; os.symlink('/etc/passwd', sys.argv[1])", "wrote no usable file"),
    ],
)
async def test_a_program_that_does_not_speak_is_an_error(
    engine: Callable[..., CommandEngine], tmp_path: Path, program: str, words: str
) -> None:
    with pytest.raises(EngineError, match=words):
        await engine(program, "{output}").render("a text", "en", tmp_path / "out.wav")


async def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    missing = CommandEngine(["/nonexistent/speak", "{output}"])
    with pytest.raises(EngineError, match="did not start"):
        await missing.render("a text", "en", tmp_path / "out.wav")


async def test_a_program_may_leave_the_text_unread(
    engine: Callable[..., CommandEngine], tmp_path: Path
) -> None:
    program = "import sys; sys.stdin.close(); open(sys.argv[1], 'w').write('x')"
    await engine(program, "{output}").render("x" * 4000, "en", tmp_path / "out.wav")
    assert (tmp_path / "out.wav").read_bytes() == b"x"


async def test_a_program_that_writes_without_end_is_stopped_by_the_kernel(
    engine: Callable[..., CommandEngine], tmp_path: Path
) -> None:
    # It waits for the text, which comes after the limit is set.
    flood = """
import signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
sys.stdin.read()
with open(sys.argv[1], "wb", buffering=0) as file:
    while True:
        file.write(bytes(65536))
"""
    speaker = engine(flood, "{output}", max_output_bytes=1 << 17)
    with pytest.raises(EngineError, match=f"exited with status -{signal.SIGXFSZ.value}"):
        await speaker.render("a text", "en", tmp_path / "out.wav")
    assert (tmp_path / "out.wav").stat().st_size == (1 << 17) + SHARED_MEMORY_BYTES


async def test_a_sound_that_is_too_large_is_refused(
    engine: Callable[..., CommandEngine], tmp_path: Path
) -> None:
    flood = "import sys; sys.stdin.read(); open(sys.argv[1], 'wb').write(bytes(1 << 18))"
    with pytest.raises(EngineError, match="wrote no usable file"):
        await engine(flood, "{output}", max_output_bytes=1 << 17).render(
            "a text", "en", tmp_path / "out.wav"
        )


async def test_a_program_may_have_shared_memory_as_espeak_has(
    engine: Callable[..., CommandEngine], tmp_path: Path
) -> None:
    """PulseAudio's client library (pa_mempool_new): a memory file of 64 MiB, not written to."""
    program = """
import os, sys
sys.stdin.read()
os.ftruncate(os.memfd_create("pulseaudio"), 64 << 20)
open(sys.argv[1], "w").write("spoken")
"""
    await engine(program, "{output}").render("a text", "en", tmp_path / "out.wav")
    assert (tmp_path / "out.wav").read_text() == "spoken"


async def test_a_cancelled_program_ends_with_all_that_it_started(
    engine: Callable[..., CommandEngine], lifeline: Lifeline, tmp_path: Path
) -> None:
    task = asyncio.create_task(engine(HANG, "{output}").render("x", "en", tmp_path / "out.wav"))
    await lifeline.begun()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await lifeline.ended()


async def test_what_a_program_leaves_running_is_ended_with_it(
    engine: Callable[..., CommandEngine], lifeline: Lifeline, tmp_path: Path
) -> None:
    task = asyncio.create_task(engine(LEAVE, "{output}").render("x", "en", tmp_path / "out.wav"))
    await lifeline.begun()
    await task
    await lifeline.ended()


def test_engines_of_different_commands_sound_different() -> None:
    assert CommandEngine(["a", "{output}"]).identity != CommandEngine(["b", "{output}"]).identity
