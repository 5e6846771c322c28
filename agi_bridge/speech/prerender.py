"""Renders a line's prompts with its brand ahead of time, into the line's own folder.

The folder holds `manifest.json` and `sounds/LANGUAGE/NAME-HASH.wav`. A running bridge continues
with the sounds that it knows and finds the new ones at its next start: the manifest changes in one
step, and old sounds stay for KEEP_SECONDS.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .audio import convert_for_telephone
from .errors import BadAudio, EngineError, EngineTimeout
from .prompt_folder import read_manifest, write_manifest
from .prompt_names import PROMPTS
from .recording import read_sound_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .engines import Engine
    from .script import Text

TEXT_SECONDS: Final = 120.0
"""Most time that an engine may take for one text; no caller is waiting."""

KEEP_SECONDS: Final = 7 * 86_400.0
"""How long a sound stays after the manifest no longer lists it."""

_SOUNDS = "sounds"
# No disclosures: STREAM FILE would report the position in samples of 16 kHz, so that half of a
# disclosure would count as all of it.
_HD = frozenset(name for name in PROMPTS if not name.startswith("disclosure"))
_READABLE = 0o644
_ENTERABLE = 0o755


async def render_line(
    texts: Iterable[Text],
    engines: Sequence[Engine],
    folder: Path,
    done: Callable[[Text, str | None], object] = lambda _text, _problem: None,
) -> list[Text]:
    """Render texts by the first engine that can, and list them in the folder's manifest.

    `done` is called with each text, and with the problem if no engine could speak it. Returns the
    texts that could not be spoken; the others are kept. Raises OSError if the folder cannot be
    written, BadPrompts if its manifest cannot be read.
    """
    await asyncio.to_thread(_make, folder)
    entries: dict[tuple[str, str], Any] = dict(await asyncio.to_thread(read_manifest, folder))
    unspoken = []
    for text in texts:
        try:
            entry = await _render(text, engines, folder)
        except (EngineError, BadAudio) as error:
            unspoken.append(text)
            done(text, str(error))
        else:
            for language, name in list(entries):  # the case of the tag may have changed
                if (language.lower(), name) == (text.language.lower(), text.name):
                    del entries[language, name]
            entries[text.language, text.name] = entry
            await asyncio.to_thread(write_manifest, folder, entries)
            done(text, None)
    await asyncio.to_thread(_tidy, folder, {str(entry.get("file")) for entry in entries.values()})
    return unspoken


async def _render(text: Text, engines: Sequence[Engine], folder: Path) -> dict[str, Any]:
    """Render a text with the first engine that can; raises the last engine's error."""
    problem: Exception = EngineError(f"no engine serves {text.language!r}")
    # Before digits, the voice must not fall as at the end of a sentence.
    words = f"{text.text}," if text.digits_follow else text.text
    base = text.language.partition("-")[0]
    for engine in engines:
        language = next((tag for tag in (text.language, base) if engine.serves(tag)), None)
        if language is None:
            continue
        with tempfile.TemporaryDirectory(prefix=".work-", dir=folder) as place:
            spoken = Path(place) / "rendered.wav"
            try:
                async with asyncio.timeout(TEXT_SECONDS):
                    await engine.render(words, language, spoken)
                return await asyncio.to_thread(_keep, text, spoken, folder)
            except TimeoutError:
                problem = EngineTimeout(f"{engine.name} took too long")
            except (EngineError, BadAudio) as error:
                problem = EngineError(f"{engine.name}: {error}")
    raise problem


def _keep(text: Text, spoken: Path, folder: Path) -> dict[str, Any]:
    """Convert a rendering, move it into place, and return its manifest entry."""
    ready = spoken.with_name("telephone.wav")
    wide = ready.with_suffix(".wav16")
    convert_for_telephone(spoken, ready, wide if text.name in _HD else None)
    sound = read_sound_info(ready)
    place = f"{_SOUNDS}/{text.language}/{text.name}-{sound.sha256[:16]}.wav"
    target = folder / place
    _make(target.parent)
    for source, end in ((wide, target.with_suffix(".wav16")), (ready, target)):
        if source.exists():
            source.chmod(_READABLE)
            source.replace(end)
    return {
        "text": text.text,
        "text_sha256": text.sha256,
        "version": text.version,
        "file": place,
        "samples": sound.samples,
        "sha256": sound.sha256,
    }


def _make(folder: Path) -> None:
    for each in (folder, *folder.parents):
        if each.is_dir():
            break
        each.mkdir(parents=True, exist_ok=True)
        each.chmod(_ENTERABLE)  # the PBX runs under another account


def _tidy(folder: Path, listed: set[str]) -> None:
    """Remove sounds that have not been listed for KEEP_SECONDS."""
    for path in (folder / _SOUNDS).glob("*/*.wav*"):
        place = str(path.relative_to(folder).with_suffix(".wav"))
        with contextlib.suppress(OSError):  # another account's file, or already removed
            if place not in listed and time.time() - path.stat().st_mtime > KEEP_SECONDS:
                path.unlink()
