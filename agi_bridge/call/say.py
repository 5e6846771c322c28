"""A text that only this call brings, spoken to one caller: its first words while the rest is made.

The text is parted into passages. Each is rendered while the one before it is played, and played by
a command of its own: Asterisk 22 sends the first packet of a file where the next one of the file
before would have come, so nothing is heard of the joint but the pause that is meant.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from agi_bridge.agi import AGIAppError, AGIUsageError
from agi_bridge.speech import PbxSpeech, clean, sentences

if TYPE_CHECKING:
    from agi_bridge.agi import Channel
    from agi_bridge.speech import Library, Speech

SHORTEST: Final = 24
"""Characters: what is shorter is spoken in one breath with what follows. It would be over before
the next passage is ready, and may be no sentence at all: "Dr.", "a.m."."""

FIRST_LONGEST: Final = 120
"""Characters: a longer first passage is parted where one may breathe. The caller waits for it, and
piper takes 0.2 s for so many."""

AHEAD: Final = 2
"""Passages that are made before the caller hears them: a caller who hangs up costs no more."""

PAUSE: Final = 0.15
"""Seconds between passages, besides the twentieth of a second at both ends of each recording."""

LEAST_SPOKEN: Final = 0.05
"""Seconds: an application that is done sooner has said nothing. Asterisk's Flite answers 0, not -1,
when it finds nothing in a text that it could pronounce."""

_BREATHS: Final = (", ", "; ", ": ")


def passages(text: str) -> list[str]:
    """Part a text from outside into what is rendered and played at a time."""
    parts: list[str] = []
    for sentence in sentences(clean(text)):
        if parts and len(parts[-1]) < SHORTEST:
            parts[-1] += f" {sentence}"
        else:
            parts.append(sentence)
    if len(parts) > 1 and len(parts[-1]) < SHORTEST:
        last = parts.pop()
        parts[-1] += f" {last}"
    if parts and len(parts[0]) > FIRST_LONGEST:
        first = parts[0]
        latest = min(FIRST_LONGEST, len(first) - SHORTEST)
        place = max(first.rfind(mark, SHORTEST, latest) for mark in _BREATHS) + 1
        if place:
            parts[:1] = [first[:place], first[place:].lstrip()]
    return parts


class Sentence(NamedTuple):
    """A passage, and what speaks it; None if nobody can."""

    text: str
    speech: Speech | None


class StreamedText:
    """A text on its way: passages in their order, made before they are asked for."""

    __slots__ = ("_language", "_library", "_tasks", "_waiting")

    def __init__(self, library: Library, text: str, language: str) -> None:
        self._library = library
        self._language = language
        self._waiting = iter(passages(text))
        self._tasks: deque[asyncio.Task[Sentence]] = deque()
        self._begin()

    def over(self) -> bool:
        """Whether there is nothing more of it."""
        return not self._tasks

    async def next(self, deadline: float) -> Sentence | None:
        """Return the next passage, or None if it is not made by `deadline`, in the loop's time."""
        task = self._tasks[0]
        left = deadline - asyncio.get_running_loop().time()
        if not (await asyncio.wait({task}, timeout=max(0.0, left)))[0]:
            return None
        self._tasks.popleft()
        self._begin()
        return task.result()

    def cancel(self) -> None:
        """Make no more of it."""
        self._waiting = iter(())
        for task in self._tasks:
            task.cancel()

    def _begin(self) -> None:
        while len(self._tasks) < AHEAD and (text := next(self._waiting, None)) is not None:
            before = self._tasks[-1] if self._tasks else None
            self._tasks.append(asyncio.create_task(self._made(text, before), name="passage"))

    async def _made(self, text: str, before: asyncio.Task[Sentence] | None) -> Sentence:
        if before is not None:  # side by side, the one that is waited for would take longer
            await asyncio.wait({before})
        return Sentence(text, await self._library.speech(text, self._language))


class TextPlayer:
    """Speaks to one caller; close it when the call is over."""

    __slots__ = ("_channel", "_foreseen", "_library")

    def __init__(self, channel: Channel, library: Library) -> None:
        self._channel = channel
        self._library = library
        self._foreseen: dict[tuple[str, str], StreamedText] = {}

    def prefetch(self, text: str, language: str) -> None:
        """Begin to render a text that will be said soon."""
        if (text, language) not in self._foreseen:
            self._foreseen[text, language] = StreamedText(self._library, text, language)

    def close(self) -> None:
        """Give up what was foreseen and not said."""
        for rendering in self._foreseen.values():
            rendering.cancel()
        self._foreseen.clear()

    async def say(self, text: str, language: str, *, times: int = 1, keys: str = "") -> bool:
        """Say a text, and tell whether all of it was said; False if any passage was not.

        The caller never waits in silence for longer than the library's budget: what is left of the
        text by then is not said.

        Args:
            text: from outside.
            language: its two-letter code.
            times: how often.
            keys: the caller's keys that end it, which is as good as hearing it out. They do not
                end what the PBX speaks by itself.

        Raises:
            AGIHangup: the caller has gone.
        """
        self.prefetch(text, language)
        rendering = self._foreseen.pop((text, language))
        clock = asyncio.get_running_loop().time
        said: list[Sentence] = []
        whole, silent_since = not rendering.over(), clock()
        try:
            while not rendering.over():
                passage = await rendering.next(silent_since + self._library.budget)
                if passage is None:
                    structlog.get_logger().warning("call.speech_timed_out", passages=len(said))
                    return False
                key = await self._play(passage, language, keys)
                if key is None:
                    whole = False
                    continue
                said.append(passage)
                silent_since = clock()
                if key or (not rendering.over() and await self._pause(keys)):
                    return True
        finally:
            rendering.cancel()
        for passage in said * (times - 1):
            if await self._pause(keys) or await self._play(passage, language, keys):
                return True
        return whole

    async def _pause(self, keys: str) -> bool:
        """Draw breath; tell whether the caller ended the text meanwhile."""
        key = await self._channel.wait_for_digit(PAUSE)
        return bool(key) and key in keys

    async def _play(self, passage: Sentence, language: str, keys: str) -> str | None:
        """Play a passage; return the key that ended it, or '', or None if it was not heard."""
        speech = passage.speech
        if isinstance(speech, PbxSpeech):
            if await self._run(speech):
                return ""
            speech = await self._library.say(passage.text, language)
        if speech is None:
            return None
        try:
            playback = await self._channel.stream_file(speech.path, keys, length=speech.seconds)
        except AGIAppError as error:
            structlog.get_logger().error("call.speech_not_played", exc_info=error)
            return None
        # Old releases of Asterisk report a missing file as played, with endpos 0.
        return playback.digit if playback.digit or playback.endpos else None

    async def _run(self, speech: PbxSpeech) -> bool:
        """Have the PBX speak; tell whether it did.

        Asterisk's Flite, eSpeak and Festival answer -1 when they cannot (no such voice, no
        server), and all of them return when the text is over.
        """
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            code = await self._channel.exec(speech.application, *speech.arguments)
        except (AGIAppError, AGIUsageError) as error:
            structlog.get_logger().error(
                "call.pbx_speech_failed", application=speech.application, exc_info=error
            )
            return False
        if code < 0 or clock() - began < LEAST_SPOKEN:
            structlog.get_logger().warning("call.pbx_speech_empty", application=speech.application)
            return False
        return True
