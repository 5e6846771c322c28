"""The speech of a configuration: its recordings, and the engines that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.speech import BadEngine, Library, Script, engine
from agi_bridge.tools.prompts.wanted import wanted

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.settings import Line, Settings
    from agi_bridge.speech import Engine, PbxEngine, Recording


def engines(settings: Settings) -> list[Engine | PbxEngine]:
    """The engines of a configuration, best first. Blocks: models are read once.

    Raises:
        BadEngine: one cannot be made here; `field` is the setting's full name.
    """
    made = []
    for place, given in enumerate(settings.speech.engines, start=1):
        try:
            made.append(engine(given.spec()))
        except BadEngine as error:
            key = f"speech.engines.{place}.{error.field}"
            raise BadEngine(key, error.problem) from None
    return made


def library(settings: Settings, address: Callable[[Recording], str] | None = None) -> Library:
    """The library that all lines share. Blocks: every recording is read.

    Args:
        settings: the configuration.
        address: what the PBX is to know a recording by; None: its path.

    Raises:
        BadPrompts: the folder of prompts cannot be used.
        BadEngine: an engine cannot be made.
    """
    speech = settings.speech
    return Library(
        speech.prompts,
        pbx_prompts=speech.pbx_prompts or None,
        cache=settings.speech_cache,
        pbx_cache=speech.pbx_cache or None,
        max_bytes=speech.max_megabytes << 20,
        engines=engines(settings),
        budget=speech.budget_seconds,
        address=address,
    )


def of_lines(settings: Settings, shared: Library) -> dict[str, Library]:
    """What callers of each line hear: recordings, what was rendered for it, the shared prompts.

    Blocks, like `library`. Engines and what they rendered are those of `shared`.

    Raises:
        BadPrompts: a folder of prompts cannot be used.
    """
    return {line: shared.over(*settings.prompt_layers(line)) for line in settings.lines}


def stale(settings: Settings, line: Line, prompts: Library) -> list[str]:
    """The line's recordings and renderings whose words are no longer the script's, by name.

    So it is after a change of brand: callers still hear the old one. `prompts` is what callers of
    the line hear; the package's own prompts, and a house's, may have other words.

    Raises:
        BadScript: the script cannot be used.
    """
    script = Script(settings.speech.script)
    texts = [each.text for each in wanted(line, script) if each.text is not None]
    folders = [folder.path for folder in settings.prompt_layers(line.name)]
    return [
        f"{text.language}/{text.name}"
        for text in prompts.unspoken(texts)
        if prompts.has(text.name, text.language)
        and any(map(prompts.prompt(text.name, text.language).wav.is_relative_to, folders))
    ]
