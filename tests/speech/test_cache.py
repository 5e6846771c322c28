"""Rendered texts on disk."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
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
    async with cache.workplace() as place:
        sound = await cache.keep("key", tone().rename(place / "in.wav"))
    assert cache.find("key") == sound
    assert [path.name for path in (tmp_path / "state" / "speech").iterdir()] == ["key.wav"]
    file = tmp_path / "state" / "speech" / "key.wav"
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o755


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "speech")
    assert cache.find("key") is None
    cache.sweep()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"RIFF no more"])
def test_a_kept_file_that_cannot_be_played_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key.wav").write_bytes(content)
    assert Cache(tmp_path).find("key") is None


async def test_garbage_is_not_kept(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "speech")
    async with cache.workplace() as place:
        (place / "in.wav").write_bytes(b"garbage")
        with pytest.raises(BadAudio):
            await cache.keep("key", place / "in.wav")
    assert not list((tmp_path / "speech").iterdir())


async def test_the_longest_unused_files_go_when_there_are_too_many(
    tmp_path: Path, tone: Callable[..., Path]
) -> None:
    cache = Cache(tmp_path / "speech", max_files=2)
    for age, key in enumerate(["old", "wanted", "new"]):
        async with cache.workplace() as place:
            await cache.keep(key, tone(seconds=0.2).rename(place / "in.wav"))
        if key != "new":
            os.utime(tmp_path / "speech" / f"{key}.wav", (age, age))
        if key == "wanted":
            assert cache.find("old") is not None
    assert sorted(path.stem for path in (tmp_path / "speech").iterdir()) == ["new", "old"]


async def test_what_a_crash_left_behind_is_swept(tmp_path: Path, tone: Callable[..., Path]) -> None:
    cache = Cache(tmp_path)
    async with cache.workplace() as place:
        await cache.keep("key", tone().rename(place / "in.wav"))
    (tmp_path / ".work-crashed").mkdir()
    (tmp_path / ".work-crashed" / "rendered.wav").touch()
    cache.sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["key.wav"]


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
        async with cache.workplace() as place:
            await cache.keep("key", tone().rename(place / "in.wav"))

    task = asyncio.create_task(keep())
    await asyncio.to_thread(begun.wait)
    task.cancel()
    asyncio.get_running_loop().call_soon(go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not list((tmp_path / "speech").iterdir())
