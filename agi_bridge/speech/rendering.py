"""Renders texts during a call: from the cache, by an engine, or by the PBX.

The engines are tried in order within one time budget. Each engine leaves part of the budget to the
later ones, so that the caller hears the sentence even if an engine hangs. An engine that keeps
failing is skipped for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from agi_bridge.circuit_breaker import CircuitBreaker

from .engines import PbxEngine, PbxSpeech
from .errors import BadAudio, EngineError, EngineTimeout
from .prompt_names import language_tags
from .recording import Recording, text_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .cache import Cache
    from .engines import Engine
    from .recording import SoundInfo

_log = structlog.get_logger(__name__)

RESERVE_SECONDS: Final = 0.4
"""Part of the budget reserved for each later engine; enough for espeak-ng, flite and piper."""

FAILURES_TO_OPEN: Final = 3
"""Consecutive failures after which an engine is skipped ..."""

OPEN_SECONDS: Final = 30
"""... for this many seconds."""

Speech = Recording | PbxSpeech
"""What a call can play: a recording, or speech by the PBX."""

Observer = Callable[[str, str, float | None], None]
"""Called for each text with the engine's name, the outcome and the seconds of the rendering."""


class _Request(NamedTuple):
    """A text to be rendered by one engine."""

    engine: Engine
    language: str
    text: str

    @property
    def key(self) -> str:
        """Name of the text's sound in the cache."""
        words = f"{self.engine.identity}\0\0{self.language}\0\0{self.text}"
        return hashlib.sha256(words.encode()).hexdigest()[:40]


class _Slot:
    """An engine with its circuit breaker and its limit of concurrent renderings."""

    __slots__ = ("breaker", "engine", "free")

    def __init__(self, engine: Engine | PbxEngine) -> None:
        self.engine = engine
        self.breaker = CircuitBreaker(FAILURES_TO_OPEN, OPEN_SECONDS)
        self.free = asyncio.Semaphore(1 if isinstance(engine, PbxEngine) else engine.at_once)


class _Job:
    """A rendering in progress, and the number of calls that wait for it."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[Speech | None]) -> None:
        self.task = task
        self.waiting = 0


class Renderer:
    """Renders texts with the engines and caches them. Belongs to one event loop.

    `pbx_cache_path` is the path of the cache on the PBX. `observe` is called for each text with the
    engine's name; `cached`, `rendered` or `failed`; and the seconds of the rendering.
    """

    def __init__(
        self,
        engines: Sequence[Engine | PbxEngine],
        cache: Cache,
        pbx_cache_path: str,
        budget: float,
        observe: Observer | None = None,
    ) -> None:
        self._observe = observe or _ignore
        self._slots = [_Slot(engine) for engine in engines]
        self._cache = cache
        self._pbx_cache_path = pbx_cache_path
        self.budget = budget
        self._jobs: dict[str, _Job] = {}
        self.counts: Counter[str] = Counter()
        """Number of texts by source: `cached`, `rendered`, `pbx`."""
        self.failures: Counter[str] = Counter()
        """Number of failures by engine name."""

    async def speech(self, text: str, language: str, *, files_only: bool = False) -> Speech | None:
        """Return a text as speech, or None if no engine renders it in time.

        Calls for the same text share one rendering. It is cancelled with the last of them.
        `files_only` skips engines of the PBX.
        """
        name = "\0".join((str(files_only), *language_tags(language)[:1], text))
        job = self._jobs.get(name)
        if job is None:
            task = asyncio.create_task(
                self._found(text, language, files_only=files_only), name="speech"
            )
            job = self._jobs[name] = _Job(task)
        job.waiting += 1
        try:
            await asyncio.wait([job.task])
        finally:
            job.waiting -= 1
            if not job.waiting:
                del self._jobs[name]  # before waiting: the next call must start a new job
                if not job.task.done():
                    job.task.cancel()
                    await asyncio.wait([job.task])
        return None if job.task.cancelled() else job.task.result()

    async def start(self) -> None:
        """Load the engines' models. A failure is logged; the engine is tried again when needed."""
        for slot in self._slots:
            if not isinstance(slot.engine, PbxEngine):
                try:
                    await slot.engine.start()
                except EngineError as error:
                    self._report_failure(slot, error)

    async def close(self) -> None:
        """Cancel renderings in progress, whose calls get None, and close the engines."""
        tasks = [job.task for job in self._jobs.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for slot in self._slots:
            if not isinstance(slot.engine, PbxEngine):
                await slot.engine.close()

    async def _found(self, text: str, language: str, *, files_only: bool) -> Speech | None:
        end = asyncio.get_running_loop().time() + self.budget
        slots = [slot for slot in self._slots if _tags(slot.engine, language)]
        for place, slot in enumerate(slots, start=1):
            if isinstance(slot.engine, PbxEngine):
                if files_only:
                    continue
                spoken = slot.engine.speech(text, _tags(slot.engine, language)[0])
                if spoken is not None:
                    self.counts["pbx"] += 1
                    self._observe(slot.engine.name, "rendered", None)
                    return spoken
                continue
            requests = [_Request(slot.engine, tag, text) for tag in _tags(slot.engine, language)]
            if (kept := await self._kept(requests)) is not None:
                self.counts["cached"] += 1
                self._observe(slot.engine.name, "cached", None)
                return kept
            if (made := await self._made(slot, requests, _share(end, slots[place:]))) is not None:
                self.counts["rendered"] += 1
                return made
        return None

    async def _kept(self, requests: Sequence[_Request]) -> Recording | None:
        for each in requests:
            sound = await asyncio.to_thread(self._cache.find, each.key)
            if sound is not None:
                return self._recording(each, sound)
        return None

    async def _made(
        self, slot: _Slot, requests: Sequence[_Request], deadline: float
    ) -> Recording | None:
        """Have an engine render a text: in the country's variant, else in the language."""
        if slot.breaker.blocks:
            return None
        try:
            async with asyncio.timeout_at(deadline):
                await slot.free.acquire()
        except TimeoutError:
            # Not a failure of the engine: the breaker does not count it.
            self._report_failure(slot, EngineTimeout("too many texts are waiting"))
            return None
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            made = await self._by_deadline(requests, deadline)
        except (EngineError, BadAudio) as error:
            slot.breaker.failed()
            slot.breaker.wait_again()
            self._report_failure(slot, error)
        except OSError as error:  # the cache's fault, not the engine's
            slot.breaker.succeeded()
            problem = f"the cache cannot be written ({error.strerror})"
            self._report_failure(slot, EngineError(problem))
        else:
            slot.breaker.succeeded()
            self._observe(slot.engine.name, "rendered", clock() - began)
            return made
        finally:
            slot.free.release()
        return None

    async def _by_deadline(self, requests: Sequence[_Request], deadline: float) -> Recording:
        *countries, last = requests
        try:
            async with asyncio.timeout_at(deadline):
                for each in countries:
                    # The engine may support the language but not the country's variant.
                    with contextlib.suppress(EngineError, BadAudio):
                        return await self._rendered(each)
                return await self._rendered(last)
        except TimeoutError:
            raise EngineTimeout("its share of the budget is used up") from None

    async def _rendered(self, request: _Request) -> Recording:
        async with self._cache.work_folder() as place:
            output = place / "rendered.wav"
            await request.engine.render(request.text, request.language, output)
            return self._recording(request, await self._cache.store(request.key, output))

    def _recording(self, request: _Request, sound: SoundInfo) -> Recording:
        return Recording(
            name=f"say-{request.key[:12]}",
            language=request.language,
            text=request.text,
            path=f"{self._pbx_cache_path}/{request.key}",
            wav=self._cache.path(request.key),
            samples=sound.samples,
            sha256=sound.sha256,
            text_sha256=text_hash(request.text),
        )

    def _report_failure(self, slot: _Slot, error: Exception) -> None:
        self.failures[slot.engine.name] += 1
        self._observe(slot.engine.name, "failed", None)
        _log.warning("speech.engine_failed", engine=slot.engine.name, problem=str(error))


def _ignore(_engine: str, _outcome: str, _seconds: float | None) -> None:
    """Ignore the outcome."""


def _tags(engine: Engine | PbxEngine, language: str) -> list[str]:
    """Return the tags that the engine serves, the country's variant before the language."""
    return [tag for tag in language_tags(language) if engine.serves(tag)]


def _share(end: float, later: Sequence[_Slot]) -> float:
    """Return an engine's deadline. Each later engine keeps RESERVE_SECONDS or an equal share."""
    others = sum(not isinstance(slot.engine, PbxEngine) for slot in later)
    left = max(0.0, end - asyncio.get_running_loop().time())
    return end - others * min(RESERVE_SECONDS, left / (others + 1))
