"""Attacks on what was heard: agreements that their own dialogue does not show."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import evidence_ledger as shop
from tests.support.forgery import forge_export

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.forgery import Judgement, Place


def talk_of(
    kind: str, change: Callable[[list[list[Any]]], list[list[Any]]]
) -> Callable[[dict[str, Any]], None]:
    """Change the entries of the events of a type."""

    def apply(body: dict[str, Any]) -> None:
        if body["type"] == kind:
            body["dialogue"] = change(body["dialogue"])

    return apply


talk = partial(talk_of, "confirmed")
"""Change the entries between the number and the key."""


def field(kind: str, **changes: Any) -> Callable[[dict[str, Any]], None]:
    """Change fields of the events of a type."""

    def apply(body: dict[str, Any]) -> None:
        if body["type"] == kind:
            body.update(changes)

    return apply


ATTACKS = {
    "1 pressed 0.2 s into the read-back": talk(
        lambda d: [d[0], ["key", d[0][1], "1", "you-entered", 1600]]
    ),
    "the read-back cut short": talk(lambda d: [d[0], [*d[1][:3], False], *d[2:]]),
    "nine of ten digits read back": talk(lambda d: [d[0], [*d[1][:2], 9, True], *d[2:]]),
    "the question never asked": talk(lambda d: [*d[:2], d[3]]),
    "1 pressed half a second into the question": talk(
        lambda d: [*d[:2], [*d[2][:7], 4000], [*d[3][:4], 4000]]
    ),
    "* pressed in the read-back, and then 1": talk(
        lambda d: [*d[:2], ["key", d[1][1], "*", "read-back", None], *d[2:]]
    ),
    "2 pressed at the question, and then 1": talk(
        lambda d: [*d[:3], ["key", d[2][1], "2", "confirm-number", 9000], d[3]]
    ),
    "a digit too many in the read-back": talk(
        lambda d: [d[0], ["key", d[0][1], "7", "you-entered", 900], *d[1:]]
    ),
    "digits that * had ended": talk_of(
        "entered", lambda d: [[*e[:3], "star"] if e[0] == "digits" else e for e in d]
    ),
    "2 pressed": talk(lambda d: [*d[:3], [*d[3][:2], "2", *d[3][3:]]]),
    "no key": talk(lambda d: d[:3]),
    "entries out of order": talk(lambda d: [d[1], d[0], *d[2:]]),
    "a prompt in another language": talk(lambda d: [[*d[0][:3], "es", *d[0][4:]], *d[1:]]),
    "a disclosure of one sample": field("disclosed", samples=1, endpos=1),
    "a disclosure cut short that says it was complete": field("disclosed", endpos=100),
    "a language that does not exist": field("disclosed", lang="xx"),
    "a time zone that does not exist": field("disclosed", tz="Mars/Olympus"),
    "marketing with the wording for information": field("disclosed", purpose="marketing"),
    "another count of digits": field("entered", key_count=11),
    "an act of another name": field("confirmed", act="callerid_then_1"),
    "an unknown field": field("confirmed", signed_in_writing=True),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_the_owner_cannot_make_an_agreement_of_what_was_not_heard(
    place: Place, export: Path, name: str
) -> None:
    forge_export(export, place.keys, ATTACKS[name])
    found = place.both(export)
    assert "integrity" in found.failing
    assert not found.of_pages
    assert found.status == 1


def test_pages_say_what_the_dialogue_shows_and_not_the_acts_name(
    place: Place, tmp_path: Path
) -> None:
    def change(bodies: list[dict[str, Any]]) -> None:
        for body in bodies:
            ATTACKS["1 pressed 0.2 s into the read-back"](body)

    place.elsewhere = []
    place.forge(change)
    page = (place.export(tmp_path / "out", place.ids["other"]) / "index.html").read_text()
    assert "not shown by the record" in page
    assert "then 1 pressed" not in page


@pytest.mark.parametrize("name", shop.TEXTS)
def test_a_prompts_text_or_recording_that_is_gone_is_missed(
    place: Place, tmp_path: Path, name: str
) -> None:
    recorded = shop.prompt(name)
    for statement, sha256 in (
        ("DELETE FROM audio WHERE sha256 = ?", recorded.audio_sha256),
        ("DELETE FROM content WHERE sha256 = ?", recorded.text_sha256),
    ):
        copy = place.copy(tmp_path / sha256)
        copy.sql(statement, sha256)
        if name == "disclosure":
            copy.sql("UPDATE pii SET disclosure_sha256 = NULL")
            copy.sql("DELETE FROM disclosure")
        found: Judgement = copy.verify()
        # The index, which an export does not have, says that there was another disclosure.
        index = {"integrity"} if name == "disclosure" else set()
        assert found.failing == {"completeness"} | index
        out = copy.export(tmp_path / f"out-{sha256}", copy.ids["other"])
        assert copy.both(out).failing == {"completeness"}


def test_the_text_or_the_configuration_of_a_consent_cannot_be_changed(
    place: Place, tmp_path: Path
) -> None:
    place.sql("UPDATE content SET text = text || ' '")
    assert "integrity" in place.verify().failing
    assert "integrity" in place.both(place.export(tmp_path / "out", place.ids["other"])).failing


def test_another_recording_in_its_place_is_found(place: Place, tmp_path: Path) -> None:
    place.sql("UPDATE audio SET wav = ?", shop.recording("you-entered"))
    assert "integrity" in place.verify().failing
    assert "integrity" in place.both(place.export(tmp_path / "out", place.ids["other"])).failing


def test_a_disclosure_heard_is_still_one(place: Place) -> None:
    """The attacks above are not caught for another reason."""
    assert replace(shop.heard()).complete
    assert place.verify().failing == set()
