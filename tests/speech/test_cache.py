"""Rendered texts on disk."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
import threading
import wave
from typing import TYPE_CHECKING

import pytest

from agi_bridge.speech import BadAudio
from agi_bridge.speech import cache as module
from agi_bridge.speech.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def test_a_file_is_kept_under_its_key_for_every_account_to_read(
    tmp_path: Path, tone: Callable[..., Path]
) -> None:
    cache = Cache(tmp_path / "state" / "speech")
    async with cache.work_folder() as place:
        sound = await cache.store("key", tone().rename(place / "in.wav"))
    assert cache.find("key") == sound
    assert [path.name for path in (tmp_path / "state" / "speech").iterdir()] == ["key.wav"]
    file = tmp_path / "state" / "speech" / "key.wav"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o755


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "speech")
    assert cache.find("key") is None
    cache.remove_leftovers()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"RIFF no more"])
def test_a_kept_file_that_cannot_be_played_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key.wav").write_bytes(content)
    assert Cache(tmp_path).find("key") is None


async def test_hd_voice_that_cannot_be_played_counts_as_none_and_does_not_stay(
    tmp_path: Path, tone: Callable[..., Path]
) -> None:
    cache = Cache(tmp_path / "speech")
    await keep(cache, "key", tone(rate=48_000))
    wide = tmp_path / "speech" / "key.wav16"
    assert cache.find("key") is not None
    wide.write_bytes(wide.read_bytes() + b"LIST\0\0\0\0")
    assert cache.find("key") is None
    await keep(cache, "key", tone(rate=8000))
    assert cache.find("key") is not None
    assert not wide.exists()


async def test_an_invalid_sound_is_not_cached(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "speech")
    async with cache.work_folder() as place:
        (place / "in.wav").write_bytes(b"garbage")
        with pytest.raises(BadAudio):
            await cache.store("key", place / "in.wav")
    assert not list((tmp_path / "speech").iterdir())


async def keep(cache: Cache, key: str, sound: Path) -> None:
    async with cache.work_folder() as place:
        await cache.store(key, sound.rename(place / "in.wav"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_an_hd_version_is_cached_if_the_engine_rendered_it(
    tmp_path: Path, tone: Callable[..., Path]
) -> None:
    cache = Cache(tmp_path / "speech")
    await keep(cache, "wide", tone(rate=22050))
    await keep(cache, "narrow", tone(rate=8000))
    assert names(tmp_path / "speech") == ["narrow.wav", "wide.wav", "wide.wav16"]
    file = tmp_path / "speech" / "wide.wav16"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    with file.open("rb") as opened, wave.open(opened) as sound:
        assert sound.getframerate() == 16_000


async def test_the_longest_unused_texts_go_when_they_are_too_large(
    tmp_path: Path, tone: Callable[..., Path]
) -> None:
    folder = tmp_path / "speech"
    await keep(Cache(folder), "old", tone(rate=22050, seconds=0.2))
    size = sum(path.stat().st_size for path in folder.iterdir())
    cache = Cache(folder, max_bytes=2 * size)
    await keep(cache, "wanted", tone(rate=22050, seconds=0.2))
    for age, key in enumerate(["old", "wanted"]):
        os.utime(folder / f"{key}.wav", (age, age))
    assert cache.find("old") is not None
    await keep(cache, "new", tone(rate=22050, seconds=0.2))
    assert names(folder) == ["new.wav", "new.wav16", "old.wav", "old.wav16"]


async def test_a_text_larger_than_all_is_kept_for_the_call_that_wants_it(
    tmp_path: Path, tone: Callable[..., Path]
) -> None:
    await keep(Cache(tmp_path / "speech", max_bytes=10), "large", tone())
    assert names(tmp_path / "speech") == ["large.wav"]


async def test_a_file_deleted_by_another_process_is_not_a_fault(
    tmp_path: Path, tone: Callable[..., Path]
) -> None:
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere")
    await keep(Cache(tmp_path), "key", tone())
    assert Cache(tmp_path).find("key") is not None


async def test_what_a_crash_left_behind_is_swept(tmp_path: Path, tone: Callable[..., Path]) -> None:
    cache = Cache(tmp_path)
    await keep(cache, "key", tone())
    (tmp_path / ".work-crashed").mkdir()
    (tmp_path / ".work-crashed" / "rendered.wav").touch()
    cache.remove_leftovers()
    assert names(tmp_path) == ["key.wav"]


async def test_what_another_process_is_working_at_is_left_alone(tmp_path: Path) -> None:
    async with Cache(tmp_path).work_folder() as place:
        Cache(tmp_path).remove_leftovers()
        assert place.is_dir()
    assert not names(tmp_path)


async def test_no_work_begins_in_the_midst_of_a_sweep(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with module._locked(tmp_path), pytest.raises(BlockingIOError):
        os.close(module._lock(tmp_path))
    async with cache.work_folder() as place:
        assert place.is_dir()


async def test_a_conversion_that_is_cancelled_leaves_nothing(
    tmp_path: Path, tone: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    convert = module._convert

    def held(rendered: Path, ready: Path) -> object:
        begun.set()
        go_on.wait()
        return convert(rendered, ready)

    monkeypatch.setattr(module, "_convert", held)
    cache = Cache(tmp_path / "speech")

    async def keep() -> None:
        async with cache.work_folder() as place:
            await cache.store("key", tone().rename(place / "in.wav"))

    task = asyncio.create_task(keep())
    await asyncio.to_thread(begun.wait)
    task.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list((tmp_path / "speech").iterdir())


SHARER = """
import asyncio, pathlib, shutil, sys
from agi_bridge.speech.cache import Cache

async def main(folder, sound):
    cache = Cache(folder, max_bytes=100_000)
    for number in range(20):
        cache.remove_leftovers()
        async with cache.work_folder() as place:
            shutil.copy(sound, place / "in.wav")
            await cache.store(str(number % 7), place / "in.wav")
        cache.find(str(number % 5))

asyncio.run(main(*map(pathlib.Path, sys.argv[1:])))
"""


@pytest.mark.programs
async def test_processes_that_share_the_folder_do_not_disturb_each_other(
    tmp_path: Path, tone: Callable[..., Path]
) -> None:
    folder, source = tmp_path / "speech", tone()
    sharers = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", SHARER, folder, source)
        for _ in range(3)
    ]
    assert [await sharer.wait() for sharer in sharers] == [0, 0, 0]
    kept = list(folder.iterdir())
    assert all(path.suffix == ".wav" for path in kept)
    assert 0 < sum(path.stat().st_size for path in kept) <= 100_000
    assert all(Cache(folder).find(path.stem) is not None for path in kept)
