"""Texts that only a call brings: rendered before, rendered now, or left to the PBX.

The engines are tried in order within one budget. An engine leaves the later ones some of it, so
that one that hangs does not cost the caller the sentence; one that keeps failing rests for a while.
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
"""Left of the budget for each later engine: ample for espeak-ng, flite and a loaded piper."""

FAILURES_TO_OPEN: Final = 3
"""In a row; then an engine is passed over ..."""

OPEN_SECONDS: Final = 30
"""... for this long."""

Speech = Recording | PbxSpeech
"""What a call can play: a file, or what the PBX is to run."""

Observer = Callable[[str, str, float | None], None]
"""Told of each text: the engine's name, the outcome, the seconds that a rendering took."""


class _Wanted(NamedTuple):
    """One text to be spoken by one engine."""

    engine: Engine
    language: str
    text: str

    @property
    def key(self) -> str:
        """The name it is kept under."""
        words = f"{self.engine.identity}\0\0{self.language}\0\0{self.text}"
        return hashlib.sha256(words.encode()).hexdigest()[:40]


class _Slot:
    """An engine in its place in the order."""

    __slots__ = ("engine", "free", "rest")

    def __init__(self, engine: Engine | PbxEngine) -> None:
        self.engine = engine
        self.rest = CircuitBreaker(FAILURES_TO_OPEN, OPEN_SECONDS)
        self.free = asyncio.Semaphore(1 if isinstance(engine, PbxEngine) else engine.at_once)


class _Job:
    """A rendering under way, and how many calls wait for it."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[Speech | None]) -> None:
        self.task = task
        self.waiting = 0


class Renderer:
    """The engines and what they rendered. Belongs to one event loop.

    `pbx_cache_path` is the cache's folder as the PBX sees it. `observe` is told of each text: the
    engine's name; `cached`, `rendered` or `failed`; and how many seconds a rendering took.
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
        """How texts were served: `cached`, `rendered`, `pbx`."""
        self.failures: Counter[str] = Counter()
        """How often an engine failed, by its name."""

    async def speech(self, text: str, language: str, *, files_only: bool = False) -> Speech | None:
        """Return a text as speech, or None if no engine can speak it in time.

        Calls that want the same text share one rendering; when the last is cancelled, so is it.
        `files_only` passes over what the PBX would speak.
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
                del self._jobs[name]  # before the wait below: the next call starts a new job
                if not job.task.done():
                    job.task.cancel()
                    await asyncio.wait([job.task])
        return None if job.task.cancelled() else job.task.result()

    async def start(self) -> None:
        """Load the engines' models; one that cannot is logged, and tried again when needed."""
        for slot in self._slots:
            if not isinstance(slot.engine, PbxEngine):
                try:
                    await slot.engine.start()
                except EngineError as error:
                    self._complain(slot, error)

    async def close(self) -> None:
        """End the renderings under way, whose calls get None, and the engines."""
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
            wanted = [_Wanted(slot.engine, tag, text) for tag in _tags(slot.engine, language)]
            if (kept := await self._kept(wanted)) is not None:
                self.counts["cached"] += 1
                self._observe(slot.engine.name, "cached", None)
                return kept
            if (made := await self._made(slot, wanted, _share(end, slots[place:]))) is not None:
                self.counts["rendered"] += 1
                return made
        return None

    async def _kept(self, wanted: Sequence[_Wanted]) -> Recording | None:
        for each in wanted:
            sound = await asyncio.to_thread(self._cache.find, each.key)
            if sound is not None:
                return self._recording(each, sound)
        return None

    async def _made(
        self, slot: _Slot, wanted: Sequence[_Wanted], deadline: float
    ) -> Recording | None:
        """Have an engine speak a text: for a country's language, else for the language."""
        if slot.rest.blocks:
            return None
        try:
            async with asyncio.timeout_at(deadline):
                await slot.free.acquire()
        except TimeoutError:
            # Not the engine's fault, so that it need not rest for it.
            self._complain(slot, EngineTimeout("too many texts are waiting"))
            return None
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            made = await self._by_deadline(wanted, deadline)
        except (EngineError, BadAudio) as error:
            slot.rest.failed()
            slot.rest.wait_again()
            self._complain(slot, error)
        except OSError as error:  # the cache's fault, not the engine's
            slot.rest.succeeded()
            problem = f"the cache cannot be written ({error.strerror})"
            self._complain(slot, EngineError(problem))
        else:
            slot.rest.succeeded()
            self._observe(slot.engine.name, "rendered", clock() - began)
            return made
        finally:
            slot.free.release()
        return None

    async def _by_deadline(self, wanted: Sequence[_Wanted], deadline: float) -> Recording:
        *countries, last = wanted
        try:
            async with asyncio.timeout_at(deadline):
                for each in countries:
                    # It may know the language where it does not know the country's.
                    with contextlib.suppress(EngineError, BadAudio):
                        return await self._rendered(each)
                return await self._rendered(last)
        except TimeoutError:
            raise EngineTimeout("its share of the budget is used up") from None

    async def _rendered(self, wanted: _Wanted) -> Recording:
        async with self._cache.work_folder() as place:
            output = place / "rendered.wav"
            await wanted.engine.render(wanted.text, wanted.language, output)
            return self._recording(wanted, await self._cache.store(wanted.key, output))

    def _recording(self, wanted: _Wanted, sound: SoundInfo) -> Recording:
        return Recording(
            name=f"say-{wanted.key[:12]}",
            language=wanted.language,
            text=wanted.text,
            path=f"{self._pbx_cache_path}/{wanted.key}",
            wav=self._cache.path(wanted.key),
            samples=sound.samples,
            sha256=sound.sha256,
            text_sha256=text_hash(wanted.text),
        )

    def _complain(self, slot: _Slot, error: Exception) -> None:
        self.failures[slot.engine.name] += 1
        self._observe(slot.engine.name, "failed", None)
        _log.warning("speech.engine_failed", engine=slot.engine.name, problem=str(error))


def _ignore(_engine: str, _outcome: str, _seconds: float | None) -> None:
    """Nobody counts."""


def _tags(engine: Engine | PbxEngine, language: str) -> list[str]:
    """Return the tags to ask an engine for, the country's before the language's."""
    return [tag for tag in language_tags(language) if engine.serves(tag)]


def _share(end: float, later: Sequence[_Slot]) -> float:
    """Return when an engine's time is up: RESERVE_SECONDS, or an even share, are left to each."""
    others = sum(not isinstance(slot.engine, PbxEngine) for slot in later)
    left = max(0.0, end - asyncio.get_running_loop().time())
    return end - others * min(RESERVE_SECONDS, left / (others + 1))
