"""The opt-in page describes the dialogue that callers meet: the same prompts and keys, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.agi.testing import KeySequence
from agi_bridge.app.optin_steps import steps
from agi_bridge.app.sample_call import NUMBER_SAID, sample_call
from agi_bridge.speech import Library
from tests.call.conftest import call_env
from tests.support.call_env import CallEnv, line, prompts_heard

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.agi.testing import KeysBySound
    from agi_bridge.app.optin_steps import Step

__all__ = ["call_env"]

DIGITS = "4155550123"
AGREES: KeysBySound = {
    "language-menu-item": ["", "1"],
    "enter-number": DIGITS,
    "confirm-number": KeySequence("1", 1.5),
}
NAMES = (
    *("opt-out-offer", "enter-number", "you-entered", "confirm-number", "accepted", "declined"),
    *("goodbye", "busy"),
)
LINES: list[dict[str, Any]] = [
    {},
    {"consent": {"opt_out_key": "9"}},
    {"languages": ["en", "es"]},
    {"languages": ["en", "es"], "consent": {"opt_out_key": "9", "act": "number"}},
    {"languages": ["en", "es"], "consent": {"opt_out_key": "9"}},
    {"default": {"kind": "hangup"}},
    {"default": {"kind": "say", "prompt": "busy"}},
]


def described(described_steps: tuple[Step, ...], texts: dict[str, str]) -> list[str]:
    """The prompts that the steps quote, in the order in which they stand there."""
    found: list[str] = []
    for step in described_steps:
        if step.text.startswith("The disclosure"):
            found.append("disclosure")
        spoken = " ".join(step.says)
        places = {name: spoken.find(text) for name, text in texts.items()}
        found += sorted((name for name in places if places[name] >= 0), key=places.__getitem__)
    return found


@pytest.mark.parametrize("of_line", LINES, ids=str)
async def test_the_sample_call_says_what_a_caller_who_agrees_hears(
    call_env: CallEnv, tmp_path: Path, of_line: dict[str, Any]
) -> None:
    library, configured = Library(cache=tmp_path), line(**of_line)
    agreed = await call_env(AGREES, of_line)
    heard = [
        library.prompt(name, each.name.split("/")[-2]).text
        for each in agreed.heard
        if (name := each.name.rpartition("/")[2])
        in {"opt-out-offer", "language-menu-item", "disclosure", "enter-number", "accepted"}
    ]
    turns = sample_call(configured, library, "en").turns
    said = [turn.words for turn in turns if turn.who == "voice"]
    unread = [words for words in said if NUMBER_SAID not in words]
    key = configured.consent.opt_out_key
    assert [words.removesuffix(f" {key}.") if key else words for words in unread] == list(
        dict.fromkeys(heard)  # the menu is repeated for a caller who does not choose at once
    )
    asked = [words for words in said if NUMBER_SAID in words]
    assert len(asked) == (configured.consent.act == "number_then_1")
    assert turns[-1].who == "text"


@pytest.mark.parametrize("of_line", LINES, ids=str)
async def test_the_page_quotes_the_prompts_in_the_order_in_which_callers_hear_them(
    call_env: CallEnv,
    tmp_path: Path,
    of_line: dict[str, Any],
) -> None:
    library, configured = Library(cache=tmp_path), line(**of_line)
    texts = {name: library.prompt(name, "en").text for name in NAMES}
    for language in configured.languages:
        if len(configured.languages) > 1:
            menu_item = library.prompt("language-menu-item", language)
            texts[f"language-menu-item {language}"] = menu_item.text
    agreed = await call_env(AGREES, of_line)
    refused = await call_env({"disclosure": "*"}, of_line)
    assert len(call_env.fake_hook.requests) == 1
    heard = [
        f"{name} {each.name.split('/')[-2]}" if name == "language-menu-item" else name
        for each in agreed.heard
        if (name := each.name.rpartition("/")[2]) in {*NAMES, "language-menu-item", "disclosure"}
    ]
    heard.append(prompts_heard(refused)[-1])
    assert described(steps(configured, library), texts) == heard


@pytest.mark.parametrize("of_line", LINES, ids=str)
async def test_the_page_names_the_keys_that_a_caller_presses(
    call_env: CallEnv,
    tmp_path: Path,
    of_line: dict[str, Any],
) -> None:
    await call_env(AGREES, of_line)
    events: list[Any] = await call_env.events()
    entries: list[Any] = [entry for event in events for entry in event.body.get("dialogue") or []]
    keys = {entry[3]: entry[2] for entry in entries if entry[0] == "key"}
    page_steps = steps(line(**of_line), Library(cache=tmp_path))
    assert ("language-menu-item" in keys) is any(
        f"pressing {keys.get('language-menu-item')} or" in step.text for step in page_steps
    )
    assert ("confirm-number" in keys) is any(
        f"presses {keys.get('confirm-number')} to agree" in step.text for step in page_steps
    )


async def test_the_page_names_the_opt_out_key_that_revokes(
    call_env: CallEnv,
    tmp_path: Path,
) -> None:
    of_line: dict[str, Any] = {"consent": {"opt_out_key": "9"}}
    call = await call_env({"opt-out-offer": "9"}, of_line, caller_id=DIGITS)
    assert "disclosure" not in prompts_heard(call)
    page_steps = steps(line(**of_line), Library(cache=tmp_path))
    texts = [step.text for step in page_steps]
    offered = next(i for i, text in enumerate(texts) if text.startswith("Pressing 9 now"))
    assert texts[offered + 1].startswith("The disclosure")
