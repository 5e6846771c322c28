"""Attacks on consents that were given elsewhere: none passes for a call, nor changes unseen."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import MAX_EVIDENCE_BYTES, EvidenceFile, ImportedConsent
from agi_bridge.consent.imported import evidence_value
from tests.support import evidence_ledger as shop

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.forgery import Place

NUMBER = "+14155550166"
FORM = EvidenceFile("form.txt", b"I agree to texts")
IMPORT = ImportedConsent(
    number=NUMBER, brand="Example Store", legal_name="Example Store Inc.", purpose="info",
    method="paper", source="shop", given="2026-03-01T14:30:00.000Z", evidence=(FORM,),
)  # fmt: skip


@pytest.fixture
def imported(place: Place) -> Place:
    """With one import behind a checkpoint."""

    async def fill(ledger: Any) -> None:
        [place.ids["imported"]] = (await ledger.import_consents([IMPORT], actor="admin")).stored
        await ledger.checkpoint()

    place.use(fill)
    return place


def test_an_honest_import_verifies_by_both_judges(imported: Place, tmp_path: Path) -> None:
    assert imported.verify().failing == set()
    out = imported.export(tmp_path / "x", imported.ids["imported"])
    assert imported.both(out).failing == set()


def test_the_largest_evidence_that_is_taken_verifies_by_both_judges(
    place: Place, tmp_path: Path
) -> None:
    """In base64 it is a third longer, and with its record one line of a file."""
    scan = EvidenceFile("scan.pdf", os.urandom(MAX_EVIDENCE_BYTES))

    async def fill(ledger: Any) -> None:
        taken = await ledger.import_consents([replace(IMPORT, evidence=(scan,))], actor="admin")
        [place.ids["imported"]] = taken.stored
        await ledger.checkpoint()

    place.use(fill)
    assert place.verify().failing == set()
    for name, ids in (("one", [place.ids["imported"]]), ("all", [])):
        assert place.both(place.export(tmp_path / name, *ids)).failing == set()


def test_evidence_that_was_changed_in_the_ledger_is_found(imported: Place) -> None:
    changed = EvidenceFile("form.txt", b"I agree to everything")
    imported.reseal(
        imported.ids["imported"],
        lambda values: values.update(evidence=evidence_value([changed])),
    )
    assert "commitment_mismatch" in imported.verify().codes


def test_evidence_that_was_changed_in_an_export_is_found(imported: Place, tmp_path: Path) -> None:
    out = imported.export(tmp_path / "x", imported.ids["imported"])
    file = out / "opened.jsonl"
    before, after = (
        base64.b64encode(text).decode() for text in (FORM.content, b"I agree to spam!")
    )
    text = file.read_text(encoding="utf-8")
    assert before in text
    file.write_text(text.replace(before, after), encoding="utf-8")
    assert "integrity" in imported.both(out).failing


def test_evidence_that_was_taken_away_is_found(imported: Place) -> None:
    imported.reseal(imported.ids["imported"], lambda values: values.pop("evidence"))
    assert "value_missing" in imported.verify().codes


def _with_a_dialogue(body: dict[str, Any]) -> None:
    body["dialogue"] = []


def _with_a_disclosure(body: dict[str, Any]) -> None:
    body |= {"disclosure_sha256": "0" * 64, "complete": True}


def _by_keypad(body: dict[str, Any]) -> None:
    body["method"] = "ivr_dtmf"


def _without_evidence(body: dict[str, Any]) -> None:
    del body["evidence_c"]


def _confirmed(body: dict[str, Any]) -> None:
    body["type"] = "confirmed"


@pytest.mark.parametrize(
    "change", [_with_a_dialogue, _with_a_disclosure, _by_keypad, _without_evidence, _confirmed]
)
def test_an_import_that_claims_to_be_a_call_is_found_even_with_all_keys(
    imported: Place, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    imported.elsewhere.clear()  # the owner's checkpoints are signed again

    def forge(bodies: list[dict[str, Any]]) -> None:
        [body] = [body for body in bodies if body["type"] == "imported"]
        change(body)

    imported.forge(forge)
    assert "integrity" in imported.verify().failing
    out = imported.export(tmp_path / "x", imported.ids["imported"])
    assert "integrity" in imported.both(out).failing


@pytest.mark.parametrize(
    ("given", "code"),
    [({"given": "2099-01-01T00:00:00.000Z"}, "import_times"), ({"files": 17}, "evidence_wrong")],
)
def test_an_import_says_what_its_files_and_its_time_say(
    imported: Place, tmp_path: Path, given: dict[str, Any], code: str
) -> None:
    imported.elsewhere.clear()

    def change(bodies: list[dict[str, Any]]) -> None:
        for body in bodies:
            if body["type"] == "imported":
                body.update(given)

    imported.forge(change)
    found = imported.both(imported.export(tmp_path / "x", imported.ids["imported"]))
    assert code in found.codes
    assert found.status == 1


def test_a_revocation_ends_the_imports_that_it_reaches_and_those_after_it_stand_under_it(
    imported: Place, tmp_path: Path
) -> None:
    """An import is kept under a revocation: it is a record, and lets nobody be texted."""

    async def fill(ledger: Any) -> None:
        imported.ids["asked"] = await shop.revoked(ledger, NUMBER)
        later = replace(IMPORT, given="2026-04-01T14:30:00.000Z")
        [imported.ids["after"]] = (await ledger.import_consents([later], actor="admin")).stored
        await ledger.checkpoint()

    imported.use(fill)
    assert imported.verify().failing == set()
    assert imported.both(imported.export(tmp_path / "x", imported.ids["after"])).failing == set()
    imported.elsewhere.clear()

    def spare(bodies: list[dict[str, Any]]) -> None:
        ended = [body for body in bodies if body["consent_id"] == imported.ids["imported"]]
        bodies.remove(next(body for body in ended if body["type"] == "revoked"))
        for body in bodies:
            if body["consent_id"] == imported.ids["asked"]:
                body["consents"] -= 1

    imported.forge(spare)
    found = imported.both(imported.export(tmp_path / "y", imported.ids["imported"]))
    assert "consent_not_ended" in found.codes
    assert found.status == 1


def test_an_agreement_cannot_be_hung_on_an_import(imported: Place) -> None:
    imported.elsewhere.clear()

    def forge(bodies: list[dict[str, Any]]) -> None:
        [consent] = [body for body in bodies if body["consent_id"] == imported.ids["imported"]]
        confirmed = next(body for body in bodies if body["type"] == "confirmed")
        bodies.append(
            {**confirmed, "consent_id": consent["consent_id"], "written": bodies[-1]["written"]}
        )

    imported.forge(forge)
    assert "integrity" in imported.verify().failing
