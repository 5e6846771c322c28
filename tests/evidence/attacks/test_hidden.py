"""Attacks on what an export leaves out, and on its pages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import shutil
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import Act, canonical
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Checkpoint, generate_keys
from agi_bridge.evidence.export import verify_export
from tests.support import evidence_ledger as shop
from tests.support.forgery import CHECK, Place, check, edit_lines, resign

if TYPE_CHECKING:
    from pathlib import Path


def put_manifest(export: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest as an export does."""
    (export / "manifest.json").write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")


def hide(lines: list[str], *kinds: str) -> list[str]:
    """Hand the events of these types over as hashes only."""
    found = []
    for line in lines:
        entry = json.loads(line)
        if isinstance(entry, list) and isinstance(entry[1], dict) and entry[1]["type"] in kinds:
            digest = hashlib.sha256(canonical(entry[1]).encode()).hexdigest()
            found.append(f'[{canonical(entry[0])},"{digest}"]')
        else:
            found.append(line)
    return found


@pytest.mark.parametrize("kinds", [("revoked",), ("revocation",), ("revoked", "revocation")])
def test_a_revocation_cannot_be_handed_over_as_a_hash(
    place: Place, export: Path, kinds: tuple[str, ...]
) -> None:
    edit_lines(export / "chain.jsonl", lambda lines: hide(lines, *kinds))
    if "revocation" in kinds:
        edit_lines(
            export / "opened.jsonl",
            lambda lines: [line for line in lines if place.ids["revocation"] not in line],
        )
    resign(export, place.keys)
    found = place.both(export)
    assert "event_hidden" in found.codes
    assert found.status == 1


def test_all_records_of_a_number_are_shown_whichever_was_asked_for(
    honest: Place, honest_export: Path
) -> None:
    shown = (honest_export / "chain.jsonl").read_text()
    for name in ("first", "second", "revocation"):
        assert honest.ids[name] in shown
    for name in ("other", "declined"):
        assert honest.ids[name] not in shown


def test_hidden_events_tell_nothing_of_others(honest: Place, honest_export: Path) -> None:
    """Two hidden events of one person have no tag in common, and no id or number is there."""
    tags = []
    for line in (honest_export / "chain.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if isinstance(entry, list) and isinstance(entry[1], str):
            tags += entry[0]
    assert len(tags) == len(set(tags)) > 4
    assert shop.OTHER not in (honest_export / "opened.jsonl").read_text()
    assert honest.both(honest_export).status == 0


def test_the_newest_events_cannot_be_cut_off(place: Place, export: Path) -> None:
    edit_lines(export / "chain.jsonl", lambda lines: lines[:-3])
    resign(export, place.keys)
    assert "completeness" in place.both(export).failing


def test_an_export_cut_at_an_earlier_checkpoint_says_as_of_when(
    place: Place, export: Path, tmp_path: Path
) -> None:
    """It is a true export of an earlier time: nothing in it says what came later."""
    older = shutil.copytree(export, tmp_path / "older")
    kept = [
        Checkpoint.parse(each) for each in (older / "checkpoints.jsonl").read_text().splitlines()
    ]
    place.elsewhere = kept
    last = kept[1].seq
    first = json.loads((older / "chain.jsonl").read_text().splitlines()[0])["seq"]
    edit_lines(older / "chain.jsonl", lambda lines: lines[: 1 + last - first])
    edit_lines(older / "checkpoints.jsonl", lambda lines: lines[:2])
    edit_lines(
        older / "opened.jsonl", lambda lines: [each for each in lines if place.ids["first"] in each]
    )
    resign(older, place.keys)
    report, _ = verify_export(older, kept, {place.keys.ledger_id})
    assert "newer" in " ".join(report.notes)
    assert f"as of {kept[1].at}" in report.completeness.text


def test_the_oldest_events_cannot_be_left_out(place: Place, export: Path) -> None:
    def change(lines: list[str]) -> list[str]:
        start = json.loads(lines[0])
        return [canonical({**start, "seq": start["seq"] + 2, "hash": "ab" * 32}), *lines[3:]]

    edit_lines(export / "chain.jsonl", change)
    resign(export, place.keys)
    assert "completeness" in place.both(export).failing


@pytest.mark.parametrize("name", ["index.html", "certificate.html", "VERIFY.txt", "check.py"])
def test_a_page_that_lies_is_found_although_the_business_signed_it(
    place: Place, export: Path, name: str
) -> None:
    page = export / name
    page.write_text(page.read_text().replace("e", "a", 1))
    resign(export, place.keys)
    found = place.both(export)
    assert found.codes == {"page_differs"}
    assert found.status == 1


def test_a_page_that_is_added_or_missing_is_found(place: Place, export: Path) -> None:
    (export / "certificate.html").unlink()
    (export / "records").mkdir(exist_ok=True)
    (export / "records" / f"{uuid.uuid4()}.html").write_text("<p>all agreed</p>")
    resign(export, place.keys)
    assert place.both(export).codes == {"page_missing", "page_added"}


def test_pages_of_another_version_are_not_judged(place: Place, export: Path) -> None:
    manifest = json.loads((export / "manifest.json").read_text())
    put_manifest(export, {**manifest, "pages": "0" * 16})
    resign(export, place.keys)
    found = place.both(export)
    assert (found.values["integrity"], found.status) == ("trusting", 3)


def test_zone_offsets_that_lie_are_not_taken(place: Place, export: Path) -> None:
    manifest = json.loads((export / "manifest.json").read_text())
    for runs in manifest["zones"].values():
        for run in runs:
            run[1] += 60
    put_manifest(export, manifest)
    resign(export, place.keys)
    found = place.both(export)
    assert found.codes == {"page_differs"}
    assert found.status == 1


def test_without_a_key_the_verdict_depends_on_the_exports_key(place: Place, export: Path) -> None:
    found = place.both(export, key=False)
    assert (found.values["anchored"], found.status) == ("trusting", 3)


def test_an_export_of_another_key_fails_where_the_key_is_named(place: Place, export: Path) -> None:
    place.keys = replace(place.keys, signing=generate_keys().signing)
    found = place.both(export)
    assert (found.failing, found.status) == ({"anchored"}, 1)


def test_each_file_of_an_outsiders_forgery_is_found(place: Place, export: Path) -> None:
    for path in sorted(each for each in export.rglob("*") if each.is_file()):
        before = path.read_bytes()
        path.write_bytes(before[:-2] + bytes([before[-2] ^ 1]) + before[-1:])
        if path.name in {"signer.pem", "SHA256SUMS.sig"}:
            assert check(export).status == 1
        else:
            assert place.both(export).status == 1, path
        path.write_bytes(before)
    assert place.both(export).status == 0


async def _second_bridge(place: Place) -> str:
    """Another bridge on the same database takes the last revocation; returns its id."""
    assert place.other_keys is not None
    async with await Ledger.open(place.database, place.other_keys) as other:
        revocation = await shop.revoked(other)
        await other.checkpoint()
    async with await Ledger.open(place.database, place.keys) as ledger:
        await shop.accepted(ledger, "+14155550105")
        await ledger.checkpoint()
    return revocation


@pytest.fixture
def shared(honest: Place, tmp_path: Path) -> Place:
    """Two bridges on one database, both with their chains."""
    place = honest.copy(tmp_path / "state")
    place.other_keys = replace(place.keys, signing=generate_keys().signing)
    place.ids["late"] = asyncio.run(_second_bridge(place))
    return place


def test_two_bridges_hold_and_a_chain_of_one_cannot_be_left_out(
    shared: Place, tmp_path: Path
) -> None:
    assert shared.other_keys is not None
    assert shared.verify().failing == set()
    out = shared.export(tmp_path / "out", shared.ids["second"])
    assert shared.both(out).failing == set()
    assert shared.ids["late"] in (out / "chain.jsonl").read_text()
    name = shared.other_keys.ledger_id

    def drop(lines: list[str]) -> list[str]:
        kept, keeping = [], True
        for line in lines:
            entry = json.loads(line)
            if isinstance(entry, dict):
                keeping = entry["ledger_id"] != name
            if keeping:
                kept.append(line)
        return kept

    edit_lines(out / "chain.jsonl", drop)
    edit_lines(
        out / "checkpoints.jsonl",
        lambda lines: [each for each in lines if json.loads(each)["ledger_id"] != name],
    )
    edit_lines(
        out / "opened.jsonl",
        lambda lines: [each for each in lines if shared.ids["late"] not in each],
    )
    resign(out, shared.keys)
    found = shared.both(out)
    assert "chain_missing" in found.codes
    assert found.status == 1


def test_a_chain_that_follows_another_names_its_true_head(shared: Place, tmp_path: Path) -> None:
    """The owner begins a second chain and claims another past of the first one."""
    assert shared.other_keys is not None
    first, second = shared.keys, shared.other_keys
    [(seq, hash_)] = shared.sql(
        "SELECT seq, json_extract(line, '$.hash') FROM checkpoint WHERE ledger_id = ?"
        " ORDER BY seq LIMIT 1",
        first.ledger_id,
    )
    signature = base64.b64encode(first.signing.sign(b"something else")).decode()
    claims = {
        "previous_wrong": ([first.ledger_id, seq, "ab" * 32], None),
        "previous_forged": ([first.ledger_id, seq, hash_], signature),
    }
    for code, (previous, signed) in claims.items():
        copy = shared.copy(tmp_path / code)
        copy.keys, copy.other_keys, copy.elsewhere = second, first, []

        def change(
            bodies: list[dict[str, Any]],
            previous: list[Any] = previous,
            signed: str | None = signed,
        ) -> None:
            bodies[0]["previous"] = previous
            if signed is not None:
                bodies[0]["previous_signature"] = signed

        copy.forge(change)
        found = copy.verify()
        assert code in found.codes
        assert found.status == 1
        out = copy.export(tmp_path / f"{code}-out")
        assert "integrity" in copy.both(out).failing


def test_the_check_is_short_enough_to_be_read() -> None:
    text = CHECK.read_text()
    assert len(text.splitlines()) < 1200
    imported = {
        line.split()[1] for line in text.splitlines() if line.startswith(("import ", "from "))
    }
    assert imported <= {
        "argparse", "base64", "bisect", "hashlib", "json", "re", "sqlite3", "subprocess", "sys",
        "tempfile", "unicodedata", "wave", "datetime", "itertools", "math", "pathlib", "zoneinfo",
    }  # fmt: skip


@pytest.fixture
def retired(shared: Place) -> Place:
    """The second bridge stops for good, with a last revocation that its key never signed."""

    async def last() -> str:
        assert shared.other_keys is not None
        async with await Ledger.open(shared.database, shared.other_keys) as other:
            return await shop.revoked(other, brand="Another Store")

    shared.ids["last"] = asyncio.run(last())
    return shared


def test_a_chain_is_not_signed_again_because_others_have_grown(retired: Place) -> None:
    """A second checkpoint of one event is how an owner would move its time or its heads."""
    before = retired.sql("SELECT line FROM checkpoint")
    assert retired.use(lambda ledger: ledger.checkpoint()) is None
    assert retired.sql("SELECT line FROM checkpoint") == before


def test_what_a_bridge_that_is_gone_never_signed_is_anchored_by_the_next_event_of_another(
    retired: Place, tmp_path: Path
) -> None:
    early = retired.both(retired.export(tmp_path / "early", retired.ids["second"]))
    assert (early.failing, early.values["anchored"]) == (set(), "pending")

    async def recorded(ledger: Ledger) -> None:  # as `consents export` does before it signs
        await ledger.record_act(Act.EXPORTED, retired.ids["second"], actor="me")
        assert await ledger.checkpoint() is not None

    retired.use(recorded)
    out = retired.export(tmp_path / "out", retired.ids["second"])
    assert retired.both(out).values["anchored"] == "holds"

    def cut(lines: list[str]) -> list[str]:
        [last] = [
            n
            for n, line in enumerate(lines)
            if '"revocation"' in line and retired.ids["last"] in line
        ]
        return [
            *lines[:last],
            *(line for line in lines[last + 1 :] if retired.ids["last"] not in line),
        ]

    edit_lines(out / "chain.jsonl", cut)
    edit_lines(
        out / "opened.jsonl",
        lambda lines: [each for each in lines if retired.ids["last"] not in each],
    )
    resign(out, retired.keys)
    found = retired.both(out)
    assert "chain_cut_off" in found.codes
    assert found.status == 1
