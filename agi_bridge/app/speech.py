"""Decides what each line plays: builds its prompts and speech engines from the configuration."""

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
    """Build the engines of a configuration, best first. Blocks: models are read once.

    Args:
        settings: the configuration.
        pool: shares engines with other libraries; None: they are not shared.

    Raises:
        BadEngine: an engine cannot be built on this machine; `field` is the full setting name.
    """
    made, faults = usable_engines(settings, pool)
    if faults:
        raise faults[0]
    return made


def usable_engines(
    settings: Settings, pool: EnginePool | None = None
) -> tuple[list[Engine | PbxEngine], list[BadEngine]]:
    """Return the engines that can be built on this machine, and the faults of the others.

    Blocks, as `build_engines`.
    """
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
    """Return the folders of a line's prompts, best first. They may not exist."""
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
    """Build the library that all lines share. Blocks: every recording is read.

    Args:
        settings: the configuration.
        address: returns the name of a recording for the PBX; None: its path.
        metrics: counts renderings; None: they are not counted.
        pool: shares engines with other libraries; None: they are not shared.

    Raises:
        BadPrompts: the folder of prompts cannot be used.
        BadEngine: an engine cannot be built.
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
    """Return the library of each line: its recordings, its rendered prompts, the shared prompts.

    Blocks, like `build_library`. The engines and their cache are those of `shared`. This function
    and `line_library` alone decide what a line plays, so that the service, `check`, `prompts` and
    the opt-in page all use the same disclosure.

    Raises:
        BadPrompts: a folder of prompts cannot be used.
    """
    return {line.name: _over(settings, line, shared) for line in settings.lines.values()}


def line_library(settings: Settings, line: Line) -> Library:
    """Return the library of one line without engines, for inspection. Blocks.

    Raises:
        BadPrompts: a folder of prompts cannot be used.
    """
    return _over(settings, line, build_silent_library(settings))


def build_silent_library(settings: Settings) -> Library:
    """Build the library that all lines share without engines, for inspection. Blocks.

    Raises:
        BadPrompts: the folder of prompts cannot be used.
    """
    return _library(settings, (), None)


def _over(settings: Settings, line: Line, shared: Library) -> Library:
    *own, _ = prompt_folders(settings, line)
    return shared.with_overrides(*own)


def _library(
    settings: Settings,
    engines: Sequence[Engine | PbxEngine],
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
        engines=engines,
        budget=speech.budget_seconds,
        address=address,
        observe=observe,
    )


def outdated_prompts(settings: Settings, line: Line, prompts: Library) -> list[str]:
    """Return the names of the line's prompts whose text differs from the script.

    After a change of brand, for example, callers still hear the old name. `prompts` is the line's
    library. Shipped and shared prompts are not checked: their texts may differ.

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
