"""`consents import`: previews, refuses whole files, and marks what it takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.sample_ledger import SampleLedger

NUMBER = "+14155550188"
HEADER = "number,brand,purpose,given,method,source,evidence,reference\n"
GOOD = f"{NUMBER},Example Store,info,2026-03-01T09:30:00Z,web_form,CRM,form.txt,4711\n"
BAD = "4155,Example Store,info,2026-03-01T09:30:00Z,web_form,CRM,form.txt,4712\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "form.txt").write_text("I agree", encoding="utf-8")
    path = tmp_path / "consents.csv"
    path.write_text(HEADER + GOOD, encoding="utf-8")
    return path


def test_a_preview_says_what_would_be_imported(sample: SampleLedger, file: Path) -> None:
    result = sample.shell("import", file, "--dry-run", "--json")
    assert result.status == 0
    assert (result.json["dry_run"], result.json["imported"]) == (True, 1)
    assert sample.shell("list", "--number", NUMBER, "--json").json == []


def test_an_import_is_marked_in_lists_and_shown_with_its_evidence(
    sample: SampleLedger, file: Path
) -> None:
    result = sample.shell("import", file, "--json")
    assert result.status == 0, result
    [id_] = result.json["records"]
    [listed] = sample.shell("list", "--number", NUMBER, "--json").json
    assert (listed["consent_id"], listed["kind"]) == (id_, "imported")
    shown = sample.shell("show", id_, "--json").json
    assert shown["kind"] == "imported"
    assert shown["given_at"] is None  # nobody gave it in a call
    assert (shown["act"], shown["dialogue"], shown["disclosure"]) == ("", [], None)
    revealed = sample.shell("show", id_, "--reveal", "--json").json["personal"]
    assert revealed["number"] == NUMBER
    assert revealed["evidence"].startswith("form.txt, 7 bytes, SHA-256 ")
    taken = file.parent / "taken"
    assert sample.shell("show", id_, "--evidence", taken).status == 0
    assert (taken / "1-form.txt").read_text(encoding="utf-8") == "I agree"
    assert sample.shell("show", id_, "--evidence", taken).status == 2  # it is there already
    assert sample.shell("show", sample.revoked, "--evidence", file.parent / "new").status == 2
    assert "revealed" in sample.types(id_)
    again = sample.shell("import", file, "--json")
    assert (again.json["imported"], again.json["already"]) == (0, 1)


def test_a_row_that_imitates_a_call_stays_an_import(sample: SampleLedger, file: Path) -> None:
    accepted = sample.other
    (file.parent / "disclosure-en.wav").write_bytes(b"RIFF")  # as a call's recording is named
    (file.parent / f"{accepted}.json").write_text('{"type": "confirmed"}', encoding="utf-8")
    row = f"{NUMBER},Example Store,info,2026-03-01T09:30:00Z,agent,agi-bridge,"
    row += f"disclosure-en.wav;{accepted}.json,{accepted}\n"
    file.write_text(HEADER + row + row, encoding="utf-8")
    result = sample.shell("import", file, "--json")
    assert (result.status, result.json["imported"], result.json["already"]) == (0, 1, 1)
    [id_] = set(result.json["records"])
    assert id_ != accepted
    shown = sample.shell("show", id_, "--json").json
    assert (shown["kind"], shown["given_at"], shown["dialogue"]) == ("imported", None, [])
    assert sample.types(id_) == ["imported"]
    assert "imported" not in sample.types(accepted)


def test_a_formula_is_text_and_a_revoked_number_stays_revoked(
    sample: SampleLedger, file: Path
) -> None:
    formula = "=HYPERLINK(1)"
    file.write_text(HEADER + GOOD.replace("CRM", formula), encoding="utf-8")
    assert sample.shell("revoke", "--number", NUMBER, "--words", "no").status == 0
    result = sample.shell("import", file, "--json")
    assert result.json["imported"] == 1
    [id_] = result.json["records"]
    shown = sample.shell("show", id_, "--json").json
    assert shown["events"][0]["facts"]["source"] == formula
    [listed] = sample.shell("list", "--number", NUMBER, "--line", "shop", "--json").json or [None]
    assert listed is None or listed["state"] != "accepted"


def test_bad_rows_are_named_and_nothing_is_stored(sample: SampleLedger, file: Path) -> None:
    file.write_text(HEADER + GOOD + BAD, encoding="utf-8")
    result = sample.shell("import", file, "--json")
    assert result.status == 1
    assert [(row["line"], row["field"]) for row in result.json["bad_rows"]] == [(3, "number")]
    assert result.json["imported"] == 0
    assert sample.shell("list", "--number", NUMBER, "--json").json == []
    text = sample.shell("import", file)
    assert "line 3: number" in text.out
    assert "4155," not in text.out
    taken = sample.shell("import", file, "--skip-bad", "--json")
    assert (taken.status, taken.json["imported"]) == (0, 1)


def test_a_file_that_is_none_is_one_clear_line(sample: SampleLedger, tmp_path: Path) -> None:
    for content in ("", "a,b\n1,2\n"):
        (tmp_path / "x.csv").write_text(content, encoding="utf-8")
        result = sample.shell("import", tmp_path / "x.csv")
        assert result.status == 2
        assert result.err.count("\n") == 1
    assert sample.shell("import", tmp_path / "missing.csv").status == 2


def test_an_erasure_reaches_what_was_imported(sample: SampleLedger, file: Path) -> None:
    [id_] = sample.shell("import", file, "--json").json["records"]
    assert sample.shell("erase", "--number", NUMBER, "--basis", "request", "--yes").status == 0
    shown = sample.shell("show", id_, "--reveal", "--json").json
    assert (shown["erased"], shown["personal"]) == (True, {})


def test_an_export_shows_an_import_for_what_it_is(
    sample: SampleLedger, file: Path, tmp_path: Path
) -> None:
    [id_] = sample.shell("import", file, "--json").json["records"]
    sample.shell("checkpoint")
    out = tmp_path / "proof"
    assert sample.shell("export", "--consent", id_, "--out", out).status == 0
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "Consent given elsewhere, imported" in page
    assert "Consent given</th>" not in page
    assert "form.txt" in page
    assert id_ not in (out / "certificate.html").read_text(encoding="utf-8")
    verdict = sample.shell("verify", out, "--json")
    assert verdict.status == 3, verdict  # nothing is wrong, and no authority stamps it
    opened = [json.loads(row) for row in (out / "opened.jsonl").read_text().splitlines()]
    assert {row["consent_id"] for row in opened} == {id_}
