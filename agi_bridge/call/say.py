"""Speaks a text from the hook to one caller: plays its beginning while the rest is rendered.

The text is divided into passages. Each is rendered while the previous one plays, and each is played
with its own command. Asterisk 22 sends the first packet of a file exactly when the next packet of
the previous file would be due, so the caller hears no gap except the intended pause.
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
"""Characters: a shorter sentence is joined to the next one. It would end before the next passage
is ready, and may not be a sentence at all: "Dr.", "a.m."."""

FIRST_LONGEST: Final = 120
"""Characters: a longer first passage is divided at a comma or similar. The caller waits for it;
Piper takes 0.2 s to render this many."""

AHEAD: Final = 2
"""Passages rendered ahead. If the caller hangs up, no more than these are wasted."""

PAUSE: Final = 0.15
"""Seconds between passages, in addition to the 0.05 s at both ends of each recording."""

SHORTEST_SPEECH: Final = 0.05
"""Seconds: an application that returns sooner has spoken nothing. Asterisk's Flite returns 0, not
-1, for a text that it cannot pronounce."""

_BREAKS: Final = (", ", "; ", ": ")


def passages(text: str) -> list[str]:
    """Divide an untrusted text into passages, which are rendered and played one by one."""
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
        place = max(first.rfind(mark, SHORTEST, latest) for mark in _BREAKS) + 1
        if place:
            parts[:1] = [first[:place], first[place:].lstrip()]
    return parts


class Sentence(NamedTuple):
    """A passage and its speech; `speech` is None if no engine can speak it."""

    text: str
    speech: Speech | None


class StreamedText:
    """A text that is being rendered: its passages in order, some of them ahead of time."""

    __slots__ = ("_language", "_library", "_tasks", "_waiting")

    def __init__(self, library: Library, text: str, language: str) -> None:
        self._library = library
        self._language = language
        self._waiting = iter(passages(text))
        self._tasks: deque[asyncio.Task[Sentence]] = deque()
        self._begin()

    def is_over(self) -> bool:
        """Return whether no passage is left."""
        return not self._tasks

    async def next(self, deadline: float) -> Sentence | None:
        """Return the next passage, or None if it is not ready by `deadline` (the loop's time)."""
        task = self._tasks[0]
        left = deadline - asyncio.get_running_loop().time()
        if not (await asyncio.wait({task}, timeout=max(0.0, left)))[0]:
            return None
        self._tasks.popleft()
        self._begin()
        return task.result()

    def cancel(self) -> None:
        """Stop rendering."""
        self._waiting = iter(())
        for task in self._tasks:
            task.cancel()

    def _begin(self) -> None:
        while len(self._tasks) < AHEAD and (text := next(self._waiting, None)) is not None:
            before = self._tasks[-1] if self._tasks else None
            self._tasks.append(asyncio.create_task(self._render(text, before), name="passage"))

    async def _render(self, text: str, before: asyncio.Task[Sentence] | None) -> Sentence:
        if before is not None:  # in parallel, the passage that is needed first would take longer
            await asyncio.wait({before})
        return Sentence(text, await self._library.speech(text, self._language))


class TextPlayer:
    """Speaks to one caller; close it when the call is over."""

    __slots__ = ("_channel", "_library", "_prefetched")

    def __init__(self, channel: Channel, library: Library) -> None:
        self._channel = channel
        self._library = library
        self._prefetched: dict[tuple[str, str], StreamedText] = {}

    def prefetch(self, text: str, language: str) -> None:
        """Begin to render a text that will be said soon."""
        if (text, language) not in self._prefetched:
            self._prefetched[text, language] = StreamedText(self._library, text, language)

    def close(self) -> None:
        """Cancel what was prefetched and not spoken."""
        for rendering in self._prefetched.values():
            rendering.cancel()
        self._prefetched.clear()

    async def say(self, text: str, language: str, *, times: int = 1, keys: str = "") -> bool:
        """Speak a text; return False if any passage of it was not spoken.

        The caller never waits in silence for longer than the library's budget; after that, the rest
        of the text is skipped.

        Args:
            text: the hook's text, untrusted.
            language: its two-letter code.
            times: how often to speak it.
            keys: keys with which the caller skips the text; it then counts as spoken. They do not
                interrupt what the PBX itself speaks.

        Raises:
            AGIHangup: the caller has hung up.
        """
        self.prefetch(text, language)
        rendering = self._prefetched.pop((text, language))
        clock = asyncio.get_running_loop().time
        spoken: list[Sentence] = []
        whole, silent_since = not rendering.is_over(), clock()
        try:
            while not rendering.is_over():
                passage = await rendering.next(silent_since + self._library.budget)
                if passage is None:
                    structlog.get_logger().warning("call.speech_timed_out", passages=len(spoken))
                    return False
                key = await self._play(passage, language, keys)
                if key is None:
                    whole = False
                    continue
                spoken.append(passage)
                silent_since = clock()
                if key or (not rendering.is_over() and await self._pause(keys)):
                    return True
        finally:
            rendering.cancel()
        for passage in spoken * (times - 1):
            if await self._pause(keys) or await self._play(passage, language, keys):
                return True
        return whole

    async def _pause(self, keys: str) -> bool:
        """Pause between passages; return whether the caller skipped the text meanwhile."""
        key = await self._channel.wait_for_digit(PAUSE)
        return bool(key) and key in keys

    async def _play(self, passage: Sentence, language: str, keys: str) -> str | None:
        """Play a passage; return the key that ended it, or '', or None if it was not played."""
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
        """Let the PBX speak; return whether it did.

        Asterisk's Flite, eSpeak and Festival return -1 if they cannot (no such voice, no server).
        All of them return at the end of the text.
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
        if code < 0 or clock() - began < SHORTEST_SPEECH:
            structlog.get_logger().warning("call.pbx_speech_empty", application=speech.application)
            return False
        return True
