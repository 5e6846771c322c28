"""Labels of events, and text that is safe for a terminal."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from agi_bridge.cli.consents.retain import Retained
from agi_bridge.cli.output import count, print_answer, printable
from agi_bridge.consent import Act, State
from agi_bridge.evidence.export import labels
from agi_bridge.evidence.export.pages import page
from agi_bridge.evidence.export.zones import Zones


def test_every_event_type_and_every_state_has_a_label() -> None:
    assert labels.TITLES.keys() == {*State, *Act}
    assert labels.STATES.keys() == {*State}


def test_an_unknown_event_type_is_shown_unchanged() -> None:
    assert labels.title("teleported") == "teleported"


def test_facts_leave_out_fields_for_programs() -> None:
    body = {
        "schema": 2, "seq": 7, "at": "2026-11-23T08:00:00.000Z", "type": "confirmed",
        "number_c": "f" * 64, "audio_sha256": "f" * 64, "dialogue": [["key", 1, "1", "x", None]],
        "act": "number", "attestation": None, "linked_id": "", "method": "ivr_dtmf",
    }  # fmt: skip
    assert labels.facts(body) == (("method", "telephone keypad (DTMF)"),)


def test_values_are_formatted_for_people() -> None:
    body = {
        "complete": True, "endpos": 8000, "lang": "fr-CA", "received": "2026-11-23T08:00:00.000Z",
        "scope": "all", "status": 200, "unheard_of": "x",
    }  # fmt: skip
    assert labels.facts(body) == (
        ("played to its end", "yes"),
        ("played up to", "1.0 s (8,000 samples)"),
        ("language", "French"),
        ("HTTP status", "200"),
        ("scope", "every seller"),
        ("received", "2026-11-23 08:00:00 UTC"),
        ("unheard of", "x"),
    )


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        ("America/Los_Angeles", "1 November 2026, 01:30:00 PDT"),
        ("Europe/Paris", "1 November 2026, 09:30:00 CET"),
        ("Nowhere/At_All", "1 November 2026, 08:30:00 UTC"),
        ("../etc/passwd", "1 November 2026, 08:30:00 UTC"),
    ],
)
def test_a_moment_is_told_on_the_clock_of_a_place(zone: str, text: str) -> None:
    assert Zones().local("2026-11-01T08:30:00.123Z", zone) == text


def test_the_hour_that_comes_twice_is_told_apart_by_its_zone() -> None:
    later = Zones().local("2026-11-01T09:30:00.000Z", "America/Los_Angeles")
    assert later == "1 November 2026, 01:30:00 PST"


def test_control_characters_are_replaced() -> None:
    assert printable("a\x1b[2Jb\r\nc\u202ed") == "a\ufffd[2Jb\ufffd\ufffdc\ufffdd"
    assert printable("Söhne & Fils") == "Söhne & Fils"


def test_rich_markup_is_printed_as_text() -> None:
    class Unstyled(Retained):
        def show(self, console: object) -> None:
            console.print("[red]x[/red] :smile:")  # type: ignore[attr-defined]  # a Console

    out = io.StringIO()
    with redirect_stdout(out):
        print_answer(Unstyled(0, 0, dry_run=True), as_json=False)
    assert out.getvalue() == "[red]x[/red] :smile:\n"


def test_a_terminal_keeps_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    widths = []

    class Unstyled(Retained):
        def show(self, console: object) -> None:
            widths.append(console.width)  # type: ignore[attr-defined]  # a Console

    print_answer(Unstyled(0, 0, dry_run=True), as_json=False)
    assert widths == [40]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "no records"), (1, "1 record"), (2, "2 records"), (1234, "1,234 records")],
)
def test_a_number_of_things_is_written_with_its_noun(number: int, text: str) -> None:
    assert count(number, "record") == text


def test_a_text_file_is_not_escaped_and_a_page_is() -> None:
    values = {"signer": "a&b", "software": "agi-bridge <1>", "questions": {}}
    assert "a&b" in page("verify.txt", **values)
    assert "agi-bridge <1>" in page("verify.txt", **values)
