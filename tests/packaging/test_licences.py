"""Every library that is installed with agi-bridge has its licence on a page."""

from __future__ import annotations

import re

from scripts import licences


def test_the_page_says_what_the_libraries_say() -> None:
    assert licences.PAGE.read_text(encoding="utf-8") == licences.page()


def test_every_library_of_the_lists_is_on_the_page() -> None:
    shipped = set(licences.locked(licences.SHIPPED))
    engines = set(licences.locked(licences.ENGINES))
    rows = re.findall(r"^\| ([a-z0-9.-]+) \| (.+) \|$", licences.page(), re.MULTILINE)
    named = {name for name, _ in rows} - {"library", "--"}
    assert named == {*shipped, *engines}
    assert all(text != "not stated" for _, text in rows)


def test_nothing_under_the_gpl_is_part_of_every_installation() -> None:
    """The LGPL of psycopg and soxr asks for what a Python library grants anyway."""
    for name in licences.locked(licences.SHIPPED):
        said = licences.licence(name)
        assert not re.search(r"(?<!L)GPL|AGPL", said), (name, said)
