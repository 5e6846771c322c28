"""The library: every text that a call can speak, as a recording.

Prompts are on the shelf. A text that only the call brings is, in this order: one of the documented
ones, and so on the shelf too; rendered before; rendered now, within the budget; or skipped and
counted, because a caller kept waiting in silence is worse off than one who misses a sentence.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import structlog

from .audio import load_libraries
from .cache import Cache
from .errors import BadAudio, EngineError, EngineTimeout, MissingPrompt
from .recording import Recording, text_hash
from .script import DOCUMENTED, NEEDED, clean, comparable, language_tags
from .shelf import SHIPPED, read_folder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .engine import Engine
    from .recording import Sound

_log = structlog.get_logger(__name__)

_AT_ONCE = 2  # renderings side by side: more would starve the calls of the processor


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


class _Job:
    """A rendering under way, and how many calls wait for it."""

    __slots__ = ("task", "waiting")

    def __init__(self, task: asyncio.Task[Recording | None]) -> None:
        self.task = task
        self.waiting = 0


class Library:
    """Recordings by name and by text. One per process; belongs to one event loop.

    `prompts` is the folder of prompts (None: the shipped ones), `cache` the folder for rendered
    texts, made when first needed; `pbx_prompts` and `pbx_cache` are their paths on the PBX where
    those differ. `engines` are tried in order, for `budget` seconds altogether.

    Raises BadPrompts if the folder of prompts cannot be used.
    """

    def __init__(
        self,
        prompts: Path | None = None,
        *,
        cache: Path,
        pbx_prompts: str | None = None,
        pbx_cache: str | None = None,
        engines: Sequence[Engine] = (),
        budget: float = 2.0,
    ) -> None:
        self._shelf = read_folder(prompts or SHIPPED, pbx_prompts)
        self._cache = Cache(cache)
        self._cache_seen_as = (pbx_cache or str(cache.absolute())).rstrip("/")
        self._engines = tuple(engines)
        self._budget = budget
        self._documented = {
            comparable(recording.text): recording
            for recording in self._shelf.values()
            if recording.name in DOCUMENTED
        }
        self._jobs: dict[str, _Job] = {}
        self._free = asyncio.Semaphore(_AT_ONCE)
        self._counts: Counter[str] = Counter()

    @property
    def languages(self) -> frozenset[str]:
        """The languages in which a whole call can be held: none of the needed prompts missing."""
        found = {language for language, _ in self._shelf}
        return frozenset(language for language in found if not self.missing(language))

    def missing(self, language: str) -> tuple[str, ...]:
        """Return the needed prompts that are not recorded in a language, by name."""
        return tuple(name for name in sorted(NEEDED) if not self.has(name, language))

    def has(self, name: str, language: str) -> bool:
        """Tell whether a prompt is recorded in a language."""
        return self._find(name, language) is not None

    def prompt(self, name: str, language: str) -> Recording:
        """Return a prompt in a language; `fr-CA` takes `fr` where it has none of its own.

        Raises MissingPrompt.
        """
        recording = self._find(name, language)
        if recording is None:
            raise MissingPrompt(name, language)
        return recording

    @property
    def counts(self) -> Mapping[str, int]:
        """How texts were served so far: `shipped`, `cached`, `rendered`, `skipped`."""
        return dict(self._counts)

    async def say(self, text: str, language: str) -> Recording | None:
        """Return a recording of a text from outside, or None if nobody can speak it in time.

        A documented text comes in the caller's language whatever language it is given in. Calls
        that want the same text share one rendering; when the last of them is cancelled, so is it.
        """
        words = clean(text)
        known = self._documented.get(comparable(words))
        if known is not None:
            self._counts["shipped"] += 1
            return self._find(known.name, language) or known
        recording = await self._shared(words, language) if words else None
        if recording is None:
            self._counts["skipped"] += 1
            _log.warning("speech.skipped", language=language_tags(language)[-1:], bytes=len(words))
        return recording

    async def close(self) -> None:
        """End the renderings under way; calls that wait for one get None."""
        tasks = [job.task for job in self._jobs.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def prepare(self) -> None:
        """Make ready for calls. Blocks; for the start of the service.

        Removes what renderings cut off by a crash left behind and, where there is an engine, loads
        the sound libraries: half a second that would be taken from the first caller's budget.
        """
        self._cache.sweep()
        if self._engines:
            load_libraries()

    def _find(self, name: str, language: str) -> Recording | None:
        for tag in (language, *language_tags(language)):
            if (recording := self._shelf.get((tag, name))) is not None:
                return recording
        return None

    async def _shared(self, text: str, language: str) -> Recording | None:
        """Wait for the one rendering of a text, started here if nobody has."""
        name = "\0".join((*language_tags(language)[:1], text))
        job = self._jobs.get(name)
        if job is None:
            task = asyncio.create_task(self._within_budget(text, language), name="speech")
            job = self._jobs[name] = _Job(task)
        job.waiting += 1
        try:
            await asyncio.wait([job.task])
        finally:
            job.waiting -= 1
            if not job.waiting:
                del self._jobs[name]  # before the wait below: who comes now starts anew
                if not job.task.done():
                    job.task.cancel()
                    await asyncio.wait([job.task])
        return None if job.task.cancelled() else job.task.result()

    async def _within_budget(self, text: str, language: str) -> Recording | None:
        wanted = [
            _Wanted(engine, tag, text)
            for engine in self._engines
            for tag in language_tags(language)
        ]
        for each in wanted:
            if (found := await self._kept(each)) is not None:
                self._counts["cached"] += 1
                return found
        try:
            async with asyncio.timeout(self._budget):
                for each in wanted:
                    if (made := await self._rendered(each)) is not None:
                        self._counts["rendered"] += 1
                        return made
        except TimeoutError:
            _complain(EngineTimeout("the budget is used up"))
        return None

    async def _kept(self, wanted: _Wanted) -> Recording | None:
        sound = await asyncio.to_thread(self._cache.find, wanted.key)
        return None if sound is None else self._recording(wanted, sound)

    async def _rendered(self, wanted: _Wanted) -> Recording | None:
        try:
            async with self._free, self._cache.workplace() as place:
                output = place / "rendered.wav"
                await wanted.engine.render(wanted.text, wanted.language, output)
                sound = await self._cache.keep(wanted.key, output)
        except (EngineError, BadAudio) as error:
            _complain(error)
            return None
        except OSError as error:
            _complain(EngineError(f"the cache cannot be written ({error.strerror})"))
            return None
        return self._recording(wanted, sound)

    def _recording(self, wanted: _Wanted, sound: Sound) -> Recording:
        return Recording(
            name=f"say-{wanted.key[:12]}",
            language=wanted.language,
            text=wanted.text,
            path=f"{self._cache_seen_as}/{wanted.key}",
            samples=sound.samples,
            sha256=sound.sha256,
            text_sha256=text_hash(wanted.text),
        )


def _complain(error: Exception) -> None:
    _log.warning("speech.engine", problem=str(error))
