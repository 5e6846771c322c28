"""Runs a speech model in a separate process: it is loaded once and renders sentence by sentence.

A separate process is used because a model can hang or crash, must not delay calls, and may be under
another licence (GPL) than the bridge. The process does not get the bridge's environment, which may
contain keys. `model_process` is the code on the other end of the pipe.
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
"""Time limit for loading a model: usually 2 s, longer on a busy machine."""

SENTENCE_SECONDS: Final = 10.0
"""Time limit for a sentence, even if no call waits for it any more."""

PAUSE_SECONDS: Final = 0.25
"""Silence between two sentences."""

_WIDTH = 2  # bytes of a sample

# For the environment that runs this process. The same command is in docs/speech.md.
_INSTALL = (
    f"in the source's folder, {sys.executable} -m pip install --no-deps --only-binary :all: "
    "--require-hashes -r requirements-engines.txt"
)


class PcmAudio(NamedTuple):
    """The sound of a sentence: 16 bit samples, one channel, little endian."""

    rate: int
    samples: bytes


def model_command(kind: str, options: Mapping[str, Any]) -> list[str]:
    """Return the command line of the model process for a kind of model."""
    # -P: the current folder is not on the path. -B: Python writes no bytecode files.
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
    """The model process: started when first needed and after a failure; `close` stops it."""

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
        """Render a sentence, after those requested before. Raises EngineError.

        If cancelled, the model still finishes the sentence: loading it again would delay the next
        caller more.
        """
        return await self._alone((text, language))

    async def close(self) -> None:
        """Stop the process."""
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
            task.exception()  # retrieved, because perhaps nothing awaits the task any more

    async def _exchange(self, request: tuple[str, str] | None) -> PcmAudio:
        """Send one request to the process. After any failure the process is stopped."""
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
            start_new_session=True,  # so that its children are killed with it
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
    """An engine whose model runs in a model process."""

    at_once = 1

    def __init__(
        self,
        name: str,
        identity: str,
        languages: Collection[str],
        process: ModelProcess,
        *,
        max_output_bytes: int = MAX_OUTPUT_BYTES,
    ) -> None:
        super().__init__(name, identity, languages)
        self._process = process
        self._max_bytes = max_output_bytes

    async def render(self, text: str, language: str, output: Path) -> None:
        """Render sentence by sentence. Raises EngineError."""
        spoken: list[PcmAudio] = []
        for sentence in sentences(text):
            sound = await self._process.ask(sentence, language)
            if sound.samples:
                spoken.append(sound)
            if sum(len(each.samples) for each in spoken) > self._max_bytes:
                raise EngineError("the model produced too much sound")
        if not spoken:
            raise EngineError("the model produced no sound for this text")
        write(spoken, output)

    async def start(self) -> None:
        """Load the model. Raises EngineError."""
        await self._process.start()

    async def close(self) -> None:
        """Stop the model process."""
        await self._process.close()


def write(spoken: Sequence[PcmAudio], output: Path) -> None:
    """Write sentences into one WAV file, with pauses between. Raises EngineError."""
    rate = spoken[0].rate
    if any(sound.rate != rate for sound in spoken):
        raise EngineError("the model changed its sample rate")
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
    """Read the header line of a sound. Raises ValueError or TypeError if it is invalid."""
    assert process.stdout is not None  # noqa: S101  # a pipe was asked for
    header = json.loads(await process.stdout.readline())
    if not isinstance(header, dict):
        raise TypeError
    return header


def require_packages(extra: str, *packages: str) -> None:
    """Raise BadEngine unless all packages of an extra are installed. Imports none of them."""
    for package in packages:
        if find_spec(package) is None:
            problem = f"needs the package {package}, of the extra {extra}: {_INSTALL}"
            raise BadEngine("kind", problem)


def require_file(field: str, file: Path) -> None:
    """Raise BadEngine, naming the setting, unless the file exists."""
    if not file.is_file():
        raise BadEngine(field, f"names {file}, which does not exist")


def in_package(package: str, *parts: str) -> Path:
    """Return the path of a file of an installed package, without importing the package.

    Raises BadEngine if it is not installed.
    """
    return package_folder(package, "model").joinpath(*parts)


def package_folder(package: str, field: str) -> Path:
    """Return the folder of an installed package. Raises BadEngine if it is not installed."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise BadEngine(field, f"needs the package {package.replace('_', '-')}, or a file's path")
    return Path(found.submodule_search_locations[0])


def sha256_of(*files: Path) -> str:
    """Return one hash over several files, in hex. Blocks: a model takes 0.1 s."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()
