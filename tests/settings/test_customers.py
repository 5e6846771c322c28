"""The file of customers, as spreadsheets, exports and people write it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi_bridge.settings import read_customers

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = "+14155550123", "+14155550124"
ROWS = f"customer_id,number,name\r\nc1,{FIRST},Zo\u00eb\r\nc2,(415) 555-0124,\u00c9va\r\n"
BOTH = {"c1": (FIRST,), "c2": (SECOND,)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "customers.csv"


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"],
)
def test_it_is_read_in_the_encodings_that_programs_write(file: Path, encoding: str) -> None:
    file.write_bytes(ROWS.encode(encoding))
    assert read_customers(file, region="US").numbers == BOTH


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_it_is_read_with_any_usual_delimiter(file: Path, delimiter: str) -> None:
    file.write_text(ROWS.replace(",", delimiter), encoding="utf-8")
    assert read_customers(file, region="US").numbers == BOTH


@pytest.mark.parametrize(
    "text",
    [
        f"sep=;\ncustomer_id;number\nc1;{FIRST}\nc2;{SECOND}\n",
        f'"customer_id","number"\n"c1","{FIRST}"\n"c2","{SECOND}"\n',
        f'customer_id,number\nc1,="{FIRST}"\nc2,\'{SECOND}\n',
        f"Customer_ID , NUMBER\n c1 , {FIRST} \n c2 , {SECOND} \n",
        f"customer_id,number\rc1,{FIRST}\rc2,{SECOND}\r",
        f"customer_id,number\n\nc1,{FIRST}\n,\nc1,{FIRST}\nc2,{SECOND}",
        f'note,customer_id,number\n"two\nlines, and a comma",c1,{FIRST}\nx,c2,{SECOND}\n',
    ],
)
def test_what_spreadsheets_make_of_it_is_read(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="")
    read = read_customers(file, region="US")
    assert (read.numbers, read.faults) == (BOTH, ())


@pytest.mark.parametrize(
    ("rows", "faults"),
    [
        ("c3,4.15555E+09", ("line 3: number is not a telephone number",)),
        ("c3", ("line 3: number is not a telephone number",)),
        ("c3,+14155550125 or +14155550126", ("line 3: number is not a telephone number",)),
        (",+14155550125", ("line 3: customer_id is empty",)),
        (
            'c3,"+14155550125',
            ("line 3: is damaged (a quotation mark that is not closed?)",),
        ),
        (
            'c3,"+1415"5550125"\nc4,',
            (
                "line 3: is damaged (a quotation mark that is not closed?)",
                "line 4: number is not a telephone number",
            ),
        ),
        (
            'c3,"' + "x" * 200_000,
            ("line 3: is damaged (a quotation mark that is not closed?)",),
        ),
    ],
)
def test_damaged_rows_are_named_by_their_line_and_the_others_are_read(
    file: Path, rows: str, faults: tuple[str, ...]
) -> None:
    text = f"customer_id,number\nc1,{FIRST}\n{rows}\nc2,{SECOND}\n"
    file.write_text(text, encoding="utf-8")
    read = read_customers(file, region="US")
    assert (read.numbers, read.faults) == (BOTH, faults)
    assert "5550125" not in str(read.faults)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"customer,number\nc,+14155550123\n", "line 1: has no column customer_id"),
        (b"", "line 1: has no column customer_id and no column number"),
        (b"customer_id,number,number\nc,1,2\n", "line 1: names the column number twice"),
        (b"PK\x03\x04\x00\x00\x81", "is not text: save it as UTF-8"),
        (
            b"customer_id,number\n" + b'c,"1"2\n' * 1002,
            "is damaged in more than 1000 rows: export it again",
        ),
        (b"\xff\xfe\x00\xd8c", "is not text: save it as UTF-8"),
    ],
)
def test_another_file_is_refused_by_name(file: Path, content: bytes, problem: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$"):
        read_customers(file, region="US")


@given(st.binary(max_size=300))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "any.csv"
    for head in (b"", b"customer_id,number\n"):
        file.write_bytes(head + raw)
        with suppress(ValueError):
            assert all(
                number.startswith("+")
                for numbers in read_customers(file, region="US").numbers.values()
                for number in numbers
            )


def test_a_pipe_is_not_a_file_of_customers(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is not a file"):
        read_customers(tmp_path / "pipe", region="US")
