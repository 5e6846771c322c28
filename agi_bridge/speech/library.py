"""The library of a line: chooses the recording of every prompt and text that a call plays.

Prompts are recorded. A text from the hook is one of the documented texts, which are recorded too;
or it is rendered by the `Renderer` within the budget; or it is skipped and counted, because silence
is worse for a caller than a missing sentence.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from .audio import load_libraries
from .cache import MAX_BYTES, Cache
from .errors import MissingPrompt
from .prompt_folder import SHIPPED, find_prompt, overlay, read_folder
from .prompt_names import DOCUMENTED, REQUIRED_PROMPTS, clean, comparable, language_tags
from .recording import Recording
from .rendering import Renderer
from .rivals import intact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from .engines import Engine, PbxEngine
    from .prompt_folder import PromptFolder, PromptSet
    from .rendering import Observer, Speech
    from .script import Text

_log = structlog.get_logger(__name__)

LOOK_SECONDS: Final = 0.1
"""How long a look at a recording's file counts. Under load, calls ask for the same few files
hundreds of times a second, and each look takes a thread."""


class Library:
    """Recordings by name and by text. One per process; belongs to one event loop.

    `prompts` is the folder of prompts (None: the shipped ones). `cache` is the folder for rendered
    texts, created when first needed, with at most `max_bytes`. `pbx_prompts` and `pbx_cache` are
    their paths on the PBX if they differ. `engines` are tried in order, for `budget` seconds in
    total. `address` returns the URL under which the PBX fetches a recording; None: by its path.
    `observe` is called for each text that an engine was to speak (see `Renderer`). `clock` gives
    running time in seconds.

    Raises BadPrompts if the folder of prompts cannot be used.
    """

    def __init__(
        self,
        prompts: Path | None = None,
        *,
        cache: Path,
        pbx_prompts: str | None = None,
        pbx_cache: str | None = None,
        max_bytes: int = MAX_BYTES,
        engines: Sequence[Engine | PbxEngine] = (),
        budget: float = 2.0,
        address: Callable[[Recording], str] | None = None,
        observe: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cache = Cache(cache, max_bytes=max_bytes)
        pbx_path = (pbx_cache or str(cache.absolute())).rstrip("/")
        self._renderer = Renderer(engines, self._cache, pbx_path, budget, observe)
        self._renders = bool(engines)
        self._address = address
        self._counts: Counter[str] = Counter()
        self._clock = clock
        self._intact_until: dict[tuple[str, str], float] = {}
        self._use(read_folder(prompts or SHIPPED, pbx_prompts))

    def with_overrides(self, *folders: PromptFolder) -> Library:
        """Return this library with a line's own prompts on top; the first folder wins.

        Everything else is shared with this library. A missing folder adds nothing. Raises
        BadPrompts.
        """
        line = copy.copy(self)
        prompts = overlay(folders, self._prompts)
        line._use(prompts)  # noqa: SLF001  # the same class
        return line

    @property
    def budget(self) -> float:
        """Most seconds that rendering a text may take; a caller may be waiting."""
        return self._renderer.budget

    @property
    def languages(self) -> frozenset[str]:
        """The languages in which no required prompt is missing."""
        found = {language for language, _ in self._prompts}
        return frozenset(language for language in found if not self.missing(language))

    def missing(self, language: str) -> tuple[str, ...]:
        """Return the names of required prompts that are not recorded in a language."""
        return tuple(name for name in sorted(REQUIRED_PROMPTS) if not self.has(name, language))

    def has(self, name: str, language: str) -> bool:
        """Tell whether a prompt is recorded in a language."""
        return self._find(name, language) is not None

    def prompt(self, name: str, language: str) -> Recording:
        """Return a prompt in a language; `fr-CA` falls back to `fr`.

        Raises MissingPrompt.
        """
        recording = self._find(name, language)
        if recording is None:
            raise MissingPrompt(name, language)
        return self._addressed(recording)

    async def intact(self, recording: Recording) -> bool:
        """Return whether a recording's file is unchanged since the start; a change is logged.

        The record of consent names the sound that was read at the start. A look counts for
        `LOOK_SECONDS`. Recordings that the PBX fetches over HTTP are compared when they are
        fetched.
        """
        if self._address is not None:
            return True
        key, now = (recording.path, recording.sha256), self._clock()
        if now < self._intact_until.get(key, 0.0):
            return True
        if await asyncio.to_thread(intact, recording):
            self._intact_until[key] = now + LOOK_SECONDS
            return True
        _log.error("speech.recording_changed", file=str(recording.wav))
        return False

    def outdated(self, texts: Iterable[Text]) -> list[Text]:
        """Return the texts for which there is no recording with the same words."""
        return [
            text
            for text in texts
            if (found := self._find(text.name, text.language)) is None or found.text != text.text
        ]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many texts were `shipped`, `cached`, `rendered`, `pbx` or `skipped`."""
        return self._counts + self._renderer.counts

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each engine failed, by name."""
        return dict(self._renderer.failures)

    async def say(self, text: str, language: str) -> Recording | None:
        """Return a recording of an untrusted text, or None if no engine can speak it in time.

        A documented text is returned in the caller's language. Calls that want the same text share
        one rendering, which is cancelled with the last of them. Engines of the PBX are not used;
        `speech` uses them too.
        """
        spoken = await self._speech(text, language, files_only=True)
        return spoken if isinstance(spoken, Recording) else None

    async def speech(self, text: str, language: str) -> Speech | None:
        """Return what a call plays for an untrusted text: a recording, or a command for the PBX.

        Otherwise like `say`, which is the fallback if the PBX fails.
        """
        return await self._speech(text, language, files_only=False)

    async def start(self) -> None:
        """Load the engines' models so that no caller waits for them. Takes seconds."""
        await self._renderer.start()

    async def close(self) -> None:
        """Stop the engines and cancel renderings; calls that wait for one get None."""
        await self._renderer.close()

    def prepare(self) -> None:
        """Prepare for calls. Blocks; called at the start of the service.

        Removes work folders that a crash left behind. If there is an engine, loads the sound
        libraries: half a second that would count against the first caller's budget.
        """
        self._cache.remove_leftovers()
        if self._renders:
            load_libraries()

    def _use(self, prompts: PromptSet) -> None:
        self._prompts = prompts
        self._documented = {
            comparable(recording.text): recording
            for recording in prompts.values()
            if recording.name in DOCUMENTED
        }

    def _find(self, name: str, language: str) -> Recording | None:
        return find_prompt(self._prompts, name, language)

    async def _speech(self, text: str, language: str, *, files_only: bool) -> Speech | None:
        words = clean(text)
        known = self._documented.get(comparable(words))
        if known is not None:
            self._counts["shipped"] += 1
            return self._addressed(self._find(known.name, language) or known)
        spoken = None
        if words:
            spoken = await self._renderer.speech(words, language, files_only=files_only)
        if spoken is None:
            self._counts["skipped"] += 1
            _log.warning(
                "speech.text_skipped", language=language_tags(language)[-1:], bytes=len(words)
            )
        return self._addressed(spoken) if isinstance(spoken, Recording) else spoken

    def _addressed(self, recording: Recording) -> Recording:
        if self._address is None:
            return recording
        return replace(recording, path=self._address(recording))
