"""The speech of a configuration: its recordings, and the engines that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agi_bridge.prompts import PromptSources, inspect_line, required_prompts
from agi_bridge.speech import BadEngine, Library, Script, build_engine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from agi_bridge.observe import Metrics
    from agi_bridge.prompts import LinePrompts
    from agi_bridge.settings import Line, Settings
    from agi_bridge.speech import Engine, EnginePool, Observer, PbxEngine, PromptFolder, Recording


def build_engines(settings: Settings, pool: EnginePool | None = None) -> list[Engine | PbxEngine]:
    """The engines of a configuration, best first. Blocks: models are read once.

    Args:
        settings: the configuration.
        pool: shares engines with other libraries; None: these are its own.

    Raises:
        BadEngine: one cannot be made here; `field` is the setting's full name.
    """
    made, faults = usable_engines(settings, pool)
    if faults:
        raise faults[0]
    return made


def usable_engines(
    settings: Settings, pool: EnginePool | None = None
) -> tuple[list[Engine | PbxEngine], list[BadEngine]]:
    """The engines that can be made here, and why the others cannot. Blocks, as `engines`."""
    build = build_engine if pool is None else pool.build
    made: list[Engine | PbxEngine] = []
    faults = []
    for place, given in enumerate(settings.speech.engines, start=1):
        try:
            made.append(build(given.spec()))
        except BadEngine as error:
            faults.append(BadEngine(f"speech.engines.{place}.{error.field}", error.problem))
    return made, faults


def prompt_folders(settings: Settings, line: Line) -> tuple[PromptFolder, ...]:
    """The folders that a line's prompts come from, best first; not all of them need be there."""
    return *settings.prompt_layers(line.name), settings.speech.shared


def rendered_folder(settings: Settings, line: Line) -> Path:
    """Return the folder of a line's rendered prompts. It may not exist."""
    return settings.prompt_layers(line.name)[-1].path


def prompt_sources(settings: Settings, line: Line) -> PromptSources:
    """Return what a line plays, with the faults of each file. Blocks: every sound file is read."""
    return PromptSources.read(prompt_folders(settings, line))


def inspect_lines(settings: Settings, lines: Iterable[Line]) -> tuple[LinePrompts, ...]:
    """Inspect the prompts of some lines. Blocks: every sound file is read and measured.

    Raises:
        BadScript: the script cannot be used.
    """
    script = Script(settings.speech.script)
    return tuple(inspect_line(line, prompt_folders(settings, line), script) for line in lines)


def build_library(
    settings: Settings,
    address: Callable[[Recording], str] | None = None,
    metrics: Metrics | None = None,
    pool: EnginePool | None = None,
) -> Library:
    """The library that all lines share. Blocks: every recording is read.

    Args:
        settings: the configuration.
        address: what the PBX is to know a recording by; None: its path.
        metrics: count what the engines speak; None: nobody counts.
        pool: shares engines with other libraries; None: they are its own.

    Raises:
        BadPrompts: the folder of prompts cannot be used.
        BadEngine: an engine cannot be made.
    """
    engines = build_engines(settings, pool)
    if metrics is None:
        return _library(settings, engines, address)
    given = zip(engines, settings.speech.engines, strict=True)
    kinds = {engine.name: each.kind for engine, each in given}

    def observe(engine: str, outcome: str, seconds: float | None) -> None:
        metrics.speech_rendered(kinds[engine], outcome, seconds)

    return _library(settings, engines, address, observe)


def line_libraries(settings: Settings, shared: Library) -> dict[str, Library]:
    """What callers of each line hear: recordings, what was rendered for it, the shared prompts.

    Blocks, like `library`. Engines and what they rendered are those of `shared`. Nothing else says
    what a line plays: the service, `check`, `prompts` and the page for registration ask here, or
    `of_line`, so that they all name the same disclosure.

    Raises:
        BadPrompts: a folder of prompts cannot be used.
    """
    return {line.name: _over(settings, line, shared) for line in settings.lines.values()}


def line_library(settings: Settings, line: Line) -> Library:
    """What callers of one line hear, for those who only look: no engine is made. Blocks.

    Raises:
        BadPrompts: a folder of prompts cannot be used.
    """
    return _over(settings, line, build_silent_library(settings))


def build_silent_library(settings: Settings) -> Library:
    """The library that all lines share, for those who only look: no engine is made. Blocks.

    Raises:
        BadPrompts: the folder of prompts cannot be used.
    """
    return _library(settings, (), None)


def _over(settings: Settings, line: Line, shared: Library) -> Library:
    *own, _ = prompt_folders(settings, line)
    return shared.with_overrides(*own)


def _library(
    settings: Settings,
    voices: Sequence[Engine | PbxEngine],
    address: Callable[[Recording], str] | None,
    observe: Observer | None = None,
) -> Library:
    speech = settings.speech
    return Library(
        speech.prompts,
        pbx_prompts=speech.shared.pbx_path,
        cache=settings.speech_cache,
        pbx_cache=speech.pbx_cache or None,
        max_bytes=speech.max_megabytes << 20,
        engines=voices,
        budget=speech.budget_seconds,
        address=address,
        observe=observe,
    )


def outdated_prompts(settings: Settings, line: Line, prompts: Library) -> list[str]:
    """The line's recordings and renderings whose words are no longer the script's, by name.

    So it is after a change of brand: callers still hear the old one. `prompts` is what callers of
    the line hear; the package's own prompts, and a house's, may have other words.

    Raises:
        BadScript: the script cannot be used.
    """
    script = Script(settings.speech.script)
    texts = [each.text for each in required_prompts(line, script) if each.text is not None]
    own = [folder.path for folder in settings.prompt_layers(line.name)]
    return [
        f"{text.language}/{text.name}"
        for text in prompts.outdated(texts)
        if prompts.has(text.name, text.language)
        and any(map(prompts.prompt(text.name, text.language).wav.is_relative_to, own))
    ]
