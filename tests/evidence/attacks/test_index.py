"""Attacks on what stands beside the events, and on where they stand; and facts that disagree."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import AgreementRules, ConsentRecord, Withheld
from agi_bridge.consent.dialogue import Dialogue
from tests.support import evidence_ledger as shop
from tests.support.forgery import sent_by_two_bridges

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.forgery import Place


FOREIGN = """
    INSERT INTO event (ledger_id, seq, consent_id, type, at, tags, body, hash)
    SELECT 'ffffffffffffffffffffffffffffffff', 1, consent_id, 'replied', at, tags, body, hash
    FROM event WHERE type = 'confirmed' LIMIT 1
"""
"""An event of a chain that was never begun."""
NUMBERED = """
    INSERT INTO event (id, ledger_id, seq, consent_id, type, at, tags, body, hash)
    SELECT {}, ledger_id, {}, consent_id, 'replied', at, tags, body, hash
    FROM event WHERE type = 'confirmed' LIMIT 1
"""
"""An event before the chain's first, after a gap, or with a number that is none."""


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE suppression SET brand = 'another brand'", "suppression_changed"),
        ("UPDATE suppression SET brand = NULL", "suppression_changed"),
        ("DELETE FROM lifting", "lifting_missing"),
        ("UPDATE event SET id = id + 1000 WHERE seq = 4", "event_moved"),
        (FOREIGN, "chain_unknown"),
        (NUMBERED.format(-1, 0), "event_malformed"),
        (NUMBERED.format(-1, -5), "event_malformed"),
        (NUMBERED.format(10**6, 1.5), "event_malformed"),
        (NUMBERED.format(10**6, 10**15), "events_missing"),
        (NUMBERED.format(10**6, "'x'"), "event_malformed"),
    ],
)
def test_the_owner_of_the_database_cannot_change_what_the_service_goes_by(
    place: Place, statement: str, code: str
) -> None:
    place.sql(statement)
    found = place.verify()
    assert code in found.codes
    assert found.status == 1


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE event SET id = id + 1000 WHERE seq = 4", "event_moved"),
        (NUMBERED.format(-1, 0), "event_malformed"),
        (NUMBERED.format(10**6, "'x'"), "event_malformed"),
    ],
)
def test_a_verification_since_the_last_one_sees_what_was_put_in_since(
    place: Place, statement: str, code: str
) -> None:
    """What is forged after it has a place that nobody would look at again."""
    since = place.verified()
    assert place.verify(since=since).failing == set()
    place.sql(statement)
    assert code in place.verify(since=since).codes


def test_an_erased_revocation_still_says_whose_it_is(place: Place, tmp_path: Path) -> None:
    ids = [place.ids["revocation"], place.ids["first"], place.ids["second"]]
    place.use(lambda ledger: ledger.erase(ids, basis="request", actor="me"))
    place.use(lambda ledger: ledger.checkpoint())
    assert place.verify().failing == set()
    assert place.both(place.export(tmp_path / "x")).failing == set()
    place.sql("UPDATE suppression SET number_hmac = ?", "ab" * 32)
    found = place.verify()
    assert "suppression_changed" in found.codes
    assert found.status == 1


def test_an_erasure_binds_the_number_itself_not_what_the_index_has(place: Place) -> None:
    place.sql("UPDATE suppression SET number_hmac = ?", "ab" * 32)
    ids = [place.ids["revocation"]]
    place.use(lambda ledger: ledger.erase(ids, basis="request", actor="me"))
    assert "suppression_changed" in place.verify().codes


def test_the_events_of_two_bridges_stand_in_the_order_in_which_they_were_stored(
    place: Place,
) -> None:
    """What stands last is a consent's state: moved behind the other's, it would be sent again."""
    asyncio.run(sent_by_two_bridges(place))
    assert place.verify().failing == set()
    place.sql(
        "UPDATE event SET id = id + 100000 WHERE ledger_id = ? AND seq >="
        " (SELECT seq FROM event WHERE type = 'not_sent')",
        place.keys.ledger_id,
    )
    found = place.verify()
    assert "event_moved" in found.codes
    assert found.status == 1


def test_a_verification_since_the_last_one_meets_a_bridge_that_began_since(place: Place) -> None:
    since = place.verified()
    asyncio.run(sent_by_two_bridges(place))
    assert place.verify(since=since).failing == set()


@pytest.mark.parametrize(
    ("kind", "given", "code"),
    [
        ("entered", {"ani_match": "same"}, "ani_match_wrong"),
        ("entered", {"ani_match": "hidden"}, "ani_match_wrong"),
        ("entered", {"key_count": 11}, "digits_wrong"),
        ("revocation", {"honoured": "2099-01-01T00:00:00.000Z"}, "revocation_times"),
        ("revocation", {"received": "2099-01-01T00:00:00Z"}, "revocation_times"),
    ],
)
def test_the_owner_cannot_write_what_the_values_contradict(
    place: Place, tmp_path: Path, kind: str, given: dict[str, Any], code: str
) -> None:
    def change(bodies: list[dict[str, Any]]) -> None:
        for body in bodies:
            if body["type"] == kind:
                body.update(given)

    place.forge(change)
    place.elsewhere = []
    for found in (place.verify(), place.both(place.export(tmp_path / "x", place.ids["second"]))):
        assert code in found.codes
        assert found.status == 1


def test_an_honest_return_that_a_limit_kept_from_being_texted_holds(
    place: Place, tmp_path: Path
) -> None:
    async def withhold(ledger: Any) -> None:
        consent = await shop.accepted(ledger, caller_id=shop.NUMBER)
        call = replace(shop.CALL, caller_id=shop.NUMBER)
        dialogue = Dialogue(shop.iter_ms().__next__)
        record = ConsentRecord(call, AgreementRules(number_per_day=1), dialogue)
        record.returned(consent, region="US")
        record.submitting(shop.SENDING)
        with pytest.raises(Withheld) as refused:
            await ledger.append(record.take())
        record.withheld(refused.value.reason)
        await ledger.append(record.take())
        await ledger.checkpoint()

    place.use(withhold)
    assert place.verify().failing == set()
    assert place.both(place.export(tmp_path / "x", place.ids["second"])).failing == set()


def test_a_page_shows_bytes_from_outside_that_are_no_text(place: Place, tmp_path: Path) -> None:
    place.use(lambda ledger: shop.accepted(ledger, shop.OTHER, call_uid="pbx-\udcff.1"))
    place.use(lambda ledger: ledger.checkpoint())
    out = place.export(tmp_path / "x", place.ids["other"])
    assert place.both(out).failing == set()
    assert any("pbx-\\udcff.1" in path.read_text() for path in (out / "records").iterdir())


def test_a_page_shows_what_would_turn_or_hide_its_words(place: Place, tmp_path: Path) -> None:
    place.use(lambda ledger: shop.revoked(ledger, words="deerga I \u202e\u200bSTOP"))
    place.use(lambda ledger: ledger.checkpoint())
    out = place.export(tmp_path / "x", place.ids["first"])
    assert place.both(out).failing == set()
    pages = "".join(path.read_text() for path in (out / "records").iterdir())
    assert "deerga I \\u202e\\u200bSTOP" in pages
    assert "\u202e" not in pages
