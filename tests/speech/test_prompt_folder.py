"""A business's own folder of prompts: read, checked, refused in words."""

from __future__ import annotations

import json
import os
import shutil
import stat
import wave
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agi_bridge.consent import EARLY_SAMPLES
from agi_bridge.speech import SHIPPED, BadPrompts
from agi_bridge.speech.prompt_folder import (
    PromptFolder,
    overlay,
    read_folder,
    read_manifest,
    scan_folder,
    write_manifest,
)
from agi_bridge.speech.prompt_names import LEAST_QUESTION_SECONDS, QUESTIONS
from agi_bridge.speech.recording_check import RecordingFix, check_recording
from agi_bridge.speech.wav import header

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.speech import Problem

TEXT = "We are closed."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One prompt with its text beside it."""
    (tmp_path / "en").mkdir()
    shutil.copy(SHIPPED / "en" / "goodbye.wav", tmp_path / "en" / "closed.wav")
    (tmp_path / "en" / "closed.txt").write_text(f"{TEXT}\n", encoding="utf-8")
    return tmp_path


def problems(folder: Path) -> tuple[str, ...]:
    """The problems for which a folder is refused, each as `FILE CODE`."""
    with pytest.raises(BadPrompts) as caught:
        read_folder(folder)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return tuple(map(named, caught.value.problems))


def named(problem: Problem) -> str:
    return f"{problem.partition(' ')[0]} {problem.code}"


def manifest(folder: Path, **entry: object) -> None:
    content = {"en": {"closed": {"text": TEXT, **entry}}}
    (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")


def test_a_prompt_needs_no_manifest_but_its_text_beside_it(folder: Path) -> None:
    recording = read_folder(folder)["en", "closed"]
    assert (recording.name, recording.language, recording.text) == ("closed", "en", TEXT)
    assert recording.path == f"{folder}/en/closed"
    assert recording.samples > 0


def test_the_pbx_may_see_the_folder_by_another_path(folder: Path) -> None:
    assert read_folder(folder, "/sounds/")["en", "closed"].path == "/sounds/en/closed"


def test_a_manifest_gives_the_text_and_may_leave_out_the_rest(folder: Path) -> None:
    (folder / "en" / "closed.txt").unlink()
    manifest(folder)
    assert read_folder(folder)["en", "closed"].text == TEXT


@pytest.mark.parametrize(
    ("key", "value"), [("samples", 5), ("sha256", "0" * 64), ("text_sha256", "0" * 64)]
)
def test_a_file_that_differs_from_its_manifest_is_refused(
    folder: Path, key: str, value: object
) -> None:
    manifest(folder, **{key: value})
    assert problems(folder) == ("en/closed.wav differs",)


def test_a_file_that_the_manifest_lists_must_be_there(folder: Path) -> None:
    manifest(folder)
    (folder / "en" / "closed.wav").unlink()
    assert problems(folder) == ("en/closed.wav not_found",)


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"en": {"closed": {}}}', '{"en": {"c": {"text": 5}}}']
)
def test_a_manifest_of_another_kind_is_refused(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content, encoding="utf-8")
    assert "manifest.json" in problems(folder)[0]


def test_a_manifest_that_cannot_be_read_is_refused(folder: Path) -> None:
    (folder / "manifest.json").mkdir()
    assert problems(folder) == ("manifest.json unreadable",)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert problems(tmp_path)[0].endswith(" no_prompts")


def test_a_sound_without_its_text_is_refused(folder: Path) -> None:
    (folder / "en" / "closed.txt").unlink()
    assert problems(folder) == ("en/closed.wav no_text",)


def test_a_text_that_is_not_utf_8_is_refused(folder: Path) -> None:
    (folder / "en" / "closed.txt").write_bytes(b"ferm\xe9")
    assert problems(folder) == ("en/closed.wav text",)


def write(
    path: Path, *, channels: int = 1, width: int = 2, rate: int = 8000, frames: int = 8
) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(b"\0" * channels * width * frames)


@pytest.mark.parametrize("shape", [{"channels": 2}, {"width": 1}, {"rate": 16_000}])
def test_what_asterisk_would_not_play_is_refused(folder: Path, shape: dict[str, int]) -> None:
    write(folder / "en" / "closed.wav", **shape)
    assert problems(folder) == ("en/closed.wav format",)


def test_a_sound_without_samples_is_refused(folder: Path) -> None:
    write(folder / "en" / "closed.wav", frames=0)
    assert problems(folder) == ("en/closed.wav empty",)


def test_a_sound_cut_short_is_refused(folder: Path) -> None:
    write(folder / "en" / "closed.wav", frames=4000)
    os.truncate(folder / "en" / "closed.wav", 4000)
    assert problems(folder) == ("en/closed.wav cut_short",)


SECONDS = np.arange(4 * 8000) / 8000
NOISE = np.random.default_rng(2).normal(0, 1, len(SECONDS))
CLICK = np.where(SECONDS == 1, 20_000, 0)


@pytest.mark.parametrize(
    "sound",
    [
        0 * SECONDS,
        0 * SECONDS + 50,
        0 * SECONDS + 5000,
        12 * NOISE,
        60 * np.sin(2 * np.pi * 50 * SECONDS),
        60 * np.sin(2 * np.pi * 60 * SECONDS) + 300 + 4 * NOISE,
        2000 * SECONDS + 10 * NOISE,
        CLICK,
        CLICK + np.roll(CLICK, 4000) + np.roll(CLICK, 8000),
        np.full(22, 16_384),
        np.full(4001, 16_384),
    ],
)
def test_a_recording_in_which_nothing_can_be_heard_is_refused(
    folder: Path, sound: np.ndarray
) -> None:
    """By `serve` and by `prompts check`: the record would say that its text was played."""
    content = sound.astype("<i2").tobytes()
    file = folder / "en" / "closed.wav"
    file.write_bytes(header(len(content), 8000) + content)
    assert problems(folder) == ("en/closed.wav silent",)
    assert [(each.problem.code, each.fix) for each in check_recording(file, "We are closed.")] == [
        ("silent", RecordingFix.RECORD)
    ]


@pytest.mark.parametrize("offset", [0, 300, -5000])
def test_a_soft_recording_is_heard_wherever_its_middle_is(folder: Path, offset: int) -> None:
    sound = offset + 200 * np.sin(2 * np.pi * 300 * SECONDS[:5000])
    content = sound.astype("<i2").tobytes()
    file = folder / "en" / "closed.wav"
    file.write_bytes(header(len(content), 8000) + content)
    assert read_folder(folder)["en", "closed"].samples == len(sound)
    assert [each.fix for each in check_recording(file, "We are closed.")] == [RecordingFix.CONVERT]


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_in_which_no_key_would_count_is_refused(folder: Path, name: str) -> None:
    spoken = (SHIPPED / "en" / f"{name}.wav").read_bytes()[44:]
    for frames, refused in ((7999, True), (8000, False)):
        (folder / "en" / f"{name}.wav").write_bytes(header(2 * frames, 8000) + spoken[: 2 * frames])
        (folder / "en" / f"{name}.txt").write_text("Is that right? Press one.")
        if refused:
            assert problems(folder) == (f"en/{name}.wav short_question",)
        else:
            assert read_folder(folder)["en", name].samples == frames


def test_a_key_counts_in_a_question_of_the_least_length() -> None:
    assert LEAST_QUESTION_SECONDS * 8000 >= EARLY_SAMPLES


@pytest.mark.parametrize("content", [b"", b"RIFF\0\0\0\0WAVE", b"ID3"])
def test_a_file_that_is_not_a_wav_file_is_refused(folder: Path, content: bytes) -> None:
    (folder / "en" / "closed.wav").write_bytes(content)
    assert problems(folder) == ("en/closed.wav not_wav",)


def test_a_file_that_cannot_be_read_is_refused(folder: Path) -> None:
    (folder / "en" / "closed.wav").unlink()
    (folder / "en" / "closed.wav").mkdir()
    assert problems(folder) == ("en/closed.wav unreadable",)


def test_all_problems_are_reported_at_once(folder: Path) -> None:
    (folder / "en" / "closed.wav").write_bytes(b"")
    shutil.copy(SHIPPED / "en" / "busy.wav", folder / "en" / "busy.wav")
    assert len(problems(folder)) == 2


# -- a manifest that names files


def test_a_manifest_may_name_the_file_of_a_prompt(folder: Path) -> None:
    (folder / "sounds" / "en").mkdir(parents=True)
    (folder / "en" / "closed.wav").rename(folder / "sounds" / "en" / "1a2b.wav")
    manifest(folder, file="sounds/en/1a2b.wav")
    recording = read_folder(folder, "/pbx")["en", "closed"]
    assert (recording.name, recording.language, recording.text) == ("closed", "en", TEXT)
    assert recording.path == "/pbx/sounds/en/1a2b"
    (folder / "sounds" / "en" / "1a2b.wav").unlink()
    assert problems(folder) == ("sounds/en/1a2b.wav not_found",)


@pytest.mark.parametrize("file", ["../secret.wav", "/etc/secret.wav", "en/secret", 5])
def test_a_manifest_names_only_files_of_its_folder(folder: Path, file: object) -> None:
    manifest(folder, file=file)
    assert problems(folder)[0] == "manifest.json manifest"


def test_a_manifest_is_read_as_it_was_written(folder: Path) -> None:
    entries: dict[tuple[str, str], dict[str, object]] = {
        ("en", "closed"): {"text": "Fermé"},
        ("fr", "closed"): {"text": "x", "samples": 1},
    }
    write_manifest(folder, entries)
    assert read_manifest(folder) == entries
    assert stat.S_IMODE((folder / "manifest.json").stat().st_mode) == 0o644
    assert sorted(path.name for path in folder.iterdir()) == ["en", "manifest.json"]
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(BadPrompts):
        read_manifest(folder)


# -- layers


def test_the_first_folder_has_precedence_and_a_missing_one_adds_nothing(folder: Path) -> None:
    beneath = read_folder(SHIPPED)
    shelf = overlay([PromptFolder(folder / "nowhere"), PromptFolder(folder, "/pbx")], beneath)
    assert shelf["en", "closed"].path == "/pbx/en/closed"
    assert shelf["en", "goodbye"] is beneath["en", "goodbye"]
    shutil.copy(SHIPPED / "en" / "busy.wav", folder / "en" / "goodbye.wav")
    (folder / "en" / "goodbye.txt").write_text("Bye.", encoding="utf-8")
    assert overlay([PromptFolder(folder)], beneath)["en", "goodbye"].text == "Bye."


def test_an_empty_layer_adds_nothing_but_nothing_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    beneath = read_folder(SHIPPED)
    assert overlay([PromptFolder(tmp_path)], beneath) == beneath
    with pytest.raises(BadPrompts, match="LANGUAGE/NAME"):
        read_folder(tmp_path)


def test_problems_of_any_layer_name_its_folder(folder: Path) -> None:
    (folder / "en" / "closed.txt").unlink()
    with pytest.raises(BadPrompts, match=f"{folder}: en/closed.wav has no text"):
        overlay([PromptFolder(folder)], {})


# -- what else is in a folder


def beside(folder: Path, name: str) -> Path:
    """Put a copy of the sound under another name."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "en" / "closed.wav", path)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "en/.DS_Store",
        "en/._closed.wav",
        ".work-1/ready.wav",
        ".git/en.wav",
        "en/closed (1).wav",
        "en/closed.wav.original",
        "en/closed.flac",
        "en/old/closed.wav",
        "Original takes/closed.wav",
        "thumbs.db",
    ],
)
def test_what_no_line_can_name_is_passed_over(folder: Path, name: str) -> None:
    beside(folder, name).write_bytes(b"\0\5\x16\7")
    assert list(read_folder(folder)) == [("en", "closed")]


@pytest.mark.parametrize("name", ["Busy.wav", "busy.WAV", "BUSY.Wav"])
def test_a_name_in_the_wrong_case_is_named(folder: Path, name: str) -> None:
    beside(folder, f"en/{name}")
    assert problems(folder) == (f"en/{name} case",)


def test_a_sound_in_no_languages_folder_is_named(folder: Path) -> None:
    beside(folder, "closed.wav")
    assert problems(folder) == ("closed.wav no_language_folder",)


@pytest.mark.parametrize("tag", ["EN", "En"])
def test_a_languages_folder_may_be_written_in_any_case(folder: Path, tag: str) -> None:
    (folder / "en").rename(folder / tag)
    recording = read_folder(folder)["en", "closed"]
    assert recording.path == f"{folder}/{tag}/closed"


def test_but_not_twice(folder: Path) -> None:
    beside(folder, "EN/closed.wav")
    assert problems(folder)[0] == "en/closed.wav duplicate"


@pytest.mark.parametrize(
    "rival", ["closed.ulaw", "closed.gsm", "closed.sln", "closed.g722", "closed.WAV", "closed.mp3"]
)
def test_another_format_of_the_same_name_is_refused(folder: Path, rival: str) -> None:
    beside(folder, f"en/{rival}")
    assert "en/closed.wav rival" in problems(folder)


@pytest.mark.parametrize("rival", ["en/closed.wav", "fr/closed.gsm", "en/closed.wav16"])
def test_a_languages_folder_within_a_languages_folder_is_refused(folder: Path, rival: str) -> None:
    beside(folder, f"en/{rival}")
    assert problems(folder) == ("en/closed.wav rival",)


def test_rendered_sounds_are_looked_at_in_the_same_way(folder: Path) -> None:
    (folder / "sounds" / "en").mkdir(parents=True)
    (folder / "en" / "closed.wav").rename(folder / "sounds" / "en" / "closed-1a.wav")
    manifest(folder, file="sounds/en/closed-1a.wav")
    (folder / "sounds" / "en" / "closed-1a.alaw").write_bytes(b"")
    assert problems(folder) == ("sounds/en/closed-1a.wav rival",)


def test_a_folder_that_cannot_be_listed_is_named(folder: Path) -> None:
    (folder / "en").chmod(0)
    try:
        found = [*map(named, scan_folder(PromptFolder(folder)).problems)]
    finally:
        (folder / "en").chmod(0o755)
    # The superuser reads everything.
    assert found == ([] if os.geteuid() == 0 else ["en unreadable"])


def hd(folder: Path, seconds: float, rate: int = 16_000) -> None:
    size = int(seconds * rate) * 2
    (folder / "en" / "closed.wav16").write_bytes(header(size, rate) + bytes(size))


def test_hd_voice_is_looked_at_too(folder: Path) -> None:
    seconds = read_folder(folder)["en", "closed"].seconds
    hd(folder, seconds)
    read_folder(folder)
    hd(folder, seconds + 1)
    assert problems(folder) == ("en/closed.wav wide_differs",)
    hd(folder, seconds, 8000)
    assert problems(folder) == ("en/closed.wav wide",)


# -- the text beside a sound


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_text_is_read_in_whatever_encoding_it_says_it_is(folder: Path, encoding: str) -> None:
    (folder / "en" / "closed.txt").write_text("Fermé.\n", encoding=encoding)
    assert read_folder(folder)["en", "closed"].text == "Fermé."


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le"])
def test_a_text_in_another_encoding_is_refused_by_name(folder: Path, encoding: str) -> None:
    (folder / "en" / "closed.txt").write_text("Fermé.\n", encoding=encoding)
    assert problems(folder) == ("en/closed.wav text",)


def test_line_breaks_in_a_text_do_not_matter(folder: Path) -> None:
    (folder / "en" / "closed.txt").write_bytes(b"We are\r\n  closed.\n")
    assert read_folder(folder)["en", "closed"].text == TEXT
