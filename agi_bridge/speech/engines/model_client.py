"""A model in a process of its own: loaded once, asked sentence by sentence.

A process, because a model can hang or crash where nothing can stop it, must not hold up the calls
of this one, and may be under a licence (GPL) that ours is not. It sees none of the bridge's
environment, which may hold keys. The other end of the pipe is `model_process`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import wave
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from agi_bridge.speech.errors import BadEngine, EngineError, EngineTimeout
from agi_bridge.speech.prompt_names import sentences

from .base import MAX_OUTPUT_BYTES, Engine
from .command import end_with_children

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

START_SECONDS: Final = 30.0
"""Longest that loading a model may take: 2 s are usual, more on a machine that is busy."""

SENTENCE_SECONDS: Final = 10.0
"""Longest that a sentence may take, whether or not a call still waits for it."""

PAUSE_SECONDS: Final = 0.25
"""Silence between two sentences."""

_WIDTH = 2  # bytes of a sample

# Into the environment that this command runs from; docs/speech.md says the same.
_INSTALL = (
    f"in the source's folder, {sys.executable} -m pip install --no-deps --only-binary :all: "
    "--require-hashes -r requirements-engines.txt"
)


class PcmAudio(NamedTuple):
    """What a model said: one channel of 16 bit samples, little endian."""

    rate: int
    samples: bytes


def model_command(kind: str, options: Mapping[str, Any]) -> list[str]:
    """Return the command line of a worker for one kind of model."""
    # -P: the current folder is not on the path. -B: it cannot write files.
    return [
        sys.executable,
        "-P",
        "-B",
        "-m",
        f"{__package__}.model_process",
        kind,
        json.dumps(options),
    ]


class ModelProcess:
    """The process: started when first needed, again after it failed, and ended by `close`."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        start_seconds: float = START_SECONDS,
        sentence_seconds: float = SENTENCE_SECONDS,
    ) -> None:
        self._command = tuple(command)
        self._start_seconds = start_seconds
        self._sentence_seconds = sentence_seconds
        self._process: asyncio.subprocess.Process | None = None
        self._free = asyncio.Lock()
        self._task: asyncio.Task[PcmAudio] | None = None

    async def start(self) -> None:
        """Load the model. Raises EngineError."""
        await self._alone(None)

    async def ask(self, text: str, language: str) -> PcmAudio:
        """Have a sentence spoken, after those asked before. Raises EngineError.

        Cancelled, it lets the model finish the sentence: loading it again would cost the next
        caller more.
        """
        return await self._alone((text, language))

    async def close(self) -> None:
        """End the process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._end()

    async def _alone(self, request: tuple[str, str] | None) -> PcmAudio:
        await self._free.acquire()
        task = asyncio.create_task(self._exchange(request), name="speech model")
        self._task = task
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[PcmAudio]) -> None:
        self._task = None
        self._free.release()
        if not task.cancelled():
            task.exception()  # nobody may be waiting for it any more

    async def _exchange(self, request: tuple[str, str] | None) -> PcmAudio:
        """Ask the process one thing; whatever goes wrong, it is ended."""
        try:
            process = await self._started()
            if request is None:
                return PcmAudio(0, b"")
            async with asyncio.timeout(self._sentence_seconds):
                return await _talk(process, *request)
        except TimeoutError:
            await self._end()
            raise EngineTimeout("the model took too long") from None
        except (OSError, ValueError, TypeError, KeyError, asyncio.IncompleteReadError) as error:
            await self._end()
            raise EngineError(f"the model failed ({type(error).__name__})") from None
        except asyncio.CancelledError:
            await self._end()
            raise

    async def _started(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._end()
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            cwd="/",
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "LC_ALL": "C.UTF-8",
            },
            start_new_session=True,  # so that its children can be ended with it
        )
        async with asyncio.timeout(self._start_seconds):
            ready = await _header(self._process)
        if "error" in ready:
            await self._end()
            raise EngineError(f"the model cannot be loaded: {ready['error']}")
        return self._process

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await end_with_children(process)


class ModelEngine(Engine):
    """An engine whose model is in a worker."""

    at_once = 1

    def __init__(
        self,
        name: str,
        identity: str,
        languages: Collection[str],
        worker: ModelProcess,
        *,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
    ) -> None:
        super().__init__(name, identity, languages)
        self._worker = worker
        self._max_bytes = max_output_bytes

    async def render(self, text: str, language: str, output: Path) -> None:
        """Speak sentence by sentence. Raises EngineError."""
        spoken: list[PcmAudio] = []
        for sentence in sentences(text):
            sound = await self._worker.ask(sentence, language)
            if sound.samples:
                spoken.append(sound)
            if sum(len(each.samples) for each in spoken) > self._max_bytes:
                raise EngineError("the model says too much")
        if not spoken:
            raise EngineError("the model has no sound for this text")
        write(spoken, output)

    async def start(self) -> None:
        """Load the model. Raises EngineError."""
        await self._worker.start()

    async def close(self) -> None:
        """End the worker."""
        await self._worker.close()


def write(spoken: Sequence[PcmAudio], output: Path) -> None:
    """Write sentences into one WAV file, with pauses between. Raises EngineError."""
    rate = spoken[0].rate
    if any(sound.rate != rate for sound in spoken):
        raise EngineError("the model changes its rate")
    pause = bytes(int(PAUSE_SECONDS * rate) * _WIDTH)
    try:
        with output.open("wb") as opened, wave.open(opened) as file:
            file.setnchannels(1)
            file.setsampwidth(_WIDTH)
            file.setframerate(rate)
            file.writeframes(pause.join(sound.samples for sound in spoken))
    except (OSError, wave.Error) as error:
        raise EngineError("the sound cannot be written") from error


async def _talk(process: asyncio.subprocess.Process, text: str, language: str) -> PcmAudio:
    assert process.stdin is not None  # noqa: S101  # a pipe was asked for
    assert process.stdout is not None  # noqa: S101  # the same
    process.stdin.write(json.dumps({"text": text, "language": language}).encode() + b"\n")
    await process.stdin.drain()
    header = await _header(process)
    if "error" in header:
        raise EngineError(f"the model failed ({header['error']})")
    rate, size = int(header["rate"]), int(header["bytes"])
    if not 0 <= size <= MAX_OUTPUT_BYTES or size % _WIDTH or not 0 < rate < 1 << 20:
        raise ValueError
    return PcmAudio(rate, await process.stdout.readexactly(size))


async def _header(process: asyncio.subprocess.Process) -> dict[str, Any]:
    """Read the line that comes before a sound. Raises ValueError if it is not such a line."""
    assert process.stdout is not None  # noqa: S101  # a pipe was asked for
    header = json.loads(await process.stdout.readline())
    if not isinstance(header, dict):
        raise TypeError
    return header


def require_packages(extra: str, *packages: str) -> None:
    """Raise BadEngine unless all packages of an extra are installed. Loads none of them."""
    for package in packages:
        if find_spec(package) is None:
            problem = f"needs the package {package}, of the extra {extra}: {_INSTALL}"
            raise BadEngine("kind", problem)


def require_file(field: str, file: Path) -> None:
    """Raise BadEngine, naming the setting, unless there is such a file."""
    if not file.is_file():
        raise BadEngine(field, f"names {file}, which is not there")


def in_package(package: str, *parts: str) -> Path:
    """Return the path of a file of an installed package, without loading the package.

    Raises BadEngine if it is not installed.
    """
    return package_folder(package, "model").joinpath(*parts)


def package_folder(package: str, field: str) -> Path:
    """Return the folder of an installed package. Raises BadEngine, naming the setting, if none."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise BadEngine(field, f"needs the package {package.replace('_', '-')}, or a file's path")
    return Path(found.submodule_search_locations[0])


def sha256_of(*files: Path) -> str:
    """Return one hash over several files, in hex. Blocks: a model takes a tenth of a second."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()
