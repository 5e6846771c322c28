"""What is wrong with a prompt, and what puts it right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agi_bridge.app.speech import inspect_lines
from agi_bridge.prompts.inspection import (
    Prompt,
    Remedy,
    Severity,
    inspect_prompt,
)
from agi_bridge.prompts.required import RequiredPrompt, required_prompts
from agi_bridge.speech import PromptFile, PromptFolder, Script, prompt_folder
from tests.support.call_env import line
from tests.support.prompt_sounds import recording, tone

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.prompts import LinePrompts
    from agi_bridge.settings import Settings
    from agi_bridge.speech import Problem
    from agi_bridge.speech.prompt_folder import Source
    from tests.support.prompts_commands import PromptsCli


def issues_of(prompt: Prompt) -> list[tuple[str, Severity, Remedy]]:
    """Code, severity and remedy of each issue."""
    return [(each.problem.code, each.severity, each.remedy) for each in prompt.issues]


def inspected(settings: Settings) -> tuple[LinePrompts, ...]:
    return inspect_lines(settings, settings.lines.values())


def asked(name: str = "goodbye", **settings: str) -> RequiredPrompt:
    """A prompt that a line wants."""
    cli = line(policy_url="example.com", **settings)
    (found,) = [each for each in required_prompts(cli, Script()) if each.name == name]
    return found


def looked(
    file: Path,
    source: Source = "recording",
    *,
    text: str | None = "Goodbye.",
    problems: tuple[Problem, ...] = (),
    prompt: RequiredPrompt | None = None,
) -> Prompt:
    return inspect_prompt(prompt or asked(), PromptFile(source, file, text, problems))


def as_read(file: Path) -> Prompt:
    """Look at a recording of `goodbye` as its folder is read."""
    entries = prompt_folder.scan_folder(
        PromptFolder(file.parent.parent, source="recording")
    ).entries
    return inspect_prompt(asked(), entries["en", "goodbye"])


def test_the_packages_prompts_are_faultless(cli: PromptsCli) -> None:
    (found,) = inspected(cli.configure(languages=["en", "es", "fr"]).settings)
    others = [each for each in found.prompts if not each.wanted.is_disclosure]
    assert len(others) == 48
    assert [each.issues for each in others] == [()] * 48


def test_the_shipped_disclosure_is_noted_because_it_names_no_brand(cli: PromptsCli) -> None:
    (found,) = inspected(cli.settings)
    (asking,) = [each for each in found.prompts if each.wanted.is_disclosure]
    assert issues_of(asking) == [("no_brand", Severity.NOTE, Remedy.RENDER)]
    assert asking.version is None
    assert asking.words.startswith("Thank you for calling. ")


def test_what_was_rendered_is_faultless(rendered: PromptsCli) -> None:
    (found,) = inspected(rendered.settings)
    assert [each.issues for each in found.prompts] == [()] * 17
    assert {each.version for each in found.prompts} == {1}


def test_what_was_rendered_for_another_brand_is_stale(rendered: PromptsCli) -> None:
    (found,) = inspected(rendered.configure(brand="Maple Books").settings)
    issues = {each.wanted.name: issues_of(each) for each in found.prompts if each.issues}
    assert issues == {"disclosure": [("stale", Severity.FAULT, Remedy.RENDER)]}


def test_the_languages_come_one_after_the_other(cli: PromptsCli) -> None:
    (found,) = inspected(cli.configure(languages=["en", "fr"]).settings)
    assert [(tag, len(prompts)) for tag, prompts in found.by_language()] == [("en", 17), ("fr", 17)]


def test_a_good_recording_has_no_issue(tmp_path: Path) -> None:
    found = looked(recording(tmp_path, "goodbye", "Goodbye."))
    assert found.issues == ()
    assert found.words == "Goodbye."
    assert found.version == 1
    assert found.seconds == pytest.approx(0.8, abs=0.01)


def test_a_recording_of_other_words_is_stale(tmp_path: Path) -> None:
    found = looked(recording(tmp_path, "goodbye", "So long."), text="So long.")
    assert issues_of(found) == [("stale", Severity.FAULT, Remedy.RECORD)]
    assert found.words == "So long."


def test_other_words_in_a_custom_folder_are_noted(tmp_path: Path) -> None:
    found = looked(recording(tmp_path, "goodbye", "So long."), "prompts", text="So long.")
    assert issues_of(found) == [("own_words", Severity.NOTE, Remedy.BY_HAND)]


def test_a_missing_prompt_is_to_be_rendered() -> None:
    found = inspect_prompt(asked(), None)
    assert issues_of(found) == [("missing", Severity.FAULT, Remedy.RENDER)]
    assert found.words == "Goodbye."
    assert found.seconds is None


def test_a_missing_prompt_without_a_text_says_why() -> None:
    found = inspect_prompt(RequiredPrompt("hello", "en", None, "'en' has no text 'hello'"), None)
    assert issues_of(found) == [("missing_text", Severity.FAULT, Remedy.BY_HAND)]
    assert found.issues[0].problem.endswith("'en' has no text 'hello'")
    assert found.words == ""


def test_a_recording_without_its_text_is_a_fault(tmp_path: Path) -> None:
    found = as_read(tone(tmp_path / "en" / "goodbye.wav", 0.6))
    assert issues_of(found) == [("no_text", Severity.FAULT, Remedy.BY_HAND)]


def test_a_custom_recording_needs_no_script(tmp_path: Path) -> None:
    prompt = RequiredPrompt("hello", "en", None, "'en' has no text 'hello'")
    found = looked(recording(tmp_path, "hello", "Hello there."), text="Hello there.", prompt=prompt)
    assert found.issues == ()


def test_a_shipped_prompt_in_place_of_an_incomplete_text_is_noted(tmp_path: Path) -> None:
    prompt = RequiredPrompt("disclosure", "en", None, "needs the line's policy_url, which is empty")
    found = looked(recording(tmp_path, "disclosure", "Hello."), "shipped", prompt=prompt)
    assert issues_of(found) == [("no_words", Severity.NOTE, Remedy.BY_HAND)]
    assert "policy_url" in found.issues[0].problem


def test_what_the_pbx_cannot_play_is_a_fault_that_conversion_puts_right(tmp_path: Path) -> None:
    file = tone(tmp_path / "en" / "goodbye.wav", 0.6, rate=48000)
    assert issues_of(looked(file)) == [("format", Severity.FAULT, Remedy.CONVERT)]


def test_a_level_that_is_off_is_noted(tmp_path: Path) -> None:
    found = looked(tone(tmp_path / "en" / "goodbye.wav", 0.6, height=0.03))
    assert issues_of(found) == [("too_quiet", Severity.NOTE, Remedy.CONVERT)]


def test_what_was_clipped_has_to_be_recorded_again(tmp_path: Path) -> None:
    file = tone(tmp_path / "en" / "goodbye.wav", 0.6, height=4.0, clipped=0.6)
    assert ("clipped", Severity.FAULT, Remedy.RECORD) in issues_of(looked(file))


def test_a_recording_far_too_short_for_its_text_is_a_fault(tmp_path: Path) -> None:
    text = "Enter your ten-digit mobile number, area code first."
    file = tone(tmp_path / "en" / "enter-number.wav", 0.6)
    (issue,) = looked(file, text=text, prompt=asked("enter-number")).issues
    assert issue.problem.code == "short_for_text"
    assert issue.severity is Severity.FAULT


def test_what_was_rendered_badly_is_to_be_rendered_again(tmp_path: Path) -> None:
    file = tone(tmp_path / "en" / "goodbye.wav", 0.6, height=0.03)
    (issue,) = looked(file, "rendered").issues
    assert (issue.severity, issue.remedy) == (Severity.NOTE, Remedy.RENDER)


def test_an_invalid_sound_has_no_length(tmp_path: Path) -> None:
    file = tmp_path / "goodbye.wav"
    file.write_bytes(b"RIFF")
    found = looked(file)
    assert found.seconds is None
    assert [each.severity for each in found.issues] == [Severity.FAULT]


def test_why_the_service_refuses_a_file_is_reported_if_no_other_issue_is(
    rendered: PromptsCli,
) -> None:
    settings = rendered.settings
    (before,) = inspected(settings)
    (file,) = [
        each.found.file for each in before.prompts if each.found and each.wanted.name == "busy"
    ]
    tone(file, 1.5)
    (after,) = inspected(settings)
    issues = {each.wanted.name: each.issues for each in after.prompts if each.issues}
    (issue,) = issues.pop("busy")
    assert not issues
    assert issue.problem.code == "differs"
    assert (issue.severity, issue.remedy) == (Severity.FAULT, Remedy.RENDER)


def test_a_disclosure_above_thirty_seconds_is_noted(tmp_path: Path) -> None:
    prompt = asked("disclosure")
    assert prompt.text is not None
    file = tone(tmp_path / "en" / "disclosure.wav", 31.0)
    (issue,) = looked(file, text=prompt.text.text, prompt=prompt).issues
    assert issue.problem.code == "long_disclosure"
    assert issue.severity is Severity.NOTE


@pytest.mark.parametrize("rate", [8000, 16000])
def test_hd_voice_has_twice_the_rate(tmp_path: Path, rate: int) -> None:
    file = recording(tmp_path, "goodbye", "Goodbye.")
    tone(tmp_path / "wide.wav", 0.6, rate=rate).rename(file.with_suffix(".wav16"))
    issue = ("wide", Severity.FAULT, Remedy.BY_HAND)
    assert issues_of(as_read(file)) == ([] if rate == 16000 else [issue])


def test_an_invalid_hd_version_is_a_fault(tmp_path: Path) -> None:
    file = recording(tmp_path, "goodbye", "Goodbye.")
    file.with_suffix(".wav16").write_bytes(b"")
    (issue,) = as_read(file).issues
    assert issue.severity is Severity.FAULT


def test_hd_voice_of_another_recording_is_a_fault(tmp_path: Path) -> None:
    file = recording(tmp_path, "goodbye", "Goodbye.")
    tone(tmp_path / "wide.wav", 1.2, rate=16000).rename(file.with_suffix(".wav16"))
    (issue,) = as_read(file).issues
    assert issue.problem.code == "wide_differs"
    assert (issue.severity, issue.remedy) == (Severity.FAULT, Remedy.BY_HAND)


def test_hd_voice_beside_a_disclosure_is_a_fault(tmp_path: Path) -> None:
    prompt = asked("disclosure")
    assert prompt.text is not None
    file = tone(tmp_path / "en" / "disclosure.wav", 22.0)
    file.with_suffix(".wav16").write_bytes(b"")
    (issue,) = looked(file, text=prompt.text.text, prompt=prompt).issues
    assert issue.problem.code == "wide_disclosure"
    assert (issue.severity, issue.remedy) == (Severity.FAULT, Remedy.BY_HAND)
