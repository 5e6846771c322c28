"""Honest ledgers and exports hold, whatever happened to their clocks, bridges and databases."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from agi_bridge.consent import RetentionRules
from agi_bridge.consent.ledger import erasure
from agi_bridge.consent.signing import generate_keys
from tests.support import evidence_ledger as shop
from tests.support.forgery import sent_by_two_bridges

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.support.forgery import Place

HOLDS = {"integrity": "holds", "anchored": "holds", "completeness": "holds", "time": "holds"}


def test_an_honest_ledger_holds(honest: Place) -> None:
    assert honest.verify().values == HOLDS


def test_an_honest_export_holds(honest: Place, honest_export: Path) -> None:
    found = honest.both(honest_export, elsewhere=True)
    assert (found.values, found.status) == (HOLDS, 0)


def test_an_export_of_everything_holds(place: Place, tmp_path: Path) -> None:
    found = place.both(place.export(tmp_path / "all"))
    assert found.failing == set()


def test_an_erased_consent_still_holds(place: Place, tmp_path: Path) -> None:
    ids = [place.ids["first"], place.ids["revocation"]]
    place.use(lambda ledger: ledger.erase(ids, basis="request", actor="me"))
    place.use(lambda ledger: ledger.checkpoint())
    assert place.verify().failing == set()
    for record in ("first", "second"):
        found = place.both(place.export(tmp_path / record, place.ids[record]))
        assert found.failing == set()


def test_details_that_were_erased_by_their_age_are_excused(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = RetentionRules(
        now=4e9, personal_before="1999-01-01T00:00:00.000Z",
        details_before="2999-01-01T00:00:00.000Z", of_lines={},
    )  # fmt: skip
    monkeypatch.setattr(erasure, "check_clock", lambda *_: None)
    done = place.use(lambda ledger: ledger.retain(rules, dry_run=False))
    assert done.trim > 0
    place.use(lambda ledger: ledger.checkpoint())
    assert place.verify().failing == set()
    out = place.export(tmp_path / "out", place.ids["first"])
    assert "digits" not in (out / "opened.jsonl").read_text()
    assert place.both(out).failing == set()


def test_restricted_data_holds(place: Place) -> None:
    place.use(
        lambda ledger: ledger.restrict(
            [place.ids["first"]], basis="claim", until="2031-01-01T00:00:00.000Z", actor="me"
        )
    )
    assert place.verify().failing == set()


def test_what_another_bridge_sends_again_holds(place: Place, tmp_path: Path) -> None:
    record = asyncio.run(sent_by_two_bridges(place))
    assert place.verify().failing == set()
    out = place.export(tmp_path / "out", record)
    assert place.both(out).failing == set()
    assert "accepted" in (out / "chain.jsonl").read_text()


def test_a_message_and_its_erasure_hold(place: Place) -> None:
    message = place.use(
        lambda ledger: ledger.record_message("customer-1", "please stop", reference="message-1")
    )
    assert place.verify().failing == set()
    place.use(lambda ledger: ledger.erase([message], basis="request", actor="me"))
    assert place.verify().failing == set()


def test_a_database_that_was_restored_whole_goes_on(place: Place, tmp_path: Path) -> None:
    shutil.copytree(place.folder, tmp_path / "backup")
    place.folder = tmp_path / "backup"
    place.use(lambda ledger: shop.accepted(ledger, "+14155550108"))
    place.use(lambda ledger: ledger.checkpoint())
    assert place.verify().failing == set()


def test_after_an_older_copy_was_restored_a_new_chain_holds_and_the_loss_is_told(
    place: Place, tmp_path: Path
) -> None:
    """Events are lost: that is told of the old chain, as often as somebody asks."""
    shutil.copytree(place.folder, tmp_path / "backup")
    place.use(lambda ledger: shop.accepted(ledger, "+14155550109"))
    lost = place.use(lambda ledger: ledger.checkpoint())
    place.folder = tmp_path / "backup"
    place.other_keys, place.keys = (
        place.keys,
        replace(place.keys, signing=generate_keys().signing),
    )
    record = place.use(lambda ledger: shop.accepted(ledger, "+14155550110"))
    place.use(lambda ledger: ledger.checkpoint())
    place.elsewhere = []
    assert place.verify().failing == set()
    assert place.both(place.export(tmp_path / "out", record)).failing == set()
    place.elsewhere = [lost]
    assert place.verify().failing == {"completeness"}
