"""Attacks on the files of an export: added ones, other spellings, salts, chains and stamps."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agi_bridge.consent import canonical
from agi_bridge.consent.ledger import Ledger
from agi_bridge.consent.signing import Checkpoint, Keys, generate_keys, sign
from agi_bridge.evidence import BadExport
from agi_bridge.evidence.export import verify_export
from agi_bridge.evidence.export.archive import SIGNATURE, SUMS
from tests.support import evidence_ledger as shop
from tests.support.forgery import (
    CHECK,
    Place,
    check,
    drop_stamps,
    edit_lines,
    forge_export,
    judgement,
    render_again,
    resign,
)
from tests.support.timestamp_authority import Authority, make_authority, serving

if TYPE_CHECKING:
    from collections.abc import Callable


ODD = b"Example Store: \xff reply STOP"
"""Bytes that are not UTF-8."""


def hide(export: Path, record: str) -> None:
    """Hand a record's events over as hashes only, and its values not at all."""

    def line(text: str) -> str:
        entry = json.loads(text)
        if isinstance(entry, dict) or isinstance(entry[1], str):
            return text
        if entry[1]["consent_id"] != record:
            return text
        digest = hashlib.sha256(canonical(entry[1]).encode()).hexdigest()
        return f'[{canonical(entry[0])},"{digest}"]'

    edit_lines(export / "chain.jsonl", lambda lines: [*map(line, lines)])
    edit_lines(
        export / "opened.jsonl",
        lambda lines: [each for each in lines if json.loads(each)["consent_id"] != record],
    )


def edit_values(export: Path, change: Callable[[dict[str, str]], Any]) -> None:
    """Change what is opened of every record."""

    def line(text: str) -> str:
        values = json.loads(text)
        change(values)
        return canonical(values)

    edit_lines(export / "opened.jsonl", lambda lines: [*map(line, lines)])


@pytest.mark.parametrize("salt", ["missing", "of somebody else"])
def test_a_record_cannot_hide_behind_a_missing_salt(
    place: Place, tmp_path: Path, salt: str
) -> None:
    revocation = place.use(lambda ledger: shop.revoked(ledger, brand="Another Store"))
    place.use(lambda ledger: ledger.checkpoint())
    export = place.export(tmp_path / "out", place.ids["second"])
    assert place.both(export).failing == set()
    hide(export, revocation)
    if salt == "missing":
        edit_values(export, lambda values: values.pop("person_salt"))
    else:
        edit_values(export, lambda values: values.update(person_salt="ab" * 32))
    render_again(export, place.keys)
    found = place.both(export)
    assert {"person_salt_missing", "person_tag_wrong"} & found.codes
    assert found.status == 1


@pytest.mark.parametrize("spelling", [str.upper, lambda salt: f"{salt[:8]} {salt[8:]}"])
@pytest.mark.parametrize("name", ["salt", "person_salt"])
def test_a_salt_has_one_spelling(
    place: Place, export: Path, name: str, spelling: Callable[[str], str]
) -> None:
    edit_values(export, lambda values: values.update({name: spelling(values[name])}))
    resign(export, place.keys)
    assert place.both(export).status == 1


@pytest.mark.parametrize("name", ["number", "consent_id"])
def test_values_that_are_no_text_are_a_verdict(place: Place, export: Path, name: str) -> None:
    edit_values(export, lambda values: values.update({name: "\ud800"}))
    resign(export, place.keys)
    assert place.both(export).status == 1


ADDED = {
    "summary.html": "<h1>All consents were given in writing</h1>",
    f"texts/{'ab' * 32}.txt": "I agree to everything.",
    f"records/{'x' * 8}.html": "<p>agreed</p>",
    "Index.html": "<p>on some systems this is index.html</p>",
}


@pytest.mark.parametrize("name", ADDED)
def test_no_file_can_be_added_although_the_business_signs_it(
    place: Place, export: Path, name: str
) -> None:
    (export / name).parent.mkdir(exist_ok=True)
    (export / name).write_text(ADDED[name])
    resign(export, place.keys)
    found = place.both(export)
    assert found.codes & {"file_unknown", "file_unnamed"}
    assert found.status == 1


def twice(text: str) -> str:
    """A field twice: which value counts depends on the reader."""
    return text.replace('"number":', '"number":"+19995550000","number":', 1)


LINES: dict[str, Callable[[str], str]] = {
    "opened.jsonl": twice,
    "checkpoints.jsonl": lambda text: "Stamped by the court: " + text,
    "chain.jsonl": lambda text: text.replace('"seq":1}', '"seq":0,"seq":1}', 1),
    "manifest.json": lambda text: text.replace("{", '{\n "certified": "yes",', 1),
}


@pytest.mark.parametrize("name", LINES)
def test_lines_have_one_spelling(place: Place, export: Path, name: str) -> None:
    text = (export / name).read_text()
    (export / name).write_text(LINES[name](text))
    assert (export / name).read_text() != text
    resign(export, place.keys)
    found = place.both(export)
    assert "export_malformed" in found.codes
    assert found.status == 1


def test_a_text_does_not_pass_under_the_sum_of_a_recording(place: Place, export: Path) -> None:
    sum_ = next(iter((export / "audio").iterdir())).stem
    (export / "texts" / f"{sum_}.txt").write_text("The caller agreed to everything.")
    resign(export, place.keys)
    assert "file_unnamed" in place.both(export).codes


def test_bytes_that_are_no_text_are_judged_alike(place: Place, export: Path) -> None:
    """Both judges hash a file as it is."""
    (export / "texts" / f"{hashlib.sha256(ODD).hexdigest()}.txt").write_bytes(ODD)
    old = hashlib.sha256(shop.FIRST_TEXT.encode()).hexdigest()
    (export / "texts" / f"{old}.txt").unlink()

    def change(body: dict[str, Any]) -> None:
        if body["type"] == "submitting":
            body["first_text_sha256"] = hashlib.sha256(ODD).hexdigest()

    forge_export(export, place.keys, change)
    render_again(export, place.keys)
    found = place.both(export)
    assert not {"text_changed", "text_missing"} & found.codes
    assert "integrity" not in found.failing


def test_a_recording_is_as_long_as_what_is_there(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header promises seconds, and one millisecond follows it."""
    real = {name: shop.recording(name) for name in shop.TEXTS}

    def cut(name: str) -> bytes:
        return real[name][:44] + name.encode().ljust(16)

    monkeypatch.setattr(shop, "recording", cut)
    monkeypatch.setattr(shop, "prompt", shop.prompt.__wrapped__)

    async def call(ledger: Ledger) -> str:
        await shop.begin(ledger)
        record = await shop.accepted(ledger, "+14155550171")
        await ledger.checkpoint()
        return record

    record = place.use(call)
    for found in (place.verify(), place.both(place.export(tmp_path / "x", record))):
        assert "recording_length" in found.codes
        assert found.status == 1


@pytest.mark.parametrize("tags", ['[["a"]]', '[{"a":1}]', "[null,null]", '["a",1]'])
def test_tags_that_are_none_are_a_fault(place: Place, export: Path, tags: str) -> None:
    def change(lines: list[str]) -> list[str]:
        at = next(n for n, line in enumerate(lines) if '"confirmed"' in line)
        lines[at] = f"[{tags},{canonical(json.loads(lines[at])[1])}]"
        return lines

    edit_lines(export / "chain.jsonl", change)
    resign(export, place.keys)
    found = place.both(export)
    assert "tags_invalid" in found.codes
    assert found.status == 1


def test_a_manifest_cannot_be_left_out(place: Place, export: Path) -> None:
    (export / "manifest.json").unlink()
    resign(export, place.keys)
    assert place.both(export).status == 1


def test_a_file_cannot_have_two_sums(place: Place, export: Path) -> None:
    sums = f"{'0' * 64}  chain.jsonl\n{(export / SUMS).read_text()}"
    (export / SUMS).write_text(sums)
    (export / SIGNATURE).write_bytes(place.keys.signing.sign(sums.encode()))
    assert "sums_malformed" in place.both(export).codes


def test_the_signers_file_holds_the_key_and_nothing_else(place: Place, export: Path) -> None:
    resign(export, place.keys)
    pem = export / "signer.pem"
    pem.write_text("The key of the Court of Chancery\n" + pem.read_text())
    with pytest.raises(BadExport):
        verify_export(export)
    assert check(export).status == 1


def test_what_systems_leave_is_named_and_a_top_folder_entered(place: Place, export: Path) -> None:
    (export / "__MACOSX").mkdir()
    (export / "__MACOSX" / "index.html").write_text("<p>agreed</p>")
    outer = export.parent / "outer"
    outer.mkdir()
    export.rename(outer / "proof")
    assert place.both(outer).status == 0
    assert "__MACOSX/index.html" in verify_export(outer)[0].notes[0]


# Chains and checkpoints


@pytest.fixture
def shared(place: Place, authority: Authority) -> Place:
    """A second bridge's chain has a revocation of the number for another brand."""
    place.other_keys = replace(place.keys, signing=generate_keys().signing)

    async def other() -> str:
        assert place.other_keys is not None
        async with await Ledger.open(place.database, place.other_keys) as ledger:
            revocation = await shop.revoked(ledger, brand="Another Store")
            await ledger.checkpoint()
        return revocation

    place.ids["other"] = place.use(lambda _: other())

    async def mine(ledger: Ledger) -> None:
        await shop.accepted(ledger, "+14155550105")
        place.elsewhere.append(await shop.stamped(ledger, authority.client()))

    place.use(mine)
    return place


def without(export: Path, chain: str, keys: Keys) -> None:
    """Leave a chain out, and sign the checkpoints again as if it had never been there."""
    kept, keeping = [], True
    for line in (export / "chain.jsonl").read_text().splitlines():
        entry = json.loads(line)
        keeping = entry["ledger_id"] != chain if isinstance(entry, dict) else keeping
        if keeping:
            kept.append(line)
    edit_lines(export / "chain.jsonl", lambda _: kept)
    old = [*map(Checkpoint.parse, (export / "checkpoints.jsonl").read_text().splitlines())]
    made = [
        sign(keys.signing, each.seq, each.hash, each.at).line
        for each in old
        if each.ledger_id != chain
    ]
    edit_lines(export / "checkpoints.jsonl", lambda _: made)
    drop_stamps(export, {hashlib.sha256(line.encode()).hexdigest() for line in made})


# A stamp of the newest checkpoint, or a copy of it, keeps the owner from signing it again.
@pytest.mark.parametrize("elsewhere", [True, False])
def test_another_bridges_chain_cannot_be_left_out_with_checkpoints_signed_again(
    shared: Place, tmp_path: Path, *, elsewhere: bool
) -> None:
    assert shared.other_keys is not None
    export = shared.export(tmp_path / "out", shared.ids["second"])
    assert shared.both(export, elsewhere=True).failing == set()
    without(export, shared.other_keys.ledger_id, shared.keys)
    edit_lines(
        export / "opened.jsonl",
        lambda lines: [line for line in lines if shared.ids["other"] not in line],
    )
    render_again(export, shared.keys)
    found = shared.both(export, elsewhere=elsewhere)
    assert ("witness_of_other" in found.codes) or elsewhere
    assert ({"checkpoints_differ", "chain_missing"} <= found.codes) == elsewhere
    assert found.status == 1


# Stamps


def test_a_stamp_of_something_else_has_no_place_in_an_export(
    place: Place, export: Path, authority: Authority
) -> None:
    stamp = authority.client().stamp("something else")
    (export / "stamps" / f"{stamp.sha256}.tsr").write_bytes(stamp.der)
    render_again(export, place.keys)
    found = place.both(export)
    assert "stamp_of_nothing" in found.codes
    assert found.status == 1


def test_a_stamp_of_another_authority_is_not_taken_beside_the_true_one(
    place: Place, export: Path, tmp_path: Path
) -> None:
    line = (export / "checkpoints.jsonl").read_text().splitlines()[-1]
    with serving(make_authority(tmp_path / "foreign")) as foreign:
        stamp = foreign.client(trusted=False).stamp(line)
    (export / "stamps" / f"{stamp.sha256}.tsr").write_bytes(stamp.der)
    render_again(export, place.keys)
    found = place.both(export)
    assert (found.values["time"], found.status) == ("trusting", 3)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("stamped_at", "2001-01-01T00:00:00.000Z", "stamp_time_wrong"),
        ("checkpoint_sha256", "0" * 64, "witness_of_other"),
    ],
)
def test_a_witness_says_what_its_stamp_and_checkpoint_say(
    place: Place, tmp_path: Path, name: str, value: str, code: str
) -> None:
    def change(bodies: list[dict[str, Any]]) -> None:
        newest = [body for body in bodies if body["type"] == "witnessed"][-1]
        newest[name] = value

    place.elsewhere = []
    place.forge(change, stamps=True)
    assert code in place.verify().codes
    found = place.both(place.export(tmp_path / "out"))
    assert code in found.codes
    assert found.status == 1


def test_a_checkpoint_of_another_form_is_none(place: Place, export: Path) -> None:
    def signed_again(line: str) -> str:
        facts = json.loads(line)
        del facts["signature"]
        facts["schema"] = 3.0
        text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
        signature = base64.b64encode(place.keys.signing.sign(text.encode())).decode()
        return json.dumps({**facts, "signature": signature}, sort_keys=True, separators=(",", ":"))

    edit_lines(export / "checkpoints.jsonl", lambda lines: [*map(signed_again, lines)])
    resign(export, place.keys)
    assert place.both(export).status == 1


def test_the_check_of_the_tests_is_the_one_that_is_shipped(export: Path) -> None:
    assert (export / "check.py").read_text() == CHECK.read_text()


@pytest.mark.parametrize("name", ["manifest.json", "signer.pem", "SHA256SUMS.sig", "chain.jsonl"])
def test_a_pipe_in_the_place_of_a_file_holds_up_neither_judge(
    honest_export: Path, tmp_path: Path, name: str
) -> None:
    out = Path(shutil.copytree(honest_export, tmp_path / "x"))
    (out / name).unlink()
    os.mkfifo(out / name)
    with suppress(BadExport):  # it may be refused whole
        assert judgement(verify_export(out)[0]).status == 1
    assert check(out).status == 1


def test_a_line_that_no_value_is_as_long_as_is_read_by_neither_judge(
    honest_export: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(honest_export, tmp_path / "x"))
    with (out / "opened.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"consent_id":"' + "x" * (1 << 22) + '"}\n')
    assert judgement(verify_export(out)[0]).status == 1
    assert check(out).status == 1
