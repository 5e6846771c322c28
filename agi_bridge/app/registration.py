"""Registers in the ledger, at the start, what events name by hash: texts, recordings, settings.

An event holds hashes of the disclosure, of every prompt of the dialogue, of the first text that a
line promises, and of the configuration. Each must be found later, when none of the files is there
any more.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from agi_bridge.consent import text_sha256
from agi_bridge.speech import DIALOGUE_PROMPTS, BadPrompts, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agi_bridge.consent.ledger import Ledger
    from agi_bridge.settings import Settings
    from agi_bridge.speech import Library, Recording


async def register_content(
    settings: Settings, prompts: Mapping[str, Library], ledger: Ledger
) -> None:
    """Put all of it into the ledger that is not there yet.

    Args:
        settings: the configuration.
        prompts: what callers of each line hear.
        ledger: keeps it.

    Raises:
        LedgerUnavailable: the database did not take it.
        BadPrompts: a file is no longer the one that was read; the hash kept would be another's.
    """
    for line in settings.lines.values():
        for language in line.languages:
            recording = prompts[line.name].prompt(line.disclosure, language)
            wav = await asyncio.to_thread(_content, recording)
            await ledger.register_disclosure(
                recording.language, recording.text, recording.sha256, wav
            )
    texts = {settings.sha256: settings.public_text}
    for line in settings.lines.values():
        first = line.filled(line.workflow.sample)
        texts[text_sha256(first)] = first
    recordings = {}
    for recording in _dialogue(settings, prompts):
        texts[recording.text_sha256] = recording.text
        recordings[recording.sha256] = await asyncio.to_thread(_content, recording)
    await ledger.register(texts, recordings)


def _dialogue(settings: Settings, prompts: Mapping[str, Library]) -> Iterator[Recording]:
    """Every recording that a call may play before its agreement is stored."""
    for line in settings.lines.values():
        library = prompts[line.name]
        for language in line.languages:
            for name in DIALOGUE_PROMPTS:
                if library.has(name, language):
                    yield library.prompt(name, language)


def _content(recording: Recording) -> bytes:
    wav = recording.wav.read_bytes()
    if hashlib.sha256(wav).hexdigest() != recording.sha256:
        raise BadPrompts([Problem("changed").of(recording.wav)])
    return wav
