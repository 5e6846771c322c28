"""A line's prompts, rendered ahead of time."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agi_bridge.speech import BadPrompts, Library, LineVariables, PromptFolder, Script
from agi_bridge.speech import prerender as module
from agi_bridge.speech.prerender import render_line
from tests.support.fake_engines import Broken, Hanging, Held

if TYPE_CHECKING:
    from collections.abc import Callable

    from agi_bridge.speech import Text

SHOP = LineVariables("Corner Shop", "shop.com")


def texts(*names: str, brand: str = SHOP.brand, languages: tuple[str, ...] = ("en",)) -> list[Text]:
    return Script().texts(LineVariables(brand, SHOP.policy_url), languages, names)


@pytest.fixture
def engine(tone: Callable[..., Path]) -> Held:
    made = Held(tone(rate=24_000))
    made.go_on.set()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prompts" / "shop"


def shop(folder: Path) -> Library:
    return Library(cache=Path("/nonexistent")).with_overrides(PromptFolder(folder))


async def test_a_line_speaks_with_its_own_brand_once_rendered(engine: Held, folder: Path) -> None:
    wanted = texts("disclosure", "goodbye", languages=("en", "fr"))
    reported: list[tuple[str, str | None]] = []
    assert not await render_line(
        wanted, [engine], folder, lambda text, problem: reported.append((text.name, problem))
    )
    assert reported == [(text.name, None) for text in wanted]
    assert shop(folder).outdated(wanted) == []
    recording = shop(folder).prompt("disclosure", "fr")
    assert "Corner Shop" in recording.text
    assert recording.text_sha256 == wanted[2].sha256
    assert Path(f"{recording.path}.wav").is_file()
    assert stat.S_IMODE(Path(f"{recording.path}.wav").stat().st_mode) == 0o644
    assert stat.S_IMODE(Path(recording.path).parent.stat().st_mode) == 0o755
    entry = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["fr"]["disclosure"]
    assert entry["version"] == 1


async def test_a_disclosure_has_no_hd_voice_that_would_tell_half_of_it_for_the_whole(
    engine: Held, folder: Path
) -> None:
    await render_line(texts("disclosure", "disclosure-marketing", "busy"), [engine], folder)
    assert [path.stem.rpartition("-")[0] for path in folder.glob("sounds/en/*.wav16")] == ["busy"]
    assert len(list(folder.glob("sounds/en/*.wav"))) == 3


async def test_the_voice_hangs_where_digits_follow(engine: Held, folder: Path) -> None:
    await render_line(texts("you-entered", "busy"), [engine], folder)
    assert engine.asked == [("You entered,", "en"), ("Sorry, the line is busy.", "en")]
    assert shop(folder).prompt("you-entered", "en").text == "You entered"


async def test_the_first_engine_that_serves_the_language_and_can_is_taken(
    engine: Held, tone: Callable[..., Path], folder: Path
) -> None:
    spanish = Held(tone(), "spanish", ["es"])
    engine.languages = frozenset({"fr"})  # type: ignore[misc]  # final, but for this test
    reported: list[str | None] = []
    unspoken = await render_line(
        texts("busy", languages=("fr-CA", "en")),
        [spanish, Broken(), engine],
        folder,
        lambda _text, problem: reported.append(problem),
    )
    assert not spanish.asked
    assert engine.asked == [("Désolé, la ligne est occupée.", "fr")]
    assert [text.language for text in unspoken] == ["en"]
    assert reported == [None, "broken: cannot speak 24 characters of en to rendered.wav"]
    assert shop(folder).prompt("busy", "fr-CA").language == "fr-CA"


async def test_a_language_that_no_engine_serves_is_reported(engine: Held, folder: Path) -> None:
    engine.languages = frozenset({"fr"})  # type: ignore[misc]  # final, but for this test
    reported: list[str | None] = []
    await render_line(
        texts("busy"), [engine], folder, lambda _text, problem: reported.append(problem)
    )
    assert reported == ["no engine serves 'en'"]
    assert not (folder / "manifest.json").exists()


async def test_an_engine_that_hangs_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TEXT_SECONDS", 0.01)
    hanging = Hanging()
    reported: list[str | None] = []
    await render_line(
        texts("busy"), [hanging], folder, lambda _text, problem: reported.append(problem)
    )
    assert reported == ["hanging took too long"]
    assert [path.name for path in folder.iterdir()] == []


async def test_a_running_bridge_goes_on_with_the_sounds_it_knows(
    engine: Held, tone: Callable[..., Path], folder: Path
) -> None:
    await render_line(texts("disclosure"), [engine], folder)
    running = shop(folder)
    engine.sound = tone(seconds=2.0)
    await render_line(texts("disclosure", brand="New Name"), [engine], folder)
    old, new = running.prompt("disclosure", "en"), shop(folder).prompt("disclosure", "en")
    assert "Corner Shop" in old.text
    assert "New Name" in new.text
    assert Path(f"{old.path}.wav").is_file()


async def test_sounds_long_unlisted_go(
    engine: Held, tone: Callable[..., Path], folder: Path
) -> None:
    await render_line(texts("busy"), [engine], folder)
    (old,) = (folder / "sounds" / "en").glob("*.wav")
    os.utime(old, (1, 1))
    engine.sound = tone(seconds=2.0)
    await render_line(texts("busy", "goodbye"), [engine], folder)
    assert not old.exists()
    assert shop(folder).prompt("busy", "en").samples > 16_000


async def test_an_unknown_manifest_is_not_overwritten(engine: Held, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(BadPrompts):
        await render_line(texts("busy"), [engine], folder)
