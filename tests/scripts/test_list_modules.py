"""Every module opens with a sentence that says what it holds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from scripts.list_modules import main, modules

if TYPE_CHECKING:
    import pytest

LONGEST = 160
"""Characters: a longer opening is not a sentence to read aloud."""


def test_every_module_has_an_opening_sentence() -> None:
    assert [each.name for each in modules() if not each.opening] == []


def test_an_opening_is_one_short_sentence() -> None:
    assert [each.name for each in modules() if len(each.opening) > LONGEST] == []


def test_no_two_modules_open_alike() -> None:
    openings = Counter(each.opening for each in modules())
    assert [opening for opening, times in openings.items() if times > 1] == []


def test_the_list_is_by_room_and_can_be_narrowed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["phone"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("\nphone\n")
    assert "agi.wire" not in printed
