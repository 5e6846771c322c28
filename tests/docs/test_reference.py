"""The pages of docs/reference are made from the code, and each alert has a page of its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from agi_bridge.status import KINDS
from scripts.reference import DOCS, pages
from tests.support.documented import pages_of

if TYPE_CHECKING:
    from pathlib import Path

ALERTS = DOCS / "alerts"
RULES = (DOCS.parent / "monitoring" / "agi-bridge.rules.yml").read_text(encoding="utf-8")
MADE = "run `python -m scripts.reference`"


@pytest.mark.parametrize("name", pages())
def test_a_page_says_what_the_code_says(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name], MADE


def page_of(alert: str) -> Path:
    """The page of an alert: HookDown is in hook-down.md."""
    return ALERTS / f"{re.sub(r'(?<!^)(?=[A-Z])', '-', alert).lower()}.md"


def test_each_alert_of_the_rules_has_a_page_and_each_page_an_alert() -> None:
    alerts = re.findall(r"alert: AgiBridge(\w+)", RULES)
    assert sorted(ALERTS.glob("*.md")) == sorted([ALERTS / "index.md", *map(page_of, alerts)])


@pytest.mark.parametrize("alert", KINDS)
def test_a_page_says_what_callers_notice_in_the_alerts_own_words(alert: str) -> None:
    kind = KINDS[alert]
    text = " ".join(page_of(kind.name).read_text(encoding="utf-8").split())
    assert text.startswith(f"# {kind.name} **What callers notice.** {kind.notice} **When.** ")
    assert f"Severity `{kind.severity}`" in text
    row = f"| [{kind.name}]({page_of(kind.name).name}) | {kind.severity} | {kind.notice} |"
    assert row in (ALERTS / "index.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("page", sorted(ALERTS.glob("*.md")), ids=lambda page: page.stem)
def test_what_an_alerts_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    commands = (DOCS / "reference" / "commands.md").read_text(encoding="utf-8")
    for words in re.findall(r"agi-bridge ((?:[a-z]+(?: |$|`))+)", text, re.MULTILINE):
        assert f"## `{words.split()[0].strip('`')}`" in commands
    events = (DOCS / "log-events.md").read_text(encoding="utf-8")
    for event in re.findall(r"`((?:ledger|status|checkpoint|hook)\.\w+)`", text):
        settings = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
        assert f"| `{event}` |" in events or f"### `{event}`" in settings


def test_every_page_is_on_the_site() -> None:
    """A page that the site's menu does not name is found by nobody."""
    named = {path.relative_to(DOCS).as_posix() for path in pages_of()}
    below = {"prompts", "receivers"}
    pages_ = {
        str(path.relative_to(DOCS))
        for path in DOCS.rglob("*.md")
        if path.relative_to(DOCS).parts[0] not in below
    }
    assert named == pages_
