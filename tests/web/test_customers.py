"""The file that says whose number a customer has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import structlog.testing

from agi_bridge.web.customers import Customers

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping
    from pathlib import Path

FIRST, SECOND = "+14155550123", "+14155550124"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "customers.csv"


@pytest.fixture
def customers(file: Path) -> Customers:
    return Customers(file, region="US")


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as entries:
        yield entries


def write(file: Path, text: str) -> None:
    """Put another file in its place, as an export should."""
    new = file.with_suffix(".new")
    new.write_text(text, encoding="utf-8")
    new.replace(file)


def test_customers_are_found_by_their_id(file: Path, customers: Customers) -> None:
    write(file, f"name,number,customer_id\nA,{FIRST}, c1 \nB,(415) 555-0124,c2\n\n")
    assert customers.numbers("c1") == (FIRST,)
    assert customers.numbers("c2") == (SECOND,)
    assert customers.numbers("c3") == ()


def test_numbers_are_read_as_spreadsheets_and_address_books_write_them(
    file: Path, customers: Customers
) -> None:
    write(file, f"customer_id,number\nc,\u202a{FIRST}\u202c\nd,415\u2011555\u20110124\n")
    assert customers.numbers("c") == (FIRST,)
    assert customers.numbers("d") == (SECOND,)


def test_a_customer_may_have_several_numbers(file: Path, customers: Customers) -> None:
    write(file, f"customer_id,number\nc,{FIRST}\nc,{SECOND}\nc,{FIRST}\n")
    assert customers.numbers("c") == (FIRST, SECOND)


def test_a_spreadsheets_byte_order_mark_is_not_part_of_the_first_name(
    file: Path, customers: Customers
) -> None:
    file.write_text(f"customer_id,number\r\nc,{FIRST}\r\n", encoding="utf-8-sig")
    assert customers.numbers("c") == (FIRST,)


def test_without_a_file_nobody_is_known() -> None:
    assert Customers(None, region="US").numbers("c") == ()


def test_the_file_is_read_again_when_it_has_changed_and_only_then(
    file: Path, customers: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(file, f"customer_id,number\nc,{FIRST}\n")
    assert customers.numbers("c") == (FIRST,)
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.read_bytes", lambda *_, **__: pytest.fail("read again"))
        assert customers.numbers("c") == (FIRST,)
    write(file, f"customer_id,number\nc,{SECOND}\n")
    assert customers.numbers("c") == (SECOND,)


def test_wrong_rows_are_one_line_of_the_log_and_the_others_are_used(
    file: Path, customers: Customers, logged: list[MutableMapping[str, Any]]
) -> None:
    write(file, f"customer_id,number\nc,{FIRST}\nd,4155\n,{SECOND}\ne\n")
    for _ in range(3):
        assert customers.numbers("c") == (FIRST,)
    (entry,) = logged
    assert entry["problem"] == (
        "line 3: number is not a telephone number, and 2 more; these rows are not used"
    )
    assert "4155" not in str(entry)
    write(file, f"customer_id,number\n,{FIRST}\n")
    assert customers.numbers("c") == ()
    assert logged[1]["problem"] == "line 2: customer_id is empty; these rows are not used"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("customer,number\nc,+14155550123\n", "line 1: has no column customer_id"),
        ("", "line 1: has no column customer_id and no column number"),
    ],
)
def test_columns_that_are_missing_are_named(
    file: Path,
    customers: Customers,
    logged: list[MutableMapping[str, Any]],
    text: str,
    problem: str,
) -> None:
    write(file, text)
    assert customers.numbers("c") == ()
    assert logged[0]["problem"] == problem


def test_a_file_that_is_not_a_text_leaves_the_last_content_in_use(
    file: Path, customers: Customers, logged: list[MutableMapping[str, Any]]
) -> None:
    write(file, f"customer_id,number\nc,{FIRST}\n")
    assert customers.numbers("c") == (FIRST,)
    file.write_bytes(b"PK\x03\x04\x00\x00\x81customer_id,number\n")
    for _ in range(2):
        assert customers.numbers("c") == (FIRST,)
    (entry,) = logged
    assert entry["problem"] == "is not text: save it as UTF-8"


def test_a_file_that_goes_away_leaves_the_last_content_in_use(
    file: Path, customers: Customers, logged: list[MutableMapping[str, Any]]
) -> None:
    write(file, f"customer_id,number\nc,{FIRST}\n")
    assert customers.numbers("c") == (FIRST,)
    file.unlink()
    for _ in range(2):
        assert customers.numbers("c") == (FIRST,)
    (entry,) = logged
    assert entry["problem"] == "cannot be read (No such file or directory)"
    write(file, f"customer_id,number\nc,{SECOND}\n")
    assert customers.numbers("c") == (SECOND,)
