"""What the caller in the terminal knows of recordings."""

import io
from pathlib import Path

import pytest

from agi_bridge.agi.testing import CallEvent
from agi_bridge.lab.softphone.sounds import UNKNOWN_MS, Sounds
from agi_bridge.lab.softphone.transcript import Story
from agi_bridge.speech import SHIPPED
from agi_bridge.speech.prompt_folder import write_manifest
from tests.support.screen import on


def test_a_recording_here_gives_its_own_length_and_text(tmp_path: Path) -> None:
    folder = tmp_path / "en"
    folder.mkdir()
    source = (SHIPPED / "en" / "busy.wav").read_bytes()
    for name in ("mine", "mute"):
        (folder / f"{name}.wav").write_bytes(source)
    (folder / "mine.txt").write_text("My own words.\n")
    (folder / "broken.wav").write_bytes(b"no sound")
    sounds = Sounds()

    mine, mute = sounds.find(str(folder / "mine")), sounds.find(str(folder / "mute"))
    assert mine is not None
    assert mute is not None
    assert (mine.text, mine.milliseconds, mine.known) == ("My own words.", 1590, True)
    assert mute.text == ""
    assert sounds.find(str(folder / "nothing")) is None
    assert sounds.milliseconds(str(folder / "broken")) is None


def test_a_rendered_prompt_is_told_by_its_name_and_its_words(tmp_path: Path) -> None:
    """`prompts render` puts a hash into the file's name, and the words into the manifest."""
    file = tmp_path / "sounds" / "en" / "busy-0123456789abcdef.wav"
    file.parent.mkdir(parents=True)
    file.write_bytes((SHIPPED / "en" / "busy.wav").read_bytes())
    entry = {"text": "Joe's is busy.", "file": "sounds/en/busy-0123456789abcdef.wav"}
    write_manifest(tmp_path, {("en", "busy"): entry})
    screen = io.StringIO()
    story = Story(on(screen), Sounds())
    story.tell(CallEvent(0.0, "playing", str(file.with_suffix("")), 1590))
    assert screen.getvalue().split(maxsplit=1)[1] == "hears  busy (en, 1.6 s): Joe's is busy.\n"


def test_a_damaged_manifest_leaves_the_name(tmp_path: Path) -> None:
    file = tmp_path / "en" / "busy.wav"
    file.parent.mkdir()
    file.write_bytes((SHIPPED / "en" / "busy.wav").read_bytes())
    (tmp_path / "manifest.json").write_text("{")
    found = Sounds().find(str(file.with_suffix("")))
    assert found is not None
    assert (found.name, found.text, found.known) == ("busy", "", True)


def test_a_whole_recording_is_never_taken_for_shorter_than_it_is() -> None:
    found = Sounds().find(str(SHIPPED / "en" / "disclosure"))
    assert found is not None
    assert found.milliseconds * 8 >= 167307


def test_a_recording_elsewhere_is_looked_up_among_the_shipped_ones_or_guessed() -> None:
    sounds = Sounds()
    elsewhere = sounds.find("/nowhere/prompts/fr/busy")
    guessed = sounds.find("vm-goodbye")
    assert elsewhere is not None
    assert guessed is not None
    assert elsewhere.text.startswith("Désolé")
    assert (guessed.milliseconds, guessed.known) == (UNKNOWN_MS, False)


def test_a_recording_that_may_not_be_read_is_not_a_missing_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def closed(file: Path) -> None:
        raise PermissionError(file)

    monkeypatch.setattr("agi_bridge.lab.softphone.sounds.read_sound_info", closed)
    found = Sounds().find(str(tmp_path / "say"))
    assert found is not None
    assert not found.known


def test_a_guessed_length_is_shown_as_one() -> None:
    screen = io.StringIO()
    Story(on(screen), Sounds()).tell(CallEvent(0.0, "playing", "vm-goodbye", 1000))
    assert "hears  vm-goodbye (length unknown, taken for 1 s)" in screen.getvalue()
