"""Engines that several libraries share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.speech import BadEngine, EnginePool, EngineSpec, PbxEngine
from agi_bridge.speech.engines import pool as pool_module
from agi_bridge.speech.engines.base import Engine

if TYPE_CHECKING:
    from pathlib import Path


class Voice(Engine):
    """An engine that counts."""

    def __init__(self, identity: str) -> None:
        super().__init__("voice", identity, ("en",))
        self.started = self.closed = 0
        self.rendered: list[str] = []

    async def render(self, text: str, language: str, output: Path) -> None:
        del language, output
        self.rendered.append(text)

    async def start(self) -> None:
        self.started += 1

    async def close(self) -> None:
        self.closed += 1


SPEC = EngineSpec("command", command=("say", "{output}"))
OTHER = EngineSpec("command", command=("speak", "{output}"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Voice]:
    """The engines that were made, each of the identity that `files` has at the time."""
    voices: list[Voice] = []

    def build(spec: EngineSpec) -> Voice:
        voices.append(Voice(f"{spec.command} {files['version']}"))
        return voices[-1]

    files["version"] = 1
    monkeypatch.setattr(pool_module, "build_engine", build)
    return voices


files: dict[str, int] = {"version": 1}


async def test_equal_engines_are_one_until_the_last_is_closed(
    made: list[Voice], tmp_path: Path
) -> None:
    pool = EnginePool()
    first, second = pool.build(SPEC), pool.build(SPEC)
    assert isinstance(first, Engine)
    assert isinstance(second, Engine)
    await first.start()
    await first.close()
    await first.close()  # a library may be closed twice
    await first.start()
    assert (made[0].started, made[0].closed) == (1, 0)
    await second.render("hello", "en", tmp_path)
    assert (made[0].rendered, second.identity) == (["hello"], made[0].identity)
    await second.close()
    assert (made[0].closed, made[1].closed) == (1, 0)


@pytest.mark.parametrize("reason", ["another specification", "a file has changed"])
async def test_different_engines_are_not_shared(made: list[Voice], reason: str) -> None:
    pool = EnginePool()
    first = pool.build(SPEC)
    files["version"] += reason == "a file has changed"
    second = pool.build(SPEC if reason == "a file has changed" else OTHER)
    assert isinstance(first, Engine)
    assert isinstance(second, Engine)
    await first.close()
    assert [voice.closed for voice in made] == [1, 0]


async def test_after_the_last_a_new_one_is_made(made: list[Voice]) -> None:
    pool = EnginePool()
    for _ in range(2):
        engine = pool.build(SPEC)
        assert isinstance(engine, Engine)
        await engine.start()
        await engine.close()
    assert [(voice.started, voice.closed) for voice in made] == [(1, 1), (1, 1)]


def test_pbx_engines_are_not_shared() -> None:
    pool = EnginePool()
    assert isinstance(pool.build(EngineSpec("pbx", command=("Flite", "{text}"))), PbxEngine)


def test_an_engine_that_cannot_be_made_is_an_error_of_its_field() -> None:
    with pytest.raises(BadEngine):
        EnginePool().build(EngineSpec("command", command=("say",)))
