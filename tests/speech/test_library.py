"""Texts that only a call brings: shipped, kept, rendered, or skipped; never waited for too long."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sys
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from agi_bridge.speech import (
    Library,
    LineVariables,
    PbxEngine,
    PbxSpeech,
    PromptFolder,
    Script,
)
from tests.support.fake_engines import Broken, Held
from tests.support.speech_programs import HANG

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from agi_bridge.speech import CommandEngine, Engine
    from tests.support.speech_programs import Lifeline

TEXT = "We open at nine."
PATIENT = 60.0
"""A budget that no test uses up."""


@pytest.fixture
def held(tone: Callable[..., Path]) -> Held:
    return Held(tone())


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Callable[..., Library]]:
    """Make a library over the test's own cache; all are closed at the end."""
    made: list[Library] = []

    def make(
        *engines: Engine | PbxEngine, budget: float = PATIENT, pbx_cache: str | None = None
    ) -> Library:
        made.append(
            Library(cache=tmp_path / "speech", engines=engines, budget=budget, pbx_cache=pbx_cache)
        )
        return made[-1]

    yield make
    for one in made:
        await one.close()


def left_behind(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "speech").iterdir()]


@pytest.mark.parametrize(
    ("text", "language", "spoken"),
    [
        ("Sorry, this store did not define voice call forwarding", "en", "en/no-forwarding"),
        (
            "Désolé, ce magasin n\N{RIGHT SINGLE QUOTATION MARK}a pas défini de numéro vocal",
            "fr",
            "fr/no-forwarding",
        ),
        ("Désolé, ce magasin n'a pas défini de numéro vocal.", "fr-CA", "fr/no-forwarding"),
        ("Sorry, this number is not linked to any store", "es", "es/not-linked"),
        ("Sorry, this number is not linked to any store", "de", "en/not-linked"),
    ],
)
async def test_the_documented_texts_are_shipped_and_come_in_the_callers_language(
    library: Callable[..., Library], text: str, language: str, spoken: str
) -> None:
    books = library()
    recording = await books.say(text, language)
    assert recording is not None
    assert f"{recording.language}/{recording.name}" == spoken
    assert books.counts == {"shipped": 1}


@pytest.mark.programs
async def test_another_text_is_rendered_once_and_kept_on_disk(
    library: Callable[..., Library], engine: Callable[..., CommandEngine], tmp_path: Path
) -> None:
    speaker = engine()
    first = library(speaker)
    recording = await first.say(f" {TEXT}\r\n", "en")
    assert recording is not None
    file = Path(f"{recording.path}.wav")
    assert file.parent == tmp_path / "speech"
    assert (recording.text, recording.language) == (TEXT, "en")
    assert recording.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert recording.text_sha256 == hashlib.sha256(TEXT.encode()).hexdigest()
    with wave.open(str(file)) as sound:
        assert sound.getnframes() == recording.samples
    second = library(speaker)
    assert await second.say(TEXT, "en") == recording
    assert (first.counts, second.counts) == ({"rendered": 1}, {"cached": 1})
    assert (tmp_path / "log").read_text(encoding="utf-8") == f"en {TEXT}\n"


@pytest.mark.programs
async def test_the_pbx_may_see_the_cache_by_another_path(
    library: Callable[..., Library], engine: Callable[..., CommandEngine]
) -> None:
    recording = await library(engine(), pbx_cache="/sounds/").say(TEXT, "en")
    assert recording is not None
    assert recording.path.rpartition("/")[0] == "/sounds"


@pytest.mark.programs
async def test_a_text_in_another_language_is_another_recording(
    library: Callable[..., Library], engine: Callable[..., CommandEngine]
) -> None:
    books = library(engine())
    one, other = await asyncio.gather(books.say("Pardon", "en"), books.say("Pardon", "fr"))
    assert one is not None
    assert other is not None
    assert one.path != other.path


@pytest.mark.programs
async def test_the_next_engine_speaks_what_the_first_cannot(
    library: Callable[..., Library], engine: Callable[..., CommandEngine]
) -> None:
    recording = await library(Broken(), engine()).say(TEXT, "en")
    assert recording is not None


@pytest.mark.programs
async def test_an_engine_that_lacks_a_countrys_speech_is_asked_for_the_languages(
    library: Callable[..., Library], engine: Callable[..., CommandEngine]
) -> None:
    program = "import shutil, sys\nif sys.argv[2] == 'fr-ca': sys.exit(1)\n"
    program += f"shutil.copy({str(sound())!r}, sys.argv[1])"
    recording = await library(engine(program, "{output}", "{language}")).say(TEXT, "fr-CA")
    assert recording is not None
    assert recording.language == "fr"


def sound() -> Path:
    return Path(__file__).parents[2] / "agi_bridge" / "speech" / "prompts" / "fr" / "goodbye.wav"


@pytest.mark.parametrize(
    ("text", "language"), [("", "en"), ("\r\n\x00", "en"), (TEXT, ""), (TEXT, "../x")]
)
async def test_a_text_that_no_engine_renders_is_skipped_and_counted(
    library: Callable[..., Library], held: Held, text: str, language: str
) -> None:
    books = library(held)
    assert await books.say(text, language) is None
    assert books.counts == {"skipped": 1}
    assert not held.asked


async def test_without_an_engine_unknown_texts_are_skipped(
    library: Callable[..., Library],
) -> None:
    assert await library().say(TEXT, "en") is None


@pytest.mark.programs
@pytest.mark.parametrize("garbage", ["RIFF", "<html>not found</html>"])
async def test_an_invalid_sound_from_an_engine_is_skipped_and_leaves_no_file(
    library: Callable[..., Library],
    engine: Callable[..., CommandEngine],
    tmp_path: Path,
    garbage: str,
) -> None:
    program = f"import sys; open(sys.argv[1], 'w').write({garbage!r})"
    assert await library(engine(program, "{output}")).say(TEXT, "en") is None
    assert not left_behind(tmp_path)


async def test_an_unwritable_cache_does_not_fail_the_call(
    library: Callable[..., Library], held: Held, tmp_path: Path
) -> None:
    (tmp_path / "speech").touch()
    with capture_logs() as logs:
        assert await library(held).say(TEXT, "en") is None
    assert "the cache cannot be written" in str(logs)


async def test_an_engine_that_takes_too_long_is_ended_and_the_text_skipped(
    library: Callable[..., Library], held: Held, tmp_path: Path
) -> None:
    books = library(held, budget=0.05)
    with capture_logs() as logs:
        assert await books.say(TEXT, "en") is None
    assert logs[0]["problem"] == "its share of the budget is used up"
    assert books.counts == {"skipped": 1}
    assert held.at_work == 0
    assert not left_behind(tmp_path)


@pytest.mark.programs
async def test_a_caller_who_hangs_up_leaves_neither_process_nor_file(
    library: Callable[..., Library],
    engine: Callable[..., CommandEngine],
    lifeline: Lifeline,
    tmp_path: Path,
) -> None:
    books = library(engine(HANG, "{output}"))
    call = asyncio.create_task(books.say(TEXT, "en"))
    await lifeline.begun()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await lifeline.ended()
    assert not left_behind(tmp_path)
    assert not books._renderer._jobs


async def test_calls_that_want_the_same_text_share_one_rendering(
    library: Callable[..., Library], held: Held
) -> None:
    books = library(held)
    calls = [asyncio.create_task(books.say(TEXT, "en")) for _ in range(5)]
    await held.begun.wait()
    held.go_on.set()
    recordings = await asyncio.gather(*calls)
    assert held.asked == [(TEXT, "en")]
    assert recordings[0] is not None
    assert len(set(recordings)) == 1


async def test_a_rendering_goes_on_while_anybody_waits_for_it(
    library: Callable[..., Library], held: Held
) -> None:
    books = library(held)
    gone, stays = (asyncio.create_task(books.say(TEXT, "en")) for _ in range(2))
    await held.begun.wait()
    gone.cancel()
    await asyncio.wait([gone])
    held.go_on.set()
    assert await stays is not None
    assert held.asked == [(TEXT, "en")]


async def test_a_text_requested_again_after_all_hung_up_is_rendered_again(
    library: Callable[..., Library], held: Held
) -> None:
    books = library(held)
    gone = asyncio.create_task(books.say(TEXT, "en"))
    await held.begun.wait()
    gone.cancel()
    await asyncio.wait([gone])
    held.go_on.set()
    assert await books.say(TEXT, "en") is not None
    assert len(held.asked) == 2


async def test_no_more_than_two_texts_are_rendered_at_once(
    library: Callable[..., Library], held: Held
) -> None:
    books = library(held)
    calls = [asyncio.create_task(books.say(f"{TEXT} {n}", "en")) for n in range(4)]
    await held.two_begun.wait()
    held.go_on.set()
    assert None not in await asyncio.gather(*calls)
    assert len(held.asked) == 4
    assert held.most_at_once == 2


async def test_closing_ends_renderings_and_their_callers_go_on_without(
    library: Callable[..., Library], held: Held, tmp_path: Path
) -> None:
    books = library(held)
    call = asyncio.create_task(books.say(TEXT, "en"))
    await held.begun.wait()
    await books.close()
    assert await call is None
    assert not left_behind(tmp_path)


async def test_no_log_line_contains_a_text(library: Callable[..., Library]) -> None:
    with capture_logs() as logs:
        await library(Broken()).say("Call 415 555 0171", "en")
    assert [entry["event"] for entry in logs] == ["speech.engine_failed", "speech.text_skipped"]
    assert "0171" not in str(logs)


@pytest.mark.parametrize(("engines", "loaded"), [((), False), ((Broken(),), True)])
async def test_preparing_sweeps_and_loads_what_an_engine_will_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engines: tuple[Engine, ...], *, loaded: bool
) -> None:
    for name in ("soundfile", "soxr"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    (tmp_path / ".work-x").mkdir()
    Library(cache=tmp_path, engines=engines).prepare()
    assert not list(tmp_path.iterdir())
    assert ("soxr" in sys.modules) is loaded


async def test_speech_may_be_the_pbxs_while_say_is_always_a_file(
    library: Callable[..., Library], held: Held
) -> None:
    held.go_on.set()
    books = library(PbxEngine(["Flite", "{text}"]), held)
    assert await books.speech(TEXT, "en-GB") == PbxSpeech("Flite", (TEXT,), "en-gb", TEXT)
    spoken = await books.say(TEXT, "en-GB")
    assert spoken is not None
    assert Path(f"{spoken.path}.wav").is_file()
    assert books.counts == {"pbx": 1, "rendered": 1}
    assert await library(PbxEngine(["Flite", "{text}"])).say(TEXT, "en") is None


async def test_starting_loads_the_engines_and_closing_ends_them(
    library: Callable[..., Library], held: Held
) -> None:
    books = library(PbxEngine(["Flite", "{text}"]), Broken(), held)
    await books.start()
    assert held.started
    assert books.failures == {"broken": 1}
    await books.close()
    assert not held.started


# -- a line's own prompts


async def test_a_lines_prompts_override_the_shared_ones_and_all_else_is_shared(
    library: Callable[..., Library], held: Held, tmp_path: Path
) -> None:
    own = tmp_path / "shop" / "fr"
    own.mkdir(parents=True)
    for name, text in {"goodbye": "À bientôt.", "no-forwarding": "Pas de renvoi."}.items():
        shutil.copy(sound(), own / f"{name}.wav")
        (own / f"{name}.txt").write_text(text, encoding="utf-8")
    held.go_on.set()
    books = library(held)
    shop = books.with_overrides(
        PromptFolder(tmp_path / "shop", "/shop"), PromptFolder(tmp_path / "nowhere")
    )
    assert shop.prompt("goodbye", "fr-CA").path == "/shop/fr/goodbye"
    assert shop.prompt("busy", "fr") == books.prompt("busy", "fr")
    assert books.prompt("goodbye", "fr").text == "Merci, au revoir."
    documented = await shop.say("pas de renvoi", "fr")
    assert documented is not None
    assert documented.path == "/shop/fr/no-forwarding"
    assert await shop.say(TEXT, "en") == await books.say(TEXT, "en")
    assert books.counts == shop.counts == {"shipped": 1, "rendered": 1, "cached": 1}


def test_what_no_recording_says_word_for_word_is_yet_to_be_recorded() -> None:
    texts = Script().texts(
        LineVariables("Shop", "shop.com"), ["en", "fr"], ["disclosure", "goodbye"]
    )
    books = Library(cache=Path("/nonexistent"))
    assert [(text.name, text.language) for text in books.outdated(texts)] == [
        ("disclosure", "en"),
        ("disclosure", "fr"),
    ]


async def test_the_pbx_may_know_recordings_by_another_address(tmp_path: Path, held: Held) -> None:
    held.go_on.set()
    books = Library(
        cache=tmp_path / "speech",
        engines=[held],
        address=lambda recording: f"http://bridge/{recording.sha256}.wav",
    )
    prompt = books.prompt("goodbye", "en")
    assert prompt.path == f"http://bridge/{prompt.sha256}.wav"
    spoken, documented = await books.say(TEXT, "en"), await books.say(prompt.text, "en")
    assert spoken is not None
    assert spoken.path == f"http://bridge/{spoken.sha256}.wav"
    assert documented is not None
    assert documented.path.startswith("http://bridge/")
    await books.close()
