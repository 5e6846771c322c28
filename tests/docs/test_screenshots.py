"""The pictures of the documentation: each is there, small, and shown with words for it."""

from __future__ import annotations

import re

import pytest

from tests.support.screenshots import FOLDER, MAX_BYTES, ROOT, SHOTS, WIDTH

SHOWN = re.compile(r"!\[([^\]]*)\]\((?:\.\./)*screenshots/([\w-]+)\.webp\)")


def test_there_are_those_that_are_taken_and_no_others() -> None:
    assert {each.name for each in FOLDER.iterdir()} == {f"{name}.webp" for name in SHOTS}


@pytest.mark.parametrize("name", SHOTS)
def test_a_picture_is_small_and_of_the_width_of_a_screen(name: str) -> None:
    data = (FOLDER / f"{name}.webp").read_bytes()
    assert (data[:4], data[8:16]) == (b"RIFF", b"WEBPVP8X")
    assert 5_000 < len(data) <= MAX_BYTES
    assert int.from_bytes(data[24:27], "little") + 1 == WIDTH  # RFC 9649, 2.7


@pytest.mark.parametrize(("name", "page"), SHOTS.items())
def test_a_page_shows_it_with_words_for_those_who_do_not_see_it(name: str, page: str) -> None:
    shown = SHOWN.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    words = {found: text for text, found in shown}
    assert len(words.get(name, "")) > 30


def test_no_page_shows_another_picture() -> None:
    texts = "".join(each.read_text(encoding="utf-8") for each in (ROOT / "docs").rglob("*.md"))
    assert {name for _, name in SHOWN.findall(texts)} == set(SHOTS)
