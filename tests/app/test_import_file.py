"""Files of consents from elsewhere: what is taken, and what is refused by line and field."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from agi_bridge.app import import_file
from agi_bridge.app.import_file import FIELDS, read_import
from agi_bridge.consent import MAX_EVIDENCE_BYTES
from tests.support.call_env import line

if TYPE_CHECKING:
    from pathlib import Path

    from agi_bridge.app.import_file import ImportFile

NOW = datetime(2026, 11, 26, 20, tzinfo=UTC)
NUMBER = "+14155550123"
GOOD = {
    "number": NUMBER, "brand": "Example Store", "purpose": "info",
    "given": "2026-03-01T09:30:00-05:00", "method": "paper", "source": "shop in Oakland",
    "evidence": "form.pdf",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "form.pdf").write_bytes(b"signed")
    return tmp_path


def read(folder: Path, *rows: object, shared: tuple[Path, ...] = ()) -> ImportFile:
    path = folder / "consents.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return read_import(path, {"shop": line()}, shared, NOW)


def test_a_good_row_is_taken_with_its_evidence(folder: Path) -> None:
    [consent] = read(folder, GOOD).consents
    assert (consent.number, consent.brand, consent.purpose) == (NUMBER, "Example Store", "info")
    assert consent.given == "2026-03-01T14:30:00.000Z"
    assert [each.content for each in consent.evidence] == [b"signed"]
    assert consent.reference is None
    assert NUMBER not in repr(consent)


def test_a_spreadsheet_is_read_as_spreadsheets_write_it(folder: Path) -> None:
    path = folder / "consents.csv"
    rows = [",".join(FIELDS), ",".join([*(GOOD[name] for name in FIELDS[:-1]), "42"])]
    path.write_bytes("\r\n".join(rows).encode("utf-8-sig"))
    read_ = read_import(path, {"shop": line()}, (), NOW)
    assert read_.faults == ()
    assert [each.reference for each in read_.consents] == ["42"]


def test_one_file_may_show_all_rows(folder: Path) -> None:
    row = {name: value for name, value in GOOD.items() if name != "evidence"}
    [consent] = read(folder, row, shared=(folder / "form.pdf",)).consents
    assert [each.name for each in consent.evidence] == ["form.pdf"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"number": "4155"}, "number"),
        ({"number": 14155550123}, "number"),
        ({"brand": "Somebody else"}, "brand"),
        ({"purpose": "spam"}, "purpose"),
        ({"method": "ivr_dtmf"}, "method"),
        ({"method": None}, "method"),
        ({"given": "2026-03-01"}, "given"),
        ({"given": "2026-03-01T09:30:00"}, "given"),
        ({"given": "2027-03-01T09:30:00Z"}, "given"),
        ({"given": "1970-01-01T00:00:00Z"}, "given"),
        ({"given": "yesterday"}, "given"),
        ({"source": ""}, "source"),
        ({"source": "call of +1 415 555 0123"}, "source"),
        ({"source": "x" * 201}, "source"),
        ({"reference": "a\nb"}, "reference"),
        ({"evidence": ""}, "evidence"),
        ({"evidence": "missing.pdf"}, "evidence"),
        ({"evidence": "../consents.jsonl"}, "evidence"),
        ({"evidence": "/etc/passwd"}, "evidence"),
        ({"evidence": ["form.pdf", 7]}, "evidence"),
        ({"evidence": "."}, "evidence"),
        ({"dialogue": []}, "dialogue"),
        ({"disclosure": "You agree"}, "disclosure"),
        ({"line": "shop"}, "line"),
        ({NUMBER: "x"}, "(a field)"),
    ],
)
def test_a_bad_row_is_named_by_its_line_and_field(
    folder: Path, changed: dict[str, object], field: str
) -> None:
    read_ = read(folder, GOOD, {**GOOD, **changed})
    assert len(read_.consents) == 1
    [fault] = read_.faults
    assert (fault.line, fault.field) == (2, field)
    assert NUMBER[2:] not in str(fault)
    assert "\n" not in str(fault)


def test_a_row_that_is_not_an_object_is_a_bad_one(folder: Path) -> None:
    path = folder / "consents.jsonl"
    path.write_text('[1]\n{"number": \n\n', encoding="utf-8")
    faults = read_import(path, {"shop": line()}, (), NOW).faults
    assert [fault.line for fault in faults] == [1, 2]


def test_evidence_has_a_limit(folder: Path) -> None:
    (folder / "long.bin").write_bytes(bytes(MAX_EVIDENCE_BYTES))
    assert read(folder, {**GOOD, "evidence": "long.bin"}).faults == ()
    [fault] = read(folder, {**GOOD, "evidence": "long.bin;form.pdf"}).faults
    assert fault.field == "evidence"


def test_a_file_or_evidence_that_would_fill_the_memory_is_imported_in_parts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_file, "MAX_EVIDENCE_IN_ALL", 10)
    (folder / "other.pdf").write_bytes(b"signed")
    assert read(folder, GOOD, GOOD).faults == (), "one file for two rows is read once"
    with pytest.raises(ValueError, match="in parts"):
        read(folder, GOOD, {**GOOD, "evidence": "other.pdf"})
    huge = folder / "huge.csv"
    with huge.open("wb") as file:
        file.truncate(100 << 20)  # sparse
    with pytest.raises(ValueError, match="in parts"):
        read_import(huge, {"shop": line()}, (), NOW)


@pytest.mark.parametrize("row", [{"call": "PJSIP/1"}, {"keys": "1"}, {"disclosure": "You agree"}])
def test_no_row_can_have_what_a_call_has(folder: Path, row: dict[str, str]) -> None:
    [fault] = read(folder, {**GOOD, **row}).faults
    assert fault.field in row


def test_a_link_out_of_the_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link.pdf").symlink_to(folder / "form.pdf")
    [fault] = read(inner, {**GOOD, "evidence": "link.pdf"}).faults
    assert fault.field == "evidence"


@pytest.mark.parametrize("source", ["CRM export 2025-03-01", "forms, 31.12.2025", "dump_20250301"])
def test_a_source_may_name_a_day(folder: Path, source: str) -> None:
    result = read(folder, {**GOOD, "source": source})
    assert [each.source for each in result.consents] == [source]


def test_a_table_without_names_is_not_an_import(folder: Path) -> None:
    path = folder / "consents.csv"
    path.write_text(f"{NUMBER},Example Store\n", encoding="utf-8")
    with pytest.raises(ValueError, match="first row"):
        read_import(path, {"shop": line()}, (), NOW)


@pytest.mark.parametrize("cell", ["CRM, export", "x" * 140_000])
def test_a_cell_too_many_or_too_long_is_a_bad_row(folder: Path, cell: str) -> None:
    path = folder / "consents.csv"
    path.write_text(f"{','.join(GOOD)}\n{','.join(map(str, GOOD.values()))},{cell}\n")
    [fault] = read_import(path, {"shop": line()}, (), NOW).faults
    assert fault.line == 2


def test_a_line_separator_in_a_string_ends_no_row(folder: Path) -> None:
    path = folder / "consents.jsonl"
    row = json.dumps({**GOOD, "source": "a\u2028b"}, ensure_ascii=False)
    path.write_text(row, encoding="utf-8")
    [fault] = read_import(path, {"shop": line()}, (), NOW).faults
    assert (fault.line, fault.field) == (1, "source")


def test_a_column_or_a_field_that_is_there_twice_is_not_guessed(folder: Path) -> None:
    path = folder / "consents.csv"
    path.write_text(f"{','.join(GOOD)},number\n", encoding="utf-8")
    with pytest.raises(ValueError, match="twice"):
        read_import(path, {"shop": line()}, (), NOW)
    path = folder / "consents.jsonl"
    path.write_text(json.dumps(GOOD)[:-1] + ', "number": "+14155550124"}', encoding="utf-8")
    read_ = read_import(path, {"shop": line()}, (), NOW)
    assert (read_.consents, [fault.line for fault in read_.faults]) == ((), [1])


@pytest.mark.parametrize("name", ["x" * 300, "a\0b", "\ud800"])
def test_a_name_of_evidence_that_no_file_can_have_is_a_bad_row(folder: Path, name: str) -> None:
    [fault] = read(folder, {**GOOD, "evidence": name}).faults
    assert fault.field == "evidence"
