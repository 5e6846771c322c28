"""Attacks on what is bound: sealed values, the index beside the events, revocations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import canonical, commitment
from tests.support import evidence_ledger as shop
from tests.support.forgery import edit_lines, resign

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.forgery import Place

SEALED = {
    "first": ["number", "caller_id", "digits", "answer", "forward"],
    "revocation": ["number", "words"],
}
CASES = [(record, name) for record, names in SEALED.items() for name in names]


@pytest.mark.parametrize(("record", "name"), CASES)
def test_the_holder_of_the_vault_key_cannot_change_a_sealed_value(
    place: Place, tmp_path: Path, record: str, name: str
) -> None:
    place.reseal(place.ids[record], lambda values: values.update({name: values[name][:-1] + "7"}))
    for found in (place.verify(), place.both(place.export(tmp_path / "x", place.ids["second"]))):
        assert "integrity" in found.failing
        assert found.status == 1


@pytest.mark.parametrize(("record", "name"), CASES)
def test_the_holder_of_the_vault_key_cannot_take_a_sealed_value_out(
    place: Place, tmp_path: Path, record: str, name: str
) -> None:
    place.reseal(place.ids[record], lambda values: values.pop(name))
    for found in (place.verify(), place.both(place.export(tmp_path / "x", place.ids["second"]))):
        assert "completeness" in found.failing
        assert found.status == 1


def test_the_holder_of_the_vault_key_cannot_add_a_value(place: Place, tmp_path: Path) -> None:
    place.reseal(place.ids["first"], lambda values: values.update(words="I agree to anything"))
    for found in (place.verify(), place.both(place.export(tmp_path / "x", place.ids["second"]))):
        assert found.failing == {"integrity"}


def test_personal_data_cannot_go_without_an_erasure(place: Place, tmp_path: Path) -> None:
    place.sql("DELETE FROM pii WHERE consent_id = ?", place.ids["first"])
    found = place.verify()
    assert "completeness" in found.failing
    assert "value_missing" in found.codes
    assert "completeness" in place.both(place.export(tmp_path / "x", place.ids["first"])).failing


def test_the_owner_of_the_database_cannot_keep_details_from_their_erasure(place: Place) -> None:
    place.sql("UPDATE pii SET trimmed = 1 WHERE consent_id = ?", place.ids["first"])
    assert "index_changed" in place.verify().codes


def test_a_chains_public_key_is_the_one_that_its_id_is_made_of(place: Place) -> None:
    place.sql("UPDATE ledger SET public_key = ?", "A" * 43 + "=")
    assert "chain_key_wrong" in place.verify().codes


def test_an_erasure_excuses_what_it_names_and_nothing_else(place: Place, tmp_path: Path) -> None:
    place.use(lambda ledger: ledger.erase([place.ids["other"]], basis="request", actor="me"))
    assert place.verify().failing == set()
    place.sql("DELETE FROM pii WHERE consent_id = ?", place.ids["first"])
    assert "value_missing" in place.verify().codes
    assert "completeness" in place.both(place.export(tmp_path / "x", place.ids["first"])).failing


@pytest.mark.parametrize(
    "column", ["number_hmac", "caller_hmac", "brand", "line_id", "kind", "disclosure_sha256"]
)
def test_the_owner_of_the_database_cannot_change_the_index_of_personal_data(
    place: Place, column: str
) -> None:
    [(other,)] = place.sql(
        f"SELECT {column} FROM pii WHERE consent_id = ?",  # noqa: S608 - a column of the test, no input
        place.ids["revocation" if column != "number_hmac" else "other"],
    )
    place.sql(
        f"UPDATE pii SET {column} = ? WHERE consent_id = ?",  # noqa: S608 - a column of the test, no input
        other, place.ids["first"],
    )  # fmt: skip
    found = place.verify()
    assert "integrity" in found.failing
    assert found.status == 1


def test_the_owner_of_the_database_cannot_undo_a_revocation(place: Place, tmp_path: Path) -> None:
    for statement in (
        "DELETE FROM suppression",
        "UPDATE suppression SET number_hmac = hex(zeroblob(32))",
        "UPDATE suppression SET scope = 'brand:elsewhere'",
        "INSERT INTO lifting SELECT revocation_id, 'another brand' FROM suppression",
    ):
        copy = place.copy(tmp_path / str(len(statement)))
        copy.sql(statement)
        found = copy.verify()
        assert found.failing & {"completeness", "integrity"}, statement
        assert found.status == 1


def test_anothers_erasure_excuses_no_undone_revocation(place: Place) -> None:
    place.use(lambda ledger: ledger.erase([place.ids["other"]], basis="request", actor="me"))
    place.sql("DELETE FROM suppression")
    assert "completeness" in place.verify().failing


def test_a_revocation_that_is_erased_keeps_its_suppression(place: Place) -> None:
    ids = [place.ids["revocation"], place.ids["first"], place.ids["second"]]
    place.use(lambda ledger: ledger.erase(ids, basis="request", actor="me"))
    assert place.verify().failing == set()
    place.sql("DELETE FROM suppression")
    assert "completeness" in place.verify().failing


def forged(place: Place, change: Any, tmp_path: Path) -> list[Any]:
    place.elsewhere = []
    place.forge(change)
    return [place.verify(), place.both(place.export(tmp_path / "x", place.ids["second"]))]


def test_a_return_needs_a_consent_of_the_same_number_brand_and_purpose(
    place: Place, tmp_path: Path
) -> None:
    """The owner turns NUMBER's second call into a return that relies on OTHER's consent."""

    def change(bodies: list[dict[str, Any]]) -> None:
        mine = [body for body in bodies if body["consent_id"] == place.ids["second"]]
        kinds = {body["type"]: body for body in mine}
        first = kinds["disclosed"]
        for name in (
            "prompt", "lang", "audio_sha256", "samples", "endpos", "disclosure_sha256",
            "complete", "disclosure_version",
        ):  # fmt: skip
            first.pop(name)
        first.update(
            type="returned", consent=place.ids["other"], region="US", dialogue=[],
            number_c=kinds["confirmed"]["number_c"], caller_id_c=kinds["confirmed"]["caller_id_c"],
        )  # fmt: skip
        gone = [kinds["entered"], kinds["confirmed"], kinds.get("lifted")]
        bodies[:] = [body for body in bodies if not any(body is each for each in gone)]

    place.sql("UPDATE pii SET kind = 'returned' WHERE consent_id = ?", place.ids["second"])
    place.reseal(place.ids["second"], lambda values: values.pop("digits"))
    place.sql("DELETE FROM lifting")
    for found in forged(place, change, tmp_path):
        assert "returned_unfounded" in found.codes
        assert found.status == 1


def test_a_revocation_is_lifted_only_from_its_own_telephone(place: Place, tmp_path: Path) -> None:
    def change(bodies: list[dict[str, Any]]) -> None:
        for body in bodies:
            if body["consent_id"] == place.ids["second"] and body["type"] == "entered":
                body["ani_match"] = "different"

    for found in forged(place, change, tmp_path):
        assert "lifting_unfounded" in found.codes
        assert found.status == 1


def test_a_revocation_that_reaches_another_brand_revokes_nothing(
    place: Place, tmp_path: Path
) -> None:
    def change(bodies: list[dict[str, Any]]) -> None:
        for body in bodies:
            if body["type"] == "revocation":
                body["brand"] = "Elsewhere"

    for found in forged(place, change, tmp_path):
        assert "integrity" in found.failing


def test_a_revocation_says_how_many_consents_it_ended(place: Place, tmp_path: Path) -> None:
    """The owner takes out the event that says that a consent was revoked."""

    def change(bodies: list[dict[str, Any]]) -> None:
        bodies[:] = [body for body in bodies if body["type"] != "revoked"]

    for found in forged(place, change, tmp_path):
        assert "revocations_differ" in found.codes


def test_a_column_of_another_type_is_a_verdict(place: Place) -> None:
    for column, value in (("body", 5), ("at", b"\0"), ("tags", None), ("hash", 1.5)):
        [(before,)] = place.sql(f"SELECT {column} FROM event WHERE seq = 3")  # noqa: S608 - a column of the test, no input
        if value is not None:
            place.sql(f"UPDATE event SET {column} = ? WHERE seq = 3", value)  # noqa: S608 - a column of the test, no input
            found = place.verify()
            assert "integrity" in found.failing
            assert found.status == 1
            place.sql(f"UPDATE event SET {column} = ? WHERE seq = 3", before)  # noqa: S608 - a column of the test, no input
    assert place.verify().failing == set()


@pytest.mark.parametrize("column", ["sealed", "kind", "brand", "number_hmac"])
def test_so_is_one_of_personal_data(place: Place, column: str) -> None:
    place.sql(f"UPDATE pii SET {column} = 5 WHERE consent_id = ?", place.ids["other"])  # noqa: S608 - a column of the test, no input
    assert "integrity" in place.verify().failing


def test_an_export_takes_no_value_that_nothing_binds(place: Place, export: Path) -> None:
    edit_lines(
        export / "opened.jsonl",
        lambda lines: [canonical({**json.loads(line), "reply": "YES"}) for line in lines],
    )
    resign(export, place.keys)
    found = place.both(export)
    assert "value_not_bound" in found.codes
    assert shop.NUMBER in (export / "opened.jsonl").read_text()


VICTIM = "+14155550142"


def test_a_record_whose_salt_was_erased_is_nobodys(place: Place, tmp_path: Path) -> None:
    """Without the salt nothing binds a value: an erasure excuses that it is gone, not another one.

    The holder of the vault key adds the event, which needs no signature until the next checkpoint.
    """

    def erase(bodies: list[dict[str, Any]]) -> None:
        end = bodies[-1]
        kept = {name: end[name] for name in ("schema", "ledger_id", "seq")}
        erased = {
            "event_id": "0199f3b0-0000-7000-8000-000000000001", "consent_id": place.ids["other"],
            "type": "erased", "fields": ["salt", "digits"], "basis": "retention",
            "actor": "agi-bridge", "at": end["written"], "written": end["written"],
        }  # fmt: skip
        bodies.append({**kept, **erased})

    def give(values: dict[str, str]) -> None:
        del values["salt"], values["digits"]
        values["number"] = VICTIM

    place.elsewhere = []
    place.forge(erase)
    place.reseal(place.ids["other"], give)
    found = place.both(place.export(tmp_path / "x", place.ids["other"]))
    for each in (place.verify(), found):
        assert "values_unsalted" in each.codes
        assert each.status == 1


@pytest.mark.parametrize(
    "spelling", ["+1 4155550166", "14155550166", "+14155550166 ", "+1415555016\uff16"]
)
def test_a_number_has_one_spelling(place: Place, tmp_path: Path, spelling: str) -> None:
    """A consent of a number in another spelling would be out of a revocation's reach."""
    found: dict[str, str] = {}

    def respell(values: dict[str, str]) -> None:
        values["number"] = spelling
        found.update(values)

    place.reseal(place.ids["other"], respell)
    bound = commitment(bytes.fromhex(found["salt"]), "number", spelling)

    def bind(bodies: list[dict[str, Any]]) -> None:
        for body in bodies:
            if body["consent_id"] == place.ids["other"] and "number_c" in body:
                body["number_c"] = bound

    place.elsewhere = []
    place.forge(bind)
    found_ = place.both(place.export(tmp_path / "x", place.ids["other"]))
    assert "number_malformed" in found_.codes
    assert found_.status == 1
