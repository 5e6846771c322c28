"""The order of engines: who is asked, for how long, and who rests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.speech import PbxEngine, PbxSpeech, Recording
from agi_bridge.speech.cache import Cache
from agi_bridge.speech.rendering import FAILURES_TO_OPEN, Renderer, _share, _Slot
from tests.support.fake_engines import Broken, Hanging, Held

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from agi_bridge.speech import Engine

TEXT = "We open at nine."
PATIENT = 60.0
"""A budget that no test uses up."""


@pytest.fixture
def free(tone: Callable[..., Path]) -> Callable[..., Held]:
    """An engine that speaks at once."""

    def made(name: str = "free", *languages: str) -> Held:
        engine = Held(tone(), name, languages)
        engine.go_on.set()
        return engine

    return made


@pytest.fixture
async def renderer(tmp_path: Path) -> AsyncIterator[Callable[..., Renderer]]:
    made: list[Renderer] = []

    def make(*engines: Engine | PbxEngine, budget: float = PATIENT) -> Renderer:
        made.append(Renderer(engines, Cache(tmp_path / "speech"), "/speech", budget))
        return made[-1]

    yield make
    for one in made:
        await one.close()


async def test_an_engine_is_asked_only_for_its_languages(
    renderer: Callable[..., Renderer], free: Callable[..., Held]
) -> None:
    french, other = free("french", "fr"), free("other")
    both = renderer(french, other)
    assert await both.speech(TEXT, "fr-CA") is not None
    assert await both.speech(TEXT, "en-US") is not None
    assert french.asked == [(TEXT, "fr")]
    assert other.asked == [(TEXT, "en-us")]


@pytest.mark.usefixtures("impatient")
async def test_an_engine_that_hangs_leaves_the_next_one_its_time(
    renderer: Callable[..., Renderer], free: Callable[..., Held]
) -> None:
    hanging = Hanging()
    both = renderer(hanging, free())
    assert await both.speech(TEXT, "en") is not None
    assert hanging.ended == 1
    assert both.failures == {"hanging": 1}


@pytest.mark.parametrize(
    ("budget", "later", "kept"), [(2.0, 1, 0.4), (2.0, 2, 0.8), (0.3, 2, 0.2), (2.0, 0, 0.0)]
)
async def test_the_time_left_to_later_engines_is_a_reserve_or_an_even_share(
    budget: float, later: int, kept: float
) -> None:
    now = asyncio.get_running_loop().time()
    slots = [_Slot(PbxEngine(["Flite", "{text}"])), *[_Slot(Broken()) for _ in range(later)]]
    assert now + budget - _share(now + budget, slots) == pytest.approx(kept, abs=0.05)


async def test_an_engine_that_keeps_failing_rests(
    renderer: Callable[..., Renderer], free: Callable[..., Held]
) -> None:
    broken = Broken()
    both = renderer(broken, free())
    for number in range(FAILURES_TO_OPEN + 2):
        assert await both.speech(f"{TEXT} {number}", "en") is not None
    assert broken.asked == FAILURES_TO_OPEN
    assert both.counts == {"rendered": FAILURES_TO_OPEN + 2}


async def test_what_a_resting_engine_rendered_before_is_still_used(
    renderer: Callable[..., Renderer], free: Callable[..., Held]
) -> None:
    await renderer(free("best")).speech(TEXT, "en")
    best = Broken("best")
    both = renderer(best, free())
    for number in range(FAILURES_TO_OPEN):
        await both.speech(str(number), "en")
    assert await both.speech(TEXT, "en") is not None
    assert both.counts["cached"] == 1


async def test_a_first_choice_that_speaks_again_is_preferred_to_what_another_rendered(
    renderer: Callable[..., Renderer], free: Callable[..., Held]
) -> None:
    await renderer(free("next")).speech(TEXT, "en")
    best = free("best")
    assert await renderer(best, free("next")).speech(TEXT, "en") is not None
    assert best.asked == [(TEXT, "en")]


@pytest.mark.usefixtures("impatient")
async def test_waiting_for_a_free_slot_is_not_a_failure_of_the_engine(
    renderer: Callable[..., Renderer], free: Callable[..., Held]
) -> None:
    busy, next_best = free("busy"), free("next")
    both = renderer(busy, next_best)
    places = both._slots[0].free
    for _ in range(busy.at_once):
        await places.acquire()  # by texts of other calls
    with capture_logs() as logs:
        for number in range(FAILURES_TO_OPEN):
            assert await both.speech(str(number), "en") is not None
    assert "too many texts are waiting" in str(logs)
    assert not busy.asked
    places.release()
    assert await both.speech(TEXT, "en") is not None
    assert busy.asked


async def test_the_pbx_takes_its_turn_in_the_order(
    renderer: Callable[..., Renderer], free: Callable[..., Held]
) -> None:
    flite = PbxEngine(["Flite", "{text}"], ["en"])
    first = renderer(flite, free())
    assert isinstance(await first.speech(TEXT, "en"), PbxSpeech)
    assert isinstance(await first.speech(TEXT, "fr"), Recording)
    assert isinstance(await first.speech(TEXT, "en", files_only=True), Recording)
    last = renderer(Broken(), flite)
    assert isinstance(await last.speech(TEXT, "en"), PbxSpeech)
    assert last.counts == {"pbx": 1}


async def test_a_text_that_no_pbx_could_take_is_the_next_engines(
    renderer: Callable[..., Renderer], free: Callable[..., Held]
) -> None:
    both = renderer(PbxEngine(["Flite", "{text}"]), free())
    assert isinstance(await both.speech("long " * 300, "en"), Recording)
